import { endpointOfPolicyMap, policyMapName } from "../../abi/map-catalogue.js";
import { createPolicyCodecs } from "../../abi/policy.js";
import type { PolicyRequest, RowStream } from "../../model/readers.js";
import type { PolicyRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { entrySource, type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

/** Policy entries, endpoint after endpoint. */
export async function* readPolicy(
  context: NodeContext,
  request: PolicyRequest,
  signal: AbortSignal,
): RowStream<PolicyRow> {
  const matcher = new RowMatcher(request.filter);
  const sources = policyPins(context, request).map(([name, endpointId]) =>
    policySource(context, name, endpointId, matcher),
  );
  if (sources.length === 0) return { state: "complete", rowsRead: 0, restarts: 0, mapsRead: 0 };
  return yield* readMaps(context, sources, signal);
}

function policySource(
  context: NodeContext,
  name: string,
  endpointId: number,
  matcher: RowMatcher,
): MapSource<PolicyRow> {
  const codecs = createPolicyCodecs(context.releasesOf(name));
  return entrySource(name, codecs, (key, value) => {
    const row = codecs.row(endpointId, key, value, context.place.name);
    const traits = { identity: row.identity, direction: row.direction, protocol: row.protocol };
    return matcher.matches(traits) ? row : undefined;
  });
}

/** Pinned policy maps with their endpoints, under either of upstream's names; asked-for endpoints even when absent. */
function policyPins(context: NodeContext, request: PolicyRequest): readonly (readonly [string, number])[] {
  const pins = context.pinNames().flatMap((name): readonly (readonly [string, number])[] => {
    const id = endpointOfPolicyMap(name);
    return id === undefined ? [] : [[name, id]];
  });
  const { endpointIds } = request;
  if (endpointIds === undefined) return pins;
  return endpointIds.map((id) => pins.find(([, pinned]) => pinned === id) ?? [policyMapName(id), id]);
}
