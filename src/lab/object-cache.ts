import { sleep } from "../lib/time.js";
import { type KubeObject, objectKey, type ResourceType } from "../model/kube-object.js";
import type { StateSource } from "../state/state-source.js";

/** Told of every change, by key; `before` and `after` are undefined when the object was or is not there. */
export type ChangeListener<T extends KubeObject> = (key: string, before: T | undefined, after: T | undefined) => void;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Called after every list; the first call means that all objects are known. */
  readonly synced: () => void;
  readonly onError: (error: unknown) => void;
}

const RETRY_MS = 200;

/** All objects of one type, kept by list and watch. */
export class ObjectCache<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly #state: StateSource;
  readonly #objects = new Map<string, T>();
  readonly #listeners: ChangeListener<T>[] = [];

  constructor(state: StateSource, type: ResourceType<T>) {
    this.#state = state;
    this.type = type;
  }

  /** A listener hears of changes from now on: whoever adds one late looks at {@link ObjectCache.values} as well. */
  onChange(listener: ChangeListener<T>): void {
    this.#listeners.push(listener);
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  keys(): readonly string[] {
    return [...this.#objects.keys()];
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Takes in an object that this process just wrote, so that the next decision sees it before the watch brings it. */
  learn(object: T): void {
    const current = this.#objects.get(objectKey(object.metadata));
    const isOlder =
      current?.metadata.uid === object.metadata.uid &&
      Number(current?.metadata.resourceVersion) >= Number(object.metadata.resourceVersion);
    if (!isOlder) this.#set(objectKey(object.metadata), object);
  }

  forget(key: string): void {
    this.#set(key, undefined);
  }

  /** Follows the state until `signal` aborts */
  async run(options: FollowOptions): Promise<void> {
    const { signal, onError } = options;
    while (!signal.aborted) {
      try {
        await this.#follow(options);
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        await sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  /** One list and the watch from there, until it ends or asks for a new list. */
  async #follow({ signal, synced }: FollowOptions): Promise<void> {
    const list = await this.#state.list(this.type);
    this.#replaceAll(list.items);
    synced();
    for await (const event of this.#state.watch(this.type, { fromVersion: list.resourceVersion, signal })) {
      if (event.kind === "relist") return;
      if (event.kind === "upserted") this.learn(event.object);
      else this.#forgetVersion(event.object);
    }
  }

  /** The deletion of an object that has a successor by now (another uid) is old news. */
  #forgetVersion(object: T): void {
    const key = objectKey(object.metadata);
    if (this.#objects.get(key)?.metadata.uid === object.metadata.uid) this.#set(key, undefined);
  }

  #replaceAll(items: readonly T[]): void {
    const present = new Set(items.map((item) => objectKey(item.metadata)));
    for (const key of [...this.#objects.keys()]) if (!present.has(key)) this.#set(key, undefined);
    for (const item of items) this.#set(objectKey(item.metadata), item);
  }

  #set(key: string, after: T | undefined): void {
    const before = this.#objects.get(key);
    if (after === undefined) this.#objects.delete(key);
    else this.#objects.set(key, after);
    if (before === undefined && after === undefined) return;
    for (const listener of this.#listeners) listener(key, before, after);
  }
}
