import type { EndpointOptionRow } from "../../model/event-options.js";
import { collectingPrinter } from "../batch-printer.js";
import { goJson } from "../go-json.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { nodeColumn, orDash } from "./cells.js";

/** `endpoint config` */
export const endpointOptionList: ListFormat<EndpointOptionRow> = {
  kind: "EndpointOptionList",
  columns: [
    nodeColumn,
    { header: "ENDPOINT", align: "right", value: (row) => String(row.endpointId), sortKey: (row) => row.endpointId },
    { header: "NAMESPACE", value: (row) => orDash(row.podNamespace) },
    { header: "POD", value: (row) => orDash(row.podName) },
    { header: "OPTION", value: (row) => row.option },
    { header: "VALUE", value: (row) => String(row.value) },
    { header: "SET-BY", value: (row) => row.origin },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      endpoint: row.endpointId,
      namespace: row.podNamespace,
      pod: row.podName,
      option: row.option,
      value: row.value,
      setBy: row.origin,
    }),
  name: (row) => `endpointoption/${row.option}`,
  cilium: {
    text: () =>
      collectingPrinter((rows) => rows.map((row) => `${row.option.padEnd(34)}: ${upstreamWord(row)}\n`).join("")),
    json: () => collectingPrinter((rows) => `${goJson({ realized: { options: upstreamOptions(rows) } })}\n\n`),
  },
};

const upstreamLevels = { none: "None", lowest: "Lowest", low: "Low", medium: "Medium", maximum: "Max" } as const;

function upstreamWord({ value }: EndpointOptionRow): string {
  if (typeof value === "string") return upstreamLevels[value];
  return value ? "Enabled" : "Disabled";
}

function upstreamOptions(rows: readonly EndpointOptionRow[]): Readonly<Record<string, string>> {
  return Object.fromEntries(rows.map((row) => [row.option, upstreamWord(row)]));
}
