import { type Backoff, exponentialBackoff } from "./retry.js";

export interface WorkQueueOptions {
  /** Brings one key from whatever it is to what it should be. Throwing means: again, after a back-off. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<void>;
  /** Default: 50 ms doubling up to 30 s. */
  readonly backoff?: Backoff;
  /** How many keys are worked on at once. Default 1. One key is never worked on twice at once. */
  readonly concurrency?: number;
  /** Told of every failure before its back-off starts. */
  readonly onError?: (key: string, error: unknown, failures: number, retryInMs: number) => void;
}

/**
 * A keyed, coalescing, level-triggered queue: adding a key that waits does nothing, adding one that runs makes it run once
 * more afterwards. So a burst of changes costs one reconciliation, and the last change is always seen.
 */
export interface WorkQueue extends AsyncDisposable {
  /** Asks for a run of `key`; cuts a running back-off of the key short. */
  add(key: string): void;
  /** Asks for a run after `delayMs`, unless an earlier one is due. */
  addAfter(key: string, delayMs: number): void;
  /** Keys waiting or running, not those in back-off. */
  readonly size: number;
  /** Resolves when no key waits, runs, or is in back-off after a failure; delayed keys of `addAfter` do not count. */
  idle(): Promise<void>;
  /** Aborts running reconciliations, drops waiting keys, and resolves when the running ones have ended. */
  close(): Promise<void>;
}

interface Delayed {
  readonly timer: NodeJS.Timeout;
  readonly dueAt: number;
  readonly isRetry: boolean;
}

/** Reconciliations that wait for nothing hold the event loop no longer than this together. */
const TURN_MS = 10;

/** See {@link WorkQueue}. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new KeyedQueue(options);
}

class KeyedQueue implements WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #backoff: Backoff;
  readonly #concurrency: number;
  /** Insertion order is working order. */
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #abort = new AbortController();
  #idleWaiters: (() => void)[] = [];
  /** Goes on where it was: a new iterator would pass all keys that were taken before, every time. */
  #nextWaiting: Iterator<string> | undefined;
  #turnEnd: Promise<void> | undefined;
  #turnStartedAt = 0;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? exponentialBackoff({ firstMs: 50, maxMs: 30_000 });
    this.#concurrency = options.concurrency ?? 1;
  }

  get size(): number {
    return this.#waiting.size + this.#running.size;
  }

  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    this.#cancelDelay(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#startNext();
  }

  addAfter(key: string, delayMs: number): void {
    this.#delay(key, delayMs, false);
  }

  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#waiting.clear();
    this.#again.clear();
    for (const key of [...this.#delayed.keys()]) this.#cancelDelay(key);
    await Promise.all(this.#running.values());
    this.#wakeIdle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #delay(key: string, delayMs: number, isRetry: boolean): void {
    if (this.#abort.signal.aborted || this.#waiting.has(key)) return;
    const dueAt = performance.now() + delayMs;
    const earlier = this.#delayed.get(key);
    if (earlier !== undefined && earlier.dueAt <= dueAt) return;
    const keepsRetry = isRetry || earlier?.isRetry === true;
    this.#cancelDelay(key);
    const timer = setTimeout(() => this.add(key), delayMs);
    this.#delayed.set(key, { timer, dueAt, isRetry: keepsRetry });
  }

  #cancelDelay(key: string): void {
    const delayed = this.#delayed.get(key);
    if (delayed === undefined) return;
    clearTimeout(delayed.timer);
    this.#delayed.delete(key);
  }

  #startNext(): void {
    while (this.#running.size < this.#concurrency) {
      const key = this.#takeWaiting();
      if (key === undefined) return;
      this.#running.set(key, this.#run(key));
    }
  }

  #takeWaiting(): string | undefined {
    if (this.#waiting.size === 0) return undefined;
    this.#nextWaiting ??= this.#waiting.values();
    const { done, value: key } = this.#nextWaiting.next();
    if (done === true) {
      // It ended at a time when nothing waited; what waits now came later.
      this.#nextWaiting = undefined;
      return this.#takeWaiting();
    }
    this.#waiting.delete(key);
    return key;
  }

  /** Resolves at once, or in the next turn of the event loop when this one has lasted long enough. */
  #untilTurn(): Promise<void> {
    if (this.#turnEnd !== undefined) return this.#turnEnd;
    if (performance.now() - this.#turnStartedAt < TURN_MS) return Promise.resolve();
    this.#turnEnd = new Promise((resolve) =>
      setImmediate(() => {
        this.#turnEnd = undefined;
        this.#turnStartedAt = performance.now();
        resolve();
      }),
    );
    return this.#turnEnd;
  }

  async #run(key: string): Promise<void> {
    // Lets the adds of one burst meet before the first run.
    await this.#untilTurn();
    try {
      await this.#options.reconcile(key, this.#abort.signal);
      this.#failures.delete(key);
    } catch (error) {
      this.#retryLater(key, error);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) this.add(key);
    this.#startNext();
    this.#wakeIdle();
  }

  #retryLater(key: string, error: unknown): void {
    if (this.#abort.signal.aborted) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const delayMs = this.#backoff(failures);
    this.#options.onError?.(key, error, failures, delayMs);
    this.#delay(key, delayMs, true);
  }

  #isIdle(): boolean {
    return this.size === 0 && ![...this.#delayed.values()].some((delayed) => delayed.isRetry);
  }

  #wakeIdle(): void {
    if (this.#idleWaiters.length === 0 || !this.#isIdle()) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
