import { expect, it } from "vitest";
import { readEntries } from "../../src/datapath/table.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { DatapathHarness, hostIp, LOOPBACK_IFINDEX, pod, vip } from "./harness.js";
import { ipv4Packet, tcpFlag } from "./packet-builder.js";
import { u32 } from "./u32.js";

type Dump = Readonly<Record<string, readonly string[]>>;

function dumpMap(map: BpfMap): readonly string[] {
  return [...readEntries(map)].map(({ key, value }) => `${key.toString("hex")} ${value.toString("hex")}`).sort();
}

/** Every policy with its entries: which maps hold them does not matter. */
function dumpPolicies(policies: BpfMap): readonly string[] {
  return [...readEntries(policies)].flatMap(({ key, value }) => {
    using policy = BpfMap.openById(value.readUInt32LE(), { readOnly: true });
    return [key.toString("hex"), ...dumpMap(policy)];
  });
}

/** Every entry of every map; of rings only which slots have one. */
function dump(datapath: DatapathHarness): Dump {
  const dumpOne = (name: string, map: BpfMap): readonly string[] => {
    if (name === "cts_policy_maps") return dumpPolicies(map);
    if (name === "cts_events") return [...readEntries(map)].map(({ value }) => `${value.readUInt32LE() !== 0}`);
    return dumpMap(map);
  };
  return Object.fromEntries([...datapath.maps].map(([name, map]) => [name, dumpOne(name, map)]));
}

it("programs keep nothing outside of the maps that a reset clears, but for their constants", () => {
  using datapath = new DatapathHarness();
  const cleared = new Set([...datapath.maps.values()].map((map) => map.info.id));
  const others = Object.values(datapath.programs)
    .flatMap((program) => program.info.mapIds)
    .filter((id) => !cleared.has(id));
  expect(others.length).toBeGreaterThan(0);
  for (const id of others) {
    using map = BpfMap.openById(id, { readOnly: true });
    expect(map.info.name).toMatch(/\.rodata$/);
  }
});

it("a reset leaves nothing of what was written, sent, dropped, reported and lost", () => {
  using datapath = new DatapathHarness();
  const before = dump(datapath);
  expect(before.cts_policy_maps).toHaveLength(6);
  datapath.addService([`${pod.server.ip}:8080`]);
  datapath.addHost("10.244.0.9");
  datapath.relabel(pod.server, LOOPBACK_IFINDEX, 4711);
  datapath.setPolicy(99, []);
  datapath.setPolicy(pod.client.id, []);
  datapath.removePolicy(pod.server.id);
  const unended = datapath.policyEpoch.change();
  for (const destination of [pod.server.ip, vip, hostIp, "192.0.2.1"]) {
    const packet = { source: pod.client.ip, destination, destinationPort: 80 };
    datapath.run("fromContainer", ipv4Packet({ ...packet, tcpFlags: tcpFlag.syn }));
    datapath.run("fromContainer", ipv4Packet({ ...packet, fragment: 0x2000 }));
  }
  datapath.get("cts_events_lost").update(u32(0), Buffer.alloc(datapath.get("cts_events_lost").valueStrideBytes, 1));
  datapath.get("cts_events").delete(u32(0));
  const after = dump(datapath);
  for (const name of ["cilium_ct4_global", "cilium_metrics", "cilium_lxc", "cilium_lb4_services_v2", "cts_events_lost"])
    expect(after[name], name).not.toEqual(before[name]);
  datapath.reset();
  expect(dump(datapath)).toEqual(before);
  expect(datapath.events.drain()).toEqual({ drops: [], traces: 0, lost: 0 });
  unended[Symbol.dispose]();
});
