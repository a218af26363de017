import type { PolicyVerdictRow } from "../../model/policy/verdict-row.js";
import { protocolName } from "../../model/protocol-names.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { orDash } from "./cells.js";

const verdictTexts = { allow: "Allow", deny: "Deny", "default-deny": "Default deny" } as const;

/** `policy verdict` */
export const policyVerdictList: ListFormat<PolicyVerdictRow> = {
  kind: "PolicyVerdictList",
  columns: [
    { header: "FROM", value: (row) => row.from },
    { header: "TO", value: (row) => row.to },
    { header: "PORT", value: (row) => `${row.port}/${protocolName(row.protocol)}` },
    { header: "DIRECTION", value: (row) => row.direction },
    { header: "VERDICT", value: (row) => verdictTexts[row.verdict] },
    { header: "RULES", value: (row) => orDash(row.rules.join(", ") || undefined) },
    { header: "REASON", value: (row) => row.reason },
    { header: "FROM-IDENTITY", isWide: true, value: (row) => String(row.fromIdentity) },
    { header: "TO-IDENTITY", isWide: true, value: (row) => String(row.toIdentity) },
  ],
  item: (row) =>
    definedFields({
      from: row.from,
      to: row.to,
      fromIdentity: row.fromIdentity,
      toIdentity: row.toIdentity,
      protocol: protocolName(row.protocol),
      port: row.port,
      direction: row.direction,
      verdict: row.verdict,
      rules: [...row.rules],
      reason: row.reason,
    }),
  name: (row) => `${row.direction}/${row.verdict}`,
};
