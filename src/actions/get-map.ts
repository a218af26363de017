import { NotFoundError, UsageError } from "../lib/errors.js";
import type { MapEntriesRequest, MapEntryRow } from "../model/map-entries.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { failWhenEmpty, type RowList } from "./row-list.js";

/**
 * The entries of any map of the target's nodes, or the one of a key.
 * @throws UsageError `id-needs-node`; NotFoundError `key-absent`, and what the reader throws
 */
export async function getMapEntries(
  target: Target,
  request: MapEntriesRequest,
  options: { readonly signal: AbortSignal },
): Promise<RowList<MapEntryRow>> {
  if (request.id !== undefined && target.nodes.length > 1) {
    throw new UsageError("id-needs-node", "ids of maps mean something on one node only", {
      nextSteps: [`add --node NAME: ${target.nodes.map(({ name }) => name).join(", ")}`],
    });
  }
  const list = readNodes(target, "map-entries", request, options);
  if (request.key === undefined) return list;
  const map = request.name ?? `with id ${request.id}`;
  return failWhenEmpty(list, () => {
    const where = target.nodes.length === 1 ? `node ${target.nodes[0]?.name}` : target.description;
    return new NotFoundError("key-absent", `map ${map} of ${where} has no entry with key ${request.key}`);
  });
}
