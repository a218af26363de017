import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { StateError } from "../lib/errors.js";
import { formatTimestamp } from "../lib/time.js";
import { objectKey } from "../model/kube-object.js";
import type { FormerVersion } from "./folder/change-log.js";
import { TypeFolder } from "./folder/type-folder.js";
import { type ObjectVersion, removeStaleDrafts } from "./folder/version-folder.js";
import type { KubeObject, ObjectRef, ResourceType, StateEvent, StateList, StateSource } from "./state-source.js";

const DRAFTS = ".drafts";

/**
 * A StateSource in a folder that any number of processes share: `<dir>/<plural>/<namespace or _>/<name>.<version>.json`.
 * How a version is written, and why no update is lost: `VersionFolder`. It survives `kill -9`, not a power cut (no fsync).
 *
 * `metadata.resourceVersion` counts the versions of one name. The version of a list is a position among the changes that this
 * source has seen: a watch from there tells every object that differs, whatever was missed in between; intermediate versions
 * are skipped. Of positions that are long past it asks for a new list, as Kubernetes answers 410 Gone.
 * An object that was deleted and created anew between two looks gives `deleted`, then `upserted`: its uid tells.
 */
export class FolderStateSource implements StateSource {
  readonly #dir: string;
  readonly #folders = new Map<string, TypeFolder>();
  /** Tells positions of this source from those of others. */
  readonly #id = randomUUID();
  readonly #closed = new AbortController();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens the folder, and makes it when it is missing. */
  static async open(dir: string): Promise<FolderStateSource> {
    const drafts = join(dir, DRAFTS);
    await mkdir(drafts, { recursive: true });
    await removeStaleDrafts(drafts);
    return new FolderStateSource(dir);
  }

  async list<T extends KubeObject>(type: ResourceType<T>): Promise<StateList<T>> {
    const folder = this.#folder(type);
    await folder.scan();
    const items: T[] = [];
    for (const version of folder.index.values()) if (!version.isDeleted) items.push(version.object as T);
    return { items, resourceVersion: `${this.#id}:${folder.position}` };
  }

  async get<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef): Promise<T | undefined> {
    checkRef(type, ref);
    const latest = await this.#folder(type).readLatest(ref);
    return latest === undefined || latest.isDeleted ? undefined : (latest.object as T);
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: { readonly fromVersion: string; readonly signal: AbortSignal },
  ): AsyncGenerator<StateEvent<T>> {
    const folder = this.#folder(type);
    const [id, position] = options.fromVersion.split(":");
    const waiting = id === this.#id ? folder.changesSince(Number(position)) : undefined;
    if (waiting === undefined) {
      yield { kind: "relist" };
      return;
    }
    const signal = AbortSignal.any([options.signal, this.#closed.signal]);
    yield* watchFolder<T>(folder, waiting, signal);
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    const ref = checkRef(type, object.metadata);
    const folder = this.#folder(type);
    const base = await folder.readLatest(ref);
    if (base !== undefined && !base.isDeleted) throw alreadyExists(type, ref);
    const metadata = { ...object.metadata, uid: randomUUID(), creationTimestamp: formatTimestamp(new Date()) };
    const created = await folder
      .folderOf(ref)
      .append(ref.name, base, { isDeleted: false, object: { ...object, metadata } });
    if (created === undefined) throw alreadyExists(type, ref);
    folder.learn(objectKey(ref), created);
    return created.object as T;
  }

  async update<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    const ref = checkRef(type, object.metadata);
    const folder = this.#folder(type);
    const base = await folder.readLatest(ref);
    if (base === undefined || base.isDeleted) throw notFound(type, ref);
    const { uid, creationTimestamp } = base.object.metadata;
    const isSameObject = object.metadata.uid === undefined || object.metadata.uid === uid;
    if (object.metadata.resourceVersion !== String(base.number) || !isSameObject) throw conflict(type, ref);
    const metadata = { ...object.metadata, ...(uid && { uid }), ...(creationTimestamp && { creationTimestamp }) };
    const next = { ...object, metadata };
    // As in Kubernetes: an update that changes nothing makes no version and no event.
    if (isDeepStrictEqual(JSON.parse(JSON.stringify(next)), base.object)) return base.object as T;
    const updated = await folder.folderOf(ref).append(ref.name, base, { isDeleted: false, object: next });
    if (updated === undefined) throw conflict(type, ref);
    folder.learn(objectKey(ref), updated);
    return updated.object as T;
  }

  async delete<T extends KubeObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    options: { readonly resourceVersion?: string } = {},
  ): Promise<void> {
    checkRef(type, ref);
    const folder = this.#folder(type);
    for (;;) {
      const base = await folder.readLatest(ref);
      if (base === undefined || base.isDeleted) return;
      const wanted = options.resourceVersion;
      if (wanted !== undefined && wanted !== String(base.number)) throw conflict(type, ref);
      const tombstone = await folder.folderOf(ref).append(ref.name, base, { isDeleted: true, object: base.object });
      if (tombstone === undefined) continue;
      folder.learn(objectKey(ref), tombstone);
      return;
    }
  }

  /** Ends all watches. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
  }

  #folder(type: ResourceType): TypeFolder {
    let folder = this.#folders.get(type.plural);
    if (folder === undefined) {
      folder = new TypeFolder(join(this.#dir, type.plural), join(this.#dir, DRAFTS));
      this.#folders.set(type.plural, folder);
    }
    return folder;
  }
}

/** One round of {@link watchFolder}: what has changed of the waiting keys. */
function* takeWaiting<T extends KubeObject>(
  folder: TypeFolder,
  waiting: Map<string, FormerVersion>,
  signal: AbortSignal,
): Generator<StateEvent<T>> {
  for (const [key, before] of waiting) {
    waiting.delete(key);
    yield* eventsBetween<T>(before, folder.index.get(key)!);
    if (signal.aborted) return;
  }
}

/**
 * Yields what differs between `waiting` and the folder, again and again.
 * @param waiting keys to be told, with what was told of them last; all the memory that a watch takes
 */
async function* watchFolder<T extends KubeObject>(
  folder: TypeFolder,
  waiting: Map<string, FormerVersion>,
  signal: AbortSignal,
): AsyncGenerator<StateEvent<T>> {
  let failure: { readonly error: unknown } | undefined;
  let wake: () => void = () => {};
  const onAbort = () => wake();
  const stop = await folder.follow({
    changed: (key, before) => {
      if (!waiting.has(key)) waiting.set(key, before);
      wake();
    },
    failed: (error) => {
      failure = { error };
      wake();
    },
  });
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      yield* takeWaiting<T>(folder, waiting, signal);
      if (signal.aborted) return;
      if (failure !== undefined)
        throw new StateError("state-folder", "cannot read the state folder", { cause: failure.error });
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (waiting.size > 0 || signal.aborted || failure !== undefined) resolve();
      });
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    stop();
  }
}

function* eventsBetween<T extends KubeObject>(before: FormerVersion, now: ObjectVersion): Iterable<StateEvent<T>> {
  if (before !== undefined && before.number >= now.number) return;
  const was = before === undefined || before.isDeleted ? undefined : before.object;
  const isOther = was !== undefined && was.metadata.uid !== now.object.metadata.uid;
  if (was !== undefined && (now.isDeleted || isOther)) {
    yield { kind: "deleted", object: (isOther ? was : now.object) as T };
  }
  if (!now.isDeleted) yield { kind: "upserted", object: now.object as T };
}

/** Names become file names: anything but a DNS subdomain (RFC 1123) is refused. */
function checkRef(type: ResourceType, ref: ObjectRef): ObjectRef {
  const isValid = (name: string) => name.length <= 253 && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name);
  if ((ref.namespace !== undefined) !== type.namespaced) {
    const needs = type.namespaced ? "needs a namespace" : "has no namespace";
    throw new StateError("invalid", `a ${type.kind} ${needs}: ${describe(type, ref)}`);
  }
  if (!isValid(ref.name) || (ref.namespace !== undefined && !isValid(ref.namespace))) {
    throw new StateError(
      "invalid",
      `${describe(type, ref)}: the name is no DNS name (lower-case letters, digits, "-" and ".")`,
    );
  }
  return ref.namespace === undefined ? { name: ref.name } : { namespace: ref.namespace, name: ref.name };
}

function describe(type: ResourceType, ref: ObjectRef): string {
  return `${type.kind} ${objectKey(ref)}`;
}

function alreadyExists(type: ResourceType, ref: ObjectRef): StateError {
  return new StateError("already-exists", `${describe(type, ref)} exists already`);
}

function notFound(type: ResourceType, ref: ObjectRef): StateError {
  return new StateError("not-found", `${describe(type, ref)} does not exist`);
}

function conflict(type: ResourceType, ref: ObjectRef): StateError {
  return new StateError("conflict", `${describe(type, ref)} was changed by somebody else`, {
    hint: "Read it again and repeat the change.",
  });
}
