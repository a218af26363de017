import type { BpfMap } from "../../src/kernel/bpf-map.js";
import { u32 } from "./u32.js";

export function isMapOfMaps(map: BpfMap): boolean {
  return map.info.type.endsWith("_of_maps");
}

/** Arrays have every key always: theirs become zero. */
export function clearMap(map: BpfMap): void {
  const { type, maxEntries } = map.info;
  if (!/array/.test(type)) {
    for (let key = map.nextKey(); key !== undefined; key = map.nextKey()) map.delete(key);
    return;
  }
  for (let index = 0; index < maxEntries; index++) {
    map.update(u32(index), Buffer.alloc(map.valueStrideBytes));
  }
}
