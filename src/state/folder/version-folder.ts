import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, unlessErrno } from "../../lib/errno.js";
import type { KubeObject } from "../../model/kube-object.js";

/** One version of one object. A deleted object ends in a tombstone: a version that holds its last state. */
export interface ObjectVersion {
  /** 1, 2, 3 … over the whole life of the name, tombstones and later objects of the same name included. */
  readonly number: number;
  readonly isDeleted: boolean;
  readonly object: KubeObject;
  /** Unique to the write of it. */
  readonly writeId: string;
}

interface VersionFile {
  readonly writeId: string;
  readonly deleted?: boolean;
  readonly object: KubeObject;
}

/**
 * How long a writer may be stopped between linking its version and confirming it. A writer that was killed there leaves a draft
 * of that age behind.
 */
const STALE_DRAFT_MS = 60_000;

/** Above this, one getdents(2) call may not hold the whole folder, and a listing is no snapshot any more. */
const ATOMIC_LISTING_ENTRIES = 300;

/**
 * A folder of objects, each version a file `<name>.<number>.json`: compare-and-swap without locks, safe under `kill -9` of any
 * writer at any point, between processes that need not share pid namespaces.
 *
 * A writer that read version n (the highest) writes a draft elsewhere on the file system and link(2)s it as n+1. Only one can.
 * Older versions are removed afterwards, which frees their numbers: a writer that was slow could link a number that had been
 * taken and removed, and its update would vanish below the highest one. Three rules exclude that:
 *
 * 1. Versions are removed in ascending order, and n only when n+1 is confirmed.
 * 2. A version is confirmed when its draft is gone, that is, its link count is 1 (or the draft is stale: its writer died).
 * 3. After linking n+1 a writer looks for the n that it read. It is there, because n+1 is not confirmed yet: the update holds. It
 *    is gone: n+1 had been taken, and by rule 1 n was removed before it: the update never was, the file is taken away, and it is
 *    a conflict. Another file may be there, from one more late writer; so every write has an id of its own.
 *
 * For the first version there is no n; there the uid of the highest version tells whether it descends from this creation.
 * Tombstones stay, so that no number is ever handed out twice.
 */
export class VersionFolder {
  readonly path: string;
  readonly #draftsPath: string;

  /** @param draftsPath a folder on the same file system, which nobody watches */
  constructor(path: string, draftsPath: string) {
    this.path = path;
    this.#draftsPath = draftsPath;
  }

  /** Version numbers of every name, ascending. A folder that does not exist is empty. */
  async list(): Promise<ReadonlyMap<string, readonly number[]>> {
    const versions = new Map<string, number[]>();
    const files = await this.#readFileNames();
    for (const file of files) {
      const parsed = parseVersionFileName(file);
      if (parsed === undefined) continue;
      const numbers = versions.get(parsed.name);
      if (numbers === undefined) versions.set(parsed.name, [parsed.number]);
      else numbers.push(parsed.number);
    }
    for (const numbers of versions.values()) numbers.sort((a, b) => a - b);
    return versions;
  }

  /**
   * The highest whole version of a name, tombstones included; undefined when there never was one.
   * @param listed what `list` has just said of the name: a folder of n objects is read in one listing instead of n
   */
  async readLatest(name: string, listed?: readonly number[]): Promise<ObjectVersion | undefined> {
    for (let known = listed; ; known = undefined) {
      const numbers = known ?? (await this.#numbersOf(name));
      if (numbers.length === 0) return undefined;
      for (const number of [...numbers].reverse()) {
        const version = this.read(name, number);
        if (version === "gone") break;
        if (version !== "broken") return version;
        if (number === numbers[0]) return undefined;
      }
    }
  }

  /**
   * The highest version of a name, where `known` still is it: without listing the folder, which takes long among ten thousand
   * objects. By rule 1 nothing is above a version that is there and has no next one; a late writer's file may have its number.
   */
  async readIfLatest(name: string, known: ObjectVersion): Promise<ObjectVersion | undefined> {
    const version = this.read(name, known.number);
    if (typeof version === "string" || version.writeId !== known.writeId) return undefined;
    return (await this.#exists(name, known.number + 1)) ? undefined : version;
  }

  /** Version numbers of one name, ascending. */
  async #numbersOf(name: string): Promise<readonly number[]> {
    const prefix = `${name}.`;
    return [...(await this.#readFileNames())]
      .filter((file) => file.startsWith(prefix))
      .map(parseVersionFileName)
      .flatMap((parsed) => (parsed?.name === name ? [parsed.number] : []))
      .sort((a, b) => a - b);
  }

  /**
   * One version: `gone` when it was removed since it was listed, `broken` when it is not an object in JSON. Not asynchronous:
   * four turns through the thread pool take ten times as long as reading some hundred bytes from the page cache.
   */
  read(name: string, number: number): ObjectVersion | "gone" | "broken" {
    const text = readIfThere(this.#filePath(name, number));
    if (text === undefined) return "gone";
    try {
      const file = JSON.parse(text) as VersionFile;
      if (typeof file.object?.metadata?.name !== "string" || typeof file.writeId !== "string") return "broken";
      const { writeId, deleted = false } = file;
      return { number, isDeleted: deleted, object: withVersion(file.object, number), writeId };
    } catch {
      return "broken";
    }
  }

  /**
   * Writes the version after `base`. Undefined when somebody else did.
   * @param base the highest version as read, tombstones included; undefined when there was none
   */
  async append(
    name: string,
    base: ObjectVersion | undefined,
    next: { readonly isDeleted: boolean; readonly object: KubeObject },
  ): Promise<ObjectVersion | undefined> {
    const number = (base?.number ?? 0) + 1;
    const object = withVersion(next.object, number);
    const writeId = randomUUID();
    const draft = join(this.#draftsPath, writeId);
    const content: VersionFile = { writeId, deleted: next.isDeleted, object };
    await writeFile(draft, `${JSON.stringify(content)}\n`, { flag: "wx" });
    try {
      if (!(await this.#link(draft, this.#filePath(name, number)))) return undefined;
      const holds = base === undefined ? await this.#isDescendant(name, object) : this.#isStill(name, base);
      if (!holds) {
        await rm(this.#filePath(name, number), { force: true });
        return undefined;
      }
    } finally {
      await rm(draft, { force: true });
    }
    await this.#removeBelow(name, number);
    return { number, isDeleted: next.isDeleted, object, writeId };
  }

  async #readFileNames(): Promise<Iterable<string>> {
    const files = (await unlessErrno(["ENOENT", "ENOTDIR"], readdir(this.path))) ?? [];
    if (files.length < ATOMIC_LISTING_ENTRIES) return files;
    // A name whose next version was linked behind the reading position and whose last one was removed before it is in neither
    // part; a second look finds it.
    return new Set([...files, ...((await unlessErrno(["ENOENT", "ENOTDIR"], readdir(this.path))) ?? [])]);
  }

  /** False when the target exists. Makes the folder of a namespace when its first object arrives. */
  async #link(draft: string, target: string): Promise<boolean> {
    try {
      await link(draft, target);
      return true;
    } catch (error) {
      if (errnoOf(error) === "EEXIST") return false;
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    await mkdir(this.path, { recursive: true });
    return (
      (await unlessErrno(
        ["EEXIST"],
        link(draft, target).then(() => true),
      )) ?? false
    );
  }

  async #isDescendant(name: string, created: KubeObject): Promise<boolean> {
    const latest = await this.readLatest(name);
    return latest?.object.metadata.uid === created.metadata.uid;
  }

  #isStill(name: string, version: ObjectVersion): boolean {
    const found = this.read(name, version.number);
    return typeof found === "object" && found.writeId === version.writeId;
  }

  async #exists(name: string, number: number): Promise<boolean> {
    return (await unlessErrno(["ENOENT"], stat(this.#filePath(name, number)))) !== undefined;
  }

  /** Rules 1 and 2 of the class. Usually removes exactly the one version before. */
  async #removeBelow(name: string, number: number): Promise<void> {
    let lowest = number - 1;
    while (lowest > 1 && (await this.#exists(name, lowest - 1))) lowest--;
    for (let older = lowest; older > 0 && older < number; older++) {
      const successor = await unlessErrno(["ENOENT"], stat(this.#filePath(name, older + 1)));
      if (successor === undefined || !isConfirmed(successor)) return;
      await rm(this.#filePath(name, older), { force: true });
    }
  }

  #filePath(name: string, number: number): string {
    return join(this.path, `${name}.${number}.json`);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function isConfirmed(file: { readonly nlink: number; readonly ctimeMs: number }): boolean {
  return file.nlink === 1 || Date.now() - file.ctimeMs > STALE_DRAFT_MS;
}

/** Removes what killed writers left in the drafts folder. */
export async function removeStaleDrafts(draftsPath: string): Promise<void> {
  for (const draft of await readdir(draftsPath)) {
    const info = await unlessErrno(["ENOENT"], stat(join(draftsPath, draft)));
    if (info !== undefined && Date.now() - info.ctimeMs > STALE_DRAFT_MS)
      await rm(join(draftsPath, draft), { force: true });
  }
}

/** `web-0.12.json` → web-0, 12. Undefined for any other file. */
export function parseVersionFileName(file: string): { readonly name: string; readonly number: number } | undefined {
  const match = /^(.+)\.([1-9]\d{0,14})\.json$/.exec(file);
  return match === null ? undefined : { name: match[1]!, number: Number(match[2]) };
}

function withVersion(object: KubeObject, number: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(number) } };
}
