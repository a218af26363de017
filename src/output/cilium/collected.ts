import type { GoJsonValue } from "../../lib/json-value.js";
import { collectingPrinter } from "../batch-printer.js";
import { goJson } from "../go-json.js";
import type { CiliumFormat } from "../list-format.js";
import { alignTabs } from "../tabwriter.js";

export interface CollectedTable<Row> {
  /** Least column width in upstream's table. */
  readonly minWidth: number;
  /** Header and rows, cells ended by tabs as upstream ends them. */
  lines(rows: readonly Row[]): readonly string[];
  items(rows: readonly Row[]): readonly GoJsonValue[];
  /** Without a row upstream prints nothing, in either format. */
  readonly isEmptySilent?: boolean;
}

/** Upstream's short tables: all rows are needed before the first line can be aligned. */
export function collectedTable<Row>(table: CollectedTable<Row>): CiliumFormat<Row> {
  const collecting = (textOf: (rows: readonly Row[]) => string) =>
    collectingPrinter<Row>((rows) => (rows.length === 0 && table.isEmptySilent === true ? "" : textOf(rows)));
  return {
    text: () => collecting((rows) => alignTabs(table.lines(rows), { minWidth: table.minWidth, padding: 3 })),
    json: () => collecting((rows) => `${goJson(table.items(rows))}\n\n`),
  };
}
