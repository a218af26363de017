import { setTimeout as delay } from "node:timers/promises";
import { CountedRows } from "../actions/counted-rows.js";
import type { ReadOptions } from "../actions/names/names-for.js";
import { finishedList, type RowList } from "../actions/row-list.js";
import { ExitCode, KernelError } from "../lib/errors.js";
import { writePiece } from "../lib/write-piece.js";
import type { ListStatus } from "../model/list-status.js";
import type { ListFormat } from "../output/list-format.js";
import { listRemarks } from "../output/list-remarks.js";
import { isUpstreamFormat, parseOutput } from "../output/output-format.js";
import { checkPrintRequest, type PrintRequest, printList } from "../output/printer.js";
import { BaseCommand, StopRequest } from "./base-command.js";

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
      readonly hasTimeDiff?: boolean;
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
      hasTimeDiff: options.hasTimeDiff,
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

  /** How rows are to be read for `-o`. Not with names for upstream's formats: they print none. */
  protected readingFor({ output }: ListFlags): ReadOptions {
    return { signal: this.signal, isNamed: !isUpstreamFormat(parseOutput(output)) };
  }

  async #printOnce<Row>(
    format: ListFormat<Row>,
    request: PrintRequest,
    flags: ListFlags,
    list: RowList<Row>,
  ): Promise<ListStatus> {
    const counted = new CountedRows(list.rows);
    const isThere = await this.#printPieces(format, request, printList(format, counted.rows(), list.status, request));
    if (!isThere) return finishedList([]).status();
    const status = list.status();
    // Nobody is there to read it any more.
    if (isOutputClosed(this.signal)) return status;
    const options = { rowCount: counted.count, isVerbose: flags.verbose, isTerminal: process.stderr.isTTY };
    for (const line of listRemarks(format, request.output, status, options)) this.note(line);
    return status;
  }

  /** False when the map is not there and upstream's tool, whose format was asked for, takes that lightly. */
  async #printPieces<Row>(
    format: ListFormat<Row>,
    request: PrintRequest,
    pieces: AsyncIterable<Uint8Array>,
  ): Promise<boolean> {
    try {
      for await (const piece of pieces) await this.#write(piece);
      return true;
    } catch (error) {
      const isMissing = error instanceof KernelError && error.code === "map-missing";
      const upstream = isUpstreamFormat(request.output) ? format.cilium : undefined;
      if (!isMissing || (upstream?.whenMissing === undefined && upstream?.isMissingEmpty !== true)) throw error;
      if (upstream.whenMissing !== undefined) this.note(upstream.whenMissing);
      const { rows, status } = finishedList<Row>([]);
      if (upstream.isMissingEmpty) await this.#printPieces(format, request, printList(format, rows, status, request));
      return false;
    }
  }

  /** Throws the reason of the signal when the reader has gone, or keeps a command waiting that was told to end. */
  async #write(piece: Uint8Array): Promise<void> {
    if (isOutputClosed(this.signal)) throw this.signal.reason;
    await writePiece(process.stdout, piece, this.signal);
  }
}

function isOutputClosed({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof StopRequest && reason.kind === "output-closed";
}
