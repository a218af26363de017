import { upstreamMapName } from "../../abi/upstream-maps.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import type { Completeness, RowStream } from "../../model/readers.js";
import type { RowBatch } from "../../model/row-batch.js";
import type { NodeContext } from "../node-context.js";
import type { ScanEnd } from "../scan/map-scan.js";
import type { MapSlice } from "../scan/map-walk.js";
import { scanBpfMap } from "../scan/scan-bpf-map.js";

/** How the rows of one pinned map are made. */
export interface MapSource<Row> {
  readonly name: string;
  /** What of an entry lies differently in the releases that the map may be of, and reads as undefined. */
  readonly unknownFields?: readonly string[];
  /** The wanted entries of the slice; no batch is empty. */
  batches(slice: MapSlice): Iterable<RowBatch<Row>>;
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
    *batches({ keys, values, count }) {
      const keyBytes = keys.length / count;
      const valueBytes = values.length / count;
      for (let from = 0; from < count; from += largestRowBatch) {
        const rows: Row[] = [];
        for (let i = from; i < Math.min(count, from + largestRowBatch); i++) {
          const key = codecs.key.decode(keys, i * keyBytes, keyBytes);
          const row = toRow(key, codecs.value.decode(values, i * valueBytes, valueBytes));
          if (row !== undefined) rows.push(row);
        }
        if (rows.length > 0) yield rows;
      }
    },
  };
}

/** Rows of a batch. More are alive longer than the young generation of the heap holds them, and are copied then. */
const largestRowBatch = 512;

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
  const emptyMaps: string[] = [];
  const notes: string[] = [];
  for (const source of sources) {
    using map = open(source.name);
    if (map === undefined) continue;
    notes.push(...unknownNotes(source));
    const end = yield* readMap(scanBpfMap(map, context, signal), source);
    ends.push(end);
    if (end.entries === 0) emptyMaps.push(source.name);
    if (signal.aborted) break;
  }
  if (ends.length === 0 && !signal.aborted) throw context.missingMapsError(sources.map(({ name }) => name));
  return { ...combineEnds(ends, notes), emptyMaps };
}

function unknownNotes({ name, unknownFields = [] }: MapSource<unknown>): readonly string[] {
  return unknownFields.length === 0 ? [] : [`unknown in ${upstreamMapName(name) ?? name}: ${unknownFields.join(", ")}`];
}

/** Reads one map to its end. */
export async function* readMap<Row>(
  scan: AsyncGenerator<MapSlice, ScanEnd>,
  source: MapSource<Row>,
): AsyncGenerator<RowBatch<Row>, ScanEnd> {
  try {
    while (true) {
      const step = await scan.next();
      if (step.done === true) return step.value;
      yield* source.batches(step.value);
    }
  } finally {
    await scan.return(undefined as never);
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
    longestSliceMs: Math.round(1_000 * Math.max(0, ...ends.map((end) => end.longestSliceMs))) / 1_000,
    mapsRead: ends.length,
    ...(notes.length === 0 ? {} : { notes }),
  };
}
