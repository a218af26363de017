import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { nodePaths } from "../../src/lab/lab-paths.js";
import { getFromAgent } from "../../src/session/agent-client.js";
import { dualStackSettings, podManifest, TestLab } from "./support/lab-fixture.js";

/** An LRU map makes room for 128 at once: with fewer it would never look full. */
const ROOM = 8192;
const settings = {
  ...{ "bpf-ct-global-tcp-max": `${ROOM}`, "bpf-ct-global-any-max": `${ROOM}`, "bpf-nat-global-max": `${ROOM}` },
  ...{ "bpf-lb-map-max": `${ROOM}`, "bpf-policy-map-max": `${ROOM}` },
};

/** Nothing waits for a collection here: the first one comes five minutes after the agents' start. */
describe("status, of maps that run full", () => {
  let lab: TestLab;
  beforeAll(async () => {
    const manifests = dualStackSettings(settings) + podManifest("web", { node: "node-1" });
    lab = await TestLab.start({ agentCommand: "own", manifests, nodes: 1 });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  function openMap(name: string): BpfMap {
    const [node] = JSON.parse(readFileSync(lab.paths.record, "utf8")).nodes;
    return BpfMap.openPinned(`/proc/${node.initPid}/root/sys/fs/bpf/tc/globals/${name}`);
  }

  /** Entries that mean nothing, until the map has as many as that. */
  function fill(name: string, count: number): void {
    using map = openMap(name);
    const { keySizeBytes, type } = map.info;
    for (let index = 1; index <= count; index++) {
      const key = Buffer.alloc(keySizeBytes);
      if (type === "lpm_trie") key.writeUInt32LE(8 * (keySizeBytes - 4));
      key.writeUInt32BE(index, keySizeBytes - 4);
      map.update(key, Buffer.alloc(map.valueStrideBytes, 0xff));
    }
  }

  const status = () => {
    const { stdout, status: exitCode } = lab.product("status");
    return { stdout, exitCode };
  };
  const policyMap = (): string => {
    const items: readonly { readonly id: number; readonly podName?: string }[] = JSON.parse(
      lab.product("endpoint", "list", "-o", "json").stdout,
    ).items;
    return `cilium_policy_v2_${String(items.find(({ podName }) => podName === "web")!.id).padStart(5, "0")}`;
  };
  const watched = () => [
    ...["cilium_ct4_global", "cilium_ct_any6_global", "cilium_snat_v4_external", "cilium_snat_v6_external"],
    ...["cilium_lb4_services_v2", "cilium_lb6_backends_v3", policyMap()],
  ];

  it("says nothing while there is room", () => {
    const { stdout, exitCode } = status();
    expect(stdout).not.toContain("Map pressure");
    expect(exitCode).toBe(0);
  });

  it("warns from four fifths on, of all of them alike, and is ok", () => {
    for (const name of watched()) fill(name, Math.round(0.85 * ROOM));
    const { stdout, exitCode } = status();
    const warned = stdout.split("\n").filter((line) => line.startsWith("Map pressure:"));
    for (const name of watched())
      expect(
        warned.some((line) => line.includes(`85 %: ${name} has `)),
        name,
      ).toBe(true);
    expect(stdout).toMatch(/^Status: +Ok$/m);
    expect(exitCode).toBe(0);
  });

  it("the agent says the same at once", async () => {
    const answer = (await getFromAgent(nodePaths(lab.paths, "node-1").agentSocket, "/v1/status")) as AgentAnswer;
    for (const name of watched().slice(0, -1)) {
      const { entries, maxEntries } = answer.maps.find((map) => map.name === name)!;
      expect(entries / maxEntries, name).toBeGreaterThan(0.8);
    }
  });

  it("is degraded when one is full, and says what is lost", () => {
    fill("cilium_snat_v4_external", ROOM);
    fill("cilium_lb4_services_v2", Math.round(0.97 * ROOM));
    const { stdout, exitCode } = status();
    expect(stdout).toMatch(/^Status: +Degraded/m);
    expect(stdout).toMatch(
      /^ {2}node-1: NAT \d+ %: cilium_snat_v4_external has \d+ of 8192 entries: new connections push/m,
    );
    expect(stdout).toMatch(/^ {2}node-1: services 9\d %: cilium_lb4_services_v2 has .* new Services are not balanced/m);
    expect(exitCode).toBe(3);
  });
});

interface AgentAnswer {
  readonly maps: readonly { readonly name: string; readonly entries: number; readonly maxEntries: number }[];
}
