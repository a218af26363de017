import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  DRAIN_INTERVAL_MS,
  type EventMaps,
  eventMapNames,
  openEventMaps,
  SessionSlot,
} from "../../datapath/event-slots.js";
import { eventRing } from "../../datapath/events.js";
import { Ownership } from "../../datapath/ownership.js";
import { BpfMap } from "../../kernel/bpf-map.js";
import { RingBuffer } from "../../kernel/ring-buffer.js";
import { AgentError } from "../../lib/errors.js";
import type { EventFilter } from "../../model/event-filter.js";
import { EventMatcher } from "./event-matcher.js";
import type { EventSource, RawEvent } from "./event-source.js";

const LEASE_RENEWAL_MS = 1000;

/**
 * Reads the datapath's events from a slot of this session's own, beside whatever the agent's slot holds: for nodes of ours
 * whose agent is down. The slot is given back with the source; when this process is killed, its lease runs out.
 * @param pinDir folder of the node's pins
 * @param filter its types are all that comes; the rest of it is the reader's business
 * @throws AgentError `no-own-datapath` where the maps are not ours, `no-event-slot`; KernelError what the kernel refused
 */
export function openSessionSlot(pinDir: string, filter: EventFilter, signal: AbortSignal): EventSource {
  signal.throwIfAborted();
  const maps = openOwnMaps(pinDir);
  const closeMaps = (): void => {
    for (const map of Object.values<BpfMap>({ ...maps })) map.close();
  };
  try {
    return new SlotReader(SessionSlot.claim(maps, new EventMatcher(filter).types), signal, closeMaps);
  } catch (error) {
    closeMaps();
    throw error;
  }
}

/** Opened for writing, which only the owner of a map may: the record says whose they are. */
function openOwnMaps(pinDir: string): EventMaps {
  const owner = join(pinDir, "cts_owner");
  const paths = Object.values(eventMapNames).map((name) => join(pinDir, name));
  if (![owner, ...paths].every((path) => existsSync(path))) throw notOurs(pinDir);
  using records = BpfMap.openPinned(owner, { readOnly: true });
  const ownership = new Ownership(records, "");
  const open = (name: string): BpfMap => {
    const map = BpfMap.openPinned(join(pinDir, name));
    if (ownership.owns("map", name, map.info.id)) return map;
    map.close();
    throw notOurs(pinDir);
  };
  return openEventMaps(open);
}

function notOurs(pinDir: string): AgentError {
  return new AgentError("no-own-datapath", `${pinDir} holds no event rings of this product`);
}

/** A ring's records as batches; the ring is read no faster than they are taken. */
class SlotReader implements EventSource {
  readonly description = "a slot of this session's own: the agent is down";
  readonly isOwn = true;
  readonly ring = eventRing;
  readonly events: EventSource["events"];
  readonly #slot: SessionSlot;
  readonly #reader: RingBuffer;
  readonly #renewal: NodeJS.Timeout;
  readonly #closeMaps: () => void;
  readonly #waiting: { events: RawEvent[]; taken: () => void }[] = [];
  #wake: () => void = () => {};
  #end: string | undefined;

  constructor(slot: SessionSlot, signal: AbortSignal, closeMaps: () => void) {
    this.#slot = slot;
    this.#closeMaps = closeMaps;
    this.#reader = new RingBuffer({
      map: slot.ring,
      onRecords: (buffer, records) => this.#take(buffer, records),
      mode: { kind: "timed", intervalMs: DRAIN_INTERVAL_MS },
    });
    this.#renewal = setInterval(() => this.#renew(), LEASE_RENEWAL_MS);
    signal.addEventListener("abort", () => this.#finish("the session ends"), { once: true });
    this.events = this.#batches(signal);
  }

  #take(buffer: Buffer, records: Uint32Array): Promise<void> {
    const timeMs = Date.now();
    const events: RawEvent[] = [];
    for (let i = 0; i < records.length; i += 2) {
      const bytes = buffer.subarray(records[i]!, records[i]! + records[i + 1]!);
      events.push({ kind: "record", timeMs, bytes });
    }
    return new Promise((taken) => this.#push(events, taken));
  }

  #renew(): void {
    if (!this.#slot.renew()) {
      this.#finish("the slot was taken over: this session had stood still");
      return;
    }
    const timeMs = Date.now();
    const losses = this.#slot.losses.take().map(({ cpu, count }): RawEvent => ({ kind: "loss", cpu, timeMs, count }));
    if (losses.length > 0) this.#push(losses, () => {});
  }

  #push(events: RawEvent[], taken: () => void): void {
    this.#waiting.push({ events, taken });
    this.#wake();
  }

  #finish(reason: string): void {
    this.#end ??= reason;
    this.#wake();
  }

  async *#batches(signal: AbortSignal): EventSource["events"] {
    while (true) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next.events;
        next.taken();
        continue;
      }
      signal.throwIfAborted();
      if (this.#end !== undefined) return this.#end;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#renewal);
    this.#reader.close();
    for (const { taken } of this.#waiting) taken();
    this.#slot[Symbol.dispose]();
    this.#closeMaps();
    this.#finish("closed");
  }
}
