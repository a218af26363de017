import { NotFoundError } from "../../lib/errors.js";
import { type NodeListStatus, summarizeNodeStatuses } from "../../model/list-status.js";
import type { KnownPolicyRow } from "../../model/policy/rule-rows.js";
import { fetchAgentPolicies, isAgentFailure } from "../../session/agent-client.js";
import { type AgentSocket, agentSockets } from "../agent-sockets.js";
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
  const answers = await Promise.all(agentSockets(target.resolved).map(askNode));
  const failures = answers.flatMap(({ failure }) => failure ?? []);
  if (failures.length > 0 && failures.length === answers.length) throw failures[0];
  const known = answers.flatMap(({ rows }) => rows);
  const missing = choice.names.find((name) => !known.some((row) => isCalled(row, name)));
  if (missing !== undefined && failures.length === 0) throw unknownPolicy(missing);
  const rows = known.filter((row) => isChosen(row, choice)).sort(byPlace);
  const status = summarizeNodeStatuses(answers.map(({ status: one }) => one));
  return { rows: finishedList(rows).rows, status: () => status };
}

interface NodeAnswer {
  readonly rows: readonly KnownPolicyRow[];
  readonly status: NodeListStatus;
  readonly failure?: Error;
}

async function askNode({ node, path }: AgentSocket): Promise<NodeAnswer> {
  try {
    const { revision, policies } = await fetchAgentPolicies(path);
    const rows = policies.map((policy) => ({ ...policy, node, agentRevision: revision }));
    return { rows, status: { name: node, state: "complete", rowsRead: rows.length, restarts: 0 } };
  } catch (error) {
    if (!isAgentFailure(error)) throw error;
    const status = { name: node, state: "missing", reason: error.message, rowsRead: 0, restarts: 0 } as const;
    return { rows: [], status, failure: error };
  }
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
