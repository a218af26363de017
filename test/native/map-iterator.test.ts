import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { isFeatureAvailable } from "../../src/kernel/features.js";
import { MapIterator } from "../../src/kernel/map-iterator.js";
import { isIterableMapType, type KnownMapType, MapFlag } from "../../src/kernel/map-type.js";
import { possibleCpus } from "../../src/kernel/net.js";
import { listLinkIds, listProgramIds } from "../../src/kernel/object-ids.js";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";
import { thrownBy } from "./kernel-fixture.js";

interface Shape {
  readonly keySizeBytes?: number;
  readonly valueSizeBytes?: number;
  readonly maxEntries?: number;
  readonly flags?: number;
}

function create(type: KnownMapType, shape: Shape = {}): BpfMap {
  const { keySizeBytes = 4, valueSizeBytes = 12, maxEntries = 2000, flags = 0 } = shape;
  return BpfMap.create({ type, name: "cts_t_iter", keySizeBytes, valueSizeBytes, maxEntries, flags });
}

/** Key i: its number at the end of the key. */
function keyOf(map: BpfMap, index: number): Buffer {
  const key = Buffer.alloc(map.info.keySizeBytes);
  key.writeUInt32LE(index, key.length - 4);
  return key;
}

/** The value under key i: each 4-byte word that belongs to it holds i; the padding of per-CPU values stays zero. */
function valueAt(map: BpfMap, index: number): Buffer {
  const value = Buffer.alloc(map.valueStrideBytes);
  const copies = map.valueStrideBytes === map.info.valueSizeBytes ? 1 : possibleCpus();
  const stride = map.valueStrideBytes / copies;
  for (let copy = 0; copy < copies; copy++) {
    for (let at = 0; at + 4 <= map.info.valueSizeBytes; at += 4) value.writeUInt32LE(index, copy * stride + at);
  }
  return value;
}

function fill(map: BpfMap, count: number): void {
  for (let index = 0; index < count; index++) map.update(keyOf(map, index), valueAt(map, index));
}

/** Every record of a map, key → value in hex, through a buffer of `bufferBytes`. */
function readAll(map: BpfMap, bufferBytes = 1 << 16): ReadonlyMap<string, string> {
  using iterator = MapIterator.open(map);
  const buffer = Buffer.alloc(bufferBytes);
  const { recordBytes, keySizeBytes } = iterator;
  const entries = new Map<string, string>();
  for (let count = iterator.read(buffer); count > 0; count = iterator.read(buffer)) {
    for (let at = 0; at < count * recordBytes; at += recordBytes) {
      const key = buffer.toString("hex", at, at + keySizeBytes);
      expect(entries.has(key), "each element comes once").toBe(false);
      entries.set(key, buffer.toString("hex", at + keySizeBytes, at + recordBytes));
    }
  }
  return entries;
}

function expected(map: BpfMap, count: number): ReadonlyMap<string, string> {
  const indexes = Array.from({ length: count }, (_, index) => index);
  return new Map(indexes.map((index) => [keyOf(map, index).toString("hex"), valueAt(map, index).toString("hex")]));
}

/** Skips where the probe says that this kernel has none. */
const iterates = (name: string, run: () => void): void =>
  it(name, (context: TestContext) => {
    requireKernelFeature(context, "map_iterator");
    run();
  });

describe("every element, once", () => {
  for (const type of ["hash", "lru_hash", "percpu_hash", "lru_percpu_hash"] as const) {
    iterates(type, () => {
      using map = create(type, { keySizeBytes: 14 });
      fill(map, 1000);
      expect(readAll(map)).toEqual(expected(map, 1000));
    });
  }

  for (const type of ["array", "percpu_array"] as const) {
    iterates(`${type}: slots that were never written, too`, () => {
      using map = create(type, { maxEntries: 700 });
      fill(map, 500);
      const entries = readAll(map);
      expect(entries.size).toBe(700);
      for (const [key, value] of expected(map, 500)) expect(entries.get(key)).toBe(value);
      expect(entries.get(keyOf(map, 699).toString("hex"))).toBe("00".repeat(map.valueStrideBytes));
    });
  }

  iterates("an empty map, and one without preallocation", () => {
    using map = create("hash", { flags: MapFlag.noPrealloc });
    expect(readAll(map).size).toBe(0);
    fill(map, 10);
    expect(readAll(map)).toEqual(expected(map, 10));
  });

  iterates("through a buffer of one record, and one that no number of records fills", () => {
    using map = create("hash");
    fill(map, 300);
    expect(readAll(map, 16)).toEqual(expected(map, 300));
    expect(readAll(map, 16 * 7 + 5)).toEqual(expected(map, 300));
  });

  iterates("through a map that was opened read-only, the only way we open what is not ours", () => {
    using folder = new TestFolder();
    using map = create("hash");
    fill(map, 20);
    map.pin(`${folder.bpffs}/iterated`);
    using foreign = BpfMap.openPinned(`${folder.bpffs}/iterated`, { readOnly: true });
    expect(readAll(foreign)).toEqual(expected(map, 20));
  });
});

describe("while the map changes", () => {
  iterates("elements that stay come once, whatever comes and goes beside them", () => {
    using map = create("hash", { maxEntries: 4000 });
    fill(map, 1000);
    using iterator = MapIterator.open(map);
    const buffer = Buffer.alloc(16 * 50);
    const seen = new Map<number, number>();
    let churn = 2000;
    for (let count = iterator.read(buffer); count > 0; count = iterator.read(buffer)) {
      for (let at = 0; at < count * 16; at += 16) {
        const index = buffer.readUInt32LE(at);
        if (index < 1000) seen.set(index, (seen.get(index) ?? 0) + 1);
      }
      for (let i = 0; i < 20; i++, churn++) {
        map.update(keyOf(map, churn), valueAt(map, churn));
        map.delete(keyOf(map, churn - 15));
      }
    }
    // Only a bucket that a read ended in may give an element twice or not at all.
    const odd = Array.from({ length: 1000 }, (_, index) => seen.get(index) ?? 0).filter((times) => times !== 1);
    expect(odd.length).toBeLessThan(10);
  });

  iterates("closing the map does not end the iterator", () => {
    const map = create("hash");
    fill(map, 100);
    using iterator = MapIterator.open(map);
    map.close();
    expect(iterator.read(Buffer.alloc(1 << 16))).toBe(100);
  });
});

describe("what it leaves and refuses", () => {
  iterates("program and link go with it", async () => {
    using map = create("hash");
    const before = { programs: new Set(listProgramIds()), links: new Set(listLinkIds()) };
    const iterator = MapIterator.open(map);
    expect(listLinkIds().filter((id) => !before.links.has(id)).length).toBeGreaterThan(0);
    iterator.close();
    iterator.close();
    await expect.poll(() => listLinkIds().filter((id) => !before.links.has(id))).toEqual([]);
    await expect.poll(() => listProgramIds().filter((id) => !before.programs.has(id))).toEqual([]);
  });

  iterates("a record that does not fit into the kernel's 32 KiB", () => {
    using map = create("hash", { valueSizeBytes: 64 * 1024, maxEntries: 2 });
    map.update(keyOf(map, 1), Buffer.alloc(map.valueStrideBytes));
    using iterator = MapIterator.open(map);
    expect(thrownBy(() => iterator.read(Buffer.alloc(1 << 18)))).toMatchObject({
      code: "map-iterator-read",
      details: { errno: "E2BIG" },
    });
  });

  it("map types without an iterator, by name", () => {
    using trie = create("lpm_trie", { keySizeBytes: 8 });
    expect(isIterableMapType("lpm_trie")).toBe(false);
    expect(thrownBy(() => MapIterator.open(trie))).toMatchObject({
      code: "map-iterator-open",
      details: { errno: "EINVAL", mapType: "lpm_trie" },
      hint: expect.stringContaining("not over lpm_trie"),
    });
  });

  describe("CTS_DISABLE_FEATURES", () => {
    const before = process.env.CTS_DISABLE_FEATURES;
    beforeAll(() => {
      process.env.CTS_DISABLE_FEATURES = "btf";
    });
    afterAll(() => {
      if (before === undefined) delete process.env.CTS_DISABLE_FEATURES;
      else process.env.CTS_DISABLE_FEATURES = before;
    });

    it("=btf takes iterators away too", () => {
      using map = create("hash");
      expect(isFeatureAvailable("map_iterator")).toBe(false);
      expect(thrownBy(() => MapIterator.open(map))).toMatchObject({
        code: "map-iterator-open",
        details: { errno: "EINVAL" },
      });
    });
  });

  iterates("misuse", () => {
    using map = create("hash");
    const iterator = MapIterator.open(map);
    for (const wrong of [Buffer.alloc(15), "x" as unknown as Buffer, undefined as unknown as Buffer]) {
      expect(thrownBy(() => iterator.read(wrong))).toMatchObject({ code: "invalid-argument" });
    }
    expect(thrownBy(() => MapIterator.open({} as BpfMap))).toMatchObject({ code: "invalid-argument" });
    iterator.close();
    expect(thrownBy(() => iterator.read(Buffer.alloc(16)))).toMatchObject({ code: "handle-closed" });
    map.close();
    expect(thrownBy(() => MapIterator.open(map))).toMatchObject({ code: "handle-closed" });
  });
});
