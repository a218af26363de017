import type { BpfMap } from "../../kernel/bpf-map.js";
import type { Completeness, RowStream } from "../../model/readers.js";
import { type MapSlice, type ScanEnd, type ScannableMap, scanMap } from "../map-scan.js";
import type { NodeContext } from "../node-context.js";

/** How the rows of one pinned map are made. */
export interface MapSource<Row> {
  readonly name: string;
  /** What of an entry lies differently in the releases that the map may be of, and reads as undefined. */
  readonly unknownFields?: readonly string[];
  /** Appends to `rows` those entries of the slice that are wanted. */
  decode(slice: MapSlice, rows: Row[]): void;
}

/** Reads one key or value at `offset`; of per-CPU values all `lengthBytes` bytes. A `Codec` is one. */
export interface EntryDecoder<T> {
  readonly unknownFields?: readonly string[];
  decode(bytes: Uint8Array, offset: number, lengthBytes: number): T;
}

/** A source that makes one row of each entry, or none where `toRow` answers undefined. */
export function entrySource<Key, Value, Row>(
  name: string,
  codecs: { readonly key: EntryDecoder<Key>; readonly value: EntryDecoder<Value> },
  toRow: (key: Key, value: Value) => Row | undefined,
): MapSource<Row> {
  return {
    name,
    unknownFields: [...(codecs.key.unknownFields ?? []), ...(codecs.value.unknownFields ?? [])],
    decode({ keys, values, count }, rows) {
      const keyBytes = keys.length / count;
      const valueBytes = values.length / count;
      for (let i = 0; i < count; i++) {
        const key = codecs.key.decode(keys, i * keyBytes, keyBytes);
        const row = toRow(key, codecs.value.decode(values, i * valueBytes, valueBytes));
        if (row !== undefined) rows.push(row);
      }
    },
  };
}

/**
 * Reads maps one after the other as one stream. Maps that are not pinned are left out; when none is, the stream fails.
 * @throws KernelError `map-missing`, `layout-unknown`, those of the map calls
 */
export async function* readMaps<Row>(
  context: NodeContext,
  sources: readonly MapSource<Row>[],
  signal: AbortSignal,
  open: (name: string) => BpfMap | undefined = (name) => context.openMap(name),
): RowStream<Row> {
  const ends: ScanEnd[] = [];
  const notes: string[] = [];
  for (const source of sources) {
    using map = open(source.name);
    if (map === undefined) continue;
    notes.push(...unknownNotes(source));
    ends.push(yield* readMap(map, source, signal));
    if (signal.aborted) break;
  }
  if (ends.length === 0 && !signal.aborted) throw context.missingMapsError(sources.map(({ name }) => name));
  return combineEnds(ends, notes);
}

function unknownNotes({ name, unknownFields = [] }: MapSource<unknown>): readonly string[] {
  return unknownFields.length === 0 ? [] : [`unknown in ${name}: ${unknownFields.join(", ")}`];
}

/** Reads one map to its end. */
export async function* readMap<Row>(
  map: BpfMap,
  source: MapSource<Row>,
  signal: AbortSignal,
): AsyncGenerator<readonly Row[], ScanEnd> {
  const scan = scanMap(map, { signal });
  try {
    while (true) {
      const step = await scan.next();
      if (step.done === true) return step.value;
      yield* batchesOf(step.value, map, source);
    }
  } finally {
    await scan.return(undefined as never);
  }
}

function* batchesOf<Row>(slice: MapSlice, map: ScannableMap, source: MapSource<Row>): Generator<readonly Row[]> {
  for (const part of partsOf(slice, map)) {
    const rows: Row[] = [];
    source.decode(part, rows);
    if (rows.length > 0) yield rows;
  }
}

/** Rows of a batch. More are alive longer than the young generation of the heap holds them, and are copied then. */
const largestRowBatch = 512;

/** The kernel's slices, which may grow large, in pieces whose rows fit a batch. */
function* partsOf(slice: MapSlice, map: ScannableMap): Generator<MapSlice> {
  const { keySizeBytes } = map.info;
  for (let from = 0; from < slice.count; from += largestRowBatch) {
    const to = Math.min(slice.count, from + largestRowBatch);
    yield {
      keys: slice.keys.subarray(from * keySizeBytes, to * keySizeBytes),
      values: slice.values.subarray(from * map.valueStrideBytes, to * map.valueStrideBytes),
      count: to - from,
    };
  }
}

/** Several scans as one: partial when one is. */
export function combineEnds(ends: readonly ScanEnd[], notes: readonly string[] = []): Completeness {
  const reasons = ends.flatMap((end) => (end.state === "partial" ? [end.reason ?? "cut short"] : []));
  return {
    state: reasons.length === 0 ? "complete" : "partial",
    ...(reasons.length === 0 ? {} : { reason: [...new Set(reasons)].join("; ") }),
    rowsRead: ends.reduce((sum, end) => sum + end.entries, 0),
    restarts: ends.reduce((sum, end) => sum + end.restarts, 0),
    mapsRead: ends.length,
    ...(notes.length === 0 ? {} : { notes }),
  };
}
