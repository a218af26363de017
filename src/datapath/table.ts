import type { BpfMap } from "../kernel/bpf-map.js";
import { KernelError } from "../lib/errors.js";

export interface TableEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface TableChange {
  readonly written: number;
  readonly deleted: number;
}

const FIRST_BATCH = 1024;

/** A key as text, for maps and sets: one character a byte. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** Every entry of a map that only this agent writes, read in large batches. */
export function* readEntries(map: BpfMap): Generator<TableEntry> {
  let count = FIRST_BATCH;
  let cursor: Buffer | undefined;
  for (;;) {
    let batch: ReturnType<BpfMap["lookupBatch"]>;
    try {
      batch = map.lookupBatch(cursor, count);
    } catch (error) {
      const errno = error instanceof KernelError ? error.details.errno : undefined;
      if (errno === "ENOSPC" && count < 1 << 20) {
        count *= 2;
        continue;
      }
      if (errno !== "ENOTSUPP" && errno !== "EINVAL" && errno !== "EOPNOTSUPP") throw error;
      yield* readKeyByKey(map);
      return;
    }
    const { keySizeBytes } = map.info;
    for (let i = 0; i < batch.count; i++) {
      yield {
        key: batch.keys.subarray(i * keySizeBytes, (i + 1) * keySizeBytes),
        value: batch.values.subarray(i * map.valueStrideBytes, (i + 1) * map.valueStrideBytes),
      };
    }
    if (batch.done) return;
    cursor = batch.cursor;
  }
}

function* readKeyByKey(map: BpfMap): Generator<TableEntry> {
  for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) {
    const value = map.lookup(key);
    if (value !== undefined) yield { key, value };
  }
}

/** The content of a map, by the text of its keys. */
export function snapshotEntries(map: BpfMap): Map<string, Buffer> {
  const entries = new Map<string, Buffer>();
  for (const { key, value } of readEntries(map)) entries.set(keyText(key), value);
  return entries;
}

/** The entries that differ from the snapshot; every desired key leaves it. */
export function changedEntries(current: Map<string, Buffer>, desired: readonly TableEntry[]): readonly TableEntry[] {
  return desired.filter((entry) => {
    const text = keyText(entry.key);
    const isSame = current.get(text)?.equals(entry.value) === true;
    current.delete(text);
    return !isSame;
  });
}

/** What must be written and deleted for a map to hold exactly what is desired. */
export interface TablePlan {
  readonly upserts: readonly TableEntry[];
  readonly deletions: readonly Buffer[];
}

export function planTable(map: BpfMap, desired: Iterable<TableEntry>): TablePlan {
  const current = snapshotEntries(map);
  const upserts = changedEntries(current, [...desired]);
  return { upserts, deletions: [...current.keys()].map((text) => Buffer.from(text, "latin1")) };
}

export function isEmptyPlan(plan: TablePlan): boolean {
  return plan.upserts.length === 0 && plan.deletions.length === 0;
}

/** Writes first, then deletes. */
function applyPlan(map: BpfMap, plan: TablePlan): TableChange {
  writeEntries(map, plan.upserts);
  deleteKeys(map, plan.deletions);
  return { written: plan.upserts.length, deleted: plan.deletions.length };
}

/** Makes the map hold exactly `desired`. */
export function reconcileTable(map: BpfMap, desired: Iterable<TableEntry>): TableChange {
  return applyPlan(map, planTable(map, desired));
}

export function writeEntries(map: BpfMap, entries: readonly TableEntry[]): void {
  if (entries.length === 0) return;
  map.updateBatch(
    Buffer.concat(entries.map((entry) => entry.key)),
    Buffer.concat(entries.map((entry) => entry.value)),
    entries.length,
  );
}

export function deleteKeys(map: BpfMap, keys: readonly Buffer[]): void {
  if (keys.length > 0) map.deleteBatch(Buffer.concat(keys), keys.length);
}
