import { type Backoff, exponentialBackoff } from "../lib/retry.js";
import { sleep } from "../lib/time.js";
import { objectKey } from "../model/kube-object.js";
import type { KubeObject, ResourceType, StateSource } from "./state-source.js";

export interface InformerOptions {
  /** Ends the informer. */
  readonly signal: AbortSignal;
  /** Told of a failed list or watch before the next attempt. */
  readonly onError?: (error: unknown, retryInMs: number) => void;
  /** Between attempts. Default: 100 ms doubling up to 10 s. */
  readonly backoff?: Backoff;
}

/** One object changed. `before` is absent for a new one, `after` for a deleted one. */
export interface InformerChange<T extends KubeObject> {
  readonly key: string;
  readonly before?: T;
  readonly after?: T;
}

/** A live copy of all objects of one kind. */
export interface Informer<T extends KubeObject> {
  readonly type: ResourceType<T>;
  /** Resolves after the first list; rejects with the signal's reason when that aborts before. */
  readonly ready: Promise<void>;
  /** By `namespace/name`, or name for cluster-wide kinds. The map is live: copy it to keep it. */
  items(): ReadonlyMap<string, T>;
  get(key: string): T | undefined;
  /**
   * Calls `listener` for every change from now on, after the copy has it. Objects present already are not told, except that
   * one which was deleted and created anew in between comes as deletion and creation. Returns what ends it.
   */
  onChange(listener: (change: InformerChange<T>) => void): () => void;
}

/**
 * Follows a kind through list and watch, for ever: after `relist` or a failure it lists anew and tells the differences, so
 * listeners are level-triggered whatever was lost.
 */
export function createInformer<T extends KubeObject>(
  source: StateSource,
  type: ResourceType<T>,
  options: InformerOptions,
): Informer<T> {
  return new WatchCache<T>(source, type, options);
}

class WatchCache<T extends KubeObject> implements Informer<T> {
  readonly type: ResourceType<T>;
  readonly ready: Promise<void>;
  readonly #source: StateSource;
  readonly #options: InformerOptions;
  readonly #backoff: Backoff;
  readonly #items = new Map<string, T>();
  readonly #listeners = new Set<(change: InformerChange<T>) => void>();
  #markReady: () => void = () => {};
  #rejectReady: (reason: unknown) => void = () => {};

  constructor(source: StateSource, type: ResourceType<T>, options: InformerOptions) {
    this.type = type;
    this.#source = source;
    this.#options = options;
    this.#backoff = options.backoff ?? exponentialBackoff({ firstMs: 100, maxMs: 10_000 });
    this.ready = new Promise((resolve, reject) => {
      this.#markReady = resolve;
      this.#rejectReady = reject;
    });
    // Who does not wait for `ready` does not have to handle its rejection.
    this.ready.catch(() => {});
    void this.#run();
  }

  items(): ReadonlyMap<string, T> {
    return this.#items;
  }

  get(key: string): T | undefined {
    return this.#items.get(key);
  }

  onChange(listener: (change: InformerChange<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(): Promise<void> {
    const { signal, onError } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#listAndWatch(() => {
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) break;
        const retryInMs = this.#backoff(++failures);
        onError?.(error, retryInMs);
        await sleep(retryInMs, signal).catch(() => {});
      }
    }
    this.#rejectReady(signal.reason);
  }

  /** Returns on `relist`, or when the signal aborts. */
  async #listAndWatch(onListed: () => void): Promise<void> {
    const { signal } = this.#options;
    const { items, resourceVersion } = await this.#source.list(this.type);
    this.#replaceAll(items);
    onListed();
    this.#markReady();
    for await (const event of this.#source.watch(this.type, { fromVersion: resourceVersion, signal })) {
      if (event.kind === "relist") return;
      const key = objectKey(event.object.metadata);
      if (event.kind === "upserted") this.#upsert(key, event.object);
      else this.#delete(key);
    }
  }

  #replaceAll(objects: readonly T[]): void {
    const listed = new Set(objects.map((object) => objectKey(object.metadata)));
    for (const key of [...this.#items.keys()]) if (!listed.has(key)) this.#delete(key);
    for (const object of objects) this.#upsert(objectKey(object.metadata), object);
  }

  #upsert(key: string, after: T): void {
    const before = this.#items.get(key);
    if (before !== undefined && before.metadata.uid !== after.metadata.uid) {
      this.#delete(key);
      this.#upsert(key, after);
      return;
    }
    if (before !== undefined && before.metadata.resourceVersion === after.metadata.resourceVersion) return;
    this.#items.set(key, after);
    this.#tell(before === undefined ? { key, after } : { key, before, after });
  }

  #delete(key: string): void {
    const before = this.#items.get(key);
    if (before === undefined) return;
    this.#items.delete(key);
    this.#tell({ key, before });
  }

  #tell(change: InformerChange<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}
