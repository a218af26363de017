import { createEndpointCodecs } from "../../abi/endpoints.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { LocalEndpointRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { entrySource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const endpointMap = "cilium_lxc";

/** Addresses that the node's datapath delivers locally: its pods and itself. */
export function readLocalEndpoints(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<LocalEndpointRow> {
  const codecs = createEndpointCodecs(context.releasesOf(endpointMap));
  const matcher = new RowMatcher(request.filter);
  const source = entrySource(endpointMap, codecs, (key, value) => {
    const row = codecs.row(key, value, context.place.name);
    return matcher.matches({ ends: [row], identity: row.identity }) ? row : undefined;
  });
  return readMaps(context, [source], signal);
}
