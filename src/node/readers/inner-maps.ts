import { BpfMap } from "../../kernel/bpf-map.js";
import { KernelError } from "../../lib/errors.js";

/** A map in an outer map. Belongs to whoever asked for it. */
export interface InnerMap {
  readonly outerKey: Buffer;
  readonly map: BpfMap;
}

/** The maps that an outer map holds, one after the other; those that go meanwhile are left out. */
export function* openInnerMaps(outer: BpfMap): Generator<InnerMap> {
  // As many steps as there are slots at most: the keys of a map that changes may begin anew.
  let steps = 0;
  for (let key = outer.nextKey(); key !== undefined && steps < outer.info.maxEntries; key = outer.nextKey(key)) {
    steps++;
    const id = outer.lookup(key)?.readUInt32LE(0);
    const map = id === undefined ? undefined : openById(id);
    if (map !== undefined) yield { outerKey: key, map };
  }
}

function openById(id: number): BpfMap | undefined {
  try {
    return BpfMap.openById(id, { readOnly: true });
  } catch (error) {
    if (error instanceof KernelError && error.details.errno === "ENOENT") return undefined;
    throw error;
  }
}
