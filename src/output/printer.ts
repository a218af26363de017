import { UsageError } from "../lib/errors.js";
import type { ListStatus } from "../model/list-status.js";
import { inChunks } from "./chunks.js";
import { printJson, printJsonLines, printJsonPath, printYaml } from "./json-printer.js";
import type { CiliumContext, ListFormat, RowBatches } from "./list-format.js";
import type { OutputFormat } from "./output-format.js";
import { limitRows, parseSortBy, sortRows } from "./row-order.js";
import { printTable } from "./table-printer.js";

/**
 * The printers turn rows into text and know no stream, terminal or exit code. A command uses them like this:
 *
 * ```ts
 * const request: PrintRequest = { output: parseOutput(flags.output), sortBy: flags["sort-by"], limit: flags.limit, … };
 * checkPrintRequest(conntrackList, request);             // UsageError before any node is asked
 * const { rows, status } = listConntrack(options);       // AsyncIterable<readonly CtRow[]>, () => ListStatus
 * for await (const text of printList(conntrackList, rows, status, request)) await write(text);
 * if (!carriesStatus(request.output)) for (const line of statusLines(await status())) note(line);
 * ```
 *
 * Texts come in pieces of about 64 KB; memory stays flat unless rows must be sorted or a jsonpath needs the whole list.
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
  /** CLOCK_MONOTONIC in seconds, for formats that show remaining times (`bpf ct list -d`). */
  readonly monotonicNowSeconds?: number | undefined;
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

/** Prints `rows` as `request` says. Yields text; the pieces joined are the whole output. */
export function printList<Row>(
  list: ListFormat<Row>,
  rows: RowBatches<Row>,
  status: StatusSource,
  request: PrintRequest,
): AsyncIterable<string> {
  checkPrintRequest(list, request);
  const ordered = orderRows(list, rows, request);
  const context: CiliumContext = { status, monotonicNowSeconds: request.monotonicNowSeconds };
  switch (request.output.kind) {
    case "table":
    case "wide":
      return inChunks(
        printTable(list, ordered, { isWide: request.output.kind === "wide", hasHeaders: request.hasHeaders ?? true }),
      );
    case "json":
      return inChunks(printJson(list, ordered, status));
    case "yaml":
      return inChunks(printYaml(list, ordered, status));
    case "jsonl":
      return inChunks(printJsonLines(list, ordered, status));
    case "name":
      return inChunks(printNames(list, ordered));
    case "jsonpath":
      return printJsonPath(list, ordered, status, request.output.template, request.maxRows);
    case "cilium":
      return inChunks(list.cilium!.text(ordered, context));
    case "cilium-json":
      return inChunks(list.cilium!.json(ordered, context));
  }
}

function orderRows<Row>(list: ListFormat<Row>, rows: RowBatches<Row>, request: PrintRequest): RowBatches<Row> {
  if (request.sortBy !== undefined) {
    return sortRows(rows, parseSortBy(list, request.sortBy), { limit: request.limit, maxRows: request.maxRows });
  }
  return request.limit === undefined ? rows : limitRows(rows, request.limit);
}

async function* printNames<Row>(list: ListFormat<Row>, rows: RowBatches<Row>): AsyncGenerator<string> {
  for await (const batch of rows) {
    let text = "";
    for (const row of batch) text += `${list.name(row)}\n`;
    yield text;
  }
}
