import { collectingPrinter } from "../batch-printer.js";
import { goJson } from "../go-json.js";
import type { CiliumFormat, JsonValue } from "../list-format.js";
import { alignTabs } from "../tabwriter.js";

export interface CollectedTable<Row> {
  /** Least column width in upstream's table. */
  readonly minWidth: number;
  /** Header and rows, cells ended by tabs as upstream ends them. */
  lines(rows: readonly Row[]): readonly string[];
  items(rows: readonly Row[]): readonly JsonValue[];
}

/** Upstream's short tables: all rows are needed before the first line can be aligned. */
export function collectedTable<Row>(table: CollectedTable<Row>): CiliumFormat<Row> {
  return {
    text: () => collectingPrinter((rows) => alignTabs(table.lines(rows), { minWidth: table.minWidth, padding: 3 })),
    json: () => collectingPrinter((rows) => `${goJson(table.items(rows))}\n\n`),
  };
}
