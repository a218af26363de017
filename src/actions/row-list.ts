import { IpAddress } from "../lib/ip.js";
import type { ListStatus } from "../model/list-status.js";
import type { RowBatch } from "../model/row-batch.js";

/** A list as actions give it: rows in batches, and what became of the reading, to be asked after the last row. */
export interface RowList<Row> {
  readonly rows: AsyncIterable<RowBatch<Row>>;
  readonly status: () => ListStatus;
}

/** Rows that are all there already. */
export function finishedList<Row>(rows: readonly Row[], notes: readonly string[] = []): RowList<Row> {
  return {
    rows: (async function* () {
      if (rows.length > 0) yield rows;
    })(),
    status: () => ({
      state: "complete",
      rowsRead: rows.length,
      restarts: 0,
      nodes: [],
      ...(notes.length === 0 ? {} : { notes }),
    }),
  };
}

/** Changes every row on its way, batch by batch. */
export function mapRows<From, To>(list: RowList<From>, change: (row: From) => To): RowList<To> {
  return {
    rows: (async function* () {
      for await (const batch of list.rows) yield batch.map(change);
    })(),
    status: list.status,
  };
}

/** Hands every batch on after `prepare` has seen it. */
export function preparedRows<Row>(list: RowList<Row>, prepare: (rows: RowBatch<Row>) => Promise<void>): RowList<Row> {
  return {
    rows: (async function* () {
      for await (const batch of list.rows) {
        await prepare(batch);
        yield batch;
      }
    })(),
    status: list.status,
  };
}

/** Holds the whole list. For lists that are small by nature. */
export async function collectRows<Row>(list: RowList<Row>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const batch of list.rows) rows.push(...batch);
  return rows;
}

/** Reads the whole list, so that nothing is printed before it is known that there is a row. */
export async function failWhenEmpty<Row>(list: RowList<Row>, error: () => Error): Promise<RowList<Row>> {
  const rows = await collectRows(list);
  if (rows.length === 0) throw error();
  return { rows: finishedList(rows).rows, status: list.status };
}

/** Who reads the first rows of a long list need not wait until the last one is a text. */
const sortedBatch = 4096;

/**
 * Sorts lists that are small by nature, so that the same state always prints the same.
 * @param prepare sees all rows before they are sorted
 */
export function sortedRows<Row>(
  list: RowList<Row>,
  compare: (a: Row, b: Row) => number,
  prepare?: (rows: readonly Row[]) => Promise<void>,
): RowList<Row> {
  return {
    rows: (async function* () {
      const rows = await collectRows(list);
      await prepare?.(rows);
      rows.sort(compare);
      for (let start = 0; start < rows.length; start += sortedBatch) yield rows.slice(start, start + sortedBatch);
    })(),
    status: list.status,
  };
}

/** Compares by the first key that differs. Numbers by value, texts by code unit, addresses by family and bytes. */
export function compareBy<Row>(
  ...keys: readonly ((row: Row) => number | bigint | string | IpAddress | undefined)[]
): (a: Row, b: Row) => number {
  return (a, b) => {
    for (const key of keys) {
      const order = compareKeys(key(a), key(b));
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compareKeys(a: number | bigint | string | IpAddress | undefined, b: typeof a): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  if (a instanceof IpAddress && b instanceof IpAddress) return a.compare(b);
  return a < b ? -1 : a > b ? 1 : 0;
}
