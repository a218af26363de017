import type { KernelError } from "../lib/errors.js";
import { Errno } from "./errno.js";
import { isFeatureDisabled } from "./feature-mask.js";
import type { NativeAddon, NativeMap } from "./native-addon.js";

/** A slice of a map: `count` keys and values, concatenated in the same order. */
export interface MapBatch {
  readonly keys: Buffer;
  /** `count` × `valueStrideBytes` of the map. */
  readonly values: Buffer;
  readonly count: number;
  /** Opaque; hand it to the next call. Undefined when `done`. */
  readonly cursor: Buffer | undefined;
  readonly done: boolean;
}

/** A batch that was read beside the event loop. */
export interface MapSlice extends MapBatch {
  /** CPU time of the system call: how long it kept others from a CPU where the kernel does not preempt. */
  readonly kernelMs: number;
}

export interface LookupOptions {
  readonly cursor: Buffer | undefined;
  readonly cursorBytes: number;
  readonly keySizeBytes: number;
  readonly valueStrideBytes: number;
  readonly count: number;
  /** A batch whose bytes nobody looks at any more: they are written over. */
  readonly spent?: MapBatch | undefined;
  readonly fail: (status: number) => KernelError;
}

/** The result of a write: how many entries were changed, and 0 or -errno of the one that stopped it. */
export interface BatchOutcome {
  readonly count: number;
  readonly status: number;
}

export function lookupEntries(native: NativeMap, options: LookupOptions): MapBatch {
  const room = roomFor(options);
  const [status, read] = native.lookupBatch(options.cursor, room.cursor, room.keys, room.values, options.count);
  return toBatch(room, status, read, options);
}

/** As {@link lookupEntries}, on a thread of libuv's pool. */
export async function lookupEntriesAsync(addon: NativeAddon, fd: number, options: LookupOptions): Promise<MapSlice> {
  const room = roomFor(options);
  const { cursor, keys, values } = room;
  const outcome = Buffer.alloc(16);
  const status = await addon.lookupBatchAsync(fd, options.cursor, cursor, keys, values, options.count, outcome);
  const [read, nanoseconds] = [Number(outcome.readBigUInt64LE(0)), Number(outcome.readBigUInt64LE(8))];
  return { ...toBatch(room, status, read, options), kernelMs: nanoseconds / 1e6 };
}

interface BatchRoom {
  readonly keys: Buffer;
  readonly values: Buffer;
  readonly cursor: Buffer;
}

function roomFor({ count, keySizeBytes, valueStrideBytes, cursorBytes, spent }: LookupOptions): BatchRoom {
  return {
    keys: room(count * keySizeBytes, spent?.keys),
    values: room(count * valueStrideBytes, spent?.values),
    cursor: Buffer.alloc(cursorBytes),
  };
}

/** Memory of its own, not a piece of the runtime's pool, so that all of it can be used again. */
function room(sizeBytes: number, spent: Buffer | undefined): Buffer {
  const isLargeEnough = spent !== undefined && spent.buffer.byteLength >= sizeBytes;
  return isLargeEnough ? Buffer.from(spent.buffer, 0, sizeBytes) : Buffer.allocUnsafeSlow(sizeBytes);
}

function toBatch(room: BatchRoom, status: number, read: number, options: LookupOptions): MapBatch {
  const { keySizeBytes, valueStrideBytes } = options;
  const done = status === -Errno.ENOENT;
  // EINTR: an entry vanished under the reader three times (generic batch before 6.13). What was read is good.
  const isPartial = status === -Errno.EINTR && read > 0;
  if (status < 0 && !done && !isPartial) throw options.fail(status);
  return {
    keys: room.keys.subarray(0, read * keySizeBytes),
    values: room.values.subarray(0, read * valueStrideBytes),
    count: read,
    cursor: done ? undefined : room.cursor,
    done,
  };
}

interface WriteOptions {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly keySizeBytes: number;
  readonly valueStrideBytes: number;
  readonly count: number;
}

/** ENOTSUPP: this map type has no such batch call; EINVAL: the kernel knows no batch calls at all (before 5.6). */
function isBatchMissing(status: number): boolean {
  return status === -Errno.ENOTSUPP || status === -Errno.EINVAL || status === -Errno.EOPNOTSUPP;
}

export function updateEntries(native: NativeMap, options: WriteOptions): BatchOutcome {
  const { keys, values, keySizeBytes, valueStrideBytes, count } = options;
  if (count === 0) return { count: 0, status: 0 };
  if (!isFeatureDisabled("batch")) {
    const [status, done] = native.updateBatch(keys, values, count);
    if (!isBatchMissing(status)) return { status, count: status < 0 && done >= count ? 0 : done };
  }
  for (let index = 0; index < count; index++) {
    const key = keys.subarray(index * keySizeBytes, (index + 1) * keySizeBytes);
    const value = values.subarray(index * valueStrideBytes, (index + 1) * valueStrideBytes);
    const status = native.update(key, value, 0);
    if (status < 0) return { count: index, status };
  }
  return { count, status: 0 };
}

/**
 * The kernel's batch delete stops at the first absent key; an LRU map or a program may have taken it meanwhile. So step
 * over it and go on.
 */
export function deleteEntries(
  native: NativeMap,
  options: { readonly keys: Uint8Array; readonly keySizeBytes: number; readonly count: number },
): BatchOutcome {
  const { keys, keySizeBytes, count } = options;
  let deleted = 0;
  let next = 0;
  while (next < count && !isFeatureDisabled("batch")) {
    const [status, done] = native.deleteBatch(keys.subarray(next * keySizeBytes), count - next);
    if (isBatchMissing(status)) break;
    if (status < 0 && status !== -Errno.ENOENT) return { count: deleted, status };
    deleted += done;
    next += status < 0 ? done + 1 : done;
  }
  for (; next < count; next++) {
    const status = native.delete(keys.subarray(next * keySizeBytes, (next + 1) * keySizeBytes));
    if (status >= 0) deleted++;
    else if (status !== -Errno.ENOENT) return { count: deleted, status };
  }
  return { count: deleted, status: 0 };
}
