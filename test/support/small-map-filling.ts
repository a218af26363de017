import * as fc from "fast-check";
import type { Codec } from "../../src/abi/codec.js";
import type { EntryCodecs, EntryPart } from "../../src/abi/entry-codecs.js";
import type { Release } from "../../src/abi/release.js";
import { type UpstreamMap, upstreamMap } from "../../src/abi/upstream-maps.js";
import { BpfMap, type MapSpec } from "../../src/kernel/bpf-map.js";
import type { MapSource, SmallMapRow } from "../../src/model/small-maps/small-map.js";
import type { MapNode } from "./map-node.js";
import { partsOf, sourceIn } from "./small-map-samples.js";

type Source = MapSource<SmallMapRow>;

/** Parts of a row: of the outer key, the key and the value. */
type RowParts = Readonly<Record<string, unknown>>;

const entriesEach = 12;

/**
 * Pins a small map in the release's layout and fills it with any values through the codecs' encoders.
 * Answers the rows that each of the sources that read this pin has to give.
 */
export async function fillPin(
  node: MapNode,
  sources: readonly Source[],
  release: Release,
): Promise<ReadonlyMap<Source, readonly RowParts[]>> {
  const nested = sources.find(({ inner }) => inner !== undefined);
  if (nested !== undefined) return fillOuter(node, nested, sources, release);
  const rows = new Map<Source, readonly RowParts[]>();
  for (const source of sources) {
    const map = node.pin(source.pin, specOf(upstreamMap(source.pin, release)!));
    rows.set(source, listed(source, put(map, source, release)));
  }
  return rows;
}

function listed(source: Source, rows: readonly RowParts[]): readonly RowParts[] {
  return rows.filter((row) => source.isListed?.(row as unknown as SmallMapRow) ?? true);
}

function specOf({ type, keySizeBytes, valueSizeBytes, maxEntries, flags }: UpstreamMap): Omit<MapSpec, "name"> {
  if (type === "prog_array" || type === "perf_event_array") throw new Error(`a ${type} has no entries`);
  const isArray = type === "array" || type === "percpu_array";
  return { type, keySizeBytes, valueSizeBytes, maxEntries: isArray ? maxEntries : Math.min(maxEntries, 64), flags };
}

/** Any entries; of arrays one for each slot. */
function put(map: BpfMap, source: Source, release: Release): readonly RowParts[] {
  const { structs, codecs } = sourceIn(source, release)!;
  const isArray = map.info.type.endsWith("array");
  const count = isArray ? map.info.maxEntries : Math.min(entriesEach, map.info.maxEntries);
  const parts = fc.tuple(partsOf(structs.key, source.key, release), partsOf(structs.value, source.value, release));
  const rows = new Map<string, RowParts>();
  fc.sample(parts, { seed: 20, numRuns: count }).forEach(([any, value], index) => {
    const key = isArray ? { [Object.keys(source.key)[0]!]: index } : any;
    const bytes = codecs.key.encode(key);
    map.update(bytes, valueBytes(map, codecs.value, value));
    rows.set(bytes.toString("hex"), {
      ...key,
      ...(source.isPerCpu === true ? sumOf(map, codecs.value, value) : value),
    });
  });
  return [...rows.values()];
}

/** The value once, or for each CPU. */
function valueBytes(map: BpfMap, codec: Codec<EntryPart>, value: EntryPart): Buffer {
  const bytes = Buffer.alloc(map.valueStrideBytes);
  const stride = Math.ceil(codec.sizeBytes / 8) * 8;
  if (map.valueStrideBytes === codec.sizeBytes) return codec.encode(value);
  for (let at = 0; at < bytes.length; at += stride) codec.encode(value).copy(bytes, at);
  return bytes;
}

function sumOf(map: BpfMap, codec: Codec<EntryPart>, value: EntryPart): EntryPart {
  const cpus = map.valueStrideBytes / (Math.ceil(codec.sizeBytes / 8) * 8);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, Number(each) * cpus]));
}

/** Pins a small map in the release's layout without an entry; an array has all of its own, which are zero. */
export function pinEmpty(node: MapNode, sources: readonly Source[], release: Release): void {
  const source = sources.find(({ inner }) => inner !== undefined) ?? sources[0]!;
  const { form, codecs } = sourceIn(source, release)!;
  if (source.inner === undefined) {
    node.pin(source.pin, specOf(form));
    return;
  }
  using template = BpfMap.create({ ...innerSpecOf(source.inner.like, codecs, release), name: "cts_t_inner" });
  node.pin(source.pin, { ...specOf(form), maxEntries: form.maxEntries, innerMap: template });
}

type Inner = NonNullable<Source["inner"]>;

function innerSpecOf(like: Inner["like"], { key, value }: EntryCodecs, release: Release): Omit<MapSpec, "name"> {
  if (typeof like === "string") return specOf(upstreamMap(like, release)!);
  return { type: "hash", keySizeBytes: key.sizeBytes, valueSizeBytes: value.sizeBytes, maxEntries: 64 };
}

/** An outer map with two filled maps and an empty one. */
async function fillOuter(
  node: MapNode,
  nested: Source,
  sources: readonly Source[],
  release: Release,
): Promise<ReadonlyMap<Source, readonly RowParts[]>> {
  const { form, outerKey, codecs } = sourceIn(nested, release)!;
  const innerSpec = innerSpecOf(nested.inner!.like, codecs, release);
  using first = BpfMap.create({ ...innerSpec, name: "cts_t_inner" });
  using second = BpfMap.create({ ...innerSpec, name: "cts_t_inner" });
  using empty = BpfMap.create({ ...innerSpec, name: "cts_t_inner" });
  const outer = node.pin(nested.pin, { ...specOf(form), maxEntries: form.maxEntries, innerMap: first });
  const rows = new Map<Source, RowParts[]>(sources.map((source) => [source, []]));
  for (const [slot, map] of [first, second, empty].entries()) {
    const key = Buffer.from([slot + 3, 0, 0, 0]);
    const entries = map === empty ? [] : put(map, nested, release);
    await outer.updateInnerAsync(key, map);
    for (const source of sources) {
      const part =
        source.inner === undefined ? sourceIn(source, release)!.codecs.key.decode(key) : outerKey!.decode(key);
      const own = source.inner === undefined ? [{}] : entries;
      const isEmptyRow = own.length === 0 && source.inner?.isEmptyListed === true;
      rows.get(source)!.push(...(isEmptyRow ? [{}] : own).map((row) => ({ ...part, ...row })));
    }
  }
  return rows;
}
