import { encodePolicyEntry } from "../../../src/datapath/entries.js";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { MapFlag } from "../../../src/kernel/map-type.js";
import type { PolicyEntry } from "../../../src/model/datapath-port.js";
import { DatapathHarness, pod } from "../../../test/bpf/harness.js";
import { ipv4Packet, tcpFlag } from "../../../test/bpf/packet-builder.js";
import { u32 } from "../../../test/bpf/u32.js";
import { leastNanoseconds, medianNanoseconds } from "../program-costs.js";
import type { StageTable } from "./stage.js";

const destinationPort = 9_000;

/** What the rules cost the first packet of a connection and those after it, client's and server's policy both. */
export function policyProgramTable(rules: readonly number[]): StageTable {
  using datapath = new DatapathHarness();
  const rows = rules.map((count) => {
    using _client = new FilledPolicy(datapath, pod.client.id, rulesTo("egress", pod.server.identity, count));
    using _server = new FilledPolicy(datapath, pod.server.id, rulesTo("ingress", pod.client.identity, count));
    datapath.clearConnections();
    return [count.toLocaleString("en-US"), `${timeNew(datapath).toFixed(0)} ns`, `${timeOpen(datapath).toFixed(0)} ns`];
  });
  return {
    title: "A packet between two pods with so many rules each",
    intro:
      "By test run: new connections, one run each, the median; an open one's packet, warm caches, the least of many runs.",
    head: ["rules", "first packet", "packet of an open connection"],
    rows,
  };
}

/** A policy map of any size in the place of the endpoint's own. */
class FilledPolicy implements Disposable {
  readonly #map: BpfMap;

  constructor(datapath: DatapathHarness, endpointId: number, entries: readonly PolicyEntry[]) {
    this.#map = BpfMap.create({
      type: "lpm_trie",
      name: "cts_bench_pol",
      keySizeBytes: 12,
      valueSizeBytes: 12,
      maxEntries: 16_384,
      flags: MapFlag.noPrealloc | MapFlag.readOnlyProgram,
    });
    for (const { key, value } of entries.map(encodePolicyEntry)) this.#map.update(key, value);
    using _change = datapath.policyEpoch.change();
    datapath.get("cts_policy_maps").update(u32(endpointId), u32(this.#map.fd));
  }

  [Symbol.dispose](): void {
    this.#map.close();
  }
}

/** As the compiler writes them; without a rule one entry allows everybody, as with rules in the other direction. */
function rulesTo(direction: PolicyEntry["direction"], identity: number, count: number): readonly PolicyEntry[] {
  const allow = { verdict: "allow" as const, identity: 0, protocol: 0, port: 0, portPrefixLength: 0 };
  const other = direction === "egress" ? "ingress" : "egress";
  if (count === 0)
    return [
      { ...allow, direction },
      { ...allow, direction: other },
    ];
  const ports = Array.from({ length: count }, (_, index) => (index === 0 ? destinationPort : 20_000 + 2 * index));
  const rule = { ...allow, direction, identity, protocol: 6, portPrefixLength: 16 };
  return [{ ...allow, direction: other }, ...ports.map((port) => ({ ...rule, port }))];
}

const ends = { source: pod.client.ip, destination: pod.server.ip, destinationPort, ttl: 255 } as const;

function timeNew(datapath: DatapathHarness): number {
  const packetOf = (index: number): Buffer =>
    ipv4Packet({ ...ends, sourcePort: 10_000 + index, tcpFlags: tcpFlag.syn });
  return medianNanoseconds(datapath.programs.fromContainer, packetOf);
}

function timeOpen(datapath: DatapathHarness): number {
  datapath.run("fromContainer", ipv4Packet({ ...ends, sourcePort: 9, tcpFlags: tcpFlag.syn }));
  const packet = ipv4Packet({ ...ends, sourcePort: 9, tcpFlags: tcpFlag.ack });
  datapath.run("fromContainer", packet);
  return leastNanoseconds(datapath.programs.fromContainer, packet);
}
