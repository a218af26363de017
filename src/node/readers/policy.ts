import { createPolicyCodecs } from "../../abi/policy.js";
import { ownRelease } from "../../abi/release.js";
import type { PolicyRequest, RowStream } from "../../model/readers.js";
import type { PolicyRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const pinPattern = /^cilium_policy_v2_(\d{5})$/;

/** Policy entries, endpoint after endpoint. */
export async function* readPolicy(
  context: NodeContext,
  request: PolicyRequest,
  signal: AbortSignal,
): RowStream<PolicyRow> {
  const codecs = createPolicyCodecs(ownRelease);
  const matcher = new RowMatcher(request.filter);
  const sources = endpointsOf(context, request).map(
    (endpointId): MapSource<PolicyRow> => ({
      name: policyPinName(endpointId),
      decode: (slice, rows) => {
        for (let i = 0; i < slice.count; i++) {
          const key = codecs.key.decode(slice.keys, i * codecs.key.sizeBytes);
          const entry = codecs.entry.decode(slice.values, i * codecs.entry.sizeBytes);
          const row = codecs.row(endpointId, key, entry, context.place.name);
          const traits = { identity: row.identity, direction: row.direction, protocol: row.protocol };
          if (matcher.isEmpty || matcher.matches(traits)) rows.push(row);
        }
      },
    }),
  );
  if (sources.length === 0) return { state: "complete", rowsRead: 0, restarts: 0, mapsRead: 0 };
  return yield* readMaps(context, sources, signal);
}

function endpointsOf(context: NodeContext, request: PolicyRequest): readonly number[] {
  if (request.endpointIds !== undefined) return request.endpointIds;
  return context.pinNames().flatMap((name) => {
    const id = pinPattern.exec(name)?.[1];
    return id === undefined ? [] : [Number(id)];
  });
}

function policyPinName(endpointId: number): string {
  return `cilium_policy_v2_${String(endpointId).padStart(5, "0")}`;
}
