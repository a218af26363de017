import { type CtEntry, type CtTuple, createCtCodecs, ctTupleFlag } from "../../src/abi/conntrack.js";
import { layoutOf } from "../../src/abi/layouts.js";
import { ownRelease, ownReleases } from "../../src/abi/release.js";
import type { BpfMap } from "../../src/kernel/bpf-map.js";
import { monotonicNowNs } from "../../src/kernel/net.js";
import { IpAddress } from "../../src/lib/ip.js";

const tcp = 6;
const flagSets = [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x13, 0x11] as const;
/** Of the pods and Services that the entries speak of; see filler-objects.ts. */
export const fillerPods = 1_000;
export const fillerServices = 2_000;
const worldAddresses = 20_000;

/** So many entries differ in all they have, those after them only in the client's port: encoding is slower than the kernel. */
const patternEntries = worldAddresses;
/** An entry's port: the first one, and one more for every so many entries. */
const [firstPort, entriesOfPort] = [1_024, 1_000];

/**
 * TCP connections as a node could have them: between 1,000 pods, 20,000 addresses of the world and 2,000 Services, of a few
 * hundred identities, with counters and times of their own. The same ones every time. They live longer than any run, so
 * that no agent collects one.
 */
export class FillerConntrack {
  readonly #keys: Buffer;
  readonly #values: Buffer;
  readonly #keyBytes: number;

  constructor() {
    const codecs = createCtCodecs(ownReleases);
    const nowSeconds = Number(monotonicNowNs() / 1_000_000_000n);
    const indexes = Array.from({ length: patternEntries }, (_, index) => index);
    this.#keys = Buffer.concat(indexes.map((index) => codecs.tuple4.encode(tupleOf(index))));
    this.#values = Buffer.concat(indexes.map((index) => codecs.entry.encode(entryOf(index, nowSeconds))));
    this.#keyBytes = this.#keys.length / patternEntries;
  }

  /** Puts entries `first` … `first + count - 1` into the map. */
  insert(map: BpfMap, first: number, count: number): void {
    for (const { keys, values, length } of this.#pieces(first, count)) map.updateBatch(keys, values, length);
  }

  remove(map: BpfMap, first: number, count: number): void {
    for (const { keys, length } of this.#pieces(first, count)) map.deleteBatch(keys, length);
  }

  /** None of them reaches over the end of the pattern. */
  *#pieces(
    first: number,
    count: number,
  ): Generator<{ readonly keys: Buffer; readonly values: Buffer; readonly length: number }> {
    const valueBytes = this.#values.length / patternEntries;
    for (let from = first; from < first + count; ) {
      const start = from % patternEntries;
      const end = Math.min(patternEntries, start + first + count - from);
      const values = this.#values.subarray(start * valueBytes, end * valueBytes);
      yield { keys: this.#keysOf(from, end - start), values, length: end - start };
      from += end - start;
    }
  }

  #keysOf(first: number, count: number): Buffer {
    const start = first % patternEntries;
    const keys = Buffer.from(this.#keys.subarray(start * this.#keyBytes, (start + count) * this.#keyBytes));
    for (let i = 0; i < count; i++) {
      const offset = isServiceEntry(first + i) ? portOffsets.dport : portOffsets.sport;
      keys.writeUInt16BE(clientPortOf(first + i), i * this.#keyBytes + offset);
    }
    return keys;
  }
}

/** Fills a TCP conntrack map with so many of {@link FillerConntrack}. */
export function fillConntrack(map: BpfMap, entries: number): void {
  new FillerConntrack().insert(map, 0, entries);
}

const { dport, sport } = layoutOf("ipv4_ct_tuple", ownRelease).fields;
const portOffsets = { dport: dport?.offset ?? 0, sport: sport?.offset ?? 0 } as const;

function clientPortOf(index: number): number {
  return firstPort + Math.floor(index / entriesOfPort);
}

/** Client and source port together are different for every index below 60 million. */
function tupleOf(index: number): CtTuple {
  const random = mix(index);
  const isService = isServiceEntry(index);
  const client =
    (random >>> 8) % 5 === 0 ? address(203, 0, index % worldAddresses) : address(10, 250, index % fillerPods);
  const server = isService ? address(10, 100, 1 + (random % fillerServices)) : address(10, 250, random % fillerPods);
  const [clientPort, serverPort] = [clientPortOf(index), isService ? 80 : 8_000 + (random % 10)];
  // See CtTuple: entries of Services hold addresses as dialled and ports swapped, the others the other way round.
  return isService
    ? { daddr: server, saddr: client, dport: clientPort, sport: serverPort, protocol: tcp, flags: ctTupleFlag.service }
    : {
        daddr: client,
        saddr: server,
        dport: serverPort,
        sport: clientPort,
        protocol: tcp,
        flags: random & ctTupleFlag.in,
      };
}

function isServiceEntry(index: number): boolean {
  return index % 10 === 9;
}

function entryOf(index: number, nowSeconds: number): CtEntry {
  const random = mix(index + 0x9e37);
  const packets = 1 + (random % (random % 7 === 0 ? 1_000_000 : 200));
  const reportedSeconds = Math.max(0, nowSeconds - (random % 600));
  return {
    union0: 0n,
    backendId: BigInt(isServiceEntry(index) ? random % 500 : 0),
    packets: BigInt(packets),
    bytes: BigInt(packets * (60 + (random % 1_400))),
    lifetimeSeconds: nowSeconds + 86_400 + (random % 8_000),
    flags: flagSets[random % flagSets.length] ?? 0,
    revNatId: isServiceEntry(index) ? random % 500 : 0,
    natPort: 0,
    interfaceIndex: undefined,
    txFlagsSeen: random % 8 === 0 ? 0x02 : 0x1b,
    rxFlagsSeen: random % 8 === 0 ? 0x12 : 0x1b,
    sourceIdentity: 10_000 + (random % 300),
    lastTxReportSeconds: reportedSeconds,
    lastRxReportSeconds: reportedSeconds,
  };
}

function address(first: number, second: number, index: number): IpAddress {
  return IpAddress.fromBytes(Uint8Array.of(first, second, index >> 8, index & 255));
}

/** A 32-bit number that looks as if it had nothing to do with its neighbours' (the end of MurmurHash3). */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
