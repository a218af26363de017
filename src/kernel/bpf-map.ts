import { loadAddon } from "./addon.js";
import {
  refuseArgument,
  requireBoolean,
  requireBytes,
  requireInstance,
  requireInteger,
  requireOneOf,
  requireOptions,
  requireText,
} from "./arguments.js";
import { Errno } from "./errno.js";
import { isFeatureDisabled, isMapTypeDisabled } from "./feature-mask.js";
import { checkStatus, kernelError } from "./kernel-error.js";
import {
  deleteEntries,
  type LookupOptions,
  lookupEntries,
  lookupEntriesAsync,
  type MapBatch,
  type MapSlice,
  updateEntries,
} from "./map-batch.js";
import { isMapOfMapsType, isPerCpuMapType, MapFlag, type MapType, mapTypeName, mapTypeNumber } from "./map-type.js";
import type { NativeMap, NativeMapInfo } from "./native-addon.js";
import { NativeHandle } from "./native-handle.js";

/** `struct bpf_map_info` as the kernel tells it; does not change while the map lives. */
export interface MapInfo extends Omit<NativeMapInfo, "type"> {
  readonly type: MapType;
}

export interface MapSpec {
  readonly type: MapType;
  /** At most 15 characters of [A-Za-z0-9_.]. */
  readonly name: string;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly maxEntries: number;
  readonly flags?: number;
  /** Template of a map of maps: inner maps must have its type, sizes and flags. */
  readonly innerMap?: BpfMap;
}

export interface OpenMapOptions {
  /** BPF_F_RDONLY: updates through this handle then fail with EPERM. The only way we open what is not ours. */
  readonly readOnly?: boolean;
}

function openFlagsOf(options: OpenMapOptions): number {
  requireOptions(options);
  const { readOnly = false } = options;
  requireBoolean(readOnly, "readOnly");
  return readOnly ? MapFlag.readOnly : 0;
}

/** `any` creates or replaces, `create` fails with EEXIST on a present key, `replace` with ENOENT on an absent one. */
export type UpdateMode = "any" | "create" | "replace";
const updateFlags: Readonly<Record<UpdateMode, number>> = { any: 0, create: 1, replace: 2 };

/** `BPF_OBJ_NAME_LEN` without the terminating zero. */
export const mapNameMaxBytes = 15;

/**
 * One BPF map. Keys and values are raw bytes in the map's own layout; codecs live in src/abi.
 *
 * Every method throws KernelError: `invalid-argument` before the kernel is asked, `handle-closed` after close(), otherwise
 * `map-<operation>` with the errno in `details`.
 */
export class BpfMap extends NativeHandle<NativeMap> {
  readonly info: MapInfo;
  /**
   * Bytes of one value as look-ups return it: the value size, or for per-CPU maps the value size rounded up to 8 bytes
   * times the number of possible CPUs, concatenated in CPU order.
   */
  readonly valueStrideBytes: number;
  /** Made in this process, through this handle or by the object it was taken from; false for what a path or id led to. */
  readonly isOwn: boolean;

  private constructor(native: NativeMap, info: MapInfo, options: { possibleCpus: number; isOwn: boolean }) {
    super(native);
    const { possibleCpus, isOwn } = options;
    this.info = info;
    this.isOwn = isOwn;
    this.valueStrideBytes = isPerCpuMapType(info.type)
      ? Math.ceil(info.valueSizeBytes / 8) * 8 * possibleCpus
      : info.valueSizeBytes;
  }

  static create(spec: MapSpec): BpfMap {
    requireOptions(spec, "spec");
    const type = typeof spec.type === "string" ? mapTypeNumber(spec.type) : undefined;
    if (type === undefined) refuseArgument("type", "a map type", spec.type);
    requireText(spec.name, "name", mapNameMaxBytes);
    requireInteger(spec.keySizeBytes, "keySizeBytes");
    requireInteger(spec.valueSizeBytes, "valueSizeBytes");
    requireInteger(spec.maxEntries, "maxEntries");
    const { flags: ownFlags = 0 } = spec;
    requireInteger(ownFlags, "flags");
    if (spec.innerMap !== undefined) requireInstance(spec.innerMap, BpfMap, "innerMap");
    const failure = () => ({
      code: "map-create",
      attempt: `create ${spec.type} map ${spec.name} (key ${spec.keySizeBytes}, value ${spec.valueSizeBytes} bytes, ${spec.maxEntries} entries)`,
      details: { name: spec.name, type: spec.type },
    });
    if (isMapTypeDisabled(spec.type)) throw kernelError({ ...failure(), errno: Errno.EINVAL });
    // An LPM trie cannot be preallocated: the kernel insists that the creator says so.
    const flags = ownFlags | (spec.type === "lpm_trie" ? MapFlag.noPrealloc : 0);
    return BpfMap.#open(
      failure,
      (native) =>
        native.create(
          type,
          spec.name,
          spec.keySizeBytes,
          spec.valueSizeBytes,
          spec.maxEntries,
          flags,
          spec.innerMap?.fd ?? -1,
        ),
      true,
    );
  }

  /** @throws KernelError `map-open`: ENOENT when nothing is pinned there, EINVAL when it is no map */
  static openPinned(path: string, options: OpenMapOptions = {}): BpfMap {
    requireText(path, "path");
    const openFlags = openFlagsOf(options);
    return BpfMap.#open(
      () => ({ code: "map-open", attempt: `open the map pinned at ${path}`, path }),
      (native) => native.openPinned(path, openFlags),
    );
  }

  /** @throws KernelError `map-open`: ENOENT when no map has this id */
  static openById(id: number, options: OpenMapOptions = {}): BpfMap {
    requireInteger(id, "id");
    const openFlags = openFlagsOf(options);
    return BpfMap.#open(
      () => ({ code: "map-open", attempt: `open map ${id}`, details: { id } }),
      (native) => native.openById(id, openFlags),
    );
  }

  /** Takes over a descriptor that the addon handed out. Internal to src/kernel. */
  static adopt(fd: number, options: { readonly isOwn: boolean }): BpfMap {
    return BpfMap.#open(
      () => ({ code: "map-open", attempt: "take over a map's descriptor" }),
      (native) => native.adopt(fd),
      options.isOwn,
    );
  }

  static #open(
    failure: () => { code: string; attempt: string; path?: string },
    open: (native: NativeMap) => number,
    isOwn = false,
  ): BpfMap {
    const addon = loadAddon();
    const native = new addon.BpfMap();
    checkStatus(open(native), failure);
    const info = native.info();
    if (typeof info === "number") {
      native.close();
      throw kernelError({ ...failure(), errno: -info });
    }
    const described = { ...info, type: mapTypeName(info.type) };
    return new BpfMap(native, described, { possibleCpus: addon.possibleCpus(), isOwn });
  }

  protected describe(): string {
    return `map ${this.info.name} (id ${this.info.id})`;
  }

  /** The value, or undefined when the key is absent. For maps of maps: the inner map's id, u32 little-endian. */
  lookup(key: Uint8Array): Buffer | undefined {
    const native = this.use("look up a key");
    requireBytes(key, this.info.keySizeBytes, "key");
    const value = Buffer.allocUnsafe(this.valueStrideBytes);
    const status = native.lookup(key, value);
    if (status >= 0) return value;
    if (status === -Errno.ENOENT) return undefined;
    throw this.#failure("map-lookup", "look up a key of", status);
  }

  /** For maps of maps the value is the inner map's descriptor, u32 little-endian. */
  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode = "any"): void {
    const native = this.use("update a key");
    requireBytes(key, this.info.keySizeBytes, "key");
    requireBytes(value, this.valueStrideBytes, "value");
    requireOneOf(mode, ["any", "create", "replace"], "mode");
    const status = native.update(key, value, updateFlags[mode]);
    if (status < 0) throw this.#failure("map-update", `update a key (mode ${mode}) of`, status);
  }

  /** False when the key was absent. */
  delete(key: Uint8Array): boolean {
    const native = this.use("delete a key");
    requireBytes(key, this.info.keySizeBytes, "key");
    const status = native.delete(key);
    if (status === -Errno.ENOENT) return false;
    if (status < 0) throw this.#failure("map-delete", "delete a key of", status);
    return true;
  }

  /**
   * Puts an inner map under a key of a map of maps. Resolves when no program can see the one before any more: the kernel
   * waits for that (an RCU grace period, 10 to 100 ms), here on a thread of libuv's pool. Both handles may be closed at once.
   */
  async updateInnerAsync(key: Uint8Array, inner: BpfMap, mode: UpdateMode = "any"): Promise<void> {
    const native = this.use("update a key");
    requireBytes(key, this.info.keySizeBytes, "key");
    requireInstance(inner, BpfMap, "inner");
    requireOneOf(mode, ["any", "create", "replace"], "mode");
    // Of any other map the value is not a descriptor of four bytes.
    if (!isMapOfMapsType(this.info.type)) refuseArgument("map", "a map of maps", this.describe());
    const status = await native.updateInnerAsync(key, inner.fd, updateFlags[mode]);
    if (status < 0) throw this.#failure("map-update", `update a key (mode ${mode}) of`, status);
  }

  /**
   * As {@link updateInnerAsync} for several keys, concatenated: where the kernel has the batch call (6.8 and newer) all of
   * them wait once. What fails in the middle leaves the keys before it written.
   */
  async updateInnersAsync(keys: Uint8Array, inners: readonly BpfMap[]): Promise<void> {
    const native = this.use("update keys");
    if (!Array.isArray(inners)) refuseArgument("inners", "a list of maps", inners);
    requireBytes(keys, inners.length * this.info.keySizeBytes, "keys");
    for (const inner of inners) requireInstance(inner, BpfMap, "inner");
    if (!isMapOfMapsType(this.info.type)) refuseArgument("map", "a map of maps", this.describe());
    if (inners.length === 0) return;
    const fds = inners.map((inner) => inner.fd);
    const status = await native.updateInnersAsync(keys, fds, this.info.keySizeBytes);
    if (status < 0) throw this.#failure("map-update", `update ${inners.length} keys of`, status);
  }

  /** As {@link delete}, on a thread of libuv's pool: in a map of maps it waits as {@link updateInnerAsync} does. */
  async deleteAsync(key: Uint8Array): Promise<boolean> {
    const native = this.use("delete a key");
    requireBytes(key, this.info.keySizeBytes, "key");
    const status = await native.deleteAsync(key);
    if (status === -Errno.ENOENT) return false;
    if (status < 0) throw this.#failure("map-delete", "delete a key of", status);
    return true;
  }

  /** The key after `key`, the first one without an argument or when `key` is no longer there; undefined at the end. */
  nextKey(key?: Uint8Array): Buffer | undefined {
    const native = this.use("step through keys");
    if (key !== undefined) requireBytes(key, this.info.keySizeBytes, "key");
    const next = Buffer.allocUnsafe(this.info.keySizeBytes);
    const status = native.nextKey(key, next);
    if (status === -Errno.ENOENT) return undefined;
    if (status < 0) throw this.#failure("map-next-key", "step through the keys of", status);
    return next;
  }

  /**
   * Reads up to `count` entries in one system call; `cursor` undefined starts, the answer's cursor goes on. On an LPM trie
   * the cursor is a key: when that key is deleted meanwhile, the kernel begins again at the first entry.
   *
   * @throws KernelError `map-lookup-batch`: ENOSPC when one hash bucket holds more than `count` entries, ENOTSUPP or EINVAL
   * where this map type has no batch call (hash before 5.6, LPM trie before 5.16)
   */
  lookupBatch(cursor: Buffer | undefined, count: number): MapBatch {
    const native = this.use("read a batch");
    return lookupEntries(native, this.#lookupOptions(cursor, count));
  }

  /**
   * As {@link lookupBatch}, on a thread of libuv's pool: the caller works on one batch while the next one is read. The
   * handle may be closed meanwhile.
   * @param spent an answer of before whose bytes are written over, so that reading on takes no more memory
   */
  async lookupBatchAsync(cursor: Buffer | undefined, count: number, spent?: MapBatch): Promise<MapSlice> {
    const native = this.use("read a batch");
    return lookupEntriesAsync(loadAddon(), native.fd(), { ...this.#lookupOptions(cursor, count), spent });
  }

  #lookupOptions(cursor: Buffer | undefined, count: number): LookupOptions {
    requireInteger(count, "count", 1, 1 << 24);
    const fail = (status: number) => this.#failure("map-lookup-batch", `read ${count} entries of`, status);
    if (isFeatureDisabled("batch")) throw fail(-Errno.ENOTSUPP);
    const { keySizeBytes } = this.info;
    const cursorBytes = Math.max(4, keySizeBytes);
    if (cursor !== undefined) requireBytes(cursor, cursorBytes, "cursor");
    return { cursor, cursorBytes, keySizeBytes, valueStrideBytes: this.valueStrideBytes, count, fail };
  }

  /** Writes `count` entries, keys and values concatenated; one system call where the kernel can, key by key otherwise. */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    const native = this.use("update a batch");
    requireInteger(count, "count", 0, 1 << 24);
    requireBytes(keys, count * this.info.keySizeBytes, "keys");
    requireBytes(values, count * this.valueStrideBytes, "values");
    const { keySizeBytes } = this.info;
    const done = updateEntries(native, { keys, values, keySizeBytes, valueStrideBytes: this.valueStrideBytes, count });
    if (done.status < 0) {
      throw this.#failure("map-update-batch", `update ${count} keys of`, done.status, { updated: done.count });
    }
  }

  /** Deletes `count` keys; absent ones are skipped. Returns how many were there. */
  deleteBatch(keys: Uint8Array, count: number): number {
    const native = this.use("delete a batch");
    requireInteger(count, "count", 0, 1 << 24);
    requireBytes(keys, count * this.info.keySizeBytes, "keys");
    const done = deleteEntries(native, { keys, keySizeBytes: this.info.keySizeBytes, count });
    if (done.status < 0) {
      throw this.#failure("map-delete-batch", `delete ${count} keys of`, done.status, { deleted: done.count });
    }
    return done.count;
  }

  /** @throws KernelError `map-pin`: EEXIST when something is pinned there, EPERM when `path` is not on a bpffs */
  pin(path: string): void {
    requireText(path, "path");
    checkStatus(this.use("pin").pin(path), () => ({
      code: "map-pin",
      attempt: `pin ${this.describe()} at ${path}`,
      path,
    }));
  }

  /** From now on user space cannot write to the map (5.2); programs still can. */
  freeze(): void {
    const status = this.use("freeze").freeze();
    if (status < 0) throw this.#failure("map-freeze", "freeze", status);
  }

  #failure(code: string, attempt: string, status: number, details: Readonly<Record<string, unknown>> = {}) {
    return kernelError({
      code,
      attempt: `${attempt} ${this.describe()}`,
      errno: -status,
      details: { mapId: this.info.id, mapName: this.info.name, mapType: this.info.type, ...details },
    });
  }
}
