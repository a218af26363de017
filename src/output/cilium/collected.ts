import { goJson } from "../go-json.js";
import type { CiliumFormat, JsonValue, RowBatches } from "../list-format.js";
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
    async *text(rows) {
      yield alignTabs(table.lines(await collectRows(rows)), { minWidth: table.minWidth, padding: 3 });
    },
    async *json(rows) {
      yield `${goJson(table.items(await collectRows(rows)))}\n\n`;
    },
  };
}

async function collectRows<Row>(rows: RowBatches<Row>): Promise<readonly Row[]> {
  const all: Row[] = [];
  for await (const batch of rows) all.push(...batch);
  return all;
}
