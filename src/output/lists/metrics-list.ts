import type { GoJsonValue } from "../../lib/json-value.js";
import type { MetricRow } from "../../model/rows.js";
import { upstreamReasonText } from "../../model/upstream-reason-text.js";
import { isReleaseSince } from "../../model/upstream-release.js";
import { collectedTable } from "../cilium/collected.js";
import { compareBytes } from "../go-json.js";
import { definedFields, jsonCounter, type ListFormat } from "../list-format.js";
import { nodeColumn, orDash } from "./cells.js";

/** The map has no extended error. */
function ciliumReason({ reason, reasonText }: MetricRow): string {
  return upstreamReasonText(reason, reasonText, 0);
}

/** Line and file since 1.16. */
function hasPlace(row: MetricRow | undefined): boolean {
  return row !== undefined && isReleaseSince(row.release, "1.16");
}

function ciliumCells(row: MetricRow): string {
  const place = hasPlace(row) ? `\t${row.line ?? 0}\t${row.file ?? ""}` : "";
  return `${ciliumReason(row)}\t${row.direction.toUpperCase()}\t${row.packets}\t${row.bytes}${place}`;
}

/** Entries that differ only in what the release does not know are one. In 1.14 the directions of a reason are one item. */
function ciliumItems(rows: readonly MetricRow[]): readonly GoJsonValue[] {
  if (rows[0] !== undefined && !isReleaseSince(rows[0].release, "1.15")) return reasonItems(rows);
  const sums = new Map<string, { readonly row: MetricRow; packets: bigint; bytes: bigint }>();
  for (const row of rows) {
    const key = `${row.reasonText}\t${row.direction}\t${row.line}\t${row.file}`;
    const sum = sums.get(key) ?? { row, packets: 0n, bytes: 0n };
    sum.packets += row.packets;
    sum.bytes += row.bytes;
    sums.set(key, sum);
  }
  return [...sums.values()].map(({ row, packets, bytes }) => ({
    reason: ciliumReason(row),
    direction: row.direction,
    packets,
    bytes,
    ...(hasPlace(row) ? { line: row.line ?? 0, file: row.file ?? "" } : {}),
  }));
}

function reasonItems(rows: readonly MetricRow[]): readonly GoJsonValue[] {
  const values = new Map<number, Record<string, GoJsonValue>>();
  for (const { reason, direction, packets, bytes } of rows) {
    const directions = values.get(reason) ?? {};
    directions[direction] = { packets, bytes };
    values.set(reason, directions);
  }
  const texts = new Map(rows.map((row) => [row.reason, ciliumReason(row)]));
  return [...values].map(([reason, directions]) => ({
    reason,
    description: texts.get(reason) ?? "",
    values: Object.fromEntries(Object.entries(directions).sort(([a], [b]) => compareBytes(a, b))),
  }));
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
      `REASON\tDIRECTION\tPACKETS\tBYTES${hasPlace(rows[0]) ? "\tLINE\tFILE" : ""}`,
      // Upstream sorts by the text of all columns.
      ...rows.map(ciliumCells).sort(compareBytes),
    ],
    items: ciliumItems,
    isEmptySilent: true,
  }),
};
