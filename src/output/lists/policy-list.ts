import type { JsonObject } from "../../lib/json-value.js";
import { authTypeText, type PolicyRow } from "../../model/policy-rows.js";
import { protocolName } from "../../model/protocol-names.js";
import { ciliumPolicy, type PolicyForm } from "../cilium/policy.js";
import { definedFields, jsonCounter, type ListFormat } from "../list-format.js";
import { hex, nodeColumn, orDash, orUnknown } from "./cells.js";

const verdictTexts = { allow: "Allow", deny: "Deny", pass: "Pass" } as const;

/** `bpf policy get` and `bpf policy list`; the form is that of upstream's own output. */
export function policyList(form: PolicyForm): ListFormat<PolicyRow> {
  return {
    kind: "PolicyEntryList",
    columns: [
      nodeColumn,
      { header: "ENDPOINT", value: (row) => String(row.endpointId), sortKey: (row) => row.endpointId },
      { header: "POLICY", value: (row) => orUnknown(row.verdict && verdictTexts[row.verdict]) },
      { header: "DIRECTION", value: (row) => row.direction },
      {
        header: "IDENTITY",
        value: (row) => (row.identity === 0 ? "ANY" : String(row.identity)),
        sortKey: (row) => row.identity,
      },
      { header: "PORT", value: portText },
      {
        header: "PROXY-PORT",
        value: (row) => (row.proxyPort === 0 ? "-" : String(row.proxyPort)),
        sortKey: (row) => row.proxyPort,
      },
      {
        header: "PACKETS",
        align: "right",
        value: (row) => (row.packets === undefined ? "-" : String(row.packets)),
        sortKey: (row) => row.packets ?? -1n,
      },
      {
        header: "BYTES",
        align: "right",
        value: (row) => (row.bytes === undefined ? "-" : String(row.bytes)),
        sortKey: (row) => row.bytes ?? -1n,
      },
      { header: "AUTH", isWide: true, value: authText },
      {
        header: "PRIORITY",
        isWide: true,
        value: (row) => orDash(row.rulePriority),
        sortKey: (row) => row.rulePriority ?? -1,
      },
      { header: "LISTENER-PRIORITY", isWide: true, value: listenerText, sortKey: (row) => row.listenerPriority ?? -1 },
      {
        header: "PRECEDENCE",
        isWide: true,
        value: (row) => (row.precedence === undefined ? "-" : hex(row.precedence, 8)),
        sortKey: (row) => row.precedence ?? -1,
      },
      { header: "COOKIE", isWide: true, value: (row) => orDash(row.cookie), sortKey: (row) => row.cookie ?? -1 },
      { header: "RULES", isWide: true, value: (row) => row.rules?.join("; ") || "-" },
      { header: "LABELS", isWide: true, value: (row) => row.labels?.join(",") ?? "-" },
    ],
    item: policyItem,
    name: (row) => `policyentry/${row.endpointId}-${row.direction}-${row.identity}-${portText(row)}`,
    cilium: ciliumPolicy(form),
  };
}

function policyItem(row: PolicyRow): JsonObject {
  const hasListener = row.precedence !== undefined || row.proxyPortPriority !== undefined;
  return definedFields({
    node: row.node,
    endpointId: row.endpointId,
    deny: row.isDeny,
    verdict: row.verdict ?? null,
    direction: row.direction,
    identity: row.identity,
    labels: row.labels,
    protocol: protocolName(row.protocol),
    port: row.port,
    lastPort: row.lastPort,
    prefixLength: row.prefixLength,
    proxyPort: row.proxyPort,
    listenerPriority: hasListener ? (row.listenerPriority ?? null) : undefined,
    authType: row.authType,
    explicitAuth: row.hasExplicitAuthType,
    precedence: row.precedence,
    rulePriority: row.rulePriority,
    cookie: row.cookie,
    rules: row.rules,
    packets: row.packets === undefined ? undefined : jsonCounter(row.packets),
    bytes: row.bytes === undefined ? undefined : jsonCounter(row.bytes),
  });
}

function authText(row: PolicyRow): string {
  return `${authTypeText(row.authType)}${row.hasExplicitAuthType ? " (explicit)" : ""}`;
}

/** Up to 1.16 there are none. */
function listenerText(row: PolicyRow): string {
  if (row.precedence === undefined && row.proxyPortPriority === undefined) return "-";
  return row.listenerPriority === 0 ? "-" : orUnknown(row.listenerPriority);
}

/** `ANY`, `TCP`, `80/TCP`, `8080-8083/TCP` */
function portText(row: PolicyRow): string {
  if (row.protocol === 0) return "ANY";
  if (row.lastPort - row.port === 0xffff) return protocolName(row.protocol);
  const ports = row.port === row.lastPort ? String(row.port) : `${row.port}-${row.lastPort}`;
  return `${ports}/${protocolName(row.protocol)}`;
}
