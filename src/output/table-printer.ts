import type { Column, ListFormat, RowBatches } from "./list-format.js";

const separator = "   ";

export interface TableOptions {
  readonly isWide: boolean;
  readonly hasHeaders: boolean;
}

/**
 * Columns are as wide as the first batch needs and widen when a later row needs more: rows go out as they come.
 * Lines never end in blanks.
 */
export async function* printTable<Row>(
  list: ListFormat<Row>,
  rows: RowBatches<Row>,
  options: TableOptions,
): AsyncGenerator<string> {
  const columns = list.columns.filter((column) => options.isWide || column.isWide !== true);
  const widths = columns.map(() => 0);
  let isHeaderDue = options.hasHeaders;
  for await (const batch of rows) {
    if (batch.length === 0) continue;
    const cells = batch.map((row) => columns.map((column) => oneLine(column.value(row))));
    if (isHeaderDue) cells.unshift(columns.map((column) => column.header));
    isHeaderDue = false;
    for (const line of cells) for (let i = 0; i < line.length; i++) widths[i] = Math.max(widths[i]!, line[i]!.length);
    let text = "";
    for (const line of cells) text += formatLine(line, columns, widths);
    yield text;
  }
  // An empty list still says what it would have shown.
  if (isHeaderDue) yield `${columns.map((column) => column.header).join(separator)}\n`;
}

function formatLine<Row>(cells: readonly string[], columns: readonly Column<Row>[], widths: readonly number[]): string {
  let line = "";
  for (let i = 0; i < cells.length; i++) {
    if (i > 0) line += separator;
    const cell = cells[i]!;
    line += columns[i]!.align === "right" ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
  }
  return `${line.trimEnd()}\n`;
}

/** A name from the cluster must not be able to forge a line or drive the terminal. */
function oneLine(cell: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return /[\u0000-\u001f\u007f-\u009f]/.test(cell) ? cell.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?") : cell;
}
