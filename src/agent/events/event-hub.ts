import type { Writable } from "node:stream";
import type { DatapathPort, RecordBatch, RecordLoss } from "../../model/datapath-port.js";
import type { EventFilter } from "../../model/event-filter.js";
import { encodeFrame, FrameBatch, roomFor } from "../../model/event-frames.js";
import { EventMatcher } from "../../node/events/event-matcher.js";

/** One of them may hold a queue's worth of memory. */
const MAX_SUBSCRIBERS = 32;
/** What a subscriber may leave unread; some five thousand records. */
const QUEUE_BYTES = 1 << 20;

export interface EventHubOptions {
  readonly datapath: Pick<DatapathPort, "watchRecords" | "eventRing">;
  readonly now?: () => number;
  readonly queueBytes?: number;
}

/**
 * Hands the records of the agent's ring to any number of subscribers, each with its own filter, bounded queue and loss count.
 * Nobody waits for anybody: what a subscriber's queue has no room for is counted, and told at the place where it is missing.
 */
export class EventHub implements Disposable {
  readonly #options: EventHubOptions;
  readonly #now: () => number;
  /** Each with its watch of the ring. */
  readonly #subscribers = new Map<Subscriber, Disposable>();
  #lostTotal = 0n;

  constructor(options: EventHubOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  get totals(): { readonly subscribers: number; readonly lost: bigint } {
    return { subscribers: this.#subscribers.size, lost: this.#lostTotal };
  }

  /** What begins a subscription, or why there can be none. */
  subscription(filter: EventFilter): ((out: Writable) => void) | { readonly refusal: string } {
    if (this.#subscribers.size < MAX_SUBSCRIBERS) return (out) => this.#subscribe(filter, out);
    return { refusal: `${MAX_SUBSCRIBERS} subscribers read the events already` };
  }

  /** Writes frames to `out` until it closes; the first of them tells of the ring. */
  #subscribe(filter: EventFilter, out: Writable): void {
    const { datapath, queueBytes = QUEUE_BYTES } = this.#options;
    const subscriber = new Subscriber(filter, out, queueBytes);
    const watch = datapath.watchRecords({
      types: subscriber.types,
      records: (batch) => {
        this.#lostTotal += subscriber.records(batch, this.#now());
      },
      lost: (losses) => subscriber.losses(losses, this.#now()),
    });
    this.#subscribers.set(subscriber, watch);
    out.on("close", () => this.#remove(subscriber));
    out.on("error", () => this.#remove(subscriber));
    out.on("drain", () => subscriber.tellLoss(this.#now()));
    out.write(encodeFrame({ kind: "ring", ...datapath.eventRing }));
  }

  #remove(subscriber: Subscriber): void {
    this.#subscribers.get(subscriber)?.[Symbol.dispose]();
    this.#subscribers.delete(subscriber);
  }

  [Symbol.dispose](): void {
    for (const subscriber of [...this.#subscribers.keys()]) {
      this.#remove(subscriber);
      subscriber.out.end();
    }
  }
}

class Subscriber {
  readonly out: Writable;
  readonly #matcher: EventMatcher;
  readonly #queueBytes: number;
  /** Records without room since the last frame. */
  #missing = 0n;

  constructor(filter: EventFilter, out: Writable, queueBytes: number) {
    this.out = out;
    this.#matcher = new EventMatcher(filter);
    this.#queueBytes = queueBytes;
  }

  get types(): ReadonlySet<number> | undefined {
    return this.#matcher.types;
  }

  /** @returns how many had no room */
  records(records: RecordBatch, timeMs: number): bigint {
    const frames = this.#frames(timeMs, roomFor(records.length, records.bytes.length));
    const { bytes, places } = records;
    let lost = 0n;
    for (let i = 0; i < records.length; i++) {
      const offset = places[2 * i]!;
      if (!this.#wants(records, i, bytes[offset] ?? 0)) continue;
      this.#addLoss(frames);
      if (this.#missing === 0n && frames.addRecord(bytes, offset, places[2 * i + 1]!)) continue;
      this.#missing++;
      lost++;
    }
    this.#write(frames);
    return lost;
  }

  /** What the ring itself had no room for. A loss that finds no room is added to the next one. */
  losses(losses: readonly RecordLoss[], timeMs: number): void {
    const frames = this.#frames(timeMs, roomFor(losses.length, 8 * losses.length));
    for (const loss of losses) {
      if (!frames.addLoss(loss)) this.#missing += loss.count;
    }
    this.#write(frames);
  }

  /** There is room again, and perhaps no record that would tell. */
  tellLoss(timeMs: number): void {
    const frames = this.#frames(timeMs, roomFor(1, 0));
    this.#addLoss(frames);
    this.#write(frames);
  }

  /** As much as is wanted and the queue has room for. */
  #frames(timeMs: number, wantedBytes: number): FrameBatch {
    return new FrameBatch(timeMs, Math.min(wantedBytes, this.#queueBytes - this.out.writableLength));
  }

  #addLoss(frames: FrameBatch): void {
    if (this.#missing === 0n) return;
    if (frames.addLoss({ count: this.#missing })) this.#missing = 0n;
  }

  #write(frames: FrameBatch): void {
    const bytes = frames.take();
    if (bytes.length > 0 && this.out.writable) this.out.write(bytes);
  }

  #wants(records: RecordBatch, index: number, type: number): boolean {
    if (!this.#matcher.admitsType(type)) return false;
    return this.#matcher.isByTypeOnly || this.#matcher.matches(records.event(index));
  }
}
