import { addNetns, removeNetns } from "./network.js";

interface Waiter {
  readonly name: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Makes and removes network namespaces for many pods with one process start a burst. */
export class NetnsBatch {
  readonly #run: (names: readonly string[]) => Promise<void>;
  #waiting: Waiter[] = [];
  #isRunning = false;

  constructor(run: (names: readonly string[]) => Promise<void>) {
    this.#run = run;
  }

  request(name: string): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ name, resolve, reject }));
    if (!this.#isRunning) void this.#drain();
    return done;
  }

  async #drain(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      await new Promise((resolve) => setImmediate(resolve)); // the burst of this turn meets in one batch
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#run(batch.map((waiter) => waiter.name));
        for (const waiter of batch) waiter.resolve();
      } catch (error) {
        for (const waiter of batch) waiter.reject(error);
      }
    }
    this.#isRunning = false;
  }
}

export interface NetnsPool {
  readonly add: NetnsBatch;
  readonly remove: NetnsBatch;
}

export function createNetnsPool(): NetnsPool {
  return { add: new NetnsBatch(addNetns), remove: new NetnsBatch(removeNetns) };
}
