import { createOwnerCodecs } from "../../abi/owner.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import { countEntries, type EntryCount } from "../../kernel/entry-count.js";
import type { MapsRequest, RowStream } from "../../model/readers.js";
import type { MapFillRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { listPins } from "../pins.js";
import type { ScanEnd } from "../scan/map-scan.js";
import { scanBpfMap } from "../scan/scan-bpf-map.js";
import { openMapPin, pinFolder, shownName } from "../wanted-map.js";
import { combineEnds } from "./read-maps.js";

const ownerMap = "cts_owner";

/** Types whose entries can be counted by stepping through their keys. Arrays have all theirs always. */
const countedTypes: ReadonlySet<string> = new Set([
  "hash",
  "lru_hash",
  "percpu_hash",
  "lru_percpu_hash",
  "lpm_trie",
  "hash_of_maps",
]);

/** Every pinned map with its fill level, whatever its layout: it needs to know no release. */
export async function* readMapFill(
  context: NodeContext,
  request: MapsRequest,
  signal: AbortSignal,
): RowStream<MapFillRow> {
  const owned = readOwnedMapIds(context);
  const ends: ScanEnd[] = [];
  const { paths, isCut } = listPins(context.place.bpffs, context.place.name);
  const wanted = paths.filter((path) => isWanted(shownName(path), request));
  for (const path of wanted) {
    if (signal.aborted) return { ...combineEnds(ends), state: "partial", reason: "interrupted" };
    using map = openMapPin(context, path);
    if (map === undefined) continue;
    const isCounted = countedTypes.has(map.info.type);
    const count = isCounted && request.countEntries === "estimate" ? await countEntries(map) : undefined;
    const end = isCounted && request.countEntries === true ? await scanEntries(map, context, signal) : undefined;
    ends.push(end ?? { state: "complete", entries: 0, restarts: 0, longestSliceMs: 0 });
    yield [rowOf(context, { name: shownName(path), map, owned, count: count ?? end })];
  }
  const end = combineEnds(ends);
  return isCut ? { ...end, state: "partial", reason: `more than ${paths.length} pins were not looked at` } : end;
}

/** Pins of others are told by their paths, with a slash in them. */
function isWanted(name: string, { nameContains, isEverywhere }: MapsRequest): boolean {
  return (isEverywhere === true || !name.includes("/")) && name.includes(nameContains ?? "");
}

interface FoundMap {
  readonly name: string;
  readonly map: BpfMap;
  readonly owned: ReadonlySet<number> | undefined;
  readonly count: (Pick<EntryCount, "entries"> & Partial<EntryCount>) | undefined;
}

function rowOf(context: NodeContext, { name, map, owned, count }: FoundMap): MapFillRow {
  const { id, type, keySizeBytes, valueSizeBytes, maxEntries, flags, btfId } = map.info;
  return {
    node: context.place.name,
    name,
    id,
    type,
    keySizeBytes,
    valueSizeBytes,
    entries: count?.entries,
    ...(count?.isEstimate === true ? { isEstimate: true } : {}),
    maxEntries,
    flags,
    hasBtf: btfId !== 0,
    owner: ownerOf(name, map, owned),
  };
}

/** The record of ownership does not name itself. */
function ownerOf(name: string, map: BpfMap, owned: ReadonlySet<number> | undefined): MapFillRow["owner"] {
  if (owned === undefined) return "unknown";
  return name === ownerMap || owned.has(map.info.id) ? "ours" : "foreign";
}

async function scanEntries(map: BpfMap, context: NodeContext, signal: AbortSignal): Promise<ScanEnd> {
  const scan = scanBpfMap(map, context, signal);
  while (true) {
    const step = await scan.next();
    if (step.done === true) return step.value;
  }
}

/** Ids of the maps that the ownership record names; undefined where there is no record. */
function readOwnedMapIds(context: NodeContext): ReadonlySet<number> | undefined {
  using record = openMapPin(context, `${pinFolder}${ownerMap}`);
  if (record === undefined) return undefined;
  const { key: keys, value: values } = createOwnerCodecs();
  if (record.info.keySizeBytes !== keys.sizeBytes || record.info.valueSizeBytes !== values.sizeBytes) return undefined;
  const ids = new Set<number>();
  for (let key = record.nextKey(); key !== undefined && ids.size < record.info.maxEntries; key = record.nextKey(key)) {
    const value = record.lookup(key);
    if (value !== undefined && keys.decode(key).kind === "map") ids.add(values.decode(value).objectId);
  }
  return ids;
}
