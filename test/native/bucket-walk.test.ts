import { expect, it, type TestContext } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BucketWalk } from "../../src/kernel/bucket-walk.js";
import { type KnownMapType, MapFlag } from "../../src/kernel/map-type.js";
import { listProgramIds } from "../../src/kernel/object-ids.js";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";
import { thrownBy } from "./kernel-fixture.js";

function create(type: KnownMapType, shape: { key?: number; entries?: number; flags?: number } = {}): BpfMap {
  const { key = 4, entries = 4096, flags = 0 } = shape;
  return BpfMap.create({
    ...{ type, name: "cts_t_walk", keySizeBytes: key, valueSizeBytes: 8, maxEntries: entries, flags },
  });
}

function keyOf(map: BpfMap, index: number): Buffer {
  const key = Buffer.alloc(map.info.keySizeBytes, 0xa5);
  key.writeUInt32LE(index);
  return key;
}

function fill(map: BpfMap, count: number): void {
  const value = Buffer.alloc(map.valueStrideBytes);
  for (let index = 0; index < count; index++) map.update(keyOf(map, index), value);
}

/** How often each key was told, by its number; `between` runs after each call. */
function walkAll(map: BpfMap, bucketsPerCall: number, between: () => void = () => {}): ReadonlyMap<number, number> {
  using walk = BucketWalk.open(map);
  const seen = new Map<number, number>();
  const keyBytes = map.info.keySizeBytes;
  for (let calls = 0; !walk.isDone; calls++) {
    expect(calls).toBeLessThan(100_000);
    const { keys, count } = walk.walk(bucketsPerCall);
    for (let at = 0; at < count * keyBytes; at += keyBytes) {
      const index = keys.readUInt32LE(at);
      expect(keys.subarray(at, at + keyBytes)).toEqual(keyOf(map, index));
      seen.set(index, (seen.get(index) ?? 0) + 1);
    }
    between();
  }
  expect(walk.cutChains).toBe(0);
  return seen;
}

const walks = (name: string, run: () => void): void =>
  it(name, (context: TestContext) => {
    requireKernelFeature(context, "btf");
    requireKernelFeature(context, "probe_read_kernel");
    run();
  });

const once = (count: number) => new Map(Array.from({ length: count }, (_, index) => [index, 1]));
const sorted = (seen: ReadonlyMap<number, number>) => new Map([...seen].sort(([a], [b]) => a - b));

for (const type of ["hash", "lru_hash", "percpu_hash", "lru_percpu_hash"] as const) {
  walks(`${type}: every key once`, () => {
    using map = create(type, { key: 14 });
    fill(map, 1500);
    expect(sorted(walkAll(map, 1000))).toEqual(once(1500));
  });
}

walks("a map of maps, an empty map, a map without preallocation", () => {
  using inner = create("hash");
  using outer = BpfMap.create({
    ...{
      type: "hash_of_maps",
      name: "cts_t_outer",
      keySizeBytes: 4,
      valueSizeBytes: 4,
      maxEntries: 8,
      innerMap: inner,
    },
  });
  const descriptor = Buffer.alloc(4);
  descriptor.writeUInt32LE(inner.fd);
  outer.update(keyOf(outer, 3), descriptor);
  expect(walkAll(outer, 1)).toEqual(new Map([[3, 1]]));
  using empty = create("hash", { flags: MapFlag.noPrealloc });
  expect(walkAll(empty, 256).size).toBe(0);
  fill(empty, 5);
  expect(sorted(walkAll(empty, 256))).toEqual(once(5));
});

walks("more keys in one call than there is room for come with the next", () => {
  using map = create("hash", { key: 512, entries: 1024 });
  fill(map, 1024); // 512 KiB of keys
  using walk = BucketWalk.open(map);
  const counts: number[] = [];
  while (!walk.isDone) counts.push(walk.walk(1 << 20).count);
  expect(walk.bucketCount).toBe(1024);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1024);
  expect(Math.max(...counts)).toBeLessThanOrEqual(128);
});

walks("four keys in four million buckets, however large the calls", () => {
  using map = create("hash", { entries: 1 << 22, flags: MapFlag.noPrealloc });
  fill(map, 4);
  expect(sorted(walkAll(map, 1 << 30))).toEqual(once(4));
  expect(sorted(walkAll(map, 1 << 18))).toEqual(once(4));
});

walks("a map that was opened read-only; nothing in it changes", () => {
  using folder = new TestFolder();
  using map = create("lru_hash");
  fill(map, 20);
  map.pin(`${folder.bpffs}/walked`);
  using foreign = BpfMap.openPinned(`${folder.bpffs}/walked`, { readOnly: true });
  expect(sorted(walkAll(foreign, 4096))).toEqual(once(20));
  expect(map.info.maxEntries).toBe(4096);
});

walks("while the map changes: what stays is told, once but for buckets that change under the walk", () => {
  using map = create("hash", { entries: 8192 });
  fill(map, 1000);
  const value = Buffer.alloc(8);
  let churn = 5000;
  const seen = walkAll(map, 512, () => {
    for (let i = 0; i < 50; i++, churn++) {
      map.update(keyOf(map, churn), value);
      map.delete(keyOf(map, churn - 40));
    }
  });
  for (let index = 0; index < 1000; index++) expect(seen.get(index), `key ${index}`).toBe(1);
});

walks("leaves no program behind", async () => {
  using map = create("hash");
  const before = new Set(listProgramIds());
  const walk = BucketWalk.open(map);
  walk.walk(10);
  walk.close();
  walk.close();
  expect(thrownBy(() => walk.walk(10))).toMatchObject({ code: "handle-closed" });
  await expect.poll(() => listProgramIds().filter((id) => !before.has(id))).toEqual([]);
});

it("misuse, other map types, and kernels that do not offer it", () => {
  using map = create("hash");
  using array = create("array");
  expect(thrownBy(() => BucketWalk.open(array))).toMatchObject({
    code: "bucket-walk-open",
    details: { errno: "EINVAL", mapType: "array" },
    hint: expect.stringContaining("hash maps"),
  });
  expect(thrownBy(() => BucketWalk.open({} as BpfMap))).toMatchObject({ code: "invalid-argument" });
  process.env.CTS_DISABLE_FEATURES = "btf";
  try {
    expect(thrownBy(() => BucketWalk.open(map))).toMatchObject({ code: "bucket-walk-open" });
  } finally {
    delete process.env.CTS_DISABLE_FEATURES;
  }
  using walk = BucketWalk.open(map);
  for (const wrong of [0, -1, 1.5, Number.NaN, "9" as unknown as number]) {
    expect(thrownBy(() => walk.walk(wrong))).toMatchObject({ code: "invalid-argument" });
  }
});
