import { spawn } from "node:child_process";

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command to its end.
 * @throws Error when it does not end with 0 within the time
 */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly input?: string; readonly timeoutMs?: number; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<CommandResult> {
  const child = spawn(command, args, { stdio: "pipe", env: options.env ?? process.env });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 120_000);
  try {
    const ending = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(code === null ? `${signal}` : `${code}`));
    });
    const result = { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
    if (ending === "0") return result;
    throw new Error(`${command} ${args.join(" ")} ended with ${ending}: ${result.stderr || result.stdout}`);
  } finally {
    clearTimeout(timer);
  }
}
