import type { FieldLayout, StructLayout } from "../abi/layout.js";
import { hasLayout, layoutsOf } from "../abi/layouts.js";
import { findCatalogueEntry } from "../abi/map-catalogue.js";
import { newestOf, ownReleases, type Releases } from "../abi/release.js";
import { upstreamMap } from "../abi/upstream-maps.js";
import type { BpfMap, MapInfo } from "../kernel/bpf-map.js";
import { type BtfMember, type BtfType, mapBtf } from "../kernel/btf.js";
import { isIndexedMapType, isMapOfMapsType } from "../kernel/map-type.js";
import { KernelError } from "../lib/errors.js";
import type { NodeContext } from "./node-context.js";
import { objectionTo, releasesOfMap } from "./release.js";

/** What keys and values of a map are; undefined where nobody says it. */
export interface EntryTypes {
  readonly key: BtfType | undefined;
  readonly value: BtfType | undefined;
}

/**
 * The types of a map's entries: what the map's own BTF says, else the layouts of the map that upstream or we pin under
 * this name. Indexes and ids are told by the map's type. A type of another size than the map's says nothing of it.
 */
export function entryTypes(context: NodeContext, name: string, map: BpfMap): EntryTypes {
  const { info } = map;
  const btf = readableBtf(map);
  const layouts = layoutTypes(context, name);
  const key = [btf?.key, layouts?.key, isIndexedMapType(info.type) ? integer("index", 4) : undefined];
  const value = holdsIds(info) ? [integer("id", 4)] : [btf?.value, layouts?.value];
  return { key: sized(key, info.keySizeBytes), value: sized(value, info.valueSizeBytes) };
}

/** Undefined too where the kernel does not show it to us: it takes more rights than to read the map. */
function readableBtf(map: BpfMap): ReturnType<typeof mapBtf> {
  try {
    return mapBtf(map);
  } catch (error) {
    if (error instanceof KernelError && error.code === "btf-read") return undefined;
    throw error;
  }
}

/** Look-ups in maps of maps answer ids of maps, those in program arrays ids of programs. */
export function holdsIds({ type }: MapInfo): boolean {
  return isMapOfMapsType(type) || type === "prog_array";
}

function sized(types: readonly (BtfType | undefined)[], sizeBytes: number): BtfType | undefined {
  return types.find((type) => type !== undefined && type.sizeBytes === sizeBytes && sizeBytes > 0);
}

interface StructNames {
  readonly key: string;
  readonly keySizeBytes: number;
  readonly value: string;
  readonly valueSizeBytes: number;
}

function layoutTypes(context: NodeContext, name: string): EntryTypes | undefined {
  const found = structsOf(context, name);
  if (found === undefined) return undefined;
  const { structs, releases } = found;
  return {
    key: typeOf(structs.key, structs.keySizeBytes, releases),
    value: typeOf(structs.value, structs.valueSizeBytes, releases),
  };
}

/** Of our own maps and of upstream's in the release that the node's maps are of. */
function structsOf(
  context: NodeContext,
  name: string,
): { readonly structs: StructNames; readonly releases: Releases } | undefined {
  const own = findCatalogueEntry(name);
  if (own?.origin === "cts") return { structs: own, releases: ownReleases };
  const decision = context.release();
  if (decision.candidates.length === 0 || objectionTo(decision, name) !== undefined) return undefined;
  const releases = releasesOfMap(decision, name);
  const structs = upstreamMap(name, newestOf(releases));
  return structs === undefined ? undefined : { structs, releases };
}

/** Undefined where the releases in question differ, and where the table knows no more than a size. */
function typeOf(struct: string, sizeBytes: number, releases: Releases): BtfType | undefined {
  if (/^u(8|16|32|64)$/.test(struct)) return integer(struct, sizeBytes);
  if (!releases.some((release) => hasLayout(struct, release))) return undefined;
  const [layout, ...others] = layoutsOf(struct, releases);
  return layout === undefined || others.length > 0 ? undefined : structure(struct, layout);
}

function structure(name: string, { sizeBytes, fields }: StructLayout): BtfType {
  const members = Object.entries(fields).map(([field, at]) => memberOf(field, at));
  return { kind: "struct", name, sizeBytes, members };
}

function memberOf(name: string, { offset, sizeBytes, isBigEndian, bit }: FieldLayout): BtfMember {
  const type = isInteger(sizeBytes) ? integer("", sizeBytes, isBigEndian) : byteArray(sizeBytes);
  if (bit === undefined) return { name, bitOffset: 8 * offset, bitSize: 8 * sizeBytes, type };
  return { name, bitOffset: 8 * offset + bit.shift, bitSize: bit.width, type: integer("", 4) };
}

const isInteger = (sizeBytes: number): boolean => [1, 2, 4, 8].includes(sizeBytes);

function integer(name: string, sizeBytes: number, isBigEndian = false): BtfType {
  const alias = isBigEndian ? { alias: `__be${8 * sizeBytes}` } : {};
  return { kind: "int", name, sizeBytes, isSigned: false, ...alias };
}

function byteArray(length: number): BtfType {
  return { kind: "array", name: "", sizeBytes: length, length, element: integer("u8", 1) };
}
