import { UsageError } from "../lib/errors.js";
import type { ListStatus } from "../model/list-status.js";
import { type BatchPrinter, printBatches } from "./batch-printer.js";
import { jsonLinesPrinter, jsonPathPrinter, jsonPrinter, yamlPrinter } from "./json-printer.js";
import type { CiliumContext, ListFormat, RowBatches } from "./list-format.js";
import type { OutputFormat } from "./output-format.js";
import { limitRows, parseSortBy, sortRows } from "./row-order.js";
import { TablePrinter } from "./table-printer.js";

/**
 * The printers turn rows into text and know no stream, terminal or exit code. A command uses them like this:
 *
 * ```ts
 * const request: PrintRequest = { output: parseOutput(flags.output), sortBy: flags["sort-by"], limit: flags.limit, … };
 * checkPrintRequest(conntrackList, request);             // UsageError before any node is asked
 * const { rows, status } = listConntrack(options);       // AsyncIterable<readonly CtRow[]>, () => ListStatus
 * for await (const piece of printList(conntrackList, rows, status, request)) await write(piece);
 * if (!carriesStatus(request.output)) for (const line of statusLines(await status())) note(line);
 * ```
 *
 * Output comes in pieces of about 64 KB; memory stays flat unless rows must be sorted or a jsonpath needs the whole list.
 * `status` is asked after the last row. When `--limit` is reached the row stream is ended early through `return()`.
 */
export interface PrintRequest {
  readonly output: OutputFormat;
  readonly hasHeaders?: boolean | undefined;
  /** Column header (any case) or field (`.source`), with a leading `-` for descending order. */
  readonly sortBy?: string | undefined;
  /** Rows to print at most; a positive integer. */
  readonly limit?: number | undefined;
  /** Rows that sorting may hold in memory at most. */
  readonly maxRows?: number | undefined;
  /** See {@link CiliumContext.hasTimeDiff}. */
  readonly hasTimeDiff?: boolean | undefined;
  /** Rows come as they happen: none waits for the next. */
  readonly isLive?: boolean | undefined;
}

export type StatusSource = () => ListStatus | Promise<ListStatus>;

/**
 * Finds what is wrong with a request before anything is read.
 * @throws UsageError `unknown-output`, `unknown-column`, `jsonpath-syntax`, `bad-limit`
 */
export function checkPrintRequest<Row>(list: ListFormat<Row>, request: PrintRequest): void {
  const { output, limit, sortBy } = request;
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) {
    throw new UsageError("bad-limit", `--limit takes a positive number of rows, not ${limit}`);
  }
  if (sortBy !== undefined) parseSortBy(list, sortBy);
  if (list.cilium === undefined && (output.kind === "cilium" || output.kind === "cilium-json")) {
    throw new UsageError("unknown-output", `upstream's tool has no such list, so there is no -o ${output.kind} of it`, {
      hint: "-o takes table, wide, json, yaml, jsonl, name, jsonpath=… here",
    });
  }
}

/** True when the format itself says whether the list is whole; otherwise the command prints {@link statusLines}. */
export function carriesStatus(output: OutputFormat): boolean {
  return output.kind === "json" || output.kind === "yaml" || output.kind === "jsonl";
}

/**
 * Prints `rows` as `request` says. Yields UTF-8; the pieces joined are the whole output. A piece is valid until the next
 * one is asked for.
 */
export async function* printList<Row>(
  list: ListFormat<Row>,
  rows: RowBatches<Row>,
  status: StatusSource,
  request: PrintRequest,
): AsyncGenerator<Uint8Array> {
  checkPrintRequest(list, request);
  const printer = await choosePrinter(list, status, request);
  yield* printBatches(orderRows(list, rows, request), printer, { isLive: request.isLive });
}

function choosePrinter<Row>(
  list: ListFormat<Row>,
  status: StatusSource,
  request: PrintRequest,
): BatchPrinter<Row> | Promise<BatchPrinter<Row>> {
  const { output } = request;
  const context: CiliumContext = { status, hasTimeDiff: request.hasTimeDiff };
  switch (output.kind) {
    case "table":
    case "wide":
      return new TablePrinter(list, { isWide: output.kind === "wide", hasHeaders: request.hasHeaders ?? true });
    case "json":
      return jsonPrinter(list, status);
    case "yaml":
      return yamlPrinter(list, status);
    case "jsonl":
      return jsonLinesPrinter(list, status);
    case "name":
      return namePrinter(list);
    case "jsonpath":
      return jsonPathPrinter(list, status, output.template, request.maxRows);
    case "cilium":
      return list.cilium!.text(context);
    case "cilium-json":
      return list.cilium!.json(context);
  }
}

function orderRows<Row>(list: ListFormat<Row>, rows: RowBatches<Row>, request: PrintRequest): RowBatches<Row> {
  if (request.sortBy !== undefined) {
    return sortRows(rows, parseSortBy(list, request.sortBy), { limit: request.limit, maxRows: request.maxRows });
  }
  return request.limit === undefined ? rows : limitRows(rows, request.limit);
}

function namePrinter<Row>(list: ListFormat<Row>): BatchPrinter<Row> {
  return {
    batch: (rows, out) => {
      for (const row of rows) out.text(`${list.name(row)}\n`);
    },
  };
}
