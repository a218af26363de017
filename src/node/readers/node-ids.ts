import { createNodeMapCodecs } from "../../abi/node-map.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { NodeIdRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { entrySource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const nodeMap = "cilium_node_map_v2";

/** Numbers that the node gave to node addresses. */
export function readNodeIds(context: NodeContext, request: FilteredRequest, signal: AbortSignal): RowStream<NodeIdRow> {
  const codecs = createNodeMapCodecs(context.releasesOf(nodeMap));
  const matcher = new RowMatcher(request.filter);
  const source = entrySource(nodeMap, codecs, (address, value) =>
    matcher.matches({ ends: [{ address }] }) ? codecs.row(address, value, context.place.name) : undefined,
  );
  return readMaps(context, [source], signal);
}
