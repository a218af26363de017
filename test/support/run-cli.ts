import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));
export const cliPath = fileURLToPath(new URL("../../bin/kubectl-cilium_ts", import.meta.url));
export const completionPath = fileURLToPath(new URL("../../bin/kubectl_complete-cilium_ts", import.meta.url));

export interface CliOutcome {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly program?: string;
  readonly cwd?: string;
}

/** Starts the built binary on this test's own runtime; vitest's NODE_ENV would make oclif look for TypeScript sources. */
export function startCli(args: readonly string[], options: CliOptions = {}): ChildProcess {
  const { NODE_ENV: _, VITEST: __, NODE_OPTIONS: ___, ...env } = process.env;
  const [program, ...before] = options.program === undefined ? [process.execPath, cliPath] : [options.program];
  return spawn(program!, [...before, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, NO_COLOR: "1", COLUMNS: "80", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
}

/** Runs it to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliOutcome> {
  return finishCli(startCli(args, options));
}

export async function finishCli(child: ChildProcess): Promise<CliOutcome> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      texts[name] += chunk;
    });
  }
  const [exitCode, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { exitCode, signal, ...texts };
}
