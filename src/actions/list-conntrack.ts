import type { CtColumns } from "../model/conntrack-columns.js";
import { ctColumnsOf } from "../model/conntrack-from-rows.js";
import type { ConntrackRequest, CtTimes } from "../model/readers.js";
import type { RowBatch } from "../model/row-batch.js";
import type { CtRow } from "../model/rows.js";
import type { NameIndex } from "./names/name-index.js";
import { namesFor, type ReadOptions } from "./names/names-for.js";
import type { Target, TransportEnd } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import type { RowList } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";

export interface ConntrackSelection extends RowSelection {
  /** Instead of the nodes' own maps those for other clusters: for these, or all. */
  readonly clusters?: { readonly ids?: readonly number[] | undefined } | undefined;
  readonly times?: CtTimes | undefined;
  /** Only entries that come within so many milliseconds from now. */
  readonly arrivalsMs?: number | undefined;
}

/**
 * Conntrack entries of the target's nodes, with the names of both ends where `isNamed` asks for them: upstream's formats
 * show none, and then nobody is asked for names either, unless the selection speaks of them.
 */
export async function listConntrack(
  target: Target,
  selection: ConntrackSelection,
  options: ReadOptions,
): Promise<RowList<CtRow>> {
  const { signal, isNamed } = options;
  const names = await namesFor(target, selection, options);
  const request = conntrackRequest(selection, names);
  const list = readNodes(target, "conntrack", request, { signal, concurrency: nodesAtOnce(request, target) });
  if (!isNamed) return list;
  return { rows: namedColumns(list.rows, target, names), status: list.status };
}

/** What nodes are asked for. @throws as {@link resolveSelection} */
export function conntrackRequest(selection: ConntrackSelection, names: NameIndex): ConntrackRequest {
  const { clusters, times, arrivalsMs } = selection;
  return { filter: resolveSelection(selection, names), clusters, times, arrivalsMs };
}

/** All nodes wait at the same time for what comes. */
export function nodesAtOnce({ arrivalsMs }: ConntrackRequest, target: Target): number | undefined {
  return arrivalsMs === undefined ? undefined : target.nodes.length;
}

/** Looks both ends of all entries up, batch by batch. */
async function* namedColumns(
  batches: AsyncIterable<RowBatch<CtRow>>,
  target: Target,
  names: NameIndex,
): AsyncGenerator<RowBatch<CtRow>> {
  for await (const batch of batches) {
    for (const columns of ctColumnsOf(batch)) {
      // Nothing is sent from a Service's address, so sources need no Services.
      await target.learnServices(destinationsOf(columns));
      addNames(columns, names);
      yield columns;
    }
  }
}

function* destinationsOf(columns: CtColumns): Generator<TransportEnd> {
  const { destinationPort } = columns.values;
  for (let index = 0; index < columns.length; index++) {
    yield { address: columns.destination(index), port: destinationPort[index]! };
  }
}

function addNames(columns: CtColumns, index: NameIndex): void {
  const { names } = index;
  const { protocol, destinationPort } = columns.values;
  const sources = new Int32Array(columns.length);
  const destinations = new Int32Array(columns.length);
  for (let i = 0; i < columns.length; i++) {
    sources[i] = index.idOfAddress(columns.source(i));
    destinations[i] = index.idOfTransportAddress(columns.destination(i), destinationPort[i]!, protocol[i]!);
  }
  columns.sourceNames = { names, ids: sources };
  columns.destinationNames = { names, ids: destinations };
}
