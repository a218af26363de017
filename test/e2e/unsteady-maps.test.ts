import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BpfMap } from "../../src/kernel/bpf-map.js";
import type { CtRow } from "../../src/model/rows.js";
import { NodeReaders } from "../../src/node/node-readers.js";
import { scanMap } from "../../src/node/scan/map-scan.js";
import { MapNode } from "../support/map-node.js";
import { repositoryRoot, runCli } from "../support/run-cli.js";
import { requireKernelFeature } from "../support/skip.js";

let node: MapNode;
beforeEach(async () => {
  node = await MapNode.start();
});
afterEach(() => node[Symbol.dispose]());

const ctShape = { keySizeBytes: 14, valueSizeBytes: 56 };

function ctKey(index: number): Buffer {
  const key = Buffer.alloc(14);
  key.writeUInt32BE(0x0af40000 + index);
  key.writeUInt16BE(80, 8);
  key[12] = 6;
  return key;
}

function fill(map: BpfMap, from: number, to: number): void {
  for (let i = from; i < to; i++) map.update(ctKey(i), Buffer.alloc(56));
}

function indexOf(row: CtRow): number {
  return Buffer.from(row.source.bytes).readUInt32BE() - 0x0af40000;
}

let largestBatch = 0;

async function readAll(signal = new AbortController().signal, onBatch: () => void = () => {}) {
  await using readers = NodeReaders.open({ name: "node-1", bpffs: node.bpffs, root: "/" });
  const rows: CtRow[] = [];
  const stream = readers.read("conntrack", {}, { signal });
  while (true) {
    const step = await stream.next();
    if (step.done === true) return { rows, end: step.value };
    rows.push(...step.value);
    largestBatch = Math.max(largestBatch, step.value.length);
    onBatch();
  }
}

describe("a map that changes under the reader", () => {
  test("an entry that is there throughout is read exactly once while others come and go", async () => {
    const map = node.pin("cilium_ct4_global", { type: "hash", maxEntries: 40_000, flags: 1, ...ctShape });
    fill(map, 0, 10_000);
    let next = 20_000;
    const { rows, end } = await readAll(undefined, () => {
      for (let i = 0; i < 200; i++, next++) {
        map.update(ctKey(next), Buffer.alloc(56));
        map.delete(ctKey(next - 100));
      }
    });
    const steady = rows.map(indexOf).filter((index) => index < 10_000);
    expect(new Set(steady).size).toBe(10_000);
    expect(steady.length).toBe(10_000);
    // Slices grow, but only so far that memory stays small.
    expect(largestBatch).toBeGreaterThan(256);
    expect(largestBatch).toBeLessThanOrEqual(4096);
    expect(end).toMatchObject({ state: "complete", restarts: 0, mapsRead: 1 });
  });

  test("a writer in another process, as the datapath is: the reader ends and says how", async () => {
    const map = node.pin("cilium_ct4_global", { type: "lru_hash", maxEntries: 4096, ...ctShape });
    const script = join(repositoryRoot, "test/e2e/children/churn-map.ts");
    const writer = spawn(process.execPath, ["--import", "tsx", script, node.pinPath("cilium_ct4_global")], {
      stdio: ["ignore", "pipe", "inherit"],
      cwd: repositoryRoot,
    });
    try {
      await new Promise((resolve) => writer.stdout.once("data", resolve));
      for (const features of ["", "batch"]) {
        const { exitCode, stdout } = await runCli(["bpf", "ct", "list", "--lab", node.lab, "-o", "json"], {
          env: { CTS_DISABLE_FEATURES: features },
        });
        const { items, status } = JSON.parse(stdout);
        expect(exitCode).toBe(status.state === "complete" ? 0 : 9);
        expect(items.length).toBeLessThanOrEqual(2 * map.info.maxEntries);
        if (status.restarts > 0) expect(status.state).toBe("partial");
      }
    } finally {
      writer.kill("SIGKILL");
    }
  });

  test("key by key: when the cursor and all keys before it vanish, the walk begins again and says so", async () => {
    const map = node.pin("cilium_ct4_global", { type: "hash", maxEntries: 4096, flags: 1, ...ctShape });
    fill(map, 0, 2000);
    process.env.CTS_DISABLE_FEATURES = "batch";
    try {
      const seen: Buffer[] = [];
      const scan = scanMap(map, { signal: new AbortController().signal });
      let step = await scan.next();
      while (step.done !== true) {
        const { keys, count } = step.value;
        for (let i = 0; i < count; i++) seen.push(Buffer.from(keys.subarray(i * 14, (i + 1) * 14)));
        // Only after the first slice: everything that was read so far goes.
        if (seen.length === count) for (const key of seen) map.delete(key);
        step = await scan.next();
      }
      expect(step.value).toMatchObject({ state: "partial", restarts: 1 });
      expect(step.value.reason).toContain("began again 1 times");
      expect(new Set(seen.map((key) => key.toString("hex"))).size).toBe(2000);
    } finally {
      delete process.env.CTS_DISABLE_FEATURES;
    }
  });

  test("an abort ends the stream as partial, not as an error", async () => {
    const map = node.pin("cilium_ct4_global", { type: "hash", maxEntries: 40_000, flags: 1, ...ctShape });
    fill(map, 0, 20_000);
    const stop = new AbortController();
    const { rows, end } = await readAll(stop.signal, () => stop.abort());
    expect(rows.length).toBeLessThan(20_000);
    expect(end).toMatchObject({ state: "partial", reason: "interrupted" });
  });
});

describe("a large map that is nearly empty", () => {
  const list = ["bpf", "ct", "list", "-o", "json", "-v"];
  const entries = 300;

  async function read(features: string, ...args: string[]) {
    const map = node.pin("cilium_ct4_global", { type: "hash", maxEntries: 16_777_216, flags: 1, ...ctShape });
    fill(map, 0, entries);
    const result = await runCli([...list, "--lab", node.lab, ...args], { env: { CTS_DISABLE_FEATURES: features } });
    return { ...result, document: result.stdout === "" ? undefined : JSON.parse(result.stdout) };
  }

  test("is read piece by piece: no call holds a CPU over the empty part", async (context) => {
    requireKernelFeature(context, "probe_read_kernel");
    requireKernelFeature(context, "btf");
    const { exitCode, document } = await read("");
    expect(exitCode).toBe(0);
    expect(new Set(document.items.map(({ source }: { source: string }) => source)).size).toBe(entries);
    expect(document.items).toHaveLength(entries);
    expect(document.status).toMatchObject({ state: "complete", rowsRead: entries });
    expect(document.status.nodes[0].longestSliceMs).toBe(0);
  });

  test("is read at one go where the kernel allows no other way, and the longest slice is told", async () => {
    const { exitCode, document } = await read("probe_read_kernel");
    expect(exitCode).toBe(0);
    expect(document.items).toHaveLength(entries);
    expect(document.status.nodes[0].longestSliceMs).toBeGreaterThan(0);
  });

  test("is refused when that may take longer than it is allowed to", async () => {
    const { exitCode, stderr } = await read("probe_read_kernel", "--max-slice", "20");
    expect(exitCode).toBe(6);
    expect(stderr).toContain("may hold a CPU for 42 ms");
    expect(stderr).toContain("--max-slice 42");
  });
});
