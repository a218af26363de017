import { collectingPrinter } from "../batch-printer.js";
import { compareBytes, goJson } from "../go-json.js";
import type { CiliumFormat } from "../list-format.js";
import { compareSortKeys } from "../row-order.js";
import { alignTabs } from "../tabwriter.js";

export interface MapDump<Row> {
  readonly keyTitle: string;
  readonly valueTitle: string;
  key(row: Row): string;
  value(row: Row): string;
  /** Without an entry upstream prints nothing, not even the titles. */
  readonly isEmptySilent?: boolean;
  /** As of {@link CiliumFormat}. */
  readonly isMissingEmpty?: boolean;
}

/**
 * Upstream's map dump: a table of keys and values, several values of one key below each other; JSON as an object of
 * value lists. Upstream prints in Go's random map order, we by key.
 */
export function mapDump<Row>(dump: MapDump<Row>): CiliumFormat<Row> {
  return {
    text: () => collectingPrinter((rows) => dumpText(dump, rows)),
    json: () => collectingPrinter((rows) => dumpJson(dump, rows)),
    isMissingEmpty: dump.isMissingEmpty,
  };
}

export function dumpText<Row>(dump: MapDump<Row>, rows: readonly Row[]): string {
  if (rows.length === 0 && dump.isEmptySilent === true) return "";
  const lines = [`${dump.keyTitle}\t${dump.valueTitle}`];
  for (const [key, values] of [...groupByKey(dump, rows)].sort(([a], [b]) => compareSortKeys(a, b))) {
    values.forEach((value, index) => {
      lines.push(`${index === 0 ? key : ""}\t${value}\t`);
    });
  }
  return alignTabs(lines, { minWidth: 5, padding: 3 });
}

export function dumpJson<Row>(dump: Pick<MapDump<Row>, "key" | "value">, rows: readonly Row[]): string {
  const entries = [...groupByKey(dump, rows)].sort(([a], [b]) => compareBytes(a, b));
  // Entry by entry, because JavaScript would move keys that look like numbers to the front.
  const body = entries.map(([key, values]) => `  ${goJson(key)}: ${goJson(values, "  ")}`).join(",\n");
  return body === "" ? "{}\n\n" : `{\n${body}\n}\n\n`;
}

function groupByKey<Row>(dump: Pick<MapDump<Row>, "key" | "value">, rows: readonly Row[]): Map<string, string[]> {
  const entries = new Map<string, string[]>();
  for (const row of rows) {
    const key = dump.key(row);
    const values = entries.get(key);
    if (values === undefined) entries.set(key, [dump.value(row)]);
    else values.push(dump.value(row));
  }
  return entries;
}
