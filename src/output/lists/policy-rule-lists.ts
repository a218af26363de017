import type { PolicyRuleRow, PolicySelectorRow } from "../../model/policy/rule-rows.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { orDash } from "./cells.js";

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
  item: (row) =>
    definedFields({
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
