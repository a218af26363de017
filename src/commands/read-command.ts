import { setTimeout as delay } from "node:timers/promises";
import type { RowList } from "../actions/row-list.js";
import { ExitCode } from "../lib/errors.js";
import { writePiece } from "../lib/write-piece.js";
import type { ListStatus } from "../model/list-status.js";
import type { ListFormat } from "../output/list-format.js";
import { parseOutput } from "../output/output-format.js";
import { carriesStatus, checkPrintRequest, type PrintRequest, printList } from "../output/printer.js";
import { statusLines } from "../output/status-lines.js";
import { BaseCommand } from "./base-command.js";

/** Values of `listFlags`. */
export interface ListFlags {
  readonly output: string;
  readonly "no-headers": boolean;
  readonly "sort-by"?: string | undefined;
  readonly limit?: number | undefined;
  readonly "max-rows"?: number | undefined;
  readonly watch: boolean;
  readonly "allow-partial": boolean;
  readonly verbose: boolean;
}

const watchIntervalMs = 2000;

/** A command that prints one list: rows to stdout, what became of the reading to stderr or into the envelope. */
export abstract class ReadCommand extends BaseCommand {
  /**
   * Prints the list as the flags say and ends with the exit code that fits: 9 when it is not whole.
   * `open` is called once, and again for every turn of `--watch`.
   */
  protected async printRows<Row>(
    format: ListFormat<Row>,
    flags: ListFlags,
    open: () => Promise<RowList<Row>>,
    options: {
      readonly monotonicNowSeconds?: number | undefined;
      readonly exitCode?: () => ExitCode;
      readonly isLive?: boolean;
    } = {},
  ): Promise<void> {
    const request: PrintRequest = {
      output: parseOutput(flags.output),
      hasHeaders: !flags["no-headers"],
      sortBy: flags["sort-by"],
      limit: flags.limit,
      maxRows: flags["max-rows"],
      monotonicNowSeconds: options.monotonicNowSeconds,
      isLive: options.isLive,
    };
    checkPrintRequest(format, request);
    let status = await this.#printOnce(format, request, flags, await open());
    while (flags.watch && !this.signal.aborted) {
      await delay(watchIntervalMs, undefined, { signal: this.signal }).catch(() => undefined);
      if (this.signal.aborted) break;
      if (process.stdout.isTTY) process.stdout.write("\u001b[H\u001b[2J");
      status = await this.#printOnce(format, request, flags, await open());
    }
    if (this.signal.aborted) this.exit(this.stopExitCode());
    if (status.state === "partial" && !flags["allow-partial"]) this.exit(ExitCode.partial);
    const exitCode = options.exitCode?.() ?? ExitCode.ok;
    if (exitCode !== ExitCode.ok) this.exit(exitCode);
  }

  async #printOnce<Row>(
    format: ListFormat<Row>,
    request: PrintRequest,
    flags: ListFlags,
    list: RowList<Row>,
  ): Promise<ListStatus> {
    const counted = new CountedRows(list.rows);
    for await (const piece of printList(format, counted.rows(), list.status, request)) await this.#write(piece);
    const status = list.status();
    // Nobody is there to read it any more.
    if (isOutputClosed(this.signal)) return status;
    // A table without rows must not leave open whether there was nothing to read or nothing that fits.
    const isEmpty = counted.count === 0 && ["table", "wide", "name"].includes(request.output.kind);
    const isUndecided = status.nodes.some((node) => (node.release?.releases.length ?? 1) > 1);
    const isWorthSaying =
      isEmpty || status.state === "partial" || (status.notes?.length ?? 0) > 0 || isUndecided || flags.verbose;
    if (isEmpty) this.note(status.rowsRead > 0 ? "no entry matches the filters" : "there are no entries");
    if (!carriesStatus(request.output) && (isWorthSaying || process.stderr.isTTY)) {
      for (const line of statusLines(status, { isVerbose: flags.verbose })) this.note(line);
    }
    return status;
  }

  /** Throws the reason of the signal when the reader has gone, or keeps a command waiting that was told to end. */
  async #write(piece: Uint8Array): Promise<void> {
    if (isOutputClosed(this.signal)) throw this.signal.reason;
    await writePiece(process.stdout, piece, this.signal);
  }
}

/** Counts rows on their way. */
class CountedRows<Row> {
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

function isOutputClosed(signal: AbortSignal): boolean {
  return (
    signal.aborted &&
    signal.reason instanceof Object &&
    "kind" in signal.reason &&
    signal.reason.kind === "output-closed"
  );
}
