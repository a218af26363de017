import { describe, expect, test } from "vitest";
import { KernelError } from "../../src/lib/errors.js";
import { type ScanEnd, type ScanOptions, scanMap } from "../../src/node/scan/map-scan.js";
import type { MapBatch, ScannableMap } from "../../src/node/scan/map-walk.js";
import type { KeyFinder } from "../../src/node/scan/sparse-walk.js";

/** A hash map of u32 → u32 whose kernel misbehaves as told. Batch cursors are positions. */
class ScriptedMap implements ScannableMap {
  readonly info: ScannableMap["info"];
  readonly valueStrideBytes = 4;
  readonly asked: number[] = [];
  entries: number[];
  /** Thrown by the next batch calls, first first. */
  failures: string[] = [];
  onBatch: (call: number) => void = () => {};
  /** What each batch call takes. */
  kernelMs = 0;

  constructor(entries: number, options: { maxEntries?: number; type?: string } = {}) {
    this.entries = Array.from({ length: entries }, (_, index) => index);
    const { maxEntries = entries, type = "hash" } = options;
    this.info = { name: "scripted", keySizeBytes: 4, maxEntries, type };
  }

  async lookupBatchAsync(cursor: Buffer | undefined, count: number): Promise<MapBatch> {
    this.asked.push(count);
    const errno = this.failures.shift();
    if (errno !== undefined) throw new KernelError("map-lookup-batch", errno, { details: { errno } });
    this.onBatch(this.asked.length);
    const from = cursor?.readUInt32LE() ?? 0;
    const slice = this.entries.slice(from, from + count);
    const next = Buffer.alloc(4);
    next.writeUInt32LE(from + slice.length);
    const done = from + slice.length >= this.entries.length;
    return { ...toBuffers(slice), cursor: next, done, kernelMs: this.kernelMs };
  }

  lookup(key: Uint8Array): Buffer | undefined {
    return this.entries.includes(Buffer.from(key).readUInt32LE()) ? Buffer.from(key) : undefined;
  }

  /** As the kernel: after a key that is gone comes the first one. */
  nextKey(key?: Uint8Array): Buffer | undefined {
    const index = key === undefined ? -1 : this.entries.indexOf(Buffer.from(key).readUInt32LE());
    const next = this.entries[index + 1];
    return next === undefined ? undefined : toBuffers([next]).keys;
  }
}

function toBuffers(values: readonly number[]) {
  const keys = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    keys.writeUInt32LE(value, 4 * index);
  });
  return { keys, values: Buffer.from(keys), count: values.length };
}

async function collect(
  map: ScannableMap,
  options: Partial<ScanOptions> & { onSlice?: (found: readonly number[]) => void } = {},
): Promise<{ found: number[]; end: ScanEnd }> {
  const found: number[] = [];
  const scan = scanMap(map, { signal: new AbortController().signal, ...options });
  while (true) {
    const step = await scan.next();
    if (step.done === true) return { found, end: step.value };
    for (let i = 0; i < step.value.count; i++) found.push(step.value.keys.readUInt32LE(4 * i));
    options.onSlice?.(found);
  }
}

const noBatch = ["ENOTSUPP"];

describe("scanMap with batch calls", () => {
  test("reads every entry once and says complete", async () => {
    const map = new ScriptedMap(5000);
    const { found, end } = await collect(map);
    expect(found).toEqual(map.entries);
    expect(end).toEqual({ state: "complete", entries: 5000, restarts: 0, longestSliceMs: 0 });
  });

  test("begins small and grows while slices are quick", async () => {
    const map = new ScriptedMap(5000);
    await collect(map);
    expect(map.asked.slice(0, 3)).toEqual([256, 512, 1024]);
  });

  test("shrinks when a slice holds the CPU for too long", async () => {
    const map = new ScriptedMap(3000);
    map.kernelMs = 8;
    const { end } = await collect(map);
    expect(map.asked.slice(0, 3)).toEqual([256, 128, 64]);
    expect(end.longestSliceMs).toBe(8);
  });

  test("grows when one bucket holds more than there was room for, and loses nothing", async () => {
    const map = new ScriptedMap(2000);
    map.failures = ["ENOSPC", "ENOSPC"];
    const { found, end } = await collect(map);
    expect(map.asked.slice(0, 3)).toEqual([256, 512, 1024]);
    expect(found).toEqual(map.entries);
    expect(end.state).toBe("complete");
  });

  test("values of megabytes are read few at a time", async () => {
    const map = new ScriptedMap(40);
    Object.assign(map, { valueStrideBytes: 2 ** 20 });
    map.failures = ["ENOSPC"];
    const { end } = await collect(map);
    expect(map.asked.slice(0, 4)).toEqual([1, 2, 1, 1]);
    expect(end).toMatchObject({ state: "complete", entries: 40 });
  });

  test("never goes on for ever: it ends after twice the map's capacity", async () => {
    const map = new ScriptedMap(100, { maxEntries: 50_000 });
    map.onBatch = () => map.entries.push(...Array.from({ length: 4096 }, (_, i) => i));
    const { found, end } = await collect(map);
    expect(end.state).toBe("partial");
    expect(end.reason).toContain("stopped after 100000 entries");
    expect(found.length).toBeLessThan(105_000);
  });

  test("a trie whose cursor vanished begins again: counted and partial", async () => {
    const map = new ScriptedMap(1000, { type: "lpm_trie", maxEntries: 4000 });
    const { lookupBatchAsync } = map;
    map.lookupBatchAsync = (cursor, count) =>
      lookupBatchAsync.call(map, map.asked.length === 1 ? undefined : cursor, count);
    const { end } = await collect(map);
    expect(end).toMatchObject({ state: "partial", restarts: 1 });
    expect(end.reason).toContain("may appear twice");
  });

  test("another refusal is passed on", async () => {
    const map = new ScriptedMap(10);
    map.failures = ["EPERM"];
    await expect(collect(map)).rejects.toThrow("EPERM");
  });

  test("an abort between slices ends it as partial", async () => {
    const stop = new AbortController();
    const { found, end } = await collect(new ScriptedMap(5000), { signal: stop.signal, onSlice: () => stop.abort() });
    expect(found).toHaveLength(256);
    expect(end).toEqual({ state: "partial", reason: "interrupted", entries: 256, restarts: 0, longestSliceMs: 0 });
  });
});

describe("scanMap key by key", () => {
  test("is what it falls back to", async () => {
    const map = new ScriptedMap(2000);
    map.failures = [...noBatch];
    const { found, end } = await collect(map, { now: () => 0 });
    expect(found).toEqual(map.entries);
    expect(end).toEqual({ state: "complete", entries: 2000, restarts: 0, longestSliceMs: 0 });
  });

  test("goes back to a key that is still there when its cursor vanished", async () => {
    const map = new ScriptedMap(1000);
    map.failures = [...noBatch];
    let hasDeleted = false;
    const { found, end } = await collect(map, {
      onSlice: (seen) => {
        if (!hasDeleted) map.entries = map.entries.filter((entry) => entry !== seen.at(-1));
        hasDeleted = true;
      },
    });
    expect(new Set(found).size).toBe(1000);
    expect(found).toHaveLength(1000);
    expect(end).toMatchObject({ state: "complete", restarts: 0 });
  });

  test("begins again when all keys that it remembers vanished", async () => {
    const map = new ScriptedMap(1000, { maxEntries: 4000 });
    map.failures = [...noBatch];
    let hasDeleted = false;
    const { found, end } = await collect(map, {
      onSlice: (seen) => {
        if (!hasDeleted) map.entries = map.entries.filter((entry) => !seen.slice(-20).includes(entry));
        hasDeleted = true;
      },
    });
    expect(end).toMatchObject({ state: "partial", restarts: 1 });
    expect(new Set(found).size).toBe(1000);
  });

  test("an empty map is complete", async () => {
    const map = new ScriptedMap(0, { maxEntries: 16 });
    map.failures = [...noBatch];
    expect((await collect(map, { now: () => 0 })).end).toEqual({
      ...{ state: "complete", entries: 0, restarts: 0, longestSliceMs: 0 },
    });
  });
});

/** Finds the keys of a map some at a time, as a walk over its buckets does. */
function keyFinder(map: ScriptedMap, keysAtOnce: number): KeyFinder & { isClosed: boolean } {
  let place = 0;
  return {
    isClosed: false,
    cutChains: 0,
    get isDone() {
      return place >= map.entries.length;
    },
    walk() {
      const found = map.entries.slice(place, place + keysAtOnce);
      place += keysAtOnce;
      return toBuffers(found);
    },
    close() {
      this.isClosed = true;
    },
  };
}

describe("scanMap of a large map that may be nearly empty", () => {
  const large = { maxEntries: 16_777_216 };

  test("looks for keys where few are found, and asks for no batch", async () => {
    const map = new ScriptedMap(500, large);
    const finder = keyFinder(map, 10);
    const { found, end } = await collect(map, { openKeyFinder: () => finder });
    expect(found).toEqual(map.entries);
    expect(map.asked).toEqual([]);
    expect(end).toMatchObject({ state: "complete", entries: 500, longestSliceMs: 0 });
    expect(finder.isClosed).toBe(true);
  });

  test("reads batches where many are found", async () => {
    const map = new ScriptedMap(5000, large);
    const finder = keyFinder(map, 100);
    const { found } = await collect(map, { openKeyFinder: () => finder });
    expect(found).toEqual(map.entries);
    expect(map.asked.length).toBeGreaterThan(0);
    expect(finder.isClosed).toBe(true);
  });

  test("a key that is told twice is delivered once, one that has gone is not", async () => {
    const map = new ScriptedMap(30, large);
    const finder = keyFinder(map, 10);
    const told = { ...finder, walk: () => toBuffers([3, 3, 999]), cutChains: 2, isDone: true };
    const { found, end } = await collect(map, { openKeyFinder: () => told });
    expect(found).toEqual([3]);
    expect(end).toMatchObject({ state: "partial" });
    expect(end.reason).toContain("2 buckets");
  });

  test("without a finder it is refused above the longest slice that is allowed, and read when told so", async () => {
    const map = new ScriptedMap(10, large);
    await expect(collect(map, { maxSliceMs: 20 })).rejects.toThrow(/may hold a CPU for 42 ms.*20 ms/);
    map.kernelMs = 36;
    const { found, end } = await collect(map, { maxSliceMs: 50 });
    expect(found).toEqual(map.entries);
    expect(end.longestSliceMs).toBe(36);
  });

  test("only hash maps have empty stretches", async () => {
    const { end } = await collect(new ScriptedMap(10, { ...large, type: "array" }), { maxSliceMs: 1 });
    expect(end.state).toBe("complete");
  });
});

describe("scanMap of maps that are slots", () => {
  test("an empty slot ends nothing: every slot is looked at, without batch calls", async () => {
    const map = new ScriptedMap(0, { type: "prog_array", maxEntries: 2000 });
    map.entries = [0, 1, 700, 1999];
    const { found, end } = await collect(map);
    expect(found).toEqual(map.entries);
    expect(map.asked).toEqual([]);
    expect(end).toMatchObject({ state: "complete", entries: 4, restarts: 0 });
  });

  test("slots that take long are looked at one by one", async () => {
    const map = new ScriptedMap(3, { type: "array_of_maps", maxEntries: 3 });
    let clock = 0;
    const { found, end } = await collect(map, { now: () => clock++, sliceMs: 1 });
    expect(found).toEqual([0, 1, 2]);
    expect(end.longestSliceMs).toBe(1);
  });
});
