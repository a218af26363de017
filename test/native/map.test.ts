import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { mapBtf } from "../../src/kernel/btf.js";
import type { MapType } from "../../src/kernel/map-type.js";
import { possibleCpus } from "../../src/kernel/net.js";
import { listMapIds } from "../../src/kernel/object-ids.js";
import { TestFolder } from "../support/test-folder.js";
import { thrownBy } from "./kernel-fixture.js";

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

function create(
  type: MapType,
  options: { key?: number; value?: number; entries?: number; flags?: number } = {},
): BpfMap {
  return BpfMap.create({
    type,
    name: "cts_t_map",
    keySizeBytes: options.key ?? 4,
    valueSizeBytes: options.value ?? 8,
    maxEntries: options.entries ?? 100,
    ...(options.flags === undefined ? {} : { flags: options.flags }),
  });
}

describe("maps of keys and values", () => {
  it.each(["hash", "lru_hash"] as const)("%s: lookup, update modes, delete, nextKey", (type) => {
    using map = create(type);
    expect(map.info).toMatchObject({ type, keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 100, name: "cts_t_map" });
    expect(listMapIds()).toContain(map.info.id);
    expect(map.lookup(u32(1))).toBeUndefined();
    map.update(u32(1), u64(11));
    map.update(u32(2), u64(22), "create");
    expect(map.lookup(u32(1))).toEqual(u64(11));
    expect(thrownBy(() => map.update(u32(2), u64(0), "create"))).toMatchObject({
      code: "map-update",
      exitCode: 6,
      details: { errno: "EEXIST", mapName: "cts_t_map", mapType: type },
    });
    expect(thrownBy(() => map.update(u32(3), u64(0), "replace"))).toMatchObject({ details: { errno: "ENOENT" } });
    map.update(u32(2), u64(23), "replace");
    const keys = new Set<number>();
    for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) keys.add(key.readUInt32LE());
    expect(keys).toEqual(new Set([1, 2]));
    expect(map.delete(u32(1))).toBe(true);
    expect(map.delete(u32(1))).toBe(false);
  });

  it("array: entries are always there and cannot be deleted", () => {
    using map = create("array", { entries: 3 });
    expect(map.lookup(u32(2))).toEqual(u64(0));
    expect(map.lookup(u32(3))).toBeUndefined();
    expect(thrownBy(() => map.update(u32(3), u64(1)))).toMatchObject({
      details: { errno: "E2BIG" },
      hint: expect.stringContaining("last entry"),
    });
    expect(thrownBy(() => map.delete(u32(0)))).toMatchObject({ code: "map-delete", details: { errno: "EINVAL" } });
  });

  it("lpm_trie: the longest prefix wins", () => {
    using map = create("lpm_trie", { key: 8 });
    const prefix = (bits: number, ...address: readonly number[]) => Buffer.concat([u32(bits), Buffer.from(address)]);
    map.update(prefix(8, 10, 0, 0, 0), u64(8));
    map.update(prefix(24, 10, 1, 2, 0), u64(24));
    expect(map.lookup(prefix(32, 10, 1, 2, 3))).toEqual(u64(24));
    expect(map.lookup(prefix(32, 10, 9, 2, 3))).toEqual(u64(8));
    expect(map.lookup(prefix(32, 11, 0, 0, 1))).toBeUndefined();
  });

  it.each(["percpu_hash", "percpu_array", "lru_percpu_hash"] as const)(
    "%s: one value a CPU, each rounded up to 8 bytes",
    (type) => {
      using map = create(type, { value: 12, entries: 4 });
      expect(map.valueStrideBytes).toBe(16 * possibleCpus());
      const values = Buffer.alloc(map.valueStrideBytes);
      for (let cpu = 0; cpu < possibleCpus(); cpu++) values.writeUInt32LE(cpu + 1, 16 * cpu);
      map.update(u32(1), values);
      expect(map.lookup(u32(1))).toEqual(values);
      expect(thrownBy(() => map.update(u32(1), Buffer.alloc(12)))).toMatchObject({ code: "invalid-argument" });
    },
  );

  it("hash_of_maps and array_of_maps: descriptor in, id out; another shape is refused", () => {
    using inner = create("hash");
    using other = create("hash", { key: 16 });
    for (const type of ["hash_of_maps", "array_of_maps"] as const) {
      using outer = BpfMap.create({
        ...{ type, name: "cts_t_outer", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 4 },
        innerMap: inner,
      });
      expect(outer.lookup(u32(1))).toBeUndefined();
      outer.update(u32(1), u32(inner.fd));
      expect(outer.lookup(u32(1))?.readUInt32LE()).toBe(inner.info.id);
      expect(thrownBy(() => outer.update(u32(1), u32(other.fd)))).toMatchObject({ details: { errno: "EINVAL" } });
      using reopened = BpfMap.openById(outer.lookup(u32(1))?.readUInt32LE() ?? 0);
      expect(reopened.info).toEqual(inner.info);
      expect(outer.delete(u32(1))).toBe(true);
    }
  });

  it("prog_array and perf_event_array can be made and described", () => {
    using programs = create("prog_array", { value: 4 });
    using perf = create("perf_event_array", { value: 4 });
    expect([programs.info.type, perf.info.type]).toEqual(["prog_array", "perf_event_array"]);
    expect(programs.lookup(u32(0))).toBeUndefined();
  });

  it("names a map type that the kernel refuses", () => {
    expect(thrownBy(() => create("type_4711"))).toMatchObject({
      code: "map-create",
      message: expect.stringContaining("create type_4711 map"),
    });
    expect(thrownBy(() => create("hash", { entries: 0 }))).toMatchObject({ details: { errno: "EINVAL" } });
  });

  it("mapBtf is undefined for a map without BTF", () => {
    using map = create("hash");
    expect(map.info.btfId).toBe(0);
    expect(mapBtf(map)).toBeUndefined();
  });
});

describe("batch calls", () => {
  const count = 1000;
  const keys = Buffer.concat(Array.from({ length: count }, (_, index) => u32(index)));
  const values = Buffer.concat(Array.from({ length: count }, (_, index) => u64(index * 3)));

  it.each(["batch calls", "key by key"])("updates and deletes, absent keys skipped: %s", (how) => {
    const before = process.env.CTS_DISABLE_FEATURES;
    if (how === "key by key") process.env.CTS_DISABLE_FEATURES = "batch";
    try {
      using map = create("hash", { entries: count });
      map.updateBatch(keys, values, count);
      expect(map.lookup(u32(999))).toEqual(u64(2997));
      map.delete(u32(0));
      map.delete(u32(500));
      map.delete(u32(999));
      expect(map.deleteBatch(keys, count)).toBe(count - 3);
      expect(map.nextKey()).toBeUndefined();
      map.updateBatch(Buffer.alloc(0), Buffer.alloc(0), 0);
      expect(map.deleteBatch(Buffer.alloc(0), 0)).toBe(0);
    } finally {
      if (before === undefined) delete process.env.CTS_DISABLE_FEATURES;
      else process.env.CTS_DISABLE_FEATURES = before;
    }
  });

  it("tells how far an update came when the map is full", () => {
    using map = create("hash", { entries: 10 });
    const error = thrownBy(() => map.updateBatch(keys, values, count));
    expect(error).toMatchObject({ code: "map-update-batch", details: { errno: "E2BIG", updated: 10 } });
  });

  it("reads with a cursor until done", () => {
    using map = create("hash", { entries: count });
    map.updateBatch(keys, values, count);
    const seen = new Map<number, bigint>();
    let cursor: Buffer | undefined;
    for (let rounds = 0, done = false; !done; rounds++) {
      const batch = map.lookupBatch(cursor, 128);
      for (let index = 0; index < batch.count; index++) {
        seen.set(batch.keys.readUInt32LE(4 * index), batch.values.readBigUInt64LE(8 * index));
      }
      cursor = batch.cursor;
      done = batch.done;
      expect(rounds).toBeLessThan(count);
    }
    expect(seen.size).toBe(count);
    expect(seen.get(777)).toBe(2331n);
  });

  it.each([
    ["percpu_hash", 4],
    ["lru_percpu_hash", 4],
    ["array", 4],
    ["percpu_array", 4],
    ["lpm_trie", 8],
  ] as const)("%s: batches hold what was written, and the cursor goes on in another handle", (type, key) => {
    // An LRU map gives up entries before it is full; an array has as many as it was made with.
    using map = create(type, { key, entries: type === "lru_percpu_hash" ? 4096 : 300 });
    const keyAt = (index: number) => (key === 4 ? u32(index) : Buffer.concat([u32(32), u32(index)]));
    const valueAt = (index: number) => Buffer.alloc(map.valueStrideBytes, index & 0xff);
    for (let index = 0; index < 300; index++) map.update(keyAt(index), valueAt(index));
    const first = map.lookupBatch(undefined, 150);
    expect(first.done).toBe(false);
    using other = BpfMap.openById(map.info.id, { readOnly: true });
    const seen = new Map<number, Buffer>();
    for (let batch = first; ; batch = other.lookupBatch(batch.cursor && Buffer.from(batch.cursor), 150)) {
      for (let index = 0; index < batch.count; index++) {
        const [keyEnd, stride] = [(index + 1) * key, map.valueStrideBytes];
        const number = batch.keys.readUInt32LE(keyEnd - 4);
        expect(seen.has(number)).toBe(false);
        seen.set(number, batch.values.subarray(index * stride, (index + 1) * stride));
      }
      if (batch.done) break;
    }
    expect(seen.size).toBe(300);
    expect(seen.get(77)).toEqual(valueAt(77));
  });

  it("throws ENOSPC when a hash bucket is larger than the slice", () => {
    // 4 entries, 4 buckets: some round of keys puts two of them into one bucket.
    const errors = Array.from({ length: 20 }, (_, round) => {
      using map = create("hash", { entries: 4 });
      for (let index = 0; index < 4; index++) map.update(u32(round * 4 + index), u64(0));
      try {
        for (let cursor: Buffer | undefined, done = false; !done; ) {
          const batch = map.lookupBatch(cursor, 1);
          cursor = batch.cursor;
          done = batch.done;
        }
        return undefined;
      } catch (error) {
        return error;
      }
    });
    expect(errors).toContainEqual(expect.objectContaining({ code: "map-lookup-batch" }));
    expect(errors.find((error) => error !== undefined)).toMatchObject({ details: { errno: "ENOSPC" } });
  });
});

describe("pins and rights", () => {
  let folder: TestFolder;
  beforeAll(() => {
    folder = new TestFolder();
  });
  afterAll(() => folder[Symbol.dispose]());

  it("pins, opens again by path and by id, and refuses a taken path", () => {
    const path = `${folder.bpffs}/map`;
    using map = create("hash");
    map.update(u32(1), u64(5));
    map.pin(path);
    expect(thrownBy(() => map.pin(path))).toMatchObject({ code: "map-pin", details: { errno: "EEXIST", path } });
    using byPath = BpfMap.openPinned(path);
    using byId = BpfMap.openById(map.info.id);
    expect(byPath.lookup(u32(1))).toEqual(u64(5));
    expect(byId.info).toEqual(map.info);
  });

  it("a read-only handle reads and cannot write: EPERM", () => {
    const path = `${folder.bpffs}/read-only`;
    using map = create("hash");
    map.update(u32(1), u64(5));
    map.pin(path);
    for (const open of [
      () => BpfMap.openPinned(path, { readOnly: true }),
      () => BpfMap.openById(map.info.id, { readOnly: true }),
    ]) {
      using readOnly = open();
      expect(readOnly.lookup(u32(1))).toEqual(u64(5));
      expect(readOnly.lookupBatch(undefined, 100).count).toBe(1);
      const refused = [
        () => readOnly.update(u32(2), u64(0)),
        () => readOnly.delete(u32(1)),
        () => readOnly.updateBatch(u32(2), u64(0), 1),
        () => readOnly.deleteBatch(u32(1), 1),
      ];
      for (const call of refused) {
        expect(thrownBy(call)).toMatchObject({
          details: { errno: "EPERM" },
          hint: expect.stringContaining("read-only"),
        });
      }
    }
    expect(map.lookup(u32(1))).toEqual(u64(5));
  });

  it("a frozen map cannot be written", () => {
    using map = create("array");
    map.freeze();
    expect(thrownBy(() => map.update(u32(0), u64(1)))).toMatchObject({ details: { errno: "EPERM" } });
  });

  it("says that a path is not on a BPF file system", () => {
    using map = create("hash");
    expect(thrownBy(() => map.pin(`${folder.path}/plain`))).toMatchObject({
      code: "map-pin",
      hint: expect.stringContaining("mount -t bpf"),
    });
    expect(thrownBy(() => BpfMap.openPinned(`${folder.path}/nothing`))).toMatchObject({ details: { errno: "ENOENT" } });
    expect(thrownBy(() => BpfMap.openById(0xfffffff0))).toMatchObject({
      code: "map-open",
      details: { errno: "ENOENT" },
    });
  });
});

describe("misuse is refused before the kernel is asked", () => {
  it("wrong lengths and types", () => {
    using map = create("hash");
    const calls: readonly (() => unknown)[] = [
      () => map.lookup(Buffer.alloc(3)),
      () => map.lookup("abcd" as unknown as Buffer),
      () => map.lookup(undefined as unknown as Buffer),
      () => map.lookup(new Uint32Array(1) as unknown as Buffer),
      () => map.update(u32(1), Buffer.alloc(7)),
      () => map.update(u32(1), u64(1), "sometimes" as "any"),
      () => map.delete(Buffer.alloc(5)),
      () => map.nextKey(Buffer.alloc(0)),
      () => map.lookupBatch(undefined, 0),
      () => map.lookupBatch(undefined, 1.5),
      () => map.lookupBatch(Buffer.alloc(1), 10),
      () => map.updateBatch(Buffer.alloc(8), Buffer.alloc(8), 2),
      () => map.deleteBatch(Buffer.alloc(7), 2),
      () => map.pin(""),
      () => map.pin("a\0b"),
      () => BpfMap.openPinned(4 as unknown as string),
      () => BpfMap.openById(-1),
      () => BpfMap.openById(Number.NaN),
      () =>
        BpfMap.create({ type: "hash", name: "a-name-of-16-byte", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 }),
      () => BpfMap.create({ type: "no_map" as "hash", name: "x", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 }),
      () => BpfMap.create({ type: "hash", name: "x", keySizeBytes: -4, valueSizeBytes: 4, maxEntries: 1 }),
    ];
    for (const call of calls) expect(thrownBy(call)).toMatchObject({ code: "invalid-argument", exitCode: 6 });
  });

  it("use after close", () => {
    const map = create("hash");
    const { id } = map.info;
    map.close();
    map.close();
    expect(map.isOpen).toBe(false);
    const calls: readonly (() => unknown)[] = [
      () => map.fd,
      () => map.lookup(u32(1)),
      () => map.update(u32(1), u64(1)),
      () => map.delete(u32(1)),
      () => map.nextKey(),
      () => map.lookupBatch(undefined, 1),
      () => map.updateBatch(Buffer.alloc(0), Buffer.alloc(0), 0),
      () => map.pin("/x"),
      () => map.freeze(),
    ];
    for (const call of calls) {
      expect(thrownBy(call)).toMatchObject({ code: "handle-closed" });
      expect((thrownBy(call) as Error).message).toContain(`map cts_t_map (id ${id}) is closed`);
    }
  });
});

describe("a batch read beside the event loop", () => {
  const create = () =>
    BpfMap.create({ type: "hash", name: "cts_t_async", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1000 });

  function fill(map: BpfMap, entries: number): void {
    for (let index = 0; index < entries; index++) map.update(u32(index), u64(index));
  }

  it("is what the call that waits reads, and tells how long it held a CPU", async () => {
    using map = create();
    fill(map, 500);
    let cursor: Buffer | undefined;
    for (let done = false; !done; ) {
      const waited = map.lookupBatch(cursor, 64);
      const { kernelMs, ...batch } = await map.lookupBatchAsync(cursor, 64);
      expect(batch).toEqual(waited);
      expect(kernelMs).toBeGreaterThan(0);
      cursor = batch.cursor;
      done = batch.done;
    }
  });

  it("goes on when the handle is closed or collected and its buffers are nobody's meanwhile", async () => {
    const reads = Array.from({ length: 50 }, () => {
      const map = create();
      fill(map, 100);
      const read = map.lookupBatchAsync(undefined, 128);
      map.close();
      return read;
    });
    globalThis.gc?.();
    for (const { count, keys } of await Promise.all(reads)) {
      expect(count).toBe(100);
      expect(new Set(Array.from({ length: count }, (_, index) => keys.readUInt32LE(4 * index))).size).toBe(100);
    }
  });

  it("refuses what the call that waits refuses", async () => {
    const map = create();
    await expect(map.lookupBatchAsync(undefined, 0)).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(map.lookupBatchAsync(Buffer.alloc(1), 10)).rejects.toMatchObject({ code: "invalid-argument" });
    map.close();
    await expect(map.lookupBatchAsync(undefined, 1)).rejects.toMatchObject({ code: "handle-closed" });
  });
});
