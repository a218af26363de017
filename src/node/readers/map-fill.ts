import { createOwnerCodecs } from "../../abi/owner.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import { KernelError } from "../../lib/errors.js";
import type { MapsRequest, RowStream } from "../../model/readers.js";
import type { MapFillRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import type { ScanEnd } from "../scan/map-scan.js";
import { scanBpfMap } from "../scan/scan-bpf-map.js";
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

/** Every pinned map with its fill level, whatever its layout: the one reader that needs to know no release. */
export async function* readMapFill(
  context: NodeContext,
  request: MapsRequest,
  signal: AbortSignal,
): RowStream<MapFillRow> {
  const owned = readOwnedMapIds(context);
  const ends: ScanEnd[] = [];
  const notes: string[] = [];
  for (const name of context.pinNames()) {
    if (signal.aborted) return { ...combineEnds(ends), state: "partial", reason: "interrupted" };
    if (request.nameContains !== undefined && !name.includes(request.nameContains)) continue;
    using map = openMapPin(context, name);
    if (map === undefined) continue;
    const end = request.countEntries ? await countEntries(map, context, signal) : undefined;
    ends.push(end ?? { state: "complete", entries: 0, restarts: 0, longestSliceMs: 0 });
    yield [
      {
        node: context.place.name,
        name,
        type: map.info.type,
        keySizeBytes: map.info.keySizeBytes,
        valueSizeBytes: map.info.valueSizeBytes,
        entries: end?.entries,
        maxEntries: map.info.maxEntries,
        flags: map.info.flags,
        owner: ownerOf(name, map, owned),
      },
    ];
  }
  return combineEnds(ends, notes);
}

/** The record of ownership does not name itself. */
function ownerOf(name: string, map: BpfMap, owned: ReadonlySet<number> | undefined): MapFillRow["owner"] {
  if (owned === undefined) return "unknown";
  return name === ownerMap || owned.has(map.info.id) ? "ours" : "foreign";
}

/** Programs and links are pinned beside the maps: they are no maps and left out. */
function openMapPin(context: NodeContext, name: string): BpfMap | undefined {
  try {
    return context.openPin(name);
  } catch (error) {
    if (error instanceof KernelError && (error.details.errno === "EINVAL" || error.details.errno === "EISDIR")) {
      return undefined;
    }
    throw error;
  }
}

async function countEntries(map: BpfMap, context: NodeContext, signal: AbortSignal): Promise<ScanEnd | undefined> {
  if (!countedTypes.has(map.info.type)) return undefined;
  const scan = scanBpfMap(map, context, signal);
  while (true) {
    const step = await scan.next();
    if (step.done === true) return step.value;
  }
}

/** Ids of the maps that the ownership record names; undefined where there is no record. */
function readOwnedMapIds(context: NodeContext): ReadonlySet<number> | undefined {
  using record = openMapPin(context, ownerMap);
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
