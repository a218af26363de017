import { NotFoundError } from "../../lib/errors.js";
import { type NodeListStatus, summarizeNodeStatuses } from "../../model/list-status.js";
import type { KnownPolicyRow } from "../../model/policy/rule-rows.js";
import { fetchAgentPolicies } from "../../session/agent-client.js";
import { type AgentAnswer, askAgents } from "../agent-sockets.js";
import type { Target } from "../open-target.js";
import { compareBy, finishedList, type RowList } from "../row-list.js";

export interface PolicyChoice {
  /** `NAME` or `NAMESPACE/NAME`; none: all. */
  readonly names: readonly string[];
  readonly namespace?: string | undefined;
}

/**
 * The policies that the nodes' agents have in force; a node whose agent does not answer is missing.
 * @throws NotFoundError for a name that no agent knows, AgentError where no agent answers
 */
export async function getPolicies(target: Target, choice: PolicyChoice): Promise<RowList<KnownPolicyRow>> {
  const answers = await askAgents(target.resolved, fetchAgentPolicies);
  const failures = answers.flatMap(({ failure }) => failure ?? []);
  if (failures.length > 0 && failures.length === answers.length) throw failures[0];
  const known = answers.flatMap(rowsOf);
  const missing = choice.names.find((name) => !known.some((row) => isCalled(row, name)));
  if (missing !== undefined && failures.length === 0) throw unknownPolicy(missing);
  const rows = known.filter((row) => isChosen(row, choice)).sort(byPlace);
  const status = summarizeNodeStatuses(answers.map(statusOf));
  return { rows: finishedList(rows).rows, status: () => status };
}

type PoliciesAnswer = AgentAnswer<Awaited<ReturnType<typeof fetchAgentPolicies>>>;

function rowsOf({ node, answer }: PoliciesAnswer): readonly KnownPolicyRow[] {
  if (answer === undefined) return [];
  return answer.policies.map((policy) => ({ ...policy, node, agentRevision: answer.revision }));
}

function statusOf({ node, answer, failure }: PoliciesAnswer): NodeListStatus {
  if (failure !== undefined) return { name: node, state: "missing", reason: failure.message, rowsRead: 0, restarts: 0 };
  return { name: node, state: "complete", rowsRead: answer.policies.length, restarts: 0 };
}

const byPlace = compareBy<KnownPolicyRow>(
  (row) => row.node,
  (row) => row.namespace,
  (row) => row.name,
  (row) => row.kind,
);

function isChosen(row: KnownPolicyRow, { names, namespace }: PolicyChoice): boolean {
  if (namespace !== undefined && row.namespace !== namespace) return false;
  return names.length === 0 || names.some((name) => isCalled(row, name));
}

function isCalled(row: KnownPolicyRow, name: string): boolean {
  return name === row.name || name === `${row.namespace}/${row.name}`;
}

function unknownPolicy(name: string): NotFoundError {
  return new NotFoundError("policy-missing", `no agent knows a policy ${name}`, {
    nextSteps: ["kubectl cilium-ts policy list   (policies as the cluster's objects say)"],
  });
}
