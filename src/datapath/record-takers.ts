import type { RecordBatch, RecordLoss, RecordTaker } from "../model/datapath-port.js";
import type { MonitorEvent } from "../model/monitor-event.js";

/** Whoever wants the records that the ring's one reader takes out of it. */
export class RecordTakers {
  readonly #takers = new Set<RecordTaker>();
  readonly #decode: (bytes: Uint8Array) => MonitorEvent;

  /** @param decode never throws */
  constructor(decode: (bytes: Uint8Array) => MonitorEvent) {
    this.#decode = decode;
  }

  add(taker: RecordTaker): Disposable {
    this.#takers.add(taker);
    return { [Symbol.dispose]: () => void this.#takers.delete(taker) };
  }

  /** @param places pairs of (offset, length) into `bytes`, which nobody changes later */
  records(bytes: Buffer, places: Uint32Array): void {
    if (this.#takers.size === 0) return;
    const batch = new LazyRecords(bytes, places, this.#decode);
    for (const taker of this.#takers) taker.records(batch);
  }

  lost(losses: readonly RecordLoss[]): void {
    if (losses.length === 0) return;
    for (const taker of this.#takers) taker.lost(losses);
  }
}

/** Decoded once, however many ask. */
class LazyRecords implements RecordBatch {
  readonly bytes: Buffer;
  readonly places: Uint32Array;
  readonly #decode: (bytes: Uint8Array) => MonitorEvent;
  readonly #events = new Map<number, MonitorEvent>();

  constructor(bytes: Buffer, places: Uint32Array, decode: (bytes: Uint8Array) => MonitorEvent) {
    this.bytes = bytes;
    this.places = places;
    this.#decode = decode;
  }

  get length(): number {
    return this.places.length / 2;
  }

  event(index: number): MonitorEvent {
    const known = this.#events.get(index);
    if (known !== undefined) return known;
    const [offset = 0, length = 0] = this.places.subarray(2 * index);
    const event = this.#decode(this.bytes.subarray(offset, offset + length));
    this.#events.set(index, event);
    return event;
  }
}
