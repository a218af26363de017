import type { RowBatch } from "../model/row-batch.js";
import type { BatchPrinter } from "./batch-printer.js";
import { batchWriters } from "./batch-writers.js";
import type { Column, EntryWriter, ListFormat, RowWriters } from "./list-format.js";
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
  readonly #writersOf: (batch: RowBatch<Row>) => readonly RowWriters[];
  readonly #columns: readonly Column<Row>[];
  readonly #widths: number[];
  readonly #hasHeaders: boolean;
  /** Where cells are written to be measured. */
  readonly #scratch = new TextBuffer();
  #isFirst = true;

  constructor(list: ListFormat<Row>, options: TableOptions) {
    this.#writersOf = batchWriters(list);
    this.#columns = list.columns.filter((column) => options.isWide || column.isWide !== true);
    this.#hasHeaders = options.hasHeaders;
    this.#widths = this.#columns.map(({ header }) => (options.hasHeaders ? header.length : 0));
  }

  batch(rows: RowBatch<Row>, out: TextBuffer): void {
    const parts = this.#writersOf(rows);
    if (this.#isFirst) this.#begin(parts, out);
    for (const part of parts) this.#writeLines(part, out);
  }

  /** An empty list still says what it would have shown. */
  end(out: TextBuffer): void {
    if (this.#isFirst && this.#hasHeaders) {
      out.text(`${this.#columns.map((column) => column.header).join(separator)}\n`);
    }
  }

  #begin(parts: readonly RowWriters[], out: TextBuffer): void {
    this.#isFirst = false;
    for (const part of parts) {
      this.#cellsOf(part).forEach((write, place) => {
        for (let index = 0; index < part.length; index++) this.#widen(place, this.#measure(write, index));
      });
    }
    if (this.#hasHeaders) this.#writeHeader(out);
  }

  #cellsOf(part: RowWriters): readonly EntryWriter[] {
    return this.#columns.map(({ header }) => part.cells.get(header) ?? (() => {}));
  }

  #measure(write: EntryWriter, index: number): number {
    this.#scratch.clear();
    write(index, this.#scratch);
    return this.#scratch.width;
  }

  #widen(place: number, width: number): void {
    if (width > this.#widths[place]!) this.#widths[place] = width;
  }

  #writeHeader(out: TextBuffer): void {
    this.#columns.forEach(({ header, align }, place) => {
      const padding = this.#widths[place]! - header.length;
      out.blanks((place === 0 ? 0 : separator.length) + (align === "right" ? padding : 0));
      out.text(header);
      if (align !== "right") out.blanks(padding);
    });
    out.endLine();
  }

  #writeLines(part: RowWriters, out: TextBuffer): void {
    const cells = this.#cellsOf(part);
    const isRight = this.#columns.map((column) => column.align === "right");
    const last = cells.length - 1;
    for (let index = 0; index < part.length; index++) {
      for (let place = 0; place <= last; place++) {
        const write = cells[place]!;
        if (isRight[place]) out.blanks(this.#widths[place]! - this.#measure(write, index));
        const start = out.width;
        write(index, out);
        const width = out.width - start;
        this.#widen(place, width);
        if (place < last) out.blanks(separator.length + (isRight[place] ? 0 : this.#widths[place]! - width));
      }
      out.endLine();
    }
  }
}
