import { setImmediate as nextTurn } from "node:timers/promises";
import { Command, Errors } from "#oclif";
import { ExitCode } from "../lib/errors.js";
import { findErrorTarget, reportError } from "./error-report.js";

/** Why a command was asked to end early; the reason of the command's abort signal. */
export class StopRequest {
  readonly kind: "interrupted" | "output-closed";

  constructor(kind: "interrupted" | "output-closed") {
    this.kind = kind;
  }
}

/**
 * What every command shares: one way from errors to words and exit codes, and one way to end early.
 * The first Ctrl-C (or SIGTERM, SIGHUP) aborts {@link BaseCommand.signal}, so that streams end with their last frame
 * and handles are closed; the second quits at once. A reader of stdout that goes away (`| head`) is a normal end.
 */
export abstract class BaseCommand extends Command {
  readonly #stop = new AbortController();
  readonly #stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

  /** Aborted with a {@link StopRequest} when the command shall end early. */
  protected get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The command as the user types it, e.g. `kubectl cilium-ts bpf ct list`. */
  protected get commandLine(): string {
    return [this.config.bin, ...(this.id ?? "").split(":")].join(" ");
  }

  /** Writes one line of progress or explanation; data goes to stdout, everything else here. */
  protected note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  protected override async init(): Promise<void> {
    await super.init();
    for (const name of this.#stopSignals) process.on(name, this.#onStopSignal);
    process.stdout.on("error", this.#onOutputError);
    process.stderr.on("error", this.#onOutputError);
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    for (const name of this.#stopSignals) process.off(name, this.#onStopSignal);
    await super.finally(error);
  }

  protected override async catch(error: unknown): Promise<void> {
    // What a write failed with is told in a later turn, and then decides the exit code.
    await nextTurn();
    // `this.exit(code)` is oclif's way to end with a code: nothing to say.
    if (error instanceof Errors.ExitError) throw error;
    if (isBrokenPipe(error)) this.exit(ExitCode.ok);
    if (this.signal.aborted && isAbort(error, this.signal)) this.exit(this.stopExitCode());
    const report = reportError(error, {
      commandLine: this.commandLine,
      target: findErrorTarget(this.argv),
      isVerbose: isVerbose(this.argv),
    });
    this.note(report.text);
    this.exit(report.exitCode);
  }

  /** Exit code of a command that ended because it was asked to. */
  protected stopExitCode(): ExitCode {
    const reason: unknown = this.signal.reason;
    return reason instanceof StopRequest && reason.kind === "output-closed" ? ExitCode.ok : ExitCode.interrupted;
  }

  readonly #onStopSignal = (): void => {
    if (this.signal.aborted) process.exit(ExitCode.interrupted);
    this.#stop.abort(new StopRequest("interrupted"));
  };

  /** Whatever else a write may fail with ends the process, see bin/run.js. */
  readonly #onOutputError = (error: NodeJS.ErrnoException): void => {
    if (isBrokenPipe(error)) this.#stop.abort(new StopRequest("output-closed"));
  };
}

/** EPIPE: the reader of a pipe went away. EIO: the terminal did. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EPIPE" || error.code === "EIO");
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === "AbortError");
}

function isVerbose(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => /^-v+$/.test(word) || word === "--verbose");
}
