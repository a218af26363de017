import type { BatchPrinter } from "./batch-printer.js";
import type { Column, ListFormat } from "./list-format.js";
import { TextBuffer } from "./text-buffer.js";

const separator = "   ";

export interface TableOptions {
  readonly isWide: boolean;
  readonly hasHeaders: boolean;
}

/**
 * Columns are as wide as the first batch needs and widen when a later row needs more: rows go out as they come.
 * Lines never end in blanks.
 */
export class TablePrinter<Row> implements BatchPrinter<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #widths: number[];
  /** The cells of the batch at hand, column by column, not yet padded. */
  readonly #cells = new TextBuffer();
  /** Where each of them ends in there, in bytes. */
  #ends: readonly number[] = [];
  /** How wide each of them is. */
  #cellWidths: readonly number[] = [];
  #isHeaderDue: boolean;

  constructor(list: ListFormat<Row>, options: TableOptions) {
    this.#columns = list.columns.filter((column) => options.isWide || column.isWide !== true);
    this.#widths = this.#columns.map(() => 0);
    this.#isHeaderDue = options.hasHeaders;
  }

  batch(rows: readonly Row[], out: TextBuffer): void {
    if (this.#isHeaderDue) this.#measureHeader();
    this.#writeCells(rows);
    if (this.#isHeaderDue) this.#writeHeader(out);
    this.#writeLines(rows.length, out);
  }

  /** An empty list still says what it would have shown. */
  end(out: TextBuffer): void {
    if (this.#isHeaderDue) out.text(`${this.#columns.map((column) => column.header).join(separator)}\n`);
  }

  #measureHeader(): void {
    this.#columns.forEach((column, index) => {
      this.#widths[index] = column.header.length;
    });
  }

  /** Column by column: what a column does for one row is what it did for the row before. */
  #writeCells(rows: readonly Row[]): void {
    const cells = this.#cells;
    const ends: number[] = [];
    const cellWidths: number[] = [];
    cells.take();
    for (let index = 0; index < this.#columns.length; index++) {
      const column = this.#columns[index]!;
      let widest = this.#widths[index]!;
      for (const row of rows) {
        const width = writeCell(column, row, cells);
        if (width > widest) widest = width;
        ends.push(cells.lengthBytes);
        cellWidths.push(width);
      }
      this.#widths[index] = widest;
    }
    this.#ends = ends;
    this.#cellWidths = cellWidths;
  }

  #writeHeader(out: TextBuffer): void {
    this.#isHeaderDue = false;
    this.#columns.forEach(({ header, align }, index) => {
      const padding = this.#widths[index]! - header.length;
      out.blanks((index === 0 ? 0 : separator.length) + (align === "right" ? padding : 0));
      out.text(header);
      if (align !== "right") out.blanks(padding);
    });
    out.endLine();
  }

  #writeLines(lines: number, out: TextBuffer): void {
    const isRight = this.#columns.map((column) => column.align === "right");
    const last = isRight.length - 1;
    for (let line = 0; line < lines; line++) {
      for (let index = 0; index <= last; index++) {
        const cell = index * lines + line;
        const padding = this.#widths[index]! - this.#cellWidths[cell]!;
        if (isRight[index]) out.blanks(padding);
        out.copy(this.#cells, cell === 0 ? 0 : this.#ends[cell - 1]!, this.#ends[cell]!);
        if (index < last) out.blanks(isRight[index] ? separator.length : padding + separator.length);
      }
      out.endLine();
    }
  }
}

/** @returns its width */
function writeCell<Row>(column: Column<Row>, row: Row, cells: TextBuffer): number {
  if (column.write !== undefined) {
    const start = cells.lengthBytes;
    column.write(row, cells);
    return cells.lengthBytes - start;
  }
  const cell = column.value(row);
  cells.printable(cell);
  return cell.length;
}
