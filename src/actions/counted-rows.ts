/** Counts rows on their way. */
export class CountedRows<Row> {
  count = 0;
  readonly #batches: AsyncIterable<readonly Row[]>;

  constructor(batches: AsyncIterable<readonly Row[]>) {
    this.#batches = batches;
  }

  async *rows(): AsyncGenerator<readonly Row[]> {
    for await (const batch of this.#batches) {
      this.count += batch.length;
      yield batch;
    }
  }
}
