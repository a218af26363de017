import type { PolicyEntry } from "../datapath-port.js";
import type { NumericIdentity } from "../identity.js";
import type { CompiledPolicy, PolicyPacket, PolicyVerdict } from "./compiled-policy.js";

/**
 * What the datapath decides of a packet, by its very look-ups (bpf/lib/policy.h): the longest match among the peer's own entries
 * and the one among those for everybody compete by precedence, in which deny is above allow, then by length.
 */
export function decideVerdict(compiled: CompiledPolicy, packet: PolicyPacket): PolicyVerdict {
  const own = longestMatch(compiled.entries, packet, packet.identity);
  const shared = longestMatch(compiled.entries, packet, 0);
  const entry = shared !== undefined && (own === undefined || isStronger(shared, own)) ? shared : own;
  if (entry === undefined) {
    const { defaultDenyBy } = compiled[packet.direction];
    return { verdict: "default-deny", missing: packet, defaultDenyBy };
  }
  return { verdict: entry.verdict, entry, rules: compiled.ruleTable.rulesOf(entry.cookie ?? 0) };
}

function longestMatch(
  entries: readonly PolicyEntry[],
  packet: PolicyPacket,
  identity: NumericIdentity,
): PolicyEntry | undefined {
  let longest: PolicyEntry | undefined;
  for (const entry of entries) {
    if (entry.identity !== identity || entry.direction !== packet.direction || !matches(entry, packet)) continue;
    if (longest === undefined || lengthOf(entry) > lengthOf(longest)) longest = entry;
  }
  return longest;
}

function matches(entry: PolicyEntry, { protocol, port }: PolicyPacket): boolean {
  if (entry.protocol === 0) return true;
  return entry.protocol === protocol && (entry.port ^ port) >>> (16 - entry.portPrefixLength) === 0;
}

function lengthOf({ protocol, portPrefixLength }: PolicyEntry): number {
  return protocol === 0 ? 0 : 8 + portPrefixLength;
}

function isStronger(one: PolicyEntry, other: PolicyEntry): boolean {
  if (one.verdict !== other.verdict) return one.verdict === "deny";
  return lengthOf(one) > lengthOf(other);
}

/** One end of a connection; without a policy where it is no endpoint, or nobody asked for that of another node. */
export interface ConnectionEnd {
  readonly identity: NumericIdentity;
  readonly policy?: CompiledPolicy;
}

/** A new connection, as both ends' policies see it. */
export interface ConnectionVerdict {
  /** Of the ends that have a policy; ingress is not asked when egress says no. */
  readonly egress?: PolicyVerdict;
  readonly ingress?: PolicyVerdict;
  readonly isAllowed: boolean;
}

export function decideConnection(
  from: ConnectionEnd,
  to: ConnectionEnd,
  what: { readonly protocol: number; readonly port: number },
): ConnectionVerdict {
  const egress = from.policy && decideVerdict(from.policy, { direction: "egress", identity: to.identity, ...what });
  if (egress !== undefined && egress.verdict !== "allow") return { egress, isAllowed: false };
  const ingress = to.policy && decideVerdict(to.policy, { direction: "ingress", identity: from.identity, ...what });
  const isAllowed = ingress === undefined || ingress.verdict === "allow";
  return { ...(egress && { egress }), ...(ingress && { ingress }), isAllowed };
}
