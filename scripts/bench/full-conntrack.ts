import { type CtEntry, type CtTuple, createCtCodecs, ctTupleFlag } from "../../src/abi/conntrack.js";
import { ownReleases } from "../../src/abi/release.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { monotonicNowNs } from "../../src/kernel/net.js";
import { IpAddress } from "../../src/lib/ip.js";

const batchEntries = 10_000;
const tcp = 6;
const flagSets = [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x13, 0x11] as const;
/** Of the pods and Services that the entries speak of; see filler-objects.ts. */
export const fillerPods = 1_000;
export const fillerServices = 2_000;

/**
 * Fills a pinned TCP conntrack map with so many connections as a node could have: between 1,000 pods, 20,000 addresses of
 * the world and 2,000 Services, of a few hundred identities, with counters and times of their own. The same entries every
 * time. They live longer than any run, so that no agent collects one.
 */
export function fillConntrack(pinPath: string, entries: number): void {
  const codecs = createCtCodecs(ownReleases);
  const nowSeconds = Number(monotonicNowNs() / 1_000_000_000n);
  using map = BpfMap.openPinned(pinPath);
  for (let first = 0; first < entries; first += batchEntries) {
    const indexes = Array.from({ length: Math.min(batchEntries, entries - first) }, (_, offset) => first + offset);
    const keys = indexes.map((index) => codecs.tuple4.encode(tupleOf(index)));
    const values = indexes.map((index) => codecs.entry.encode(entryOf(index, nowSeconds)));
    map.updateBatch(Buffer.concat(keys), Buffer.concat(values), indexes.length);
  }
}

/** Client and source port together are different for every index below 2^26. */
function tupleOf(index: number): CtTuple {
  const random = mix(index);
  const isService = isServiceEntry(index);
  const client = (random >>> 8) % 5 === 0 ? address(203, 0, index % 20_000) : address(10, 250, index % fillerPods);
  const server = isService ? address(10, 100, 1 + (random % fillerServices)) : address(10, 250, random % fillerPods);
  const [clientPort, serverPort] = [1_024 + Math.floor(index / 1_000), isService ? 80 : 8_000 + (random % 10)];
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
