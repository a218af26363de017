import type { Writable } from "node:stream";
import type { DatapathPort, DatapathRecord, RecordLoss } from "../../model/datapath-port.js";
import type { EventFilter } from "../../model/event-filter.js";
import { type EventFrame, encodeFrame, encodeFrames, frameBytes } from "../../model/event-frames.js";
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
  readonly #subscribers = new Set<Subscriber>();
  #watch: Disposable | undefined;
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
    const subscriber = new Subscriber(filter, out, this.#options.queueBytes ?? QUEUE_BYTES);
    this.#subscribers.add(subscriber);
    out.on("close", () => this.#remove(subscriber));
    out.on("error", () => this.#remove(subscriber));
    out.on("drain", () => subscriber.tellLoss(this.#now()));
    out.write(encodeFrame({ kind: "ring", ...this.#options.datapath.eventRing }));
    this.#watch ??= this.#options.datapath.watchRecords({
      records: (records) => this.#records(records),
      lost: (losses) => this.#lost(losses),
    });
  }

  #remove(subscriber: Subscriber): void {
    if (!this.#subscribers.delete(subscriber)) return;
    if (this.#subscribers.size > 0) return;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  #records(records: readonly DatapathRecord[]): void {
    const timeMs = this.#now();
    for (const subscriber of this.#subscribers) this.#lostTotal += subscriber.records(records, timeMs);
  }

  #lost(losses: readonly RecordLoss[]): void {
    const timeMs = this.#now();
    for (const subscriber of this.#subscribers) subscriber.losses(losses, timeMs);
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    for (const { out } of this.#subscribers) out.end();
    this.#subscribers.clear();
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

  /** @returns how many had no room */
  records(records: readonly DatapathRecord[], timeMs: number): bigint {
    const batch = new FrameBatch(this.#queueBytes - this.out.writableLength);
    let lost = 0n;
    for (const record of records) {
      if (!this.#wants(record)) continue;
      this.#addLoss(batch, timeMs);
      if (this.#missing === 0n && batch.add({ kind: "record", timeMs, bytes: record.bytes })) continue;
      this.#missing++;
      lost++;
    }
    batch.writeTo(this.out);
    return lost;
  }

  /** What the ring itself had no room for. A loss that finds no room is added to the next one. */
  losses(losses: readonly RecordLoss[], timeMs: number): void {
    const batch = new FrameBatch(this.#queueBytes - this.out.writableLength);
    for (const { cpu, count } of losses) {
      if (!batch.add({ kind: "loss", cpu, timeMs, count })) this.#missing += count;
    }
    batch.writeTo(this.out);
  }

  /** There is room again, and perhaps no record that would tell. */
  tellLoss(timeMs: number): void {
    const batch = new FrameBatch(this.#queueBytes - this.out.writableLength);
    this.#addLoss(batch, timeMs);
    batch.writeTo(this.out);
  }

  #addLoss(batch: FrameBatch, timeMs: number): void {
    if (this.#missing === 0n) return;
    if (batch.add({ kind: "loss", timeMs, count: this.#missing })) this.#missing = 0n;
  }

  #wants(record: DatapathRecord): boolean {
    if (!this.#matcher.admitsType(record.bytes[0] ?? 0)) return false;
    return this.#matcher.isByTypeOnly || this.#matcher.matches(record.event());
  }
}

/** Frames that go out in one write, as far as there is room. */
class FrameBatch {
  readonly #frames: EventFrame[] = [];
  #roomBytes: number;

  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
  }

  /** False when it does not fit. */
  add(frame: EventFrame): boolean {
    const bytes = frameBytes(frame);
    if (bytes > this.#roomBytes) return false;
    this.#roomBytes -= bytes;
    this.#frames.push(frame);
    return true;
  }

  writeTo(out: Writable): void {
    if (this.#frames.length > 0 && out.writable) out.write(encodeFrames(this.#frames));
  }
}
