import { expect, it } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";

const u32 = (...values: readonly number[]) => Buffer.from(new Uint32Array(values).buffer);
const innerSpec = { type: "hash", name: "cts_t_inner", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 4 } as const;

it.each(["hash_of_maps", "array_of_maps"] as const)("%s takes several inner maps in one call", async (type) => {
  using inner = BpfMap.create(innerSpec);
  using second = BpfMap.create(innerSpec);
  using outer = BpfMap.create({ ...innerSpec, name: "cts_t_outer", type, innerMap: inner });
  await outer.updateInnersAsync(u32(1, 3), [inner, second]);
  await outer.updateInnersAsync(Buffer.alloc(0), []);
  const ids = [0, 1, 2, 3].map((index) => outer.lookup(u32(index))?.readUInt32LE());
  expect(ids).toEqual([undefined, inner.info.id, undefined, second.info.id]);
});
