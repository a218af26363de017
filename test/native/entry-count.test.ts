import { expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { countEntries } from "../../src/kernel/entry-count.js";
import type { KnownMapType } from "../../src/kernel/map-type.js";

function filled(type: KnownMapType, maxEntries: number, count: number): BpfMap {
  const isTrie = type === "lpm_trie";
  const map = BpfMap.create({
    ...{ type, name: "cts_t_count", keySizeBytes: 8, valueSizeBytes: 8, maxEntries, flags: isTrie ? 1 : 0 },
  });
  const keys = Buffer.alloc(8 * count);
  for (let index = 0; index < count; index++) {
    keys.writeUInt32LE(isTrie ? 32 : 0xa5, 8 * index);
    keys.writeUInt32LE(index, 8 * index + 4);
  }
  map.updateBatch(keys, Buffer.alloc(map.valueStrideBytes * count), count);
  return map;
}

it.each<[KnownMapType, number, number]>([
  ["hash", 65_536, 0],
  ["hash", 65_536, 1],
  ["hash", 65_536, 8191],
  ["lru_hash", 4096, 3500],
  ["percpu_hash", 4096, 4096],
  ["lpm_trie", 16_384, 12_000],
])("%s of %d entries: %d are counted exactly", async (type, maxEntries, count) => {
  using map = filled(type, maxEntries, count);
  expect(await countEntries(map)).toEqual({ entries: count, isEstimate: false });
});

it.each<[KnownMapType, number, number]>([
  ["hash", 65_536, 9000],
  ["hash", 65_536, 65_536],
  ["hash", 100_000, 85_000],
  ["lru_hash", 524_288, 445_000],
])("%s of %d entries: %d are estimated", async (type, maxEntries, count) => {
  using map = filled(type, maxEntries, count);
  const { entries, isEstimate } = await countEntries(map);
  expect(isEstimate).toBe(true);
  // Five standard deviations.
  expect(Math.abs(entries / count - 1)).toBeLessThan(0.055);
});
