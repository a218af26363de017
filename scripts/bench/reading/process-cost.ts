import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { run } from "../shell.js";
import { benchTool } from "../traffic.js";

/** What one process cost, its threads and what it waited for with `wait4` included. */
export interface ProcessCost {
  readonly seconds: number;
  /** User and system. */
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
  /** From the start to the first byte of its output; only when that went into a pipe. */
  readonly firstByteSeconds?: number | undefined;
}

interface ToolReport {
  readonly status: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly maxRssBytes: number;
  readonly firstByteSeconds: number;
}

/**
 * Runs a command with its output in a file, or without one in a pipe that is read as fast as it can be.
 * @throws Error when it does not end with 0
 */
export async function costOf(command: readonly string[], outputPath?: string): Promise<ProcessCost> {
  const how = outputPath === undefined ? ["first-byte"] : ["run", outputPath];
  const { stdout, stderr } = await run(benchTool, [...how, ...command], { timeoutMs: 300_000 });
  const { status, seconds, cpuSeconds, maxRssBytes, firstByteSeconds } = JSON.parse(stdout) as ToolReport;
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stderr}`);
  const cost = { seconds, cpuSeconds, peakRssBytes: maxRssBytes };
  return outputPath === undefined ? { ...cost, firstByteSeconds } : cost;
}

/** Lines of a file that contain the text. */
export async function countLines(path: string, text: string): Promise<number> {
  const { stdout } = await promisify(execFile)("grep", ["-cF", "--", text, path]);
  return Number(stdout);
}
