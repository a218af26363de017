/** `enum bpf_map_type` (include/uapi/linux/bpf.h) under the names that bpftool prints. */
export const mapTypeNumbers = {
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  stack_trace: 7,
  cgroup_array: 8,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  xskmap: 17,
  sockhash: 18,
  cgroup_storage: 19,
  reuseport_sockarray: 20,
  percpu_cgroup_storage: 21,
  queue: 22,
  stack: 23,
  sk_storage: 24,
  devmap_hash: 25,
  struct_ops: 26,
  ringbuf: 27,
  inode_storage: 28,
  task_storage: 29,
  bloom_filter: 30,
  user_ringbuf: 31,
  cgrp_storage: 32,
  arena: 33,
} as const;

export type KnownMapType = keyof typeof mapTypeNumbers;
/** A map type of a kernel newer than this table reads as `type_<number>`. */
export type MapType = KnownMapType | `type_${number}`;

const namesByNumber: ReadonlyMap<number, KnownMapType> = new Map(
  (Object.entries(mapTypeNumbers) as [KnownMapType, number][]).map(([name, number]) => [number, name]),
);

export function mapTypeName(number: number): MapType {
  return namesByNumber.get(number) ?? `type_${number}`;
}

/** The number of a type name, undefined when the name is not one. */
export function mapTypeNumber(type: string): number | undefined {
  if (Object.hasOwn(mapTypeNumbers, type)) return mapTypeNumbers[type as KnownMapType];
  const match = /^type_(\d+)$/.exec(type);
  return match === null ? undefined : Number(match[1]);
}

/** Look-ups of these types return one value per possible CPU. */
export function isPerCpuMapType(type: MapType): boolean {
  return (
    type === "percpu_hash" || type === "percpu_array" || type === "lru_percpu_hash" || type === "percpu_cgroup_storage"
  );
}

/** Values of these types are map descriptors on update and map ids on look-up. */
export function isMapOfMapsType(type: MapType): boolean {
  return type === "array_of_maps" || type === "hash_of_maps";
}

/** Types whose keys are the numbers of their slots, 32 bits wide. */
export function isIndexedMapType(type: MapType): boolean {
  return indexedTypes.has(type);
}

/** Indexed types that may have empty slots: those are absent keys, but keys nevertheless. */
export function isSlotMapType(type: MapType): boolean {
  return indexedTypes.has(type) && type !== "array" && type !== "percpu_array";
}

const indexedTypes: ReadonlySet<string> = new Set<KnownMapType>([
  "array",
  "percpu_array",
  "array_of_maps",
  "prog_array",
  "devmap",
  "cpumap",
]);

/** Types whose elements a map iterator yields (bpf_iter_attach_map of kernel/bpf/map_iter.c). LPM tries have none. */
export function isIterableMapType(type: MapType): boolean {
  return iterableTypes.has(type);
}

/** Types that are made of buckets (kernel/bpf/hashtab.c). */
export function isHashMapType(type: MapType): boolean {
  return hashTypes.has(type);
}

const hashTypes: ReadonlySet<string> = new Set<KnownMapType>([
  "hash",
  "lru_hash",
  "percpu_hash",
  "lru_percpu_hash",
  "hash_of_maps",
]);

const iterableTypes: ReadonlySet<string> = new Set<KnownMapType>([
  "hash",
  "lru_hash",
  "array",
  "percpu_hash",
  "lru_percpu_hash",
  "percpu_array",
]);

/** Map creation flags (`map_flags`). */
export const MapFlag = {
  noPrealloc: 1 << 0,
  noCommonLru: 1 << 1,
  numaNode: 1 << 2,
  readOnly: 1 << 3,
  writeOnly: 1 << 4,
  readOnlyProgram: 1 << 7,
  writeOnlyProgram: 1 << 8,
  mmapable: 1 << 10,
  innerMap: 1 << 12,
} as const;
