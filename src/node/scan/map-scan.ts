import { setImmediate as nextTurn } from "node:timers/promises";
import { isSlotMapType, type MapType } from "../../kernel/map-type.js";
import { BatchWalk } from "./batch-walk.js";
import { KeyWalk } from "./key-walk.js";
import type { MapSlice, MapWalk, ScannableMap } from "./map-walk.js";
import { emptyStretchMs, refuseLongSlice } from "./slice-limit.js";
import { SlotWalk } from "./slot-walk.js";
import { type KeyFinder, SparseWalk } from "./sparse-walk.js";

/** How a scan ended. */
export interface ScanEnd {
  readonly state: "complete" | "partial";
  readonly reason?: string;
  readonly entries: number;
  readonly restarts: number;
  /** The longest time that one system call held a CPU. */
  readonly longestSliceMs: number;
}

export interface ScanOptions {
  readonly signal: AbortSignal;
  /** Longest time one slice should hold the CPU. */
  readonly sliceMs?: number | undefined;
  /** Longest time that a slice may hold the CPU where nothing can be done about it. */
  readonly maxSliceMs?: number | undefined;
  /** Opens what finds keys in nearly empty maps; throws or answers undefined where it cannot be had. */
  readonly openKeyFinder?: (() => KeyFinder | undefined) | undefined;
  /** Milliseconds of a clock that only goes forward; `performance.now` unless told. */
  readonly now?: (() => number) | undefined;
}

const defaultSliceMs = 5;
/** What the emptiest map of 16 million slots takes, with room to spare. */
export const defaultMaxSliceMs = 50;

/**
 * Reads a map in bounded slices, giving the event loop its turn between them. Ends after twice the map's capacity at the
 * latest, however much the map changes meanwhile; holds no more than two slices.
 *
 * An entry that exists throughout is delivered, exactly once with batches (the kernel hands over whole hash buckets);
 * entries that come or go meanwhile may or may not be. Where the cursor's key vanished and the walk had to begin again,
 * the end says partial, because entries may then appear twice.
 *
 * @throws KernelError `slice-too-long` when the kernel might hold a CPU for longer than `maxSliceMs` in one call; those of
 * the map calls
 */
export async function* scanMap(map: ScannableMap, options: ScanOptions): AsyncGenerator<MapSlice, ScanEnd> {
  const bound = 2 * map.info.maxEntries;
  const pacer = new Pacer(options.sliceMs ?? defaultSliceMs);
  const walk = await openWalk(map, options);
  let [entries, visited, longestSliceMs] = [0, 0, 0];
  const endOf = (reason?: string): ScanEnd => {
    const counts = { entries, restarts: walk.restarts, longestSliceMs };
    return reason === undefined ? { state: "complete", ...counts } : { state: "partial", reason, ...counts };
  };
  try {
    while (!options.signal.aborted) {
      const step = await walk.next();
      if (step === undefined) return endOf(walk.shortfall);
      visited += step.visited;
      const slice = visited <= bound ? step : firstOf(step, step.count - (visited - bound), map);
      entries += slice.count;
      longestSliceMs = Math.max(longestSliceMs, step.kernelMs);
      if (slice.count > 0) yield slice;
      if (visited >= bound && !walk.isDone) return endOf(tooManyChanges(bound));
      await pacer.pace();
    }
    return endOf("interrupted");
  } finally {
    await walk.close();
  }
}

/** The slice without what exceeds the bound. */
function firstOf({ keys, values }: MapSlice, count: number, map: ScannableMap): MapSlice {
  const kept = Math.max(0, count);
  return {
    keys: keys.subarray(0, kept * map.info.keySizeBytes),
    values: values.subarray(0, kept * map.valueStrideBytes),
    count: kept,
  };
}

/** Batch calls, except where the map may be one large empty stretch, and where the kernel has none. */
async function openWalk(map: ScannableMap, options: ScanOptions): Promise<MapWalk> {
  const { sliceMs = defaultSliceMs, maxSliceMs = defaultMaxSliceMs, now = monotonicMs } = options;
  if (isSlotMapType(map.info.type as MapType)) return new SlotWalk(map, sliceMs, now);
  const stretchMs = emptyStretchMs(map);
  if (stretchMs > sliceMs) {
    const finder = options.openKeyFinder?.();
    const sparse = finder && SparseWalk.open(map, finder);
    if (sparse !== undefined) return sparse;
    if (finder === undefined && stretchMs > maxSliceMs) throw refuseLongSlice(map, stretchMs, maxSliceMs);
  }
  return (await BatchWalk.open(map, sliceMs)) ?? new KeyWalk(map, sliceMs, now);
}

function monotonicMs(): number {
  return performance.now();
}

function tooManyChanges(bound: number): string {
  return `the map changes faster than it can be read: stopped after ${bound} entries, twice its capacity`;
}

/** Gives the event loop a turn whenever this much time has passed since its last. */
class Pacer {
  readonly #sliceMs: number;
  #lastTurn = performance.now();

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  async pace(): Promise<void> {
    if (performance.now() - this.#lastTurn < this.#sliceMs) return;
    await nextTurn();
    this.#lastTurn = performance.now();
  }
}
