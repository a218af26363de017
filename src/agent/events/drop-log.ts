import type { IpAddress } from "../../lib/ip.js";
import type { Logger } from "../../lib/log.js";
import type { DatapathPort, DropEvent } from "../../model/datapath-port.js";
import type { StatusBoard } from "../status/status-board.js";

/** A drop with the names that the agent knew when it saw it. */
export interface NamedDrop extends DropEvent {
  readonly sourceName?: string;
  readonly destinationName?: string;
}

export interface DropLogOptions {
  readonly datapath: Pick<DatapathPort, "drainEvents">;
  /** `shop/web`, `node b`, `service shop/cart`: who is at this end of a packet. */
  readonly nameOf: (address: IpAddress, port: number, protocol: number) => string | undefined;
  readonly status: StatusBoard;
  readonly log: Logger;
  readonly now?: () => number;
}

const KEPT_DROPS = 100;
/** Lines a second in the log; what is above is counted and told in one line. */
const LINES_PER_SECOND = 10;
/** The timed drain of the design: no wake-up for each event. */
const DRAIN_INTERVAL_MS = 100;

/** Reads the datapath's events on a timer, logs drops within a rate, and keeps the last of them. */
export class DropLog implements Disposable {
  readonly #options: DropLogOptions;
  readonly #now: () => number;
  readonly #kept: NamedDrop[] = [];
  #timer: NodeJS.Timeout | undefined;
  #windowStartMs = 0;
  #linesInWindow = 0;
  #suppressed = 0;
  #seenTotal = 0;
  #tracesTotal = 0;
  #lostTotal = 0;
  #isFailing = false;

  constructor(options: DropLogOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    this.#options.status.set("events", "ok");
    this.#timer = setInterval(() => this.drain(), DRAIN_INTERVAL_MS);
  }

  get totals(): { readonly seen: number; readonly traces: number; readonly lost: number } {
    return { seen: this.#seenTotal, traces: this.#tracesTotal, lost: this.#lostTotal };
  }

  /** Newest last. */
  recent(): readonly NamedDrop[] {
    return [...this.#kept];
  }

  drain(): void {
    try {
      const { drops, traces, lost } = this.#options.datapath.drainEvents();
      this.#tracesTotal += traces;
      this.#lostTotal += lost;
      if (lost > 0) this.#options.log.warn({ lost }, "events lost: the ring was full");
      for (const drop of drops) this.#take(drop);
      this.#flushSuppressed();
      if (this.#isFailing) this.#setFailing(undefined);
    } catch (error) {
      if (!this.#isFailing) this.#setFailing(error);
    }
  }

  /** Said once, not ten times a second. */
  #setFailing(error: unknown): void {
    this.#isFailing = error !== undefined;
    if (error === undefined) {
      this.#options.status.set("events", "ok");
      return;
    }
    this.#options.log.error({ err: error }, "events cannot be read");
    const words = error instanceof Error ? error.message : String(error);
    this.#options.status.set("events", "degraded", [`drops cannot be read: ${words}`]);
  }

  #take(drop: DropEvent): void {
    this.#seenTotal++;
    const named = this.#name(drop);
    this.#kept.push(named);
    if (this.#kept.length > KEPT_DROPS) this.#kept.shift();
    this.#openWindow();
    if (this.#linesInWindow >= LINES_PER_SECOND) this.#suppressed++;
    else {
      this.#linesInWindow++;
      this.#options.log.info(formatDrop(named), `packet dropped: ${drop.reasonText}`);
    }
  }

  #openWindow(): void {
    const nowMs = this.#now();
    if (nowMs - this.#windowStartMs < 1000) return;
    this.#windowStartMs = nowMs;
    this.#linesInWindow = 0;
  }

  #flushSuppressed(): void {
    if (this.#suppressed === 0 || this.#now() - this.#windowStartMs < 1000) return;
    this.#options.log.info({ drops: this.#suppressed }, "further drops not logged one by one");
    this.#suppressed = 0;
  }

  #name(drop: DropEvent): NamedDrop {
    const { packet } = drop;
    if (packet === undefined) return drop;
    const { nameOf } = this.#options;
    const sourceName = nameOf(packet.source, packet.sourcePort, packet.protocol);
    const destinationName = nameOf(packet.destination, packet.destinationPort, packet.protocol);
    return {
      ...drop,
      ...(sourceName === undefined ? {} : { sourceName }),
      ...(destinationName === undefined ? {} : { destinationName }),
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function formatDrop(drop: NamedDrop): Readonly<Record<string, unknown>> {
  const { packet } = drop;
  return {
    endpointId: drop.endpointId,
    direction: drop.direction,
    ...(packet === undefined
      ? {}
      : {
          source: `${packet.source}:${packet.sourcePort}`,
          destination: `${packet.destination}:${packet.destinationPort}`,
          protocol: packet.protocol,
        }),
    ...(drop.sourceName === undefined ? {} : { from: drop.sourceName }),
    ...(drop.destinationName === undefined ? {} : { to: drop.destinationName }),
    sourceIdentity: drop.sourceIdentity,
    destinationIdentity: drop.destinationIdentity,
    at: `${drop.file}:${drop.line}`,
  };
}
