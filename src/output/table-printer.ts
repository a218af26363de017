import type { BatchPrinter } from "./batch-printer.js";
import type { Column, ListFormat } from "./list-format.js";
import type { TextBuffer } from "./text-buffer.js";

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
  /** Cells of the batch at hand, line by line. */
  readonly #cells: string[] = [];
  #isHeaderDue: boolean;

  constructor(list: ListFormat<Row>, options: TableOptions) {
    this.#columns = list.columns.filter((column) => options.isWide || column.isWide !== true);
    this.#widths = this.#columns.map(() => 0);
    this.#isHeaderDue = options.hasHeaders;
  }

  batch(rows: readonly Row[], out: TextBuffer): void {
    this.#measureHeader();
    this.#measure(rows);
    this.#writeHeader(out);
    this.#writeLines(rows.length, out);
  }

  /** An empty list still says what it would have shown. */
  end(out: TextBuffer): void {
    if (this.#isHeaderDue) out.text(`${this.#columns.map((column) => column.header).join(separator)}\n`);
  }

  #measureHeader(): void {
    if (!this.#isHeaderDue) return;
    this.#columns.forEach((column, index) => {
      this.#widths[index] = column.header.length;
    });
  }

  /** Column by column: what a column does for one row is what it did for the row before. */
  #measure(rows: readonly Row[]): void {
    const count = this.#columns.length;
    for (let index = 0; index < count; index++) {
      const column = this.#columns[index]!;
      let width = this.#widths[index]!;
      for (let line = 0; line < rows.length; line++) {
        const cell = column.value(rows[line]!);
        if (cell.length > width) width = cell.length;
        this.#cells[line * count + index] = cell;
      }
      this.#widths[index] = width;
    }
  }

  #writeHeader(out: TextBuffer): void {
    if (!this.#isHeaderDue) return;
    this.#isHeaderDue = false;
    this.#columns.forEach((column, index) => {
      this.#writeCell(column.header, index, out);
    });
    out.endLine();
  }

  #writeLines(lines: number, out: TextBuffer): void {
    const count = this.#columns.length;
    for (let line = 0; line < lines; line++) {
      for (let index = 0; index < count; index++) this.#writeCell(this.#cells[line * count + index]!, index, out);
      out.endLine();
    }
  }

  #writeCell(cell: string, index: number, out: TextBuffer): void {
    const gap = index === 0 ? 0 : separator.length;
    const padding = this.#widths[index]! - cell.length;
    const isRight = this.#columns[index]!.align === "right";
    out.blanks(isRight ? gap + padding : gap);
    out.printable(cell);
    if (!isRight) out.blanks(padding);
  }
}
