import { UsageError } from "../lib/errors.js";
import type { JsonValue } from "../lib/json-value.js";
import { didYouMean } from "../lib/nearest-name.js";
import type { RowBatch } from "../model/row-batch.js";
import { evaluatePath } from "./jsonpath-evaluate.js";
import { parsePath } from "./jsonpath-parse.js";
import type { ListFormat, RowBatches, SortKey } from "./list-format.js";

/** Sorting a whole list holds it in memory; more rows than this need `--limit` or a filter. */
export const defaultMaxRows = 1_000_000;

export interface RowOrder<Row> {
  key(row: Row): SortKey;
  readonly isDescending: boolean;
  /** For fields of items, which are only known with the rows: the refusal when no row has the field. */
  explainMissing?(row: Row): UsageError;
}

/**
 * Reads `--sort-by`: a column header in any case, or a field of the JSON item (`.source`, `{.backend.port}`).
 * @throws UsageError `unknown-column`, `jsonpath-syntax`
 */
export function parseSortBy<Row>(list: ListFormat<Row>, text: string): RowOrder<Row> {
  const isDescending = text.startsWith("-");
  const word = isDescending ? text.slice(1) : text;
  if (word.startsWith(".") || word.startsWith("{") || word.startsWith("$")) {
    const path = parsePath(word.replace(/^\{|\}$/g, ""));
    return {
      isDescending,
      key: (row) => toSortKey(evaluatePath(path, list.item(row))[0]),
      explainMissing: (row) => missingField(word, Object.keys(list.item(row))),
    };
  }
  const column = list.columns.find((candidate) => candidate.header.toLowerCase() === word.toLowerCase());
  if (column === undefined) {
    const headers = list.columns.map((candidate) => candidate.header);
    throw new UsageError("unknown-column", `there is no column "${word}"${didYouMean(word, headers)}`, {
      hint: `--sort-by takes ${headers.join(", ")} or a field of the JSON output such as .node`,
      details: { allowed: headers },
    });
  }
  return { isDescending, key: (row) => column.sortKey?.(row) ?? column.value(row) };
}

function missingField(word: string, fields: readonly string[]): UsageError {
  const name = /^[.${]*([A-Za-z]\w*)/.exec(word)?.[1] ?? word;
  return new UsageError("unknown-column", `no row has the field "${word}"${didYouMean(name, fields)}`, {
    hint: `rows have ${fields.map((field) => `.${field}`).join(", ")}`,
    details: { allowed: fields },
  });
}

function toSortKey(value: JsonValue | undefined): SortKey {
  if (value === undefined || value === null) return "";
  if (typeof value === "number" || typeof value === "string") return value;
  return JSON.stringify(value);
}

/** Numbers before texts; texts with their runs of digits compared by value, so that 10.0.0.9 comes before 10.0.0.10. */
export function compareSortKeys(a: SortKey, b: SortKey): number {
  if (typeof a !== "string" && typeof b !== "string") return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a !== "string") return -1;
  if (typeof b !== "string") return 1;
  return compareNatural(a, b);
}

/** Called millions of times for one list: it makes no parts of the texts but the numbers in which they differ. */
function compareNatural(a: string, b: string): number {
  if (a === b) return 0;
  let start = 0;
  while (start < a.length && a.charCodeAt(start) === b.charCodeAt(start)) start++;
  // The number that differs may have begun before the first character that does.
  while (start > 0 && isDigit(a, start - 1)) start--;
  const leftEnd = digitsEnd(a, start);
  const rightEnd = digitsEnd(b, start);
  if (leftEnd > start && rightEnd > start) {
    const difference = Number(a.slice(start, leftEnd)) - Number(b.slice(start, rightEnd));
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : 1;
}

function digitsEnd(text: string, start: number): number {
  let end = start;
  while (isDigit(text, end)) end++;
  return end;
}

function isDigit(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0x30 && code <= 0x39;
}

interface Keyed<Row> {
  readonly row: Row;
  readonly key: SortKey;
  readonly sequence: number;
}

/**
 * Sorts all rows; with `limit` only that many are held, whatever the length of the stream.
 * @throws UsageError `sort-too-large` when more than `maxRows` rows would have to be held
 */
export async function* sortRows<Row>(
  rows: RowBatches<Row>,
  order: RowOrder<Row>,
  bounds: { readonly limit?: number | undefined; readonly maxRows?: number | undefined },
): AsyncGenerator<readonly Row[]> {
  const { limit, maxRows = defaultMaxRows } = bounds;
  const sign = order.isDescending ? -1 : 1;
  const compare = (a: Keyed<Row>, b: Keyed<Row>): number =>
    sign * compareSortKeys(a.key, b.key) || a.sequence - b.sequence;
  let kept: Keyed<Row>[] = [];
  /** Of the rows that `limit` lets stay; what does not come before it has no chance. */
  let last: Keyed<Row> | undefined;
  let sequence = 0;
  for await (const batch of rows) {
    for (const row of batch) {
      const entry = { row, key: order.key(row), sequence: sequence++ };
      if (last === undefined || compare(entry, last) < 0) kept.push(entry);
    }
    if (limit !== undefined && kept.length >= 2 * limit) {
      kept = kept.sort(compare).slice(0, limit);
      last = kept.at(-1);
    }
    if (kept.length > maxRows) {
      throw new UsageError("sort-too-large", `sorting would hold more than ${maxRows} rows in memory`, {
        nextSteps: ["add --limit N to keep only the first N", "narrow the list with a filter", "raise --max-rows"],
      });
    }
  }
  kept.sort(compare);
  if (kept[0] !== undefined && order.explainMissing !== undefined && kept.every(({ key }) => key === "")) {
    throw order.explainMissing(kept[0].row);
  }
  const sorted = kept.slice(0, limit ?? kept.length).map((entry) => entry.row);
  for (let start = 0; start < sorted.length; start += 1024) yield sorted.slice(start, start + 1024);
}

/** The first `limit` rows; the stream behind is ended then. */
export async function* limitRows<Row>(rows: RowBatches<Row>, limit: number): AsyncGenerator<RowBatch<Row>> {
  let left = limit;
  for await (const batch of rows) {
    if (batch.length >= left) {
      yield batch.slice(0, left);
      return;
    }
    left -= batch.length;
    yield batch;
  }
}
