import { afterEach, describe, expect, it } from "vitest";
import { createWorkQueue, type WorkQueue, type WorkQueueOptions } from "../../src/lib/queue.js";

/** A reconciler whose runs end when the test says so. */
class Gate {
  readonly started: string[] = [];
  readonly #ends: { readonly key: string; readonly end: (error?: Error) => void }[] = [];
  #wake = () => {};

  readonly reconcile = (key: string, signal: AbortSignal): Promise<void> => {
    this.started.push(key);
    this.#wake();
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      this.#ends.push({ key, end: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  };

  async untilStarted(count: number): Promise<void> {
    while (this.started.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(key: string, error?: Error): void {
    const index = this.#ends.findIndex((waiting) => waiting.key === key);
    this.#ends.splice(index, 1)[0]!.end(error);
  }
}

describe("a work queue", () => {
  let queue: WorkQueue;
  const gate = { current: new Gate() };
  const open = (options: Partial<WorkQueueOptions> = {}): Gate => {
    gate.current = new Gate();
    queue = createWorkQueue({ reconcile: gate.current.reconcile, ...options });
    return gate.current;
  };
  afterEach(() => queue.close());

  it("runs a key once for many adds, and once more for adds while it runs", async () => {
    const runs = open();
    for (let count = 0; count < 5; count++) queue.add("a");
    await runs.untilStarted(1);
    for (let count = 0; count < 5; count++) queue.add("a");
    runs.end("a");
    await runs.untilStarted(2);
    runs.end("a");
    await queue.idle();
    expect(runs.started).toEqual(["a", "a"]);
  });

  it("lets others have a turn between reconciliations that wait for nothing", async () => {
    const words: string[] = [];
    queue = createWorkQueue({
      reconcile: async (key) => {
        const endMs = performance.now() + 5;
        while (performance.now() < endMs);
        words.push(key);
      },
    });
    for (let count = 0; count < 20; count++) queue.add(`key-${count}`);
    setTimeout(() => words.push("other"));
    await queue.idle();
    expect(words).toHaveLength(21);
    expect(words.at(-1)).toBe("key-19");
  });

  it("runs keys in the order of adding, as many at once as it may, none twice at once", async () => {
    const runs = open({ concurrency: 2 });
    for (const key of ["a", "b", "c", "a"]) queue.add(key);
    await runs.untilStarted(2);
    expect(runs.started).toEqual(["a", "b"]);
    queue.add("a");
    runs.end("b");
    await runs.untilStarted(3);
    expect(runs.started).toEqual(["a", "b", "c"]);
    expect(queue.size).toBe(2);
    runs.end("a");
    await runs.untilStarted(4);
    expect(runs.started).toEqual(["a", "b", "c", "a"]);
    runs.end("a");
    runs.end("c");
    await queue.idle();
  });

  it("comes back after a failure, later each time, and forgets failures after a success", async () => {
    const told: (readonly [string, number, number])[] = [];
    const runs = open({
      backoff: (failures) => failures,
      onError: (key, _error, failures, retryInMs) => told.push([key, failures, retryInMs]),
    });
    queue.add("a");
    for (let attempt = 1; attempt <= 3; attempt++) {
      await runs.untilStarted(attempt);
      runs.end("a", new Error("no"));
    }
    await runs.untilStarted(4);
    runs.end("a");
    await queue.idle();
    queue.add("a");
    await runs.untilStarted(5);
    runs.end("a", new Error("no"));
    await runs.untilStarted(6);
    runs.end("a");
    await queue.idle();
    expect(told).toEqual([
      ["a", 1, 1],
      ["a", 2, 2],
      ["a", 3, 3],
      ["a", 1, 1],
    ]);
  });

  it("cuts a back-off short when the key is added", async () => {
    const runs = open({ backoff: () => 3_600_000 });
    queue.add("a");
    await runs.untilStarted(1);
    runs.end("a", new Error("no"));
    await new Promise(setImmediate);
    queue.add("a");
    await runs.untilStarted(2);
    runs.end("a");
    await queue.idle();
  });

  it("keeps the earliest of several delays, and is idle meanwhile", async () => {
    const runs = open();
    queue.addAfter("a", 3_600_000);
    await queue.idle();
    queue.addAfter("a", 5);
    queue.addAfter("a", 3_600_000);
    await runs.untilStarted(1);
    runs.end("a");
    await queue.idle();
    expect(runs.started).toEqual(["a"]);
  });

  it("aborts what runs and takes nothing more when it is closed", async () => {
    const errors: unknown[] = [];
    const runs = open({ onError: (_key, error) => errors.push(error) });
    queue.add("a");
    queue.add("b");
    queue.addAfter("c", 1);
    await runs.untilStarted(1);
    await queue.close();
    queue.add("d");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(runs.started).toEqual(["a"]);
    expect(errors).toEqual([]);
  });
});
