import { createPolicyCodecs, createPolicyStatsCodecs, type PolicyKey, type PolicyStats } from "../../abi/policy.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import { endpointOfPolicyMap, policyMapName } from "../../model/policy-map-name.js";
import type { PolicyRow } from "../../model/policy-rows.js";
import type { PolicyRequest, RowStream } from "../../model/readers.js";
import { agentIdentities, type IdentityLabels } from "../agent-identities.js";
import type { NodeContext } from "../node-context.js";
import { entrySource, type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const statsMap = "cilium_policystats";

type FindStats = (endpointId: number, key: PolicyKey) => PolicyStats | undefined;

/** Policy entries, endpoint after endpoint, with their counters wherever the release keeps them. */
export async function* readPolicy(
  context: NodeContext,
  request: PolicyRequest,
  signal: AbortSignal,
): RowStream<PolicyRow> {
  const pins = policyPins(context, request);
  if (pins.length === 0) return { state: "complete", rowsRead: 0, restarts: 0, mapsRead: 0 };
  const labels = request.hasLabels === true ? await agentIdentities(context.place.root, signal) : new Map();
  using stats = context.hasMap(statsMap) ? context.openMap(statsMap) : undefined;
  const unknown = new Set<string>();
  const make: RowMaker = {
    context,
    matcher: new RowMatcher(request.filter),
    findStats: stats === undefined ? () => undefined : statsFinder(context, stats),
    labels,
    unknown,
  };
  const sources = pins.map(([name, endpointId]) => policySource(name, endpointId, make));
  const end = yield* readMaps(context, sources, signal);
  return unknown.size === 0 ? end : { ...end, notes: [...(end.notes ?? []), unknownNote(unknown)] };
}

/** What the rows of all endpoints are made with. */
interface RowMaker {
  readonly context: NodeContext;
  readonly matcher: RowMatcher;
  readonly findStats: FindStats;
  readonly labels: IdentityLabels;
  /** Fields that some row could not tell. */
  readonly unknown: Set<string>;
}

function policySource(name: string, endpointId: number, make: RowMaker): MapSource<PolicyRow> {
  const codecs = createPolicyCodecs(make.context.releasesOf(name));
  const value = {
    decode: (bytes: Uint8Array, offset: number) => ({
      entry: codecs.value.decode(bytes, offset),
      flags: codecs.flags.decode(bytes, offset).flags,
    }),
  };
  return entrySource(name, { key: codecs.key, value }, (key, { entry, flags }) => {
    const traits = {
      identity: key.identity,
      direction: key.isEgress ? "egress" : "ingress",
      protocol: key.protocol,
    };
    if (!make.matcher.matches(traits)) return undefined;
    const stats = entry.packets === undefined ? make.findStats(endpointId, key) : undefined;
    const row = codecs.row({ map: name, endpointId, key, entry, flags, stats, node: make.context.place.name });
    if (row.verdict === undefined) make.unknown.add("verdict");
    if (row.precedence !== undefined && row.listenerPriority === undefined) make.unknown.add("listenerPriority");
    const labels = make.labels.get(row.identity);
    return labels === undefined ? row : { ...row, labels };
  });
}

function unknownNote(fields: ReadonlySet<string>): string {
  return `unknown of some policy entries, because the releases in question count them differently: ${[...fields].join(", ")}`;
}

/** Looks counters up one by one and adds those of all CPUs. */
function statsFinder(context: NodeContext, map: BpfMap): FindStats {
  const { key, value, keyOf } = createPolicyStatsCodecs(context.releasesOf(statsMap));
  return (endpointId, policyKey) => {
    const bytes = map.lookup(key.encode(keyOf(endpointId, policyKey)));
    if (bytes === undefined) return undefined;
    let packets = 0n;
    let total = 0n;
    for (let at = 0; at < bytes.length; at += value.sizeBytes) {
      const stats = value.decode(bytes, at);
      packets += stats.packets;
      total += stats.bytes;
    }
    return { packets, bytes: total };
  };
}

/**
 * Pinned policy maps with their endpoints, under either of upstream's names; those that another release has left are none.
 * Asked-for endpoints even when absent.
 */
function policyPins(context: NodeContext, request: PolicyRequest): readonly (readonly [string, number])[] {
  const pins = context.pinNames().flatMap((name): readonly (readonly [string, number])[] => {
    const id = endpointOfPolicyMap(name);
    return id === undefined || !context.isReadable(name) ? [] : [[name, id]];
  });
  const { endpointIds } = request;
  if (endpointIds === undefined) return pins;
  return endpointIds.map((id) => pins.find(([, pinned]) => pinned === id) ?? [policyMapName(id), id]);
}
