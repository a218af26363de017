import { AddressReader } from "../../src/abi/address-reader.js";
import { createCtCodecs, ctTupleFlag } from "../../src/abi/conntrack.js";
import { ownReleases } from "../../src/abi/release.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { monotonicNowNs } from "../../src/kernel/net.js";
import { IpAddress } from "../../src/lib/ip.js";

const batchEntries = 10_000;
export const filledServerAddress = "10.244.0.77";
const portsPerAddress = 20_000;

/** Fills a pinned TCP conntrack map with so many established connections that live for a day. */
export function fillConntrack(pinPath: string, entries: number): void {
  const codecs = createCtCodecs(ownReleases, new AddressReader());
  const lifetimeSeconds = Number(monotonicNowNs() / 1_000_000_000n) + 86_400;
  const server = IpAddress.parse(filledServerAddress);
  const value = codecs.entry.encode({
    union0: 0n,
    backendId: 0n,
    packets: 12n,
    bytes: 3_456n,
    lifetimeSeconds,
    flags: 0x10,
    revNatId: 0,
    natPort: 0,
    interfaceIndex: undefined,
    txFlagsSeen: 0x1b,
    rxFlagsSeen: 0x1b,
    sourceIdentity: 12_345,
    lastTxReportSeconds: lifetimeSeconds - 8_000,
    lastRxReportSeconds: lifetimeSeconds - 8_000,
  });
  using map = BpfMap.openPinned(pinPath);
  for (let first = 0; first < entries; first += batchEntries) {
    const count = Math.min(batchEntries, entries - first);
    const keys = Array.from({ length: count }, (_, offset) => {
      const index = first + offset;
      const client = IpAddress.parse(`10.244.1.${2 + Math.floor(index / portsPerAddress)}`);
      const sport = 1_024 + (index % portsPerAddress);
      return codecs.tuple4.encode({
        daddr: client,
        saddr: server,
        dport: 8_080,
        sport,
        protocol: 6,
        flags: ctTupleFlag.in,
      });
    });
    map.updateBatch(Buffer.concat(keys), Buffer.concat(keys.map(() => value)), count);
  }
}
