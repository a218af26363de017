import { createEndpointCodecs } from "../../abi/endpoints.js";
import { ownRelease } from "../../abi/release.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { LocalEndpointRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

/** Addresses that the node's datapath delivers locally: its pods and itself. */
export function readLocalEndpoints(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<LocalEndpointRow> {
  const { key: keys, value: values, row: toRow } = createEndpointCodecs(ownRelease);
  const matcher = new RowMatcher(request.filter);
  const source = {
    name: "cilium_lxc",
    decode: (slice: { keys: Buffer; values: Buffer; count: number }, rows: LocalEndpointRow[]) => {
      for (let i = 0; i < slice.count; i++) {
        const key = keys.decode(slice.keys, i * keys.sizeBytes);
        const row = toRow(key, values.decode(slice.values, i * values.sizeBytes), context.place.name);
        const traits = { ends: [{ address: row.address }], identity: row.identity };
        if (matcher.isEmpty || matcher.matches(traits)) rows.push(row);
      }
    },
  };
  return readMaps(context, [source], signal);
}
