import type { DatapathRecord, RecordLoss, RecordTaker } from "../model/datapath-port.js";
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

  /** @param records pairs of (offset, length) into `buffer`, which nobody changes later */
  records(buffer: Buffer, records: Uint32Array): void {
    if (this.#takers.size === 0) return;
    const views: DatapathRecord[] = [];
    for (let i = 0; i < records.length; i += 2) {
      const offset = records[i]!;
      views.push(new LazyRecord(buffer.subarray(offset, offset + records[i + 1]!), this.#decode));
    }
    for (const taker of this.#takers) taker.records(views);
  }

  lost(losses: readonly RecordLoss[]): void {
    if (losses.length === 0) return;
    for (const taker of this.#takers) taker.lost(losses);
  }
}

/** Decoded once, however many ask. */
class LazyRecord implements DatapathRecord {
  readonly bytes: Uint8Array;
  readonly #decode: (bytes: Uint8Array) => MonitorEvent;
  #event: MonitorEvent | undefined;

  constructor(bytes: Uint8Array, decode: (bytes: Uint8Array) => MonitorEvent) {
    this.bytes = bytes;
    this.#decode = decode;
  }

  event(): MonitorEvent {
    this.#event ??= this.#decode(this.bytes);
    return this.#event;
  }
}
