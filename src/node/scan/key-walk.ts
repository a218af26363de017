import { type MapWalk, repeatedEntries, type ScannableMap, SliceBuilder, type WalkStep } from "./map-walk.js";

/** How many keys the walk remembers to go back to when its cursor vanishes. */
const trailLength = 16;
const largestSlice = 512;

/**
 * Steps from key to key, for kernels without batch calls. Asked for the key after one that is gone, the kernel answers
 * with the map's first key, so the walk checks that its cursor still exists, and otherwise goes back to the latest key that
 * does; keys that it then sees again are left out. Only when none of the remembered keys is left does it begin again.
 */
export class KeyWalk implements MapWalk {
  restarts = 0;
  readonly #map: ScannableMap;
  readonly #sliceMs: number;
  readonly #now: () => number;
  /** The latest keys, newest last: where to go on when the newest is gone. */
  readonly #trail: Buffer[] = [];
  readonly #seen = new Set<string>();
  #longestCallMs = 0;
  #isDone = false;

  constructor(map: ScannableMap, sliceMs: number, now: () => number) {
    this.#map = map;
    this.#sliceMs = sliceMs;
    this.#now = now;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get shortfall(): string | undefined {
    return repeatedEntries(this.restarts);
  }

  async next(): Promise<WalkStep | undefined> {
    if (this.#isDone) return undefined;
    const startedMs = this.#now();
    const slice = new SliceBuilder();
    let visited = 0;
    this.#longestCallMs = 0;
    while (slice.count < largestSlice && this.#now() - startedMs < this.#sliceMs) {
      const found = this.#step();
      if (found === undefined) {
        this.#isDone = true;
        break;
      }
      visited++;
      if (found.value !== undefined) slice.add(found.key, found.value);
    }
    return { ...slice.take(), kernelMs: this.#longestCallMs, visited };
  }

  async close(): Promise<void> {}

  /** Undefined at the end; without a value when the entry is a repeated one or vanished between the two calls. */
  #step(): { readonly key: Buffer; readonly value: Buffer | undefined } | undefined {
    while (true) {
      const cursor = this.#trail.at(-1);
      const key = this.#nextKey(cursor);
      if (cursor !== undefined && this.#map.lookup(cursor) === undefined) {
        this.#trail.pop();
        if (this.#trail.length === 0) this.restarts++;
        continue;
      }
      if (key === undefined) return undefined;
      const value = this.#map.lookup(key);
      const isRepeated = this.#remember(key);
      return { key, value: isRepeated ? undefined : value };
    }
  }

  /** The call that goes over empty buckets. */
  #nextKey(cursor: Buffer | undefined): Buffer | undefined {
    const startedMs = this.#now();
    const key = this.#map.nextKey(cursor);
    this.#longestCallMs = Math.max(this.#longestCallMs, this.#now() - startedMs);
    return key;
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
