import type { RecordBatch, RecordLoss, RecordTaker } from "../model/datapath-port.js";
import type { MonitorEvent } from "../model/monitor-event.js";

/** Whoever wants the records that the ring's one reader takes out of it. */
export class RecordTakers {
  readonly #takers = new Set<RecordTaker>();
  readonly #decode: (bytes: Uint8Array) => MonitorEvent;

  readonly #onChange: (types: ReadonlySet<number> | undefined) => void;

  /**
   * @param decode never throws
   * @param onChange told of the types that all takers together want, whenever one comes or goes
   */
  constructor(decode: (bytes: Uint8Array) => MonitorEvent, onChange: (types: ReadonlySet<number> | undefined) => void) {
    this.#decode = decode;
    this.#onChange = onChange;
  }

  add(taker: RecordTaker): Disposable {
    this.#takers.add(taker);
    this.#onChange(this.#types());
    return { [Symbol.dispose]: () => this.#remove(taker) };
  }

  #remove(taker: RecordTaker): void {
    if (this.#takers.delete(taker)) this.#onChange(this.#types());
  }

  #types(): ReadonlySet<number> | undefined {
    const all = [...this.#takers].map(({ types }) => types);
    return all.includes(undefined) ? undefined : new Set(all.flatMap((types) => [...(types ?? [])]));
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
