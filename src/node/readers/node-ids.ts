import { createNodeMapCodecs } from "../../abi/node-map.js";
import { ownRelease } from "../../abi/release.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { NodeIdRow } from "../../model/rows.js";
import type { MapSlice } from "../map-scan.js";
import type { NodeContext } from "../node-context.js";
import { readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

/** Numbers that the node gave to node addresses. */
export function readNodeIds(context: NodeContext, request: FilteredRequest, signal: AbortSignal): RowStream<NodeIdRow> {
  const codecs = createNodeMapCodecs(ownRelease);
  const matcher = new RowMatcher(request.filter);
  const source = {
    name: "cilium_node_map_v2",
    decode: (slice: MapSlice, rows: NodeIdRow[]) => {
      for (let i = 0; i < slice.count; i++) {
        const address = codecs.key.decode(slice.keys, i * codecs.key.sizeBytes);
        const value = codecs.value.decode(slice.values, i * codecs.value.sizeBytes);
        if (matcher.isEmpty || matcher.matches({ ends: [{ address }] })) {
          rows.push(codecs.row(address, value, context.place.name));
        }
      }
    },
  };
  return readMaps(context, [source], signal);
}
