import type { RowBatch } from "../model/row-batch.js";
import type { RowBatches } from "./list-format.js";
import { TextBuffer } from "./text-buffer.js";

/** Writes a list as its rows come: what stands before them, batch after batch, what stands behind. */
export interface BatchPrinter<Row> {
  begin?(out: TextBuffer): void | Promise<void>;
  /** A batch holds at least one row. */
  batch(rows: RowBatch<Row>, out: TextBuffer): void;
  end?(out: TextBuffer): void | Promise<void>;
}

/** Long enough that a write's fixed cost vanishes. */
const pieceBytes = 64 * 1024;

/**
 * Prints in pieces of about 64 KB, the first of them at once: a reader sees the first rows while the rest is still being
 * read. Live rows all go out at once. Each piece is valid until the next is asked for.
 */
export async function* printBatches<Row>(
  rows: RowBatches<Row>,
  printer: BatchPrinter<Row>,
  options: { readonly isLive?: boolean | undefined } = {},
): AsyncGenerator<Uint8Array> {
  const out = new TextBuffer();
  let isFirst = true;
  await printer.begin?.(out);
  for await (const batch of rows) {
    if (batch.length === 0) continue;
    printer.batch(batch, out);
    if (out.lengthBytes < pieceBytes && !isFirst && options.isLive !== true) continue;
    if (out.lengthBytes === 0) continue;
    yield out.take();
    isFirst = false;
  }
  await printer.end?.(out);
  if (out.lengthBytes > 0) yield out.take();
}

/** Prints lists whose first line needs all rows. */
export function collectingPrinter<Row>(textOf: (rows: readonly Row[]) => string): BatchPrinter<Row> {
  const all: Row[] = [];
  return {
    batch: (rows) => {
      for (const row of rows) all.push(row);
    },
    end: (out) => out.text(textOf(all)),
  };
}
