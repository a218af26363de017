import { spawn } from "node:child_process";
import { run } from "../shell.js";
import { benchTool } from "../traffic.js";
import type { Wait } from "./results.js";

/** Works while a command runs again and again; its output goes nowhere. */
export async function whileRunning<T>(command: readonly string[], work: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const loop = runUntil(command, stop.signal);
  try {
    return await work();
  } finally {
    stop.abort();
    await loop;
  }
}

async function runUntil([command = "", ...args]: readonly string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await new Promise<void>((resolve) => {
      const child = spawn(command, args, { stdio: "ignore", signal, killSignal: "SIGKILL" });
      child.once("error", () => undefined);
      child.once("close", () => resolve());
    });
  }
}

/** The command on one core and nowhere else, all its threads. */
export function onCore(core: number, command: readonly string[]): readonly string[] {
  return ["taskset", "-c", `${core}`, ...command];
}

/** How long somebody else waits for a core while the command has it. */
export async function waitBeside(beside: string, command: readonly string[], seconds: number): Promise<Wait> {
  const core = 0;
  const measure = async () => run(benchTool, ["latency", "--cpu", `${core}`, "--seconds", `${seconds}`]);
  const { stdout } = await whileRunning(onCore(core, command), measure);
  return { beside, ...(JSON.parse(stdout) as Omit<Wait, "beside">) };
}
