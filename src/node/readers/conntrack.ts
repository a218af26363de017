import { type CtCodecs, createCtCodecs } from "../../abi/conntrack.js";
import { readCtColumns } from "../../abi/conntrack-columns.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import type { CtColumnsHead } from "../../model/conntrack-columns.js";
import type { ConntrackRequest, RowStream } from "../../model/readers.js";
import { type CtMap, type CtRow, ctMaps } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { EntryMatcher } from "./entry-matcher.js";
import { checkInnerSizes, innerMapRefs, openMapById } from "./inner-maps.js";
import { type MapSource, readMaps } from "./read-maps.js";

const pinNames: Readonly<Record<CtMap, string>> = {
  tcp4: "cilium_ct4_global",
  any4: "cilium_ct_any4_global",
  tcp6: "cilium_ct6_global",
  any6: "cilium_ct_any6_global",
};

/** Conntrack entries, map after map. */
export function readConntrackMaps(
  context: NodeContext,
  request: ConntrackRequest,
  signal: AbortSignal,
): RowStream<CtRow> {
  const matcher = new EntryMatcher(request);
  const wanted = request.maps ?? ctMaps;
  if (request.clusters !== undefined) return readClusterMaps(context, { ...request, maps: wanted }, matcher, signal);
  return readMaps(
    context,
    wanted.map((map) => {
      const codecs = createCtCodecs(context.releasesOf(pinNames[map]));
      return conntrackSource(pinNames[map], codecs, matcher, headOf(context, map));
    }),
    signal,
  );
}

/** Entries of the maps that are kept for each other cluster. */
async function* readClusterMaps(
  context: NodeContext,
  { maps, clusters }: ConntrackRequest & { readonly maps: readonly CtMap[] },
  matcher: EntryMatcher,
  signal: AbortSignal,
): RowStream<CtRow> {
  const pins = maps.map((map) => `cilium_per_cluster_ct_${map}`);
  if (!pins.some((pin) => context.hasMap(pin))) {
    throw context.missingMapsError(pins, "The agent makes it when pods of several clusters may have the same address.");
  }
  const found = maps.flatMap((map, index) => clusterMaps(context, map, pins[index]!));
  const wanted = found.filter(({ clusterId }) => clusters?.ids?.includes(clusterId) ?? true);
  if (wanted.length === 0) return { state: "complete", rowsRead: 0, restarts: 0, mapsRead: 0 };
  const sources = wanted.map(({ map, name, codecs, clusterId }) =>
    conntrackSource(name, codecs, matcher, { ...headOf(context, map), clusterId }),
  );
  return yield* readMaps(context, sources, signal, (name) => openClusterMap(wanted, name));
}

/** One map for one cluster. */
interface ClusterMap {
  readonly map: CtMap;
  readonly outer: string;
  /** As upstream pins it, beside the outer one. */
  readonly name: string;
  readonly clusterId: number;
  readonly mapId: number;
  readonly codecs: CtCodecs;
}

function clusterMaps(context: NodeContext, map: CtMap, outer: string): readonly ClusterMap[] {
  using opened = context.openMap(outer);
  if (opened === undefined) return [];
  const codecs = createCtCodecs(context.releasesOf(outer));
  return Array.from(innerMapRefs(opened), ({ outerKey, mapId }) => {
    const clusterId = outerKey.readUInt32LE(0);
    return { map, outer, name: `${outer}_${clusterId}`, clusterId, mapId, codecs };
  });
}

function openClusterMap(maps: readonly ClusterMap[], name: string): BpfMap | undefined {
  const found = maps.find((map) => map.name === name);
  const opened = found && openMapById(found.mapId);
  if (found === undefined || opened === undefined) return undefined;
  const { tuple4, tuple6, entry } = found.codecs;
  try {
    checkInnerSizes(found.outer, opened, { key: found.map.endsWith("6") ? tuple6 : tuple4, value: entry });
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

type Head = Omit<CtColumnsHead, "layout">;

function headOf({ facts }: NodeContext, map: CtMap): Head {
  return { node: facts.name, map, clock: facts.clock };
}

function conntrackSource(name: string, codecs: CtCodecs, matcher: EntryMatcher, head: Head): MapSource<CtRow> {
  return {
    name,
    unknownFields: codecs.layout.unknownFields,
    *batches(slice) {
      const columns = readCtColumns(codecs, head, slice);
      const wanted = matcher.wanted(columns);
      if (wanted.length === columns.length) yield columns;
      else if (wanted.length > 0) yield columns.pick(wanted);
    },
  };
}
