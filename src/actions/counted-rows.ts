import type { RowBatch } from "../model/row-batch.js";

/** Counts rows on their way. */
export class CountedRows<Row> {
  count = 0;
  readonly #batches: AsyncIterable<RowBatch<Row>>;

  constructor(batches: AsyncIterable<RowBatch<Row>>) {
    this.#batches = batches;
  }

  async *rows(): AsyncGenerator<RowBatch<Row>> {
    for await (const batch of this.#batches) {
      this.count += batch.length;
      yield batch;
    }
  }
}
