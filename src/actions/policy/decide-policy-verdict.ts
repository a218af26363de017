import { readFileSync } from "node:fs";
import { UsageError } from "../../lib/errors.js";
import { type PolicyObject, policyKinds } from "../../model/network-policy-objects.js";
import type { CompiledPolicy, PolicyVerdict } from "../../model/policy/compiled-policy.js";
import { decideConnection } from "../../model/policy/decide-verdict.js";
import type { PolicyDirection } from "../../model/policy/policy-rule.js";
import { originKey } from "../../model/policy/rule-table.js";
import type { PolicyVerdictRow } from "../../model/policy/verdict-row.js";
import { protocolName } from "../../model/protocol-names.js";
import { formatManifestProblem } from "../../state/manifests/manifest-problem.js";
import { parseManifests } from "../../state/manifests/parse-manifests.js";
import type { Target } from "../open-target.js";
import { finishedList, type RowList } from "../row-list.js";
import { type AskedEnd, type AskedTarget, ConnectionEnds, identityFor, parseAskedPort } from "./connection-ends.js";
import { openPolicyWorld, worldProblems } from "./list-policy-rules.js";
import type { PolicyWorld } from "./policy-world.js";

export interface VerdictQuestion {
  readonly from: string;
  readonly to: string;
  /** `80/tcp` */
  readonly port: string;
  /** Manifests of policies that are not applied yet. */
  readonly filenames: readonly string[];
}

export interface VerdictAnswer {
  readonly rows: RowList<PolicyVerdictRow>;
  /** At every place where the connection may arrive. */
  readonly isAllowed: boolean;
}

/**
 * What the policies of both ends say of a connection, by the very entries that the datapath would ask.
 * @throws UsageError, NotFoundError, StateError
 */
export async function decidePolicyVerdict(target: Target, question: VerdictQuestion): Promise<VerdictAnswer> {
  const asked = parseAskedPort(question.port);
  const proposed = question.filenames.flatMap(readPolicies);
  const world = await openPolicyWorld(target, proposed);
  const ends = new ConnectionEnds(world, await target.names());
  const from = ends.find(question.from);
  const seen = (end: AskedEnd, peer: AskedEnd) => {
    const policy = policyOf(end, world);
    return { identity: identityFor(end, peer), ...(policy && { policy }) };
  };
  const answers = ends.findTargets(question.to, asked).map((to) => {
    const what = { protocol: asked.protocol, port: to.port };
    const connection = decideConnection(seen(from, to), seen(to, from), what);
    const rows = (["egress", "ingress"] as const).flatMap((direction) => {
      const verdict = connection[direction];
      return verdict === undefined ? [] : [toRow({ from, to, protocol: asked.protocol, direction, verdict })];
    });
    return { rows, isAllowed: connection.isAllowed };
  });
  const rows = finishedList(
    answers.flatMap((answer) => answer.rows),
    [...target.notes, ...worldProblems(world)],
  );
  return { rows, isAllowed: answers.every((answer) => answer.isAllowed) };
}

/** Absent where nobody asks for one. */
function policyOf({ endpoint, host }: AskedEnd, world: PolicyWorld): CompiledPolicy | undefined {
  if (endpoint !== undefined) return world.compile(endpoint);
  return host === undefined ? undefined : world.compileNode(host);
}

function readPolicies(path: string): readonly PolicyObject[] {
  const { objects, problems } = parseManifests([{ path, text: readFileSync(path, "utf8") }]);
  const others = objects.filter(({ type }) => !policyKinds.has(type.kind));
  const words = [
    ...problems.map(formatManifestProblem),
    ...others.map(({ object }) => `${path}: ${object.kind} ${object.metadata.name} is no policy`),
  ];
  if (words.length > 0) throw new UsageError("proposed-policy", words.join("\n"));
  return objects.map(({ object }) => object as PolicyObject);
}

interface JudgedEnd {
  readonly from: AskedEnd;
  readonly to: AskedTarget;
  readonly protocol: number;
  readonly direction: PolicyDirection;
  readonly verdict: PolicyVerdict;
}

function toRow({ from, to, protocol, direction, verdict }: JudgedEnd): PolicyVerdictRow {
  const origins = verdict.verdict === "default-deny" ? verdict.defaultDenyBy : verdict.rules;
  return {
    from: from.name,
    to: to.name,
    fromIdentity: identityFor(from, to),
    toIdentity: identityFor(to, from),
    protocol,
    port: to.port,
    direction,
    verdict: verdict.verdict,
    rules: origins.map(originKey),
    reason: reasonOf({ from, to, protocol, direction, verdict }),
  };
}

function reasonOf({ from, to, protocol, direction, verdict }: JudgedEnd): string {
  const [subject, peer] = direction === "egress" ? [from.name, to.name] : [to.name, from.name];
  if (verdict.verdict === "deny") return "denied by rule";
  if (verdict.verdict === "default-deny") {
    const preposition = direction === "egress" ? "to" : "from";
    return `no policy allows ${subject} ${direction} ${preposition} ${peer} at ${to.port}/${protocolName(protocol)}`;
  }
  if (verdict.rules.length > 0) return "allowed by rule";
  return verdict.entry?.identity === 1
    ? "the own node is always let in"
    : `no policy asks ${subject} for its ${direction}`;
}
