import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Release, releases } from "../../src/abi/release.js";
import { type UpstreamMap, upstreamMapsOf } from "../../src/abi/upstream-maps.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import type { KnownMapType } from "../../src/kernel/map-type.js";
import { NodeContext } from "../../src/node/node-context.js";
import { compileBpf } from "../support/compile-bpf.js";
import { MapNode } from "../support/map-node.js";

let node: MapNode;
let root: string;
beforeEach(async () => {
  node = await MapNode.start();
  root = mkdtempSync(join(tmpdir(), "cts-root-"));
});
afterEach(() => {
  node[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

const contextOf = () => new NodeContext({ name: node.nodeName, bpffs: node.bpffs, root });
const { signal } = new AbortController();

function specOf({ type, keySizeBytes, valueSizeBytes, flags, maxEntries, isCapacityFixed }: UpstreamMap) {
  const capacity = isCapacityFixed ? maxEntries : Math.min(maxEntries, 64);
  return { type: type as KnownMapType, keySizeBytes, valueSizeBytes, flags, maxEntries: capacity };
}

function pin(map: UpstreamMap): void {
  const { type } = map;
  const name = map.name.replace("NNNNN", "00042").replace(/_N$/, "_2");
  const spec = specOf(map);
  if (type !== "array_of_maps" && type !== "hash_of_maps") {
    node.pin(name, spec);
    return;
  }
  using innerMap = BpfMap.create({
    name: "inner",
    type: "array",
    keySizeBytes: 4,
    valueSizeBytes: 4,
    maxEntries: 1,
  });
  node.pin(name, { ...spec, innerMap });
}

describe("the release of a node, told from its kernel", () => {
  test.each(releases)("every map that %s pins", async (release) => {
    for (const map of upstreamMapsOf(release)) pin(map);
    const context = contextOf();
    await context.prepare(signal);
    expect(context.release().candidates).toEqual([release]);
    for (const name of node.pinNames()) {
      expect(context.releasesOf(name)).toEqual([release]);
      using map = context.openMap(name);
      expect(map).toBeDefined();
    }
  });

  test.each(releases.slice(1).map((to, i) => [releases[i]!, to] as const))(
    "the middle of an upgrade from %s to %s: every map is read as one of the two",
    async (from, to) => {
      const renewed = upstreamMapsOf(to).filter((_, i) => i % 2 === 0);
      for (const map of renewed) pin(map);
      for (const map of upstreamMapsOf(from)) if (!renewed.some(({ name }) => name === map.name)) pin(map);
      const context = contextOf();
      await context.prepare(signal);
      for (const name of node.pinNames()) {
        expect(context.releasesOf(name).some((release) => release === from || release === to)).toBe(true);
      }
    },
  );
});

describe("the programs that use the maps", () => {
  const fixture = join(import.meta.dirname, "fixtures/upstream-program.bpf.c");

  test("tell by their names and types what the maps leave open", async () => {
    const [shared] = upstreamMapsOf("1.18").filter(({ name }) => name === "cilium_ct4_global");
    using map = node.pin(shared!.name, specOf(shared!));
    using object = BpfObject.open(compileBpf(fixture, root));
    object.reuseMap("cilium_ct4_global", map);
    object.load();
    const context = contextOf();
    await context.prepare(signal);
    expect(context.release().candidates).toEqual(["1.18"]);
    expect(context.finding?.evidence).toEqual([
      "a program cil_lxc_policy uses the maps: 1.18, 1.19, 1.20",
      "struct ct_entry in the types of program cil_lxc_policy: 1.18",
    ]);
  });

  test("say nothing when they use other maps", async () => {
    using object = BpfObject.open(compileBpf(fixture, root));
    object.load();
    const [shared] = upstreamMapsOf("1.18").filter(({ name }) => name === "cilium_ct4_global");
    pin(shared!);
    const context = contextOf();
    await context.prepare(signal);
    expect(context.release().candidates).toEqual(releases);
  });
});

describe("upstream's agent", () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  const answerWith = (body: string, run = "var/run"): Promise<void> => {
    const folder = join(root, run, "cilium");
    mkdirSync(folder, { recursive: true });
    server = createServer((_, response) => response.end(body));
    return new Promise((resolve) => server?.listen(join(folder, "cilium.sock"), () => resolve()));
  };
  const shared = (release: Release) => upstreamMapsOf(release).filter(({ name }) => name === "cilium_ct4_global");

  test("decides what the maps leave open", async () => {
    for (const map of shared("1.16")) pin(map);
    await answerWith(JSON.stringify({ cilium: { state: "Ok", msg: "1.17.4 (v1.17.4-55aecc0e)" } }));
    const context = contextOf();
    await context.prepare(signal);
    expect(context.release().candidates).toEqual(["1.17"]);
    expect(context.finding?.evidence).toContain("the agent says it is 1.17.4: 1.17");
  });

  test("is found where /var/run is a link, which followed from here leads out of the node's root", async () => {
    for (const map of shared("1.16")) pin(map);
    await answerWith(JSON.stringify({ cilium: { msg: "1.17.4 (v1.17.4-55aecc0e)" } }), "run");
    mkdirSync(join(root, "var"), { recursive: true });
    symlinkSync("/run", join(root, "var/run"));
    const context = contextOf();
    await context.prepare(signal);
    expect(context.release().candidates).toEqual(["1.17"]);
  });

  test.each(["", "{", "null", '{"cilium":{"msg":7}}', '{"cilium":{"msg":"9.9.9 (v9)"}}', '{"cilium":null}'])(
    "an answer that says nothing leaves it open: %j",
    async (body) => {
      for (const map of shared("1.16")) pin(map);
      await answerWith(body);
      const context = contextOf();
      await context.prepare(signal);
      expect(context.release().candidates).toEqual(releases);
    },
  );
});
