import { type MapSlice, type MapWalk, type ScannableMap, SliceBuilder, type WalkStep } from "./map-walk.js";

/** Finds keys by looking at buckets, in steps that can be interrupted; `BucketWalk` is one. */
export interface KeyFinder {
  readonly isDone: boolean;
  /** Buckets with more entries than could be followed. */
  readonly cutChains: number;
  walk(buckets: number): { readonly keys: Buffer; readonly count: number };
  close(): void;
}

/** Buckets of one call: some 0.1 ms when they are empty. */
const bucketsAtOnce = 65_536;
/** Found keys in so many buckets: batch calls then meet no empty stretch that is worth the trouble. */
const denseKeys = 64;

/**
 * Looks for keys bucket by bucket and looks each of them up: for large maps that are nearly empty, where any other call of
 * the kernel holds a CPU for the whole empty stretch.
 */
export class SparseWalk implements MapWalk {
  readonly restarts = 0;
  readonly #map: ScannableMap;
  readonly #finder: KeyFinder;
  /** A bucket that changes under the reader may tell a key twice, one right after the other. */
  #latest = new Set<string>();
  #first: WalkStep | undefined;

  private constructor(map: ScannableMap, finder: KeyFinder) {
    this.#map = map;
    this.#finder = finder;
    this.#first = this.#step();
  }

  /** Undefined when the map turns out to be well filled; the finder is closed then. */
  static open(map: ScannableMap, finder: KeyFinder): SparseWalk | undefined {
    const walk = new SparseWalk(map, finder);
    if ((walk.#first?.visited ?? 0) < denseKeys) return walk;
    finder.close();
    return undefined;
  }

  get isDone(): boolean {
    return this.#first === undefined && this.#finder.isDone;
  }

  get shortfall(): string | undefined {
    const { cutChains } = this.#finder;
    return cutChains === 0 ? undefined : `${cutChains} buckets of the map hold more entries than can be followed`;
  }

  async next(): Promise<WalkStep | undefined> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) return first;
    return this.#finder.isDone ? undefined : this.#step();
  }

  async close(): Promise<void> {
    this.#finder.close();
  }

  #step(): WalkStep {
    const found = this.#finder.walk(bucketsAtOnce);
    // It stands aside after every 256 buckets: there is no slice to speak of.
    return { ...this.#lookUp(found), kernelMs: 0, visited: found.count };
  }

  #lookUp({ keys, count }: { readonly keys: Buffer; readonly count: number }): MapSlice {
    const { keySizeBytes } = this.#map.info;
    const slice = new SliceBuilder();
    const seen = new Set<string>();
    for (let index = 0; index < count; index++) {
      const key = keys.subarray(index * keySizeBytes, (index + 1) * keySizeBytes);
      const text = key.toString("latin1");
      const value = seen.has(text) || this.#latest.has(text) ? undefined : this.#map.lookup(key);
      seen.add(text);
      if (value !== undefined) slice.add(key, value);
    }
    this.#latest = seen;
    return slice.take();
  }
}
