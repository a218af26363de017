import { setImmediate as nextTurn } from "node:timers/promises";
import { KernelError } from "../lib/errors.js";

/** What a scan needs of a map; `BpfMap` fits. */
export interface ScannableMap {
  readonly info: { readonly keySizeBytes: number; readonly maxEntries: number; readonly type: string };
  /** Bytes of one value as look-ups return it (per-CPU maps: all CPUs). */
  readonly valueStrideBytes: number;
  lookup(key: Uint8Array): Buffer | undefined;
  nextKey(key?: Uint8Array): Buffer | undefined;
  lookupBatch(cursor: Buffer | undefined, count: number): MapBatch;
}

/** Keys and values side by side: entry i's key is at `i * keySizeBytes`, its value at `i * valueStrideBytes`. */
export interface MapSlice {
  readonly keys: Buffer;
  readonly values: Buffer;
  readonly count: number;
}

export interface MapBatch extends MapSlice {
  readonly cursor: Buffer | undefined;
  readonly done: boolean;
}

/** How a scan ended. */
export interface ScanEnd {
  readonly state: "complete" | "partial";
  readonly reason?: string;
  readonly entries: number;
  readonly restarts: number;
}

export interface ScanOptions {
  readonly signal: AbortSignal;
  /** Longest time one slice should hold the CPU. */
  readonly sliceMs?: number;
  /** Milliseconds of a clock that only goes forward; `performance.now` unless told. */
  readonly now?: () => number;
}

const firstBatch = 256;
const smallestBatch = 16;
/** Rows of larger slices would outlive the young generation of the heap: that costs more time than the calls save. */
const largestBatch = 1024;

/**
 * Reads a map in bounded slices, yielding to the event loop between them. Slices start small: they grow while they are
 * quick, and shrink when one holds the CPU for longer than `sliceMs`, which sparse maps with many buckets make even
 * small batches do. Ends after twice the map's capacity at the latest, however much the map changes meanwhile.
 *
 * An entry that exists throughout is delivered, exactly once with batches (the kernel hands over whole hash buckets);
 * entries that come or go meanwhile may or may not be. Where the cursor's key vanished and the walk had to begin again,
 * the end says partial, because entries may then appear twice.
 */
export async function* scanMap(map: ScannableMap, options: ScanOptions): AsyncGenerator<MapSlice, ScanEnd> {
  const sliceMs = options.sliceMs ?? 5;
  const bound = 2 * map.info.maxEntries;
  const now = options.now ?? monotonicMs;
  const pacer = new Pacer(sliceMs);
  let size = Math.min(firstBatch, Math.max(smallestBatch, map.info.maxEntries));
  let cursor: Buffer | undefined;
  const restarts = new RestartCounter(map);
  let entries = 0;
  while (true) {
    if (options.signal.aborted) return partial("interrupted", entries, restarts.count);
    const startedAt = now();
    let batch: MapBatch;
    try {
      batch = map.lookupBatch(cursor, size);
    } catch (error) {
      const errno = errnoOf(error);
      // One bucket holds more entries than there was room for; the cursor stays where it was. linux/kernel/bpf/hashtab.c
      if (errno === "ENOSPC" && size < 2 * map.info.maxEntries) {
        size *= 2;
        continue;
      }
      if (cursor === undefined && (errno === "EINVAL" || errno === "ENOTSUPP" || errno === "EOPNOTSUPP")) {
        return yield* walkKeys(map, options);
      }
      throw error;
    }
    const tookMs = now() - startedAt;
    entries += batch.count;
    restarts.inspect(batch);
    if (batch.count > 0) yield batch;
    if (batch.done) return restarts.end(entries);
    if (entries >= bound) return partial(tooManyChanges(bound), entries, restarts.count);
    cursor = batch.cursor;
    size = nextSize(size, tookMs, sliceMs);
    await pacer.pace();
  }
}

function monotonicMs(): number {
  return performance.now();
}

function nextSize(size: number, tookMs: number, sliceMs: number): number {
  if (tookMs > sliceMs) return Math.max(smallestBatch, size >> 1);
  if (tookMs < sliceMs / 4) return Math.min(largestBatch, size << 1);
  return size;
}

/** How many keys the walk remembers to go back to when its cursor vanishes. */
const trailLength = 16;
const walkSlice = 512;

async function* walkKeys(map: ScannableMap, options: ScanOptions): AsyncGenerator<MapSlice, ScanEnd> {
  const pacer = new Pacer(options.sliceMs ?? 5);
  const bound = 2 * map.info.maxEntries;
  const walk = new KeyWalk(map);
  const slice = new SliceBuilder(map.info.keySizeBytes, map.valueStrideBytes);
  let visited = 0;
  while (true) {
    if (options.signal.aborted) {
      if (!slice.isEmpty) yield slice.take();
      return partial("interrupted", walk.entries, walk.restarts);
    }
    const found = walk.next();
    if (found === undefined) break;
    if (found.value !== undefined) slice.add(found.key, found.value);
    if (++visited >= bound) {
      if (!slice.isEmpty) yield slice.take();
      return partial(tooManyChanges(bound), walk.entries, walk.restarts);
    }
    const isSliceFull = slice.count >= walkSlice;
    if (isSliceFull || pacer.isDue()) {
      if (!slice.isEmpty) yield slice.take();
      await pacer.pace();
    }
  }
  if (!slice.isEmpty) yield slice.take();
  return endOf(walk.entries, walk.restarts);
}

function endOf(entries: number, restarts: number): ScanEnd {
  if (restarts === 0) return { state: "complete", entries, restarts };
  const reason = `the map changed under the reader: it began again ${restarts} times, entries may appear twice`;
  return partial(reason, entries, restarts);
}

/** Hash maps' cursors are buckets and never vanish; a trie's cursor is a key, and without it the kernel begins again. */
class RestartCounter {
  count = 0;
  readonly #keyBytes: number;
  readonly #canRestart: boolean;
  #firstKey: Buffer | undefined;

  constructor(map: ScannableMap) {
    this.#keyBytes = map.info.keySizeBytes;
    this.#canRestart = map.info.type === "lpm_trie";
  }

  inspect({ keys, count }: MapSlice): void {
    if (!this.#canRestart || count === 0) return;
    const first = this.#firstKey;
    if (first === undefined) this.#firstKey = Buffer.from(keys.subarray(0, this.#keyBytes));
    else if (this.#contains(keys, count, first)) this.count++;
  }

  end(entries: number): ScanEnd {
    return endOf(entries, this.count);
  }

  #contains(keys: Buffer, count: number, key: Buffer): boolean {
    for (let i = 0; i < count; i++) {
      if (key.compare(keys, i * this.#keyBytes, (i + 1) * this.#keyBytes) === 0) return true;
    }
    return false;
  }
}

/**
 * Walks keys by "next key". Asked for the key after one that is gone, the kernel answers with the map's first key, so
 * the walk checks that its cursor still exists, and otherwise goes back to the latest key that does; keys that it then
 * sees again are left out. Only when none of the remembered keys is left does it begin again.
 */
class KeyWalk {
  entries = 0;
  restarts = 0;
  readonly #map: ScannableMap;
  /** The latest keys, newest last: where to go on when the newest is gone. */
  readonly #trail: Buffer[] = [];
  readonly #seen = new Set<string>();

  constructor(map: ScannableMap) {
    this.#map = map;
  }

  /** Undefined at the end; without a value when the entry is a repeated one or vanished between the two calls. */
  next(): { readonly key: Buffer; readonly value: Buffer | undefined } | undefined {
    while (true) {
      const cursor = this.#trail.at(-1);
      const key = this.#map.nextKey(cursor);
      if (cursor !== undefined && this.#map.lookup(cursor) === undefined) {
        this.#trail.pop();
        if (this.#trail.length === 0) this.restarts++;
        continue;
      }
      if (key === undefined) return undefined;
      const value = this.#map.lookup(key);
      const isRepeated = this.#remember(key);
      if (value === undefined || isRepeated) return { key, value: undefined };
      this.entries++;
      return { key, value };
    }
  }

  /** Whether the key was seen a short while ago. */
  #remember(key: Buffer): boolean {
    this.#trail.push(key);
    if (this.#trail.length > trailLength) this.#trail.shift();
    const text = key.toString("latin1");
    if (this.#seen.has(text)) return true;
    this.#seen.add(text);
    if (this.#seen.size > 4 * trailLength) {
      const oldest = this.#seen.values().next().value;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return false;
  }
}

/** Collects entries until the slice is delivered. */
class SliceBuilder {
  readonly #keyBytes: number;
  readonly #valueBytes: number;
  #keys: Buffer;
  #values: Buffer;
  count = 0;

  constructor(keyBytes: number, valueBytes: number) {
    this.#keyBytes = keyBytes;
    this.#valueBytes = valueBytes;
    this.#keys = Buffer.alloc(keyBytes * walkSlice);
    this.#values = Buffer.alloc(valueBytes * walkSlice);
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  add(key: Buffer, value: Buffer): void {
    key.copy(this.#keys, this.count * this.#keyBytes);
    value.copy(this.#values, this.count * this.#valueBytes);
    this.count++;
  }

  /** The slice so far; its buffers are the receiver's. */
  take(): MapSlice {
    const slice = { keys: this.#keys, values: this.#values, count: this.count };
    this.#keys = Buffer.alloc(this.#keyBytes * walkSlice);
    this.#values = Buffer.alloc(this.#valueBytes * walkSlice);
    this.count = 0;
    return slice;
  }
}

/** Gives the event loop a turn whenever this much time has passed since its last. */
class Pacer {
  readonly #sliceMs: number;
  #lastTurn = performance.now();

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  isDue(): boolean {
    return performance.now() - this.#lastTurn >= this.#sliceMs;
  }

  async pace(): Promise<void> {
    if (!this.isDue()) return;
    await nextTurn();
    this.#lastTurn = performance.now();
  }
}

function partial(reason: string, entries: number, restarts: number): ScanEnd {
  return { state: "partial", reason, entries, restarts };
}

function tooManyChanges(bound: number): string {
  return `the map changes faster than it can be read: stopped after ${bound} entries, twice its capacity`;
}

function errnoOf(error: unknown): string | undefined {
  const errno = error instanceof KernelError ? error.details.errno : undefined;
  return typeof errno === "string" ? errno : undefined;
}
