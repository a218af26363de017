import type { BatchPrinter } from "../batch-printer.js";
import { compareBytes, goJson } from "../go-json.js";
import type { CiliumFormat } from "../list-format.js";
import { alignTabs } from "../tabwriter.js";

/** What an entry says. */
interface DumpTexts<Row> {
  key(row: Row): string;
  value(row: Row): string;
}

export interface MapDump<Row> extends DumpTexts<Row> {
  readonly keyTitle: string;
  readonly valueTitle: string;
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
    text: () => dumpTextPrinter(dump),
    json: () => dumpJsonPrinter(dump),
    isMissingEmpty: dump.isMissingEmpty,
  };
}

export function dumpTextPrinter<Row>(dump: MapDump<Row>): BatchPrinter<Row> {
  return groupingPrinter(dump, (entries) => {
    if (entries.length === 0 && dump.isEmptySilent === true) return "";
    const lines = entries.flatMap(([key, values]) =>
      values.map((value, index) => `${index === 0 ? key : ""}\t${value}\t`),
    );
    return alignTabs([`${dump.keyTitle}\t${dump.valueTitle}`, ...lines], { minWidth: 5, padding: 3 });
  });
}

export function dumpJsonPrinter<Row>(dump: DumpTexts<Row>): BatchPrinter<Row> {
  return groupingPrinter(dump, listsJson);
}

/** Entry by entry, because JavaScript would move keys that look like numbers to the front. */
export function listsJson(entries: readonly (readonly [key: string, values: readonly string[]])[]): string {
  const body = entries.map(([key, values]) => `  ${goJson(key)}: ${goJson(values, "  ")}`).join(",\n");
  return body === "" ? "{}\n\n" : `{\n${body}\n}\n\n`;
}

/** Holds the texts of all rows, not the rows, and prints them in the order of the keys. */
function groupingPrinter<Row>(
  { key, value }: DumpTexts<Row>,
  textOf: (entries: readonly (readonly [key: string, values: readonly string[]])[]) => string,
): BatchPrinter<Row> {
  const byKey = new Map<string, string[]>();
  return {
    batch: (rows) => {
      for (const row of rows) {
        const text = key(row);
        const values = byKey.get(text);
        if (values === undefined) byKey.set(text, [value(row)]);
        else values.push(value(row));
      }
    },
    end: (out) => out.text(textOf([...byKey].sort(([a], [b]) => compareBytes(a, b)))),
  };
}
