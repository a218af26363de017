import { KernelError } from "../../lib/errors.js";

/** What a scan needs of a map; `BpfMap` fits. */
export interface ScannableMap {
  readonly info: {
    readonly name: string;
    readonly keySizeBytes: number;
    readonly maxEntries: number;
    readonly type: string;
  };
  /** Bytes of one value as look-ups return it (per-CPU maps: all CPUs). */
  readonly valueStrideBytes: number;
  lookup(key: Uint8Array): Buffer | undefined;
  nextKey(key?: Uint8Array): Buffer | undefined;
  lookupBatchAsync(cursor: Buffer | undefined, count: number, spent?: MapBatch): Promise<MapBatch>;
}

/**
 * Keys and values side by side: entry i's key is at `i * keySizeBytes`, its value at `i * valueStrideBytes`. The bytes are
 * written over when the next slice is asked for.
 */
export interface MapSlice {
  readonly keys: Buffer;
  readonly values: Buffer;
  readonly count: number;
}

export interface MapBatch extends MapSlice {
  readonly cursor: Buffer | undefined;
  readonly done: boolean;
  /** How long the system call held a CPU. */
  readonly kernelMs: number;
}

/** What one step of a walk brought: entries, maybe none. */
export interface WalkStep extends MapSlice {
  /** How long its longest system call held a CPU. */
  readonly kernelMs: number;
  /** Keys that were gone through, those without a value among them. */
  readonly visited: number;
}

/** One way through all entries of a map, in steps after each of which others get their turn. */
export interface MapWalk {
  /** Undefined at the end. */
  next(): Promise<WalkStep | undefined>;
  /** How often it had to begin again. */
  readonly restarts: number;
  /** Nothing is left to be read. */
  readonly isDone: boolean;
  /** At the end: why entries may be missing or there twice. */
  readonly shortfall: string | undefined;
  /** Ends the walk before its end; waits for a call that is under way. */
  close(): Promise<void>;
}

/** Entries that are collected one by one. */
export class SliceBuilder {
  readonly #keys: Buffer[] = [];
  readonly #values: Buffer[] = [];

  get count(): number {
    return this.#keys.length;
  }

  add(key: Buffer, value: Buffer): void {
    this.#keys.push(key);
    this.#values.push(value);
  }

  take(): MapSlice {
    return { keys: Buffer.concat(this.#keys), values: Buffer.concat(this.#values), count: this.count };
  }
}

/** The shortfall of a walk that had to begin again. */
export function repeatedEntries(restarts: number): string | undefined {
  if (restarts === 0) return undefined;
  return `the map changed under the reader: it began again ${restarts} times, entries may appear twice`;
}

export function errnoOf(error: unknown): string | undefined {
  const errno = error instanceof KernelError ? error.details.errno : undefined;
  return typeof errno === "string" ? errno : undefined;
}
