import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { MapNode } from "../support/map-node.js";
import { runCli } from "../support/run-cli.js";

const globals = {
  tcp4: "cilium_ct4_global",
  any4: "cilium_ct_any4_global",
  tcp6: "cilium_ct6_global",
  any6: "cilium_ct_any6_global",
} as const;

const slot = (clusterId: number): Buffer => Buffer.from([clusterId, 0, 0, 0]);

/** The global maps of a real node, which are cluster 3's at the same time; cluster 7 has a copy of one without entries. */
let node: MapNode;
beforeAll(async () => {
  node = await MapNode.start();
  // Which no other release has in this form.
  node.pinCapture("cilium_lxc");
  for (const [kind, pin] of Object.entries(globals)) {
    const own = node.pinCapture(pin);
    const outer = node.pin(`cilium_per_cluster_ct_${kind}`, {
      type: "array_of_maps",
      keySizeBytes: 4,
      valueSizeBytes: 4,
      maxEntries: 256,
      innerMap: own,
    });
    await outer.updateInnerAsync(slot(3), own);
    if (kind !== "tcp4") continue;
    using empty = BpfMap.create({ ...own.info, name: "cts_t_empty" });
    await outer.updateInnerAsync(slot(7), empty);
  }
});
afterAll(() => node[Symbol.dispose]());

const list = async (...args: readonly string[]) => {
  const { exitCode, stdout, stderr } = await runCli(["bpf", "ct", "list", ...args, "--lab", node.lab]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout;
};

describe("conntrack maps for one cluster each", () => {
  test.each(["cilium", "cilium-json"])("bpf ct list cluster 3 -o %s prints them as the global ones", async (output) => {
    expect(await list("cluster", "3", "-o", output)).toBe(await list("global", "-o", output));
  });

  test("-o cilium ends every map with an empty line, the empty ones too", async () => {
    expect(await list("cluster", "7", "-o", "cilium")).toBe("\n");
    const all = await list("cluster", "-o", "cilium");
    const one = await list("cluster", "3", "-o", "cilium");
    expect(all.split("\n")).toHaveLength(one.split("\n").length + 1);
  });

  test("rows of all clusters say which cluster they are of; the global ones say none", async () => {
    const { items, status } = JSON.parse(await list("cluster", "-o", "json"));
    expect(items.length).toBeGreaterThan(100);
    expect(new Set(items.map((item: { clusterId?: number }) => item.clusterId))).toEqual(new Set([3]));
    expect(status.state).toBe("complete");
    const table = await list("cluster", "--limit", "1");
    expect(table).toMatch(/^NODE {5}CLUSTER {3}PROTO .*\nnode-1 {3}3 /);
    const sorted = await list("cluster", "--sort-by", "-cluster", "--limit", "1", "-o", "jsonl");
    expect(JSON.parse(sorted.split("\n")[0]!).clusterId).toBe(3);
    expect(await list("global", "--limit", "1", "-o", "json")).not.toContain("clusterId");
  });

  test("filters work as on the global maps", async () => {
    const filter = ["--proto", "udp", "--port", "53", "-o", "cilium"] as const;
    expect(await list("cluster", "3", ...filter)).toBe(await list("global", ...filter));
  });

  test("a cluster without maps has no entries", async () => {
    const { exitCode, stdout, stderr } = await runCli(["bpf", "ct", "list", "cluster", "9", "--lab", node.lab]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^NODE +CLUSTER/);
    expect(stderr).toContain("there are no entries");
  });

  test("maps inside that are none of conntrack are refused with what was found", async () => {
    using other = await MapNode.start();
    using inner = BpfMap.create({ name: "x", type: "hash", keySizeBytes: 14, valueSizeBytes: 8, maxEntries: 4 });
    const outer = other.pin("cilium_per_cluster_ct_any4", {
      type: "array_of_maps",
      keySizeBytes: 4,
      valueSizeBytes: 4,
      maxEntries: 256,
      innerMap: inner,
    });
    await outer.updateInnerAsync(slot(1), inner);
    const { exitCode, stderr } = await runCli(["bpf", "ct", "list", "cluster", "--lab", other.lab]);
    expect(exitCode).toBe(6);
    expect(stderr).toContain("cilium_per_cluster_ct_any4 has keys and values of 14 and 8 bytes instead of 14 and 56");
  });

  test("without such maps the refusal says when the agent makes them", async () => {
    using other = await MapNode.start();
    const { exitCode, stderr } = await runCli(["bpf", "ct", "list", "cluster", "--lab", other.lab]);
    expect(exitCode).toBe(6);
    expect(stderr).toContain("cilium_per_cluster_ct_tcp4");
    expect(stderr).toContain("pods of several clusters may have the same address");
  });
});
