import type { GoJsonValue } from "../../lib/json-value.js";

/** What upstream's own tool prints of a map. */
export interface UpstreamForm<Row> {
  readonly text: UpstreamText<Row>;
  readonly json: UpstreamJson<Row>;
  /** What it says on stderr, where it ends well all the same. */
  readonly whenEmpty?: string;
  readonly whenMissing?: string;
}

export type UpstreamText<Row> = DumpText<Row> | TableText<Row> | LinesText<Row>;

/** A table of keys and values; several values of one key stand below each other. */
export interface DumpText<Row> {
  readonly kind: "dump";
  readonly keyTitle: string;
  readonly valueTitle: string;
  key(row: Row): string;
  value(row: Row): string;
}

/** A table whose columns are as wide as all rows need. */
export interface TableText<Row> {
  readonly kind: "table";
  /** Header first; cells ended by tabs as upstream ends them. Called with at least one row. */
  lines(rows: readonly Row[]): readonly string[];
  /** Least width of a column, its padding included, and blanks behind the widest cell; 5 and 3 nearly everywhere. */
  readonly minWidth?: number;
  readonly padding?: number;
}

/** One line a row, as the rows come. */
export interface LinesText<Row> {
  readonly kind: "lines";
  /** Undefined for rows that upstream leaves out. */
  line(row: Row): string | undefined;
  /** The map that the row is of: an empty line follows each. Absent: none does. */
  mapOf?(row: Row): string;
}

export type UpstreamJson<Row> = ObjectJson<Row> | ArrayJson<Row>;

/** An object of lists of values. */
export interface ObjectJson<Row> {
  readonly kind: "object";
  key(row: Row): string;
  value(row: Row): string;
}

/** An array, in the order of the rows. */
export interface ArrayJson<Row> {
  readonly kind: "array";
  /** Called with the rows as they come; those of a list that has an order come all at once. */
  items(rows: readonly Row[]): readonly GoJsonValue[];
  /** What a list without rows is in Go: an empty slice, or none. */
  readonly empty?: "[]" | "null";
  /** An array for each map. */
  readonly isPerMap?: boolean;
}

/** The form of most maps that upstream dumps as they are. */
export function dumpForm<Row>(
  [keyTitle, valueTitle]: readonly [key: string, value: string],
  key: (row: Row) => string,
  value: (row: Row) => string,
): UpstreamForm<Row> {
  const text: DumpText<Row> = { kind: "dump", keyTitle, valueTitle, key, value };
  return { text, json: { kind: "object", key, value }, whenEmpty: noEntries };
}

/** The form of most maps that upstream has a table for: a line and an item a row. */
export function tableForm<Row>(parts: {
  header(first: Row): string;
  line(row: Row): string;
  item(row: Row): GoJsonValue;
  readonly empty?: "[]" | "null";
  readonly whenMissing?: string;
}): UpstreamForm<Row> {
  return {
    text: { kind: "table", lines: (rows) => [parts.header(rows[0]!), ...rows.map((row) => parts.line(row))] },
    json: {
      kind: "array",
      items: (rows) => rows.map((row) => parts.item(row)),
      ...(parts.empty === undefined ? {} : { empty: parts.empty }),
    },
    whenEmpty: noEntries,
    ...(parts.whenMissing === undefined ? {} : { whenMissing: parts.whenMissing }),
  };
}

export const noEntries = "No entries found.";
