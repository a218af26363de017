import { type KubeObject, objectKey, type ResourceType } from "../../src/model/kube-object.js";
import type { Informer, InformerChange } from "../../src/state/watch-cache.js";

/** An informer whose objects the test sets. */
export class InMemoryInformer<T extends KubeObject> implements Informer<T> {
  readonly type: ResourceType<T>;
  readonly ready = Promise.resolve();
  readonly #items = new Map<string, T>();
  readonly #listeners = new Set<(change: InformerChange<T>) => void>();

  constructor(type: ResourceType<T>, objects: readonly T[] = []) {
    this.type = type;
    for (const object of objects) this.set(object);
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

  set(after: T): void {
    const key = objectKey(after.metadata);
    const before = this.#items.get(key);
    this.#items.set(key, after);
    for (const listener of this.#listeners) listener(before === undefined ? { key, after } : { key, before, after });
  }

  delete(key: string): void {
    const before = this.#items.get(key);
    if (before === undefined) return;
    this.#items.delete(key);
    for (const listener of this.#listeners) listener({ key, before });
  }
}
