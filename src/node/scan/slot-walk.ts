import { type MapWalk, type ScannableMap, SliceBuilder, type WalkStep } from "./map-walk.js";

/** Slots of one step, unless looking at them takes too long. */
const slotsAtOnce = 512;

/** Looks at every slot of a map whose keys are the numbers of its slots, empty ones among them. */
export class SlotWalk implements MapWalk {
  readonly restarts = 0;
  readonly shortfall = undefined;
  readonly #map: ScannableMap;
  readonly #sliceMs: number;
  readonly #now: () => number;
  #next = 0;

  constructor(map: ScannableMap, sliceMs: number, now: () => number) {
    this.#map = map;
    this.#sliceMs = sliceMs;
    this.#now = now;
  }

  get isDone(): boolean {
    return this.#next >= this.#map.info.maxEntries;
  }

  async next(): Promise<WalkStep | undefined> {
    if (this.isDone) return undefined;
    const slice = new SliceBuilder();
    const first = this.#next;
    const startedMs = this.#now();
    let kernelMs = 0;
    let nowMs = startedMs;
    while (!this.isDone && this.#next - first < slotsAtOnce && nowMs - startedMs < this.#sliceMs) {
      const key = Buffer.alloc(4);
      key.writeUInt32LE(this.#next++);
      const value = this.#map.lookup(key);
      if (value !== undefined) slice.add(key, value);
      const endedMs = this.#now();
      kernelMs = Math.max(kernelMs, endedMs - nowMs);
      nowMs = endedMs;
    }
    return { ...slice.take(), kernelMs, visited: this.#next - first };
  }

  async close(): Promise<void> {}
}
