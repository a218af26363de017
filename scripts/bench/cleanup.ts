/** Undoes what was made, last first; Node 20 has no `AsyncDisposableStack`. */
export class Cleanup implements AsyncDisposable {
  readonly #steps: (() => Promise<void>)[] = [];

  defer(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(async () => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** Every step runs, even after one failed. @throws the first failure */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  /** Undoes at the end what `work` made. */
  static async during<T>(work: (cleanup: Cleanup) => Promise<T>): Promise<T> {
    await using cleanup = new Cleanup();
    return await work(cleanup);
  }

  /** Builds a resource that owns what `build` made; if that fails, what it made so far is undone. */
  static async guard<T>(build: (cleanup: Cleanup) => Promise<T>): Promise<T> {
    const cleanup = new Cleanup();
    try {
      return await build(cleanup);
    } catch (error) {
      await cleanup[Symbol.asyncDispose]();
      throw error;
    }
  }
}
