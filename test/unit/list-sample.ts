import type { ListFormat } from "../../src/output/list-format.js";

/** Rows with every optional field set and rows with none, so that a field without a schema cannot hide. */
export interface Sample {
  readonly list: ListFormat<never>;
  readonly rows: readonly never[];
}

export const sample = <Row>(list: ListFormat<Row>, rows: readonly Row[]): Sample =>
  ({ list, rows }) as unknown as Sample;
