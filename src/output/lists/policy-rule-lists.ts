import type { JsonObject } from "../../lib/json-value.js";
import type { KnownPolicyRow, PolicyRuleRow, PolicySelectorRow } from "../../model/policy/rule-rows.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { nodeColumn, orDash } from "./cells.js";

const listed = (texts: readonly string[]): string => texts.join("; ") || "<none>";

/** `policy list` */
export const policyRuleList: ListFormat<PolicyRuleRow> = {
  kind: "PolicyRuleList",
  columns: [
    { header: "NAMESPACE", value: (row) => orDash(row.namespace) },
    { header: "NAME", value: (row) => row.name },
    { header: "KIND", isWide: true, value: (row) => row.kind },
    { header: "RULE", value: (row) => row.path },
    { header: "SUBJECT", value: (row) => row.subject },
    { header: "DIRECTION", value: (row) => row.direction },
    { header: "POLICY", value: (row) => (row.verdict === "allow" ? "Allow" : "Deny") },
    { header: "PEERS", value: (row) => listed(row.peers) },
    { header: "PORTS", value: (row) => listed(row.ports) },
    { header: "DEFAULT-DENY", isWide: true, value: (row) => String(row.hasDefaultDeny) },
  ],
  item: ruleItem,
  name: (row) => `${row.kind.toLowerCase()}/${row.name}`,
};

function ruleItem(row: PolicyRuleRow): JsonObject {
  return definedFields({
    kind: row.kind,
    namespace: row.namespace,
    name: row.name,
    path: row.path,
    subject: row.subject,
    direction: row.direction,
    verdict: row.verdict,
    defaultDeny: row.hasDefaultDeny,
    peers: [...row.peers],
    ports: [...row.ports],
    labels: [...row.labels],
    description: row.description,
  });
}

const stateTexts = { whole: "yes", partial: "in part", none: "no" } as const;

/** `policy get` */
export const knownPolicyList: ListFormat<KnownPolicyRow> = {
  kind: "KnownPolicyList",
  columns: [
    nodeColumn,
    { header: "NAMESPACE", value: (row) => orDash(row.namespace) },
    { header: "NAME", value: (row) => row.name },
    { header: "KIND", value: (row) => row.kind },
    { header: "REVISION", align: "right", value: (row) => String(row.revision), sortKey: (row) => row.revision },
    { header: "IN-FORCE", value: (row) => stateTexts[row.state] },
    { header: "RULES", align: "right", value: (row) => String(row.rules.length), sortKey: (row) => row.rules.length },
    { header: "ENDPOINTS", value: (row) => row.endpoints.join(",") || "-" },
    { header: "PROBLEMS", value: (row) => listed(row.problems.map(({ path, reason }) => `${path}: ${reason}`)) },
    { header: "AGENT-REVISION", isWide: true, align: "right", value: (row) => String(row.agentRevision) },
    { header: "UID", isWide: true, value: (row) => orDash(row.uid) },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      agentRevision: row.agentRevision,
      kind: row.kind,
      namespace: row.namespace,
      name: row.name,
      uid: row.uid,
      revision: row.revision,
      inForce: row.state,
      endpoints: [...row.endpoints],
      rules: row.rules.map(ruleItem),
      problems: row.problems.map(({ path, reason }) => ({ path, reason })),
    }),
  name: (row) => `${row.kind.toLowerCase()}/${row.name}`,
};

/** `policy selectors` */
export const policySelectorList: ListFormat<PolicySelectorRow> = {
  kind: "PolicySelectorList",
  columns: [
    { header: "SELECTOR", value: (row) => row.selector },
    { header: "RULES", align: "right", value: (row) => String(row.rules), sortKey: (row) => row.rules },
    {
      header: "IDENTITIES",
      value: (row) => row.identities.map((id) => (id === 0 ? "ANY" : String(id))).join(",") || "-",
    },
  ],
  item: (row) => ({ selector: row.selector, rules: row.rules, identities: [...row.identities] }),
  name: (row) => row.selector,
};
