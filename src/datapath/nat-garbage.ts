import { setImmediate as nextTurn } from "node:timers/promises";
import { layoutOf } from "../abi/layouts.js";
import { ownRelease } from "../abi/release.js";
import { monotonicNowNs } from "../kernel/net.js";
import type { MapSet } from "./map-set.js";
import { deleteKeys, readEntries } from "./table.js";

/** `TUPLE_F_OUT` and `TUPLE_F_IN` of bpf/lib/conntrack.h. */
const OUT = 0;
const IN = 1;

const TCP = 6;

/** The programs write an entry and its connection's one after the other. */
const YOUNG_SECONDS = 5;

/** Entries between two turns of the event loop: about a millisecond, each asks for a connection. */
const SLICE = 512;

export interface NatScan {
  readonly scanned: number;
  readonly deleted: number;
}

/** One address family: where addresses and ports stand in keys of `ipv4_ct_tuple` or `ipv6_ct_tuple` and in NAT values. */
function familyOf(version: 4 | 6) {
  const tuple = layoutOf(`ipv${version}_ct_tuple`, ownRelease);
  const entry = layoutOf(`ipv${version}_nat_entry`, ownRelease).fields;
  return {
    natMap: `cilium_snat_v${version}_external`,
    tcpMap: `cilium_ct${version}_global`,
    anyMap: `cilium_ct_any${version}_global`,
    addressBytes: version === 4 ? 4 : 16,
    keyBytes: tuple.sizeBytes,
    source: tuple.fields.saddr!.offset,
    destination: tuple.fields.daddr!.offset,
    sourcePort: tuple.fields.sport!.offset,
    destinationPort: tuple.fields.dport!.offset,
    protocol: tuple.fields.nexthdr!.offset,
    flags: tuple.fields.flags!.offset,
    created: entry.created!.offset,
    translated: entry.to_saddr!.offset,
    translatedPort: entry.to_sport!.offset,
  };
}

type Family = ReturnType<typeof familyOf>;

const families = [familyOf(4), familyOf(6)];

/**
 * Deletes NAT entries whose connection conntrack does not know any more. Runs after the collection of conntrack entries, so
 * that both end together.
 */
export async function collectNatGarbage(maps: Pick<MapSet, "get">): Promise<NatScan> {
  let scanned = 0;
  let deleted = 0;
  for (const family of families) {
    const map = maps.get(family.natMap);
    const connections = { tcp: maps.get(family.tcpMap), any: maps.get(family.anyMap) };
    const bornBefore = Number(monotonicNowNs() / 1_000_000_000n) - YOUNG_SECONDS;
    const isAlive = (key: Buffer, value: Buffer): boolean => {
      if (Number(value.readBigUInt64LE(family.created)) > bornBefore) return true;
      const map = key[family.protocol] === TCP ? connections.tcp : connections.any;
      return connectionKeys(family, key, value).some((connection) => map.lookup(connection) !== undefined);
    };
    const dead: Buffer[] = [];
    let seen = 0;
    for (const { key, value } of readEntries(map)) {
      if (!isAlive(key, value)) dead.push(Buffer.from(key));
      if (++seen % SLICE === 0) await nextTurn();
    }
    // A packet may have begun the connection anew since it was looked for.
    const stillDead = dead.filter((key) => {
      const value = map.lookup(key);
      return value !== undefined && !isAlive(key, value);
    });
    deleteKeys(map, stillDead);
    scanned += seen;
    deleted += stillDead.length;
  }
  return { scanned, deleted };
}

/**
 * Keys of the conntrack entries that keep a NAT entry alive: the connection whose packets it translates; and for the answers
 * of a backend in the node's own network, whose NAT entry is by its own packets, the one that they answer.
 */
function connectionKeys(family: Family, key: Buffer, value: Buffer): readonly Buffer[] {
  const address = (buffer: Buffer, offset: number): Buffer => buffer.subarray(offset, offset + family.addressBytes);
  const port = (buffer: Buffer, offset: number): Buffer => buffer.subarray(offset, offset + 2);
  const connection = (from: { address: Buffer; port: Buffer }, to: { address: Buffer; port: Buffer }): Buffer => {
    const bytes = Buffer.alloc(family.keyBytes);
    // Conntrack's addresses stand the other way round than its ports: the destination is who dialled.
    from.address.copy(bytes, family.destination);
    to.address.copy(bytes, family.source);
    to.port.copy(bytes, family.destinationPort);
    from.port.copy(bytes, family.sourcePort);
    bytes[family.protocol] = key[family.protocol]!;
    bytes[family.flags] = OUT;
    return bytes;
  };
  const source = { address: address(key, family.source), port: port(key, family.sourcePort) };
  const destination = { address: address(key, family.destination), port: port(key, family.destinationPort) };
  const translated = { address: address(value, family.translated), port: port(value, family.translatedPort) };
  if (key[family.flags] === IN) return [connection(translated, source)];
  return [connection(source, destination), connection(destination, source)];
}
