import { type FSWatcher, watch } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { unlessErrno } from "../../lib/errno.js";
import { type ObjectRef, objectKey } from "../../model/kube-object.js";
import { ChangeLog, type FormerVersion } from "./change-log.js";
import { type ObjectVersion, parseVersionFileName, VersionFolder } from "./version-folder.js";

/** Folder of the objects of cluster-wide kinds; no namespace may be called so (RFC 1123 labels have no underscore). */
const CLUSTER_WIDE = "_";
/** The first change after a quiet time is read at once; those within this time after a reading are read together. */
const COALESCE_MS = 5;
/** libuv does not report a queue overflow of inotify(7), so everything is looked over now and then. */
const RESCAN_MS = 5000;
/** Instead, where the kernel gives no inotify instance or watch (fs.inotify.max_user_instances is 128 a user by default). */
const POLL_MS = 200;
/** A rescan waits for so many times what the last one took: a folder of 100,000 files that is being filled changes all the time. */
const RESCAN_SPACING = 20;
/** However long that took: what a queue that overflowed has lost is found by then. */
const MAX_RESCAN_MS = 30_000;
/** Polling is all there is then, so it may take a third of the time. */
const POLL_SPACING = 2;
/** Files that are read without letting others have a turn: about two milliseconds. */
const READS_A_TURN = 64;

/** Told the key of an object whose latest version changed, with the one before, or of the failure that ended following. */
export interface ChangeListener {
  changed(key: string, before: FormerVersion): void;
  failed(error: unknown): void;
}

/**
 * All objects of one kind: `<path>/<namespace or _>/<name>.<version>.json`, and an index of their latest versions. The index is
 * brought up to date by `scan`, which reads changed files only, and by inotify while somebody follows.
 */
export class TypeFolder {
  readonly #path: string;
  readonly #draftsPath: string;
  readonly #index = new Map<string, ObjectVersion>();
  readonly #folders = new Map<string, VersionFolder>();
  readonly #listeners = new Set<ChangeListener>();
  readonly #watchers = new Map<string, FSWatcher>();
  /** Files named by inotify since the last reading, as `<namespace>/<file>`; null: the kernel did not say which. */
  readonly #touched = new Set<string | null>();
  /** Modification time of each namespace's folder before it was last scanned. */
  readonly #scannedAt = new Map<string, { readonly folderMtimeMs: number; readonly timeMs: number }>();
  readonly #log = new ChangeLog();
  /** Ends when all readings that were asked for have ended: one at a time, or two would read the same files. */
  #lastReading: Promise<void> = Promise.resolve();
  #lastReadAt = 0;
  #coalesceTimer: NodeJS.Timeout | undefined;
  #rescanTimer: NodeJS.Timeout | undefined;
  #isPolling = false;

  constructor(path: string, draftsPath: string) {
    this.#path = path;
    this.#draftsPath = draftsPath;
  }

  /** Latest known versions by `namespace/name`, tombstones included. */
  get index(): ReadonlyMap<string, ObjectVersion> {
    return this.#index;
  }

  /** Counts the changes of the index. */
  get position(): number {
    return this.#log.position;
  }

  /** Keys that changed after `position`, with what they had then; undefined when that is not known any more. */
  changesSince(position: number): Map<string, FormerVersion> | undefined {
    return this.#log.since(position);
  }

  folderOf(ref: ObjectRef): VersionFolder {
    return this.#folder(ref.namespace ?? CLUSTER_WIDE);
  }

  /** The highest version of an object, tombstones included; undefined when there never was one. */
  async readLatest(ref: ObjectRef): Promise<ObjectVersion | undefined> {
    const folder = this.folderOf(ref);
    const known = this.#index.get(objectKey(ref));
    const latest = known && (await folder.readIfLatest(ref.name, known));
    return latest ?? (await folder.readLatest(ref.name));
  }

  /** Takes over a version that this process wrote or read, so that nobody reads it again. */
  learn(key: string, version: ObjectVersion): void {
    const known = this.#index.get(key);
    if (known !== undefined && known.number >= version.number) return;
    this.#index.set(key, version);
    this.#log.add(key, known);
    for (const listener of this.#listeners) listener.changed(key, known);
  }

  /** Brings the index to at least the state that the folder has now. */
  scan(): Promise<void> {
    return this.#inTurn(async () => {
      for (const namespace of await this.#namespaces()) await this.#scanNamespace(namespace);
    });
  }

  /** Keeps the index up to date until the returned function is called. Resolves after the first scan. */
  async follow(listener: ChangeListener): Promise<() => void> {
    this.#listeners.add(listener);
    const stop = () => this.#unfollow(listener);
    try {
      if (this.#listeners.size === 1) await this.#startWatching();
      await this.#inTurn(() => this.#watchAndScan());
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  #unfollow(listener: ChangeListener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearTimeout(this.#coalesceTimer);
    clearTimeout(this.#rescanTimer);
    this.#coalesceTimer = undefined;
    this.#rescanTimer = undefined;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#touched.clear();
  }

  async #startWatching(): Promise<void> {
    await mkdir(this.#path, { recursive: true });
    if (this.#listeners.size === 0) return;
    this.#isPolling = false;
    this.#watch(this.#path, (file) => this.#touch(file === null ? null : `${file}/`));
    this.#setRescanTimer(this.#isPolling ? POLL_MS : RESCAN_MS);
  }

  /** Each rescan sets the timer of the next one: a slow one does not meet its successor, and takes a small share of the time. */
  #setRescanTimer(intervalMs: number): void {
    clearTimeout(this.#rescanTimer);
    this.#rescanTimer = setTimeout(async () => {
      let tookMs = 0;
      await this.#readOrFail(async () => {
        const startedAt = performance.now();
        await this.#rescanChanged();
        tookMs = performance.now() - startedAt;
      });
      if (this.#listeners.size > 0) this.#setRescanTimer(rescanIntervalMs(tookMs, this.#isPolling));
    }, intervalMs);
  }

  /** A namespace's folder is watched before it is scanned, so nothing falls between. */
  async #watchAndScan(): Promise<void> {
    for (const namespace of await this.#namespaces()) {
      this.#watchNamespace(namespace);
      await this.#scanNamespace(namespace);
    }
  }

  #watchNamespace(namespace: string): void {
    this.#watch(join(this.#path, namespace), (file) => this.#touch(file === null ? null : `${namespace}/${file}`));
  }

  #watch(path: string, onEvent: (file: string | null) => void): void {
    if (this.#watchers.has(path) || this.#listeners.size === 0) return;
    try {
      const watcher = watch(path, (_kind, file) => onEvent(file));
      watcher.on("error", () => this.#startPolling());
      this.#watchers.set(path, watcher);
    } catch {
      this.#startPolling();
    }
  }

  #startPolling(): void {
    if (this.#isPolling || this.#listeners.size === 0) return;
    this.#isPolling = true;
    this.#setRescanTimer(POLL_MS);
  }

  #touch(file: string | null): void {
    // Each write also takes the version before away: nothing to be read, and no reason for the next change to wait.
    if (file !== null && this.#isKnown(file)) return;
    this.#touched.add(file);
    const waitMs = Math.max(0, this.#lastReadAt + COALESCE_MS - performance.now());
    this.#coalesceTimer ??= setTimeout(() => void this.#readOrFail(() => this.#readTouched()), waitMs);
  }

  async #readTouched(): Promise<void> {
    const touched = [...this.#touched];
    this.#touched.clear();
    // From here on a touched file asks for a reading of its own.
    this.#coalesceTimer = undefined;
    await this.#readFiles(touched);
    this.#lastReadAt = performance.now();
  }

  async #readFiles(touched: readonly (string | null)[]): Promise<void> {
    if (touched.some((file) => file === null || file.endsWith("/"))) await this.#watchAndScan();
    const newest = new Map<string, TouchedVersion>();
    for (const file of touched) {
      const version = file === null ? undefined : parseTouched(file);
      if (version === undefined) continue;
      const known = newest.get(version.key)?.number ?? this.#index.get(version.key)?.number ?? 0;
      if (version.number > known) newest.set(version.key, version);
    }
    await eachOf(newest, ([key, { namespace, name, number }]) => {
      const version = this.#folder(namespace).read(name, number);
      // Gone means that a newer version has been linked since, which is an event of its own.
      if (typeof version === "object") this.learn(key, version);
    });
  }

  #isKnown(file: string): boolean {
    const version = parseTouched(file);
    return version !== undefined && version.number <= (this.#index.get(version.key)?.number ?? 0);
  }

  async #rescanChanged(): Promise<void> {
    for (const namespace of await this.#namespaces()) {
      this.#watchNamespace(namespace);
      const folder = await unlessErrno(["ENOENT"], stat(join(this.#path, namespace)));
      const scanned = this.#scannedAt.get(namespace);
      // Times have the grain of a clock tick: one that is as young as the scan itself proves nothing.
      const isUnchanged =
        scanned?.folderMtimeMs === folder?.mtimeMs && (scanned?.timeMs ?? 0) - (folder?.mtimeMs ?? 0) > 100;
      if (!isUnchanged) await this.#scanNamespace(namespace);
    }
  }

  async #scanNamespace(namespace: string): Promise<void> {
    const folder = this.#folder(namespace);
    const info = await unlessErrno(["ENOENT"], stat(folder.path));
    const timeMs = Date.now();
    const listed = await folder.list();
    const changed = [...listed].filter(([name, numbers]) => {
      const known = this.#index.get(keyOf(namespace, name));
      return known === undefined || known.number < numbers.at(-1)!;
    });
    await eachOf(changed, async ([name, numbers]) => {
      const latest = await folder.readLatest(name, numbers);
      if (latest !== undefined) this.learn(keyOf(namespace, name), latest);
    });
    if (info !== undefined) this.#scannedAt.set(namespace, { folderMtimeMs: info.mtimeMs, timeMs });
  }

  async #namespaces(): Promise<readonly string[]> {
    return (await unlessErrno(["ENOENT"], readdir(this.#path))) ?? [];
  }

  #folder(namespace: string): VersionFolder {
    let folder = this.#folders.get(namespace);
    if (folder === undefined) {
      folder = new VersionFolder(join(this.#path, namespace), this.#draftsPath);
      this.#folders.set(namespace, folder);
    }
    return folder;
  }

  /** Runs after every reading that was asked for before. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const reading = this.#lastReading.then(work);
    this.#lastReading = reading.catch(() => {});
    return reading;
  }

  async #readOrFail(work: () => Promise<void>): Promise<void> {
    try {
      await this.#inTurn(work);
    } catch (error) {
      for (const listener of [...this.#listeners]) listener.failed(error);
    }
  }
}

/** When the next rescan begins after one that took `tookMs`, by its own work. */
export function rescanIntervalMs(tookMs: number, isPolling: boolean): number {
  const [least, spacing] = isPolling ? [POLL_MS, POLL_SPACING] : [RESCAN_MS, RESCAN_SPACING];
  return Math.min(MAX_RESCAN_MS, Math.max(least, spacing * tookMs));
}

interface TouchedVersion {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly number: number;
}

/** `<namespace>/<name>.<version>.json`; undefined for any other file. */
function parseTouched(file: string): TouchedVersion | undefined {
  const [namespace = "", fileName = ""] = file.split("/");
  const parsed = parseVersionFileName(fileName);
  return parsed && { key: keyOf(namespace, parsed.name), namespace, ...parsed };
}

function keyOf(namespace: string, name: string): string {
  return objectKey(namespace === CLUSTER_WIDE ? { name } : { namespace, name });
}

async function eachOf<T>(items: Iterable<T>, work: (item: T) => void | Promise<void>): Promise<void> {
  let count = 0;
  for (const item of items) {
    await work(item);
    if (++count % READS_A_TURN === 0) await setImmediate();
  }
}
