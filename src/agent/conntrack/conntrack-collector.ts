import type { Logger } from "../../lib/log.js";
import type { ConntrackGarbage, DatapathPort } from "../../model/datapath-port.js";
import type { StatusBoard } from "../status/status-board.js";
import { nextGcIntervalMs, startingGcIntervalMs } from "./gc-interval.js";

export interface ConntrackCollectorOptions {
  readonly datapath: DatapathPort;
  /** 0 = adaptive. */
  readonly configuredIntervalMs: number;
  /** Told what the living entries refer to, and when (monotonic milliseconds) the look at them began. */
  readonly onCollected: (garbage: ConntrackGarbage, startedAt: number) => void;
  readonly status: StatusBoard;
  readonly log: Logger;
}

export interface LastCollection {
  readonly finishedAt: string;
  readonly durationMs: number;
  readonly scanned: number;
  readonly deleted: number;
}

/** Removes expired conntrack entries from time to time. */
export class ConntrackCollector implements Disposable {
  readonly #options: ConntrackCollectorOptions;
  #intervalMs: number;
  #dueAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  #isClosed = false;
  #last: LastCollection | undefined;
  #runs = 0;
  #deletedTotal = 0;

  constructor(options: ConntrackCollectorOptions) {
    this.#options = options;
    this.#intervalMs = options.configuredIntervalMs > 0 ? options.configuredIntervalMs : startingGcIntervalMs;
  }

  start(): void {
    this.#options.status.set("conntrack", "ok");
    this.#schedule(this.#intervalMs);
  }

  get last(): LastCollection | undefined {
    return this.#last;
  }

  get totals(): { readonly runs: number; readonly deleted: number } {
    return { runs: this.#runs, deleted: this.#deletedTotal };
  }

  /** Somebody waits for entries to go: collect after `delayMs` at the latest. */
  expedite(delayMs: number): void {
    if (this.#timer !== undefined && !this.#isRunning && performance.now() + delayMs < this.#dueAt)
      this.#schedule(delayMs);
  }

  async collect(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const startedAt = performance.now();
    try {
      const garbage = await this.#options.datapath.collectConntrackGarbage();
      this.#record(garbage, performance.now() - startedAt);
      this.#options.status.set("conntrack", "ok");
      this.#intervalMs = nextGcIntervalMs(this.#intervalMs, garbage, this.#options.configuredIntervalMs);
      if (!this.#isClosed) this.#options.onCollected(garbage, startedAt);
    } catch (error) {
      this.#options.log.error({ err: error }, "conntrack collection failed");
      const words = error instanceof Error ? error.message : String(error);
      this.#options.status.set("conntrack", "degraded", [`expired entries cannot be collected: ${words}`]);
    } finally {
      this.#isRunning = false;
      this.#schedule(this.#intervalMs);
    }
  }

  #record(garbage: ConntrackGarbage, durationMs: number): void {
    const { scanned, deleted } = garbage;
    this.#runs++;
    this.#deletedTotal += deleted;
    this.#last = { finishedAt: new Date().toISOString(), durationMs: Math.round(durationMs), scanned, deleted };
    this.#options.log.debug({ scanned, deleted, durationMs: Math.round(durationMs) }, "conntrack collected");
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#dueAt = performance.now() + delayMs;
    this.#timer = setTimeout(() => void this.collect(), delayMs);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}
