import type { RowBatch } from "../model/row-batch.js";
import type { EntryWriter, ListFormat, RowWriters } from "./list-format.js";

/** How a list's batches are written: by writers of its own, or by what its columns and items say of each row. */
export function batchWriters<Row>(list: ListFormat<Row>): (batch: RowBatch<Row>) => readonly RowWriters[] {
  return list.writers?.() ?? ((batch) => [rowWriters(list, batch)]);
}

function rowWriters<Row>(list: ListFormat<Row>, batch: RowBatch<Row>): RowWriters {
  const rows = [...batch];
  const writeItem = list.writeItem ?? ((row, out) => out.text(JSON.stringify(list.item(row))));
  const cells = new Map(
    list.columns.map((column): [string, EntryWriter] => [
      column.header,
      (index, out) => out.printable(column.value(rows[index]!)),
    ]),
  );
  return {
    length: rows.length,
    cells,
    item: (index, out) => writeItem(rows[index]!, out),
  };
}
