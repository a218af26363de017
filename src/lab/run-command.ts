import { spawn } from "node:child_process";
import { SystemError } from "../lib/errors.js";

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Runs a program to its end. @throws SystemError `command-start` when it cannot be started */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      killSignal: "SIGKILL", // of an abort
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", (cause: NodeJS.ErrnoException) => {
      if (options.signal?.aborted === true) reject(options.signal.reason);
      else reject(new SystemError("command-start", `could not start ${file}: ${cause.code}`, { cause }));
    });
    child.on("close", (code, signal) => resolve({ exitCode: code ?? (signal === null ? 1 : 137), stdout, stderr }));
    if (options.input !== undefined) {
      child.stdin?.on("error", () => undefined); // a reader that ended early says why on stderr
      child.stdin?.end(options.input);
    }
  });
}

/**
 * Runs a program that must succeed; answers its stdout. Of what a failed one said, its usage perhaps, the message holds the
 * first line, the details hold all.
 * @throws SystemError `command-failed`, `command-start`
 */
export async function runChecked(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await runCommand(file, args, options);
  if (result.exitCode === 0) return result.stdout;
  const said = result.stderr.trim() || result.stdout.trim() || "it said nothing";
  const [firstLine] = said.split("\n", 1);
  throw new SystemError("command-failed", `${file} ${args.join(" ")} ended with ${result.exitCode}: ${firstLine}`, {
    details: {
      exitCode: result.exitCode,
      said,
      ...(options.input === undefined ? {} : { input: options.input }),
    },
  });
}
