import { BpfMap } from "../../kernel/bpf-map.js";
import { KernelError } from "../../lib/errors.js";

/** A place of an outer map that holds a map. */
export interface InnerMapRef {
  readonly outerKey: Buffer;
  readonly mapId: number;
}

/** A map in an outer map. Belongs to whoever asked for it. */
export interface InnerMap {
  readonly outerKey: Buffer;
  readonly map: BpfMap;
}

/** The maps that an outer map holds. */
export function* innerMapRefs(outer: BpfMap): Generator<InnerMapRef> {
  // As many steps as there are slots at most: the keys of a map that changes may begin anew.
  let steps = 0;
  for (let key = outer.nextKey(); key !== undefined && steps < outer.info.maxEntries; key = outer.nextKey(key)) {
    steps++;
    const mapId = outer.lookup(key)?.readUInt32LE(0);
    if (mapId !== undefined) yield { outerKey: key, mapId };
  }
}

/** The maps that an outer map holds, one after the other; those that go meanwhile are left out. */
export function* openInnerMaps(outer: BpfMap): Generator<InnerMap> {
  for (const { outerKey, mapId } of innerMapRefs(outer)) {
    const map = openMapById(mapId);
    if (map !== undefined) yield { outerKey, map };
  }
}

/** Undefined when there is no such map any more. */
export function openMapById(id: number): BpfMap | undefined {
  try {
    return BpfMap.openById(id, { readOnly: true });
  } catch (error) {
    if (error instanceof KernelError && error.details.errno === "ENOENT") return undefined;
    throw error;
  }
}

interface EntrySizes {
  readonly key: { readonly sizeBytes: number };
  readonly value: { readonly sizeBytes: number };
}

/**
 * Maps in maps are not named: that they are what they should be, only their sizes can say.
 * @throws KernelError `layout-unknown`
 */
export function checkInnerSizes(outer: string, { info }: BpfMap, { key, value }: EntrySizes): void {
  if (info.keySizeBytes === key.sizeBytes && info.valueSizeBytes === value.sizeBytes) return;
  throw new KernelError(
    "layout-unknown",
    `a map in ${outer} has keys and values of ${info.keySizeBytes} and ${info.valueSizeBytes} bytes instead of ${key.sizeBytes} and ${value.sizeBytes}`,
    { details: { outer, keySizeBytes: info.keySizeBytes, valueSizeBytes: info.valueSizeBytes } },
  );
}
