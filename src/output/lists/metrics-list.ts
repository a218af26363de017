import type { MetricRow } from "../../model/rows.js";
import { collectedTable } from "../cilium/collected.js";
import { compareBytes } from "../go-json.js";
import { definedFields, jsonCounter, type ListFormat } from "../list-format.js";
import { nodeColumn, orDash } from "./cells.js";

function ciliumCells(row: MetricRow): string {
  const place = row.line === undefined ? "" : `\t${row.line}\t${row.file ?? ""}`;
  return `${row.reasonText}\t${row.direction.toUpperCase()}\t${row.packets}\t${row.bytes}${place}`;
}

/** `bpf metrics list` */
export const metricsList: ListFormat<MetricRow> = {
  kind: "MetricList",
  columns: [
    nodeColumn,
    { header: "REASON", value: (row) => row.reasonText },
    { header: "DIRECTION", value: (row) => row.direction },
    { header: "PACKETS", align: "right", value: (row) => String(row.packets), sortKey: (row) => row.packets },
    { header: "BYTES", align: "right", value: (row) => String(row.bytes), sortKey: (row) => row.bytes },
    { header: "DROP", value: (row) => (row.isDrop ? "yes" : "no") },
    { header: "FILE", value: (row) => orDash(row.file) },
    { header: "LINE", align: "right", value: (row) => orDash(row.line), sortKey: (row) => row.line ?? 0 },
    { header: "CODE", isWide: true, value: (row) => String(row.reason), sortKey: (row) => row.reason },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      reason: row.reason,
      reasonText: row.reasonText,
      drop: row.isDrop,
      direction: row.direction,
      packets: jsonCounter(row.packets),
      bytes: jsonCounter(row.bytes),
      file: row.file,
      line: row.line,
    }),
  name: (row) => `metric/${row.reason}-${row.direction}-${row.file ?? "any"}-${row.line ?? 0}`,
  cilium: collectedTable({
    minWidth: 5,
    lines: (rows) => [
      "REASON\tDIRECTION\tPACKETS\tBYTES\tLINE\tFILE",
      // Upstream sorts by the text of all columns.
      ...rows.map(ciliumCells).sort(compareBytes),
    ],
    items: (rows) =>
      rows.map((row) =>
        definedFields({
          reason: row.reasonText,
          direction: row.direction,
          packets: jsonCounter(row.packets),
          bytes: jsonCounter(row.bytes),
          line: row.line,
          file: row.file,
        }),
      ),
  }),
};
