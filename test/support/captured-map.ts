import type { Release } from "../../src/abi/release.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { type CapturedMap, readCapturedMap } from "../unit/abi-capture-files.js";

type MapShape = Pick<CapturedMap, "type" | "flags" | "maxEntries" | "keySizeBytes" | "valueSizeBytes">;

/** What inner maps look like where none was captured. */
const maglevTable: MapShape = { type: "array", flags: 0, maxEntries: 1, keySizeBytes: 4, valueSizeBytes: 4 * 251 };

function shapeOf({ type, flags, maxEntries, keySizeBytes, valueSizeBytes }: MapShape): MapShape {
  return { type, flags, maxEntries, keySizeBytes, valueSizeBytes };
}

/** Creates and fills a map as upstream's was when it was captured, smaller where it was large. */
export function createCapturedMap(name: string, release?: Release): BpfMap {
  const captured = readCapturedMap(name, release);
  const spec = { ...shapeOf(captured), name: name.slice(0, 15), maxEntries: Math.min(captured.maxEntries, 4096) };
  if (!captured.type.endsWith("_of_maps")) return fill(BpfMap.create(spec), captured);
  const inner = [...captured.innerMaps.values()][0];
  using template = BpfMap.create({ name: "cts_t_inner", ...shapeOf(inner ?? maglevTable) });
  const outer = BpfMap.create({ ...spec, innerMap: template });
  for (const { key, innerId } of captured.entries) {
    const content = captured.innerMaps.get(innerId ?? 0);
    if (content !== undefined) putInner(outer, key, content);
  }
  return outer;
}

function fill(map: BpfMap, { entries }: CapturedMap): BpfMap {
  for (const { key, value } of entries) {
    map.update(key, value.length === map.valueStrideBytes ? value : padTo(value, map.valueStrideBytes));
  }
  return map;
}

/** The value of an update is the inner map's descriptor, which may be closed then. */
function putInner(outer: BpfMap, key: Buffer, content: CapturedMap): void {
  using inner = fill(BpfMap.create({ name: "cts_t_inner", ...shapeOf(content) }), content);
  const descriptor = Buffer.alloc(4);
  descriptor.writeUInt32LE(inner.fd);
  outer.update(key, descriptor);
}

/** The capture was made on a machine with fewer CPUs than this one may have. */
function padTo(value: Buffer, sizeBytes: number): Buffer {
  const padded = Buffer.alloc(sizeBytes);
  value.copy(padded, 0, 0, sizeBytes);
  return padded;
}
