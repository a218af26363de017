import type { JsonObject, JsonValue } from "../lib/json-value.js";
import type { ListStatus } from "../model/list-status.js";
import type { RowBatch } from "../model/row-batch.js";
import type { BatchPrinter } from "./batch-printer.js";
import type { TextBuffer } from "./text-buffer.js";

/** What `--sort-by` compares: numbers by value, strings by their text with runs of digits by value. */
export type SortKey = number | bigint | string;

export interface Column<Row> {
  /** Upper case; also the name that `--sort-by` takes. */
  readonly header: string;
  /** Shown with `-o wide` only. */
  readonly isWide?: boolean;
  readonly align?: "left" | "right";
  value(row: Row): string;
  /** Absent: the printed value. */
  sortKey?(row: Row): SortKey;
}

/** Writes something of the row that stands at `index` in its batch. */
export type EntryWriter = (index: number, out: TextBuffer) => void;

/** Writers of a batch of rows, or of a part of one. */
export interface RowWriters {
  readonly length: number;
  /** By header, the text of the column's `value`. */
  readonly cells: ReadonlyMap<string, EntryWriter>;
  /** `JSON.stringify(item(row))` */
  readonly item: EntryWriter;
}

/** How one kind of list prints, in every format. */
export interface ListFormat<Row> {
  /** Kind of the JSON envelope, e.g. `ConntrackEntryList`; its schema is `docs/schema/<kind in kebab case>.json`. */
  readonly kind: string;
  readonly columns: readonly Column<Row>[];
  /** The JSON item. */
  item(row: Row): JsonObject;
  /** `JSON.stringify(item(row))` without the object, for rows that come by the thousand a second. */
  writeItem?(row: Row, out: TextBuffer): void;
  /** Writes what `columns` and `item` say without making rows, for lists that may have hundreds of thousands. */
  writers?(): (batch: RowBatch<Row>) => readonly RowWriters[];
  /** `-o name`: one word that names the row. */
  name(row: Row): string;
  /** Upstream's own output, for lists that upstream's tool has. */
  readonly cilium?: CiliumFormat<Row>;
}

export interface CiliumFormat<Row> {
  text(context: CiliumContext): BatchPrinter<Row>;
  json(context: CiliumContext): BatchPrinter<Row>;
  /** What upstream's tool says on stderr in place of a text without rows. */
  readonly whenEmpty?: string | undefined;
  /** What it says when the map is not there, if it ends well all the same. */
  readonly whenMissing?: string | undefined;
  /** Upstream's tool prints a map that is not there as it prints an empty one. */
  readonly isMissingEmpty?: boolean | undefined;
}

/** Rows as readers give them: in batches. */
export type RowBatches<Row> = AsyncIterable<RowBatch<Row>>;

export interface CiliumContext {
  /** Asked after the last row. */
  readonly status: () => ListStatus | Promise<ListStatus>;
  /** Print expiry times also as the time that remains (`bpf ct list -d`). */
  readonly hasTimeDiff?: boolean | undefined;
}

/** A 64-bit counter in JSON: a number while it is exact, else its digits in a string. */
export function jsonCounter(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

/** Leaves absent values out, so that JSON shows only what is known. */
export function definedFields(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  const result: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) result[key] = value;
  return result;
}
