/**
 * Rows that come together. An array is one; lists that may be very long have batches that make their rows only when they
 * are asked for.
 */
export interface RowBatch<Row> extends Iterable<Row> {
  readonly length: number;
  map<T>(change: (row: Row) => T): readonly T[];
  slice(from: number, to: number): RowBatch<Row>;
}
