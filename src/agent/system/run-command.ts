import { spawn } from "node:child_process";
import { SystemError } from "../../lib/errors.js";

export interface CommandResult {
  readonly stdout: string;
}

/**
 * Runs a program, feeds it `input`, and gives its standard output.
 * @throws SystemError `command-failed` with the program's own words (details: command, exitCode, stderr)
 */
export function runCommand(command: readonly string[], input = ""): Promise<CommandResult> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, { stdio: ["pipe", "pipe", "pipe"] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A program that ends before it has read its input closes the pipe; its exit code says why.
    child.stdin.on("error", () => {});
    child.on("error", (cause) => {
      reject(new SystemError("command-failed", `${program} cannot be run: ${cause.message}`, { cause }));
    });
    child.on("close", (exitCode, signal) => {
      if (exitCode === 0) return resolve({ stdout: Buffer.concat(stdout).toString() });
      const words = Buffer.concat(stderr).toString().trim();
      const ending = signal === null ? `exit code ${exitCode}` : signal;
      reject(
        new SystemError("command-failed", `${command.join(" ")} failed: ${words || ending}`, {
          details: { command: command.join(" "), exitCode, stderr: words },
        }),
      );
    });
    child.stdin.end(input);
  });
}
