import type { IpAddress } from "../lib/ip.js";
import type { CtLayout } from "../model/rows.js";
import { be, bitGroup, type FieldSpecs, ip4, ip6, optional, u64, uint } from "../model/struct-fields.js";
import type { StructCodec } from "./codec.js";
import { layoutOf } from "./layouts.js";
import { commonTo, newestOf, type Release, type Releases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/**
 * Key of a conntrack map (14 bytes for IPv4, 38 for IPv6). The names are the kernel structure's: outside of service
 * entries `daddr` is the address that sent the first packet; `CtEntryRow` puts that right.
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
  readonly tuple4: StructCodec<CtTuple>;
  readonly tuple6: StructCodec<CtTuple>;
  /** Of the newest of the releases. */
  readonly entry: StructCodec<CtEntry>;
  readonly layout: CtLayout;
}

/**
 * Entries are read as the newest of the releases has them, because upstream's formats print its form; what the others have
 * otherwise stands in the layout's `unknownFields`.
 */
export function createCtCodecs(releases: Releases): CtCodecs {
  const ports = { dport: be("dport"), sport: be("sport"), protocol: uint("nexthdr"), flags: uint("flags") };
  const tuple4 = structCodec<CtTuple>("ipv4_ct_tuple", releases, {
    daddr: ip4("daddr"),
    saddr: ip4("saddr"),
    ...ports,
  });
  const tuple6 = structCodec<CtTuple>("ipv6_ct_tuple", releases, {
    daddr: ip6("daddr"),
    saddr: ip6("saddr"),
    ...ports,
  });
  const fields: FieldSpecs<CtEntry> = {
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
  };
  const newest = newestOf(releases);
  const entry = structCodec("ct_entry", [newest], fields);
  const { unknownFields = [] } = releases.length === 1 ? entry : structCodec("ct_entry", releases, fields);
  const unknownCounters = commonTo(releases, hasRxCounters) === undefined ? ["rxPackets", "rxBytes", "backendId"] : [];
  const layout: CtLayout = {
    release: newest,
    hasRxCounters: hasRxCounters(newest),
    unknownFields: [...unknownFields, ...unknownCounters],
  };
  return { tuple4, tuple6, entry, layout };
}

function hasRxCounters(release: Release): boolean {
  return layoutOf("ct_entry", release).fields.rx_packets !== undefined;
}
