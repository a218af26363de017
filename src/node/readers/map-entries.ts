import { upstreamMapName } from "../../abi/upstream-maps.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import type { BtfType } from "../../kernel/btf.js";
import { createBtfDecoder } from "../../kernel/btf-value.js";
import { isMapOfMapsType, isPerCpuMapType, type MapType } from "../../kernel/map-type.js";
import { KernelError } from "../../lib/errors.js";
import type { JsonValue } from "../../lib/json-value.js";
import type { MapEntriesRequest, MapEntryRow } from "../../model/map-entries.js";
import type { RowStream } from "../../model/readers.js";
import { type EntryTypes, entryTypes, holdsIds } from "../entry-types.js";
import { commandOfMap } from "../map-commands.js";
import { parseMapKey } from "../map-key.js";
import type { NodeContext } from "../node-context.js";
import { scanBpfMap } from "../scan/scan-bpf-map.js";
import { openWantedMap } from "../wanted-map.js";
import { combineEnds, type EntryDecoder, entrySource, readMap } from "./read-maps.js";

/**
 * The entries of any map, or the one of a key, by what is known of their types.
 * @throws NotFoundError, UsageError as `openWantedMap` and `parseMapKey`; KernelError `map-unreadable`
 */
export async function* readMapEntries(
  context: NodeContext,
  request: MapEntriesRequest,
  signal: AbortSignal,
): RowStream<MapEntryRow> {
  const wanted = openWantedMap(context, request);
  using map = wanted.map;
  const { name } = wanted;
  refuseUnreadable(name, map);
  // Whose layouts the node's maps have is asked only where it matters.
  if (upstreamMapName(name) !== undefined) await context.prepare(signal);
  const types = entryTypes(context, name, map);
  const notes = notesOf(name, map, types);
  const toRow = rowMaker(context, name, map);
  const codecs = { key: keyDecoder(types.key), value: valueDecoder(types.value, map) };
  if (request.key !== undefined) {
    const key = parseMapKey(request.key, map.info, types.key);
    const value = map.lookup(key);
    if (value !== undefined) {
      yield [toRow(codecs.key.decode(key, 0, key.length), codecs.value.decode(value, 0, value.length))];
    }
    return { state: "complete", rowsRead: value === undefined ? 0 : 1, restarts: 0, mapsRead: 1, notes };
  }
  const source = entrySource(name, codecs, toRow);
  return combineEnds([yield* readMap(scanBpfMap(map, context, signal), source)], notes);
}

/** Bytes, and what they say. */
interface Part<Hex> {
  readonly hex: Hex;
  readonly value: JsonValue | undefined;
}

type ValueHex = string | readonly string[];

function rowMaker(context: NodeContext, name: string, { info }: BpfMap) {
  return (key: Part<string>, value: Part<ValueHex>): MapEntryRow => ({
    node: context.place.name,
    map: name,
    mapId: info.id,
    keyHex: key.hex,
    valueHex: value.hex,
    key: key.value,
    value: value.value,
  });
}

function keyDecoder(type: BtfType | undefined): EntryDecoder<Part<string>> {
  const decoder = type && createBtfDecoder(type);
  return {
    decode: (bytes, offset, lengthBytes) => ({
      hex: hexOf(bytes, offset, lengthBytes),
      value: decoder?.decode(bytes, offset),
    }),
  };
}

function valueDecoder(type: BtfType | undefined, { info }: BpfMap): EntryDecoder<Part<ValueHex>> {
  if (!isPerCpuMapType(info.type)) return keyDecoder(type);
  const decoder = type && createBtfDecoder(type);
  // The kernel rounds each CPU's value up to 8 bytes.
  const strideBytes = 8 * Math.ceil(info.valueSizeBytes / 8);
  return {
    decode: (bytes, offset, lengthBytes) => {
      const places = Array.from({ length: lengthBytes / strideBytes }, (_, cpu) => offset + cpu * strideBytes);
      return {
        hex: places.map((place) => hexOf(bytes, place, info.valueSizeBytes)),
        value: decoder && places.map((place) => decoder.decode(bytes, place)),
      };
    },
  };
}

function hexOf(bytes: Uint8Array, offset: number, lengthBytes: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, lengthBytes).toString("hex");
}

function notesOf(name: string, { info }: BpfMap, { key, value }: EntryTypes): readonly string[] {
  const better = commandOfMap(name);
  const kind = isMapOfMapsType(info.type) ? "maps (bpf map get --id)" : "programs";
  const unknown = [...(key === undefined ? ["keys"] : []), ...(value === undefined ? ["values"] : [])];
  return [
    ...(better === undefined ? [] : [`${better} prints this map with the meaning of its fields`]),
    ...(holdsIds(info) ? [`values are ids of ${kind}`] : []),
    ...(unknown.length === 0
      ? []
      : [`nothing says what ${unknown.join(" and ")} of this map are: they are shown in hex`]),
  ];
}

/** Why the entries of a type cannot be listed without taking or disturbing them. */
const unreadable: Partial<Record<MapType, string>> = {
  perf_event_array: "its slots hold readers of events, and the kernel shows none of them",
  cgroup_array: "it holds cgroups, and the kernel does not say which",
  queue: "its entries have no keys: they can only be taken out",
  stack: "its entries have no keys: they can only be taken out",
  bloom_filter: "it holds no entries, only what tells that a value may be one",
  ringbuf: "it is a stream, and who reads it takes the records from its reader",
  user_ringbuf: "it is a stream to a program",
  sockmap: "it holds sockets, and the kernel does not say which",
  sockhash: "it holds sockets, and the kernel does not say which",
  xskmap: "it holds sockets, and the kernel does not say which",
  reuseport_sockarray: "it holds sockets, and the kernel does not say which",
  sk_storage: "its values are kept with sockets, and found only from a socket",
  inode_storage: "its values are kept with files, and found only from a file",
  task_storage: "its values are kept with tasks, and found only from a task",
  cgrp_storage: "its values are kept with cgroups, and found only from a cgroup",
  struct_ops: "it holds functions that the kernel calls",
  arena: "it is memory without entries",
};

function refuseUnreadable(name: string, { info }: BpfMap): void {
  const reason = info.type.startsWith("type_") ? "the type is newer than this tool" : unreadable[info.type];
  if (reason === undefined) return;
  throw new KernelError("map-unreadable", `map ${name} is a ${info.type}: ${reason}`, {
    nextSteps: ["kubectl cilium-ts bpf map list -o wide   (what can be said of it)"],
    details: { map: name, type: info.type, id: info.id },
  });
}
