import type { ObjectVersion } from "./version-folder.js";

/** What a key had before it changed: undefined when it was new. */
export type FormerVersion = ObjectVersion | undefined;

interface Change {
  readonly key: string;
  readonly before: FormerVersion;
}

/** A watch begins right after its list; this many changes may come between. */
const KEPT_CHANGES = 1024;

/**
 * The latest changes of an index, counted. A position names the index as it was after so many changes: what it costs to be
 * able to go back to it is one entry a change, not a copy of the index.
 */
export class ChangeLog {
  readonly #changes: Change[] = [];
  #dropped = 0;

  /** How many changes there have been. */
  get position(): number {
    return this.#dropped + this.#changes.length;
  }

  add(key: string, before: FormerVersion): void {
    this.#changes.push({ key, before });
    if (this.#changes.length <= 2 * KEPT_CHANGES) return;
    this.#changes.splice(0, KEPT_CHANGES);
    this.#dropped += KEPT_CHANGES;
  }

  /** Keys that changed after `position`, with what they had then; undefined when that is not known any more. */
  since(position: number): Map<string, FormerVersion> | undefined {
    // Written so that NaN, from a text that is no position, is refused.
    if (!(position >= this.#dropped && position <= this.position)) return undefined;
    const former = new Map<string, FormerVersion>();
    for (const { key, before } of this.#changes.slice(position - this.#dropped)) {
      if (!former.has(key)) former.set(key, before);
    }
    return former;
  }
}
