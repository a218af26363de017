import type { IpAddress } from "../lib/ip.js";
import type { CtDirection, CtMap, CtRow, CtState } from "../model/rows.js";
import { be, bitGroup, ip4, ip6, optional, u64, uint } from "../model/struct-fields.js";
import type { AddressReader } from "./address-reader.js";
import type { Codec } from "./codec.js";
import { createCtFlagNames, ctFlag } from "./conntrack-flags.js";
import { layoutOf } from "./layouts.js";
import { commonTo, type Releases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/**
 * Key of a conntrack map (14 bytes for IPv4, 38 for IPv6). The names are the kernel structure's: outside of service
 * entries `daddr` is the address that sent the first packet; {@link ctRow} puts that right.
 */
export interface CtTuple {
  readonly daddr: IpAddress;
  readonly saddr: IpAddress;
  readonly dport: number;
  readonly sport: number;
  readonly protocol: number;
  /** {@link ctTupleFlag} */
  readonly flags: number;
}

/** Bits of {@link CtTuple.flags}; none is an egress entry. */
export const ctTupleFlag = { in: 1, related: 2, service: 4 } as const;

/** Value of a conntrack map (56 bytes in every release). */
export interface CtEntry {
  /** Bytes 0–7: half of the NAT address in egress entries since 1.19, `rx_packets` up to 1.15, else unused. */
  readonly union0: bigint;
  /** Bytes 8–15: the backend in service entries, `rx_bytes` in the others up to 1.15. */
  readonly backendId: bigint;
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Second of CLOCK_MONOTONIC at which the entry expires. */
  readonly lifetimeSeconds: number;
  /** {@link ctFlag} */
  readonly flags: number;
  readonly revNatId: number;
  /** Since 1.19. */
  readonly natPort: number | undefined;
  /** Up to 1.17. */
  readonly interfaceIndex: number | undefined;
  readonly txFlagsSeen: number;
  readonly rxFlagsSeen: number;
  readonly sourceIdentity: number;
  readonly lastTxReportSeconds: number;
  readonly lastRxReportSeconds: number;
}

export interface CtCodecs {
  readonly tuple4: Codec<CtTuple>;
  readonly tuple6: Codec<CtTuple>;
  readonly entry: Codec<CtEntry>;
  /** The row of one map entry; `nowSeconds` is CLOCK_MONOTONIC of the node when the entry was read. */
  row(map: CtMap, tuple: CtTuple, entry: CtEntry, node?: string, nowSeconds?: number): CtRow;
}

export function createCtCodecs(releases: Releases, addresses: AddressReader): CtCodecs {
  const hasRxCounters = commonTo(releases, (release) => layoutOf("ct_entry", release).fields.rx_packets !== undefined);
  const flagNames = createCtFlagNames();
  const ports = { dport: be("dport"), sport: be("sport"), protocol: uint("nexthdr"), flags: uint("flags") };
  return {
    tuple4: structCodec<CtTuple>(
      "ipv4_ct_tuple",
      releases,
      { daddr: ip4("daddr"), saddr: ip4("saddr"), ...ports },
      addresses,
    ),
    tuple6: structCodec<CtTuple>(
      "ipv6_ct_tuple",
      releases,
      { daddr: ip6("daddr"), saddr: ip6("saddr"), ...ports },
      addresses,
    ),
    entry: structCodec<CtEntry>("ct_entry", releases, {
      union0: u64("reserved0", "rx_packets"),
      backendId: u64("backend_id"),
      packets: u64("packets", "tx_packets"),
      bytes: u64("bytes", "tx_bytes"),
      lifetimeSeconds: uint("lifetime"),
      flags: bitGroup(2, "rx_closing"),
      // Declared as a plain integer, but holds the id in network order.
      revNatId: be("rev_nat_index"),
      natPort: optional(be("nat_port")),
      interfaceIndex: optional(uint("ifindex")),
      txFlagsSeen: uint("tx_flags_seen"),
      rxFlagsSeen: uint("rx_flags_seen"),
      sourceIdentity: uint("src_sec_id"),
      lastTxReportSeconds: uint("last_tx_report"),
      lastRxReportSeconds: uint("last_rx_report"),
    }),
    row: (map, tuple, entry, node, nowSeconds) =>
      ctRow(map, tuple, entry, { node, nowSeconds, flagNames: flagNames(entry.flags), hasRxCounters }),
  };
}

interface RowParts {
  readonly node: string | undefined;
  readonly nowSeconds: number | undefined;
  readonly flagNames: readonly string[];
  /** Undefined when that cannot be told. */
  readonly hasRxCounters: boolean | undefined;
}

function ctRow(map: CtMap, tuple: CtTuple, entry: CtEntry, parts: RowParts): CtRow {
  const isService = (tuple.flags & ctTupleFlag.service) !== 0;
  // Service entries hold the addresses as dialled and both ports swapped, the others the other way round.
  return {
    node: parts.node,
    map,
    protocol: tuple.protocol,
    direction: directionOf(tuple.flags),
    isRelated: (tuple.flags & ctTupleFlag.related) !== 0,
    source: isService ? tuple.saddr : tuple.daddr,
    sourcePort: isService ? tuple.dport : tuple.sport,
    destination: isService ? tuple.daddr : tuple.saddr,
    destinationPort: isService ? tuple.sport : tuple.dport,
    sourceName: undefined,
    destinationName: undefined,
    state: stateOf(tuple.protocol, entry),
    expiresAtSeconds: entry.lifetimeSeconds,
    remainingSeconds: parts.nowSeconds === undefined ? undefined : entry.lifetimeSeconds - parts.nowSeconds,
    packets: entry.packets,
    bytes: entry.bytes,
    rxPackets: parts.hasRxCounters ? entry.union0 : undefined,
    rxBytes: parts.hasRxCounters ? entry.backendId : undefined,
    rxFlagsSeen: entry.rxFlagsSeen,
    txFlagsSeen: entry.txFlagsSeen,
    lastRxReportSeconds: entry.lastRxReportSeconds,
    lastTxReportSeconds: entry.lastTxReportSeconds,
    flags: entry.flags,
    flagNames: parts.flagNames,
    revNatId: entry.revNatId,
    sourceIdentity: entry.sourceIdentity,
    backendId: parts.hasRxCounters !== false && !isService ? undefined : entry.backendId,
    union0: entry.union0,
    natPort: entry.natPort,
    interfaceIndex: entry.interfaceIndex,
  };
}

function directionOf(flags: number): CtDirection {
  if ((flags & ctTupleFlag.service) !== 0) return "service";
  return (flags & ctTupleFlag.in) !== 0 ? "in" : "out";
}

const tcp = 6;

function stateOf(protocol: number, entry: CtEntry): CtState {
  const closing = entry.flags & (ctFlag.rxClosing | ctFlag.txClosing);
  if (closing === (ctFlag.rxClosing | ctFlag.txClosing)) return "closed";
  if (closing !== 0) return "closing";
  const isEstablished = protocol === tcp ? (entry.flags & ctFlag.seenNonSyn) !== 0 : entry.lastRxReportSeconds > 0;
  return isEstablished ? "established" : "new";
}
