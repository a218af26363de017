import {
  errnoOf,
  type MapBatch,
  type MapSlice,
  type MapWalk,
  repeatedEntries,
  type ScannableMap,
  type WalkStep,
} from "./map-walk.js";

const firstBatch = 256;
const smallestBatch = 16;
const largestBatch = 4096;
/** Two batches of this size are held: values may have megabytes. */
const largestBatchBytes = 2 ** 21;

/**
 * Reads with batch calls, beside the event loop: the next batch is read while the one before is worked on. Batches start
 * small, grow while they are quick, and shrink when one holds the CPU for longer than `sliceMs`.
 *
 * The kernel hands over whole hash buckets under their locks, so an entry that stays comes exactly once.
 */
export class BatchWalk implements MapWalk {
  readonly #map: ScannableMap;
  readonly #sliceMs: number;
  readonly #restarts: RestartCounter;
  readonly #largest: number;
  #size: number;
  #pending: Promise<MapBatch> | undefined;
  /** The last one that was handed out: whoever asks for the next is done with it. */
  #given: MapBatch | undefined;

  private constructor(map: ScannableMap, sliceMs: number) {
    this.#map = map;
    this.#sliceMs = sliceMs;
    this.#restarts = new RestartCounter(map);
    const entryBytes = map.info.keySizeBytes + map.valueStrideBytes;
    this.#largest = Math.max(1, Math.min(largestBatch, Math.floor(largestBatchBytes / Math.max(1, entryBytes))));
    this.#size = Math.min(firstBatch, this.#largest, Math.max(smallestBatch, map.info.maxEntries));
    this.#read(undefined);
  }

  /** Undefined where there are no batch calls for such a map: hash maps before 5.6, LPM tries before 5.16. */
  static async open(map: ScannableMap, sliceMs: number): Promise<BatchWalk | undefined> {
    const walk = new BatchWalk(map, sliceMs);
    try {
      await walk.#pending;
      return walk;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "EINVAL" || errno === "ENOTSUPP" || errno === "EOPNOTSUPP") return undefined;
      throw error;
    }
  }

  get restarts(): number {
    return this.#restarts.count;
  }

  get isDone(): boolean {
    return this.#pending === undefined;
  }

  get shortfall(): string | undefined {
    return repeatedEntries(this.restarts);
  }

  async next(): Promise<WalkStep | undefined> {
    const batch = await this.#pending;
    if (batch === undefined) return undefined;
    this.#restarts.inspect(batch);
    this.#size = Math.min(this.#largest, nextSize(this.#size, batch.kernelMs, this.#sliceMs));
    const spent = this.#given;
    this.#given = batch;
    if (batch.done) this.#pending = undefined;
    else this.#read(batch.cursor, spent);
    return {
      keys: batch.keys,
      values: batch.values,
      count: batch.count,
      kernelMs: batch.kernelMs,
      visited: batch.count,
    };
  }

  async close(): Promise<void> {
    await this.#pending?.catch(() => undefined);
  }

  #read(cursor: Buffer | undefined, spent?: MapBatch): void {
    this.#pending = this.#readBatch(cursor, spent);
    // Whoever asks for the batch is told; nobody may ask any more.
    this.#pending.catch(() => undefined);
  }

  async #readBatch(cursor: Buffer | undefined, spent: MapBatch | undefined): Promise<MapBatch> {
    while (true) {
      try {
        return await this.#map.lookupBatchAsync(cursor, this.#size, spent);
      } catch (error) {
        // One bucket holds more entries than there was room for; the cursor stays where it was. linux/kernel/bpf/hashtab.c
        if (errnoOf(error) !== "ENOSPC" || this.#size >= 2 * this.#map.info.maxEntries) throw error;
        this.#size *= 2;
      }
    }
  }
}

function nextSize(size: number, tookMs: number, sliceMs: number): number {
  if (tookMs > sliceMs) return Math.max(smallestBatch, size >> 1);
  if (tookMs < sliceMs / 4) return Math.max(size, Math.min(largestBatch, size << 1));
  return size;
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

  #contains(keys: Buffer, count: number, key: Buffer): boolean {
    for (let i = 0; i < count; i++) {
      if (key.compare(keys, i * this.#keyBytes, (i + 1) * this.#keyBytes) === 0) return true;
    }
    return false;
  }
}
