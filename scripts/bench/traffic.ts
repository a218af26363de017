import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { run } from "./shell.js";
import type { Measurement } from "./topology.js";

/** netperf's names; the order gives a mode's port: the server's first port plus the index. */
export const modes = ["TCP_CRR", "TCP_RR", "STREAM", "UDP_RR"] as const;
export type Mode = (typeof modes)[number];

export const firstPort = 9000;
export const benchTool = join(import.meta.dirname, "../../native/build/cts-bench");

export function portOf(mode: Mode): number {
  return firstPort + modes.indexOf(mode);
}

/** Where the client runs: beside the server's core or on it. */
export type Cores = "two cores" | "one core";

const serverCpu = "1";
const clientCpu: Readonly<Record<Cores, string>> = { "two cores": "0", "one core": serverCpu };

interface ClientReport {
  readonly transactions: number;
  readonly bytes: number;
  readonly errors: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly clientCpuSeconds: number;
}

export const serverCommand: readonly string[] = [benchTool, "server", "--port", `${firstPort}`, "--cpu", serverCpu];
/** On every address of a family; IPv4's where none is named. */
export const serverCommandOf = { 4: serverCommand, 6: [...serverCommand, "--bind", "::"] } as const;

export interface Drive {
  readonly mode: Mode;
  readonly cores: Cores;
  readonly seconds: number;
}

function clientCommand({ mode, cores, seconds }: Drive, host: string, first: number): readonly string[] {
  const port = `${first + modes.indexOf(mode)}`;
  return [
    benchTool,
    "client",
    "--mode",
    mode,
    "--host",
    host,
    "--port",
    port,
    "--seconds",
    `${seconds}`,
    "--cpu",
    clientCpu[cores],
  ];
}

/** @throws Error when nothing was transferred */
export function measurementOf(mode: Mode, report: string): Measurement {
  const { transactions, bytes, errors, seconds, cpuSeconds, clientCpuSeconds } = JSON.parse(report) as ClientReport;
  const amount = mode === "STREAM" ? bytes * 8 : transactions;
  if (amount === 0) throw new Error(`${mode}: nothing was transferred`);
  if (errors > 0) process.stderr.write(`${mode}: ${errors} transactions failed\n`);
  return {
    transactions,
    rate: amount / seconds,
    cpuSeconds: cpuSeconds / amount,
    clientCpuSeconds: clientCpuSeconds / amount,
  };
}

/** Runs the client by a command prefix that puts it where it belongs. @param first the port of the first mode */
export async function drive(
  prefix: readonly string[],
  host: string,
  how: Drive,
  first: number = firstPort,
): Promise<Measurement> {
  const [command, ...args] = [...prefix, ...clientCommand(how, host, first)];
  const result = await run(command as string, args, { timeoutMs: (how.seconds + 30) * 1000 });
  return measurementOf(how.mode, result.stdout.trim().split("\n").at(-1) ?? "");
}

/**
 * Starts a server in a network namespace; it is ready when this returns. It listens on one address, so that its UDP
 * answers come from the address that was asked.
 */
export async function startServer(netns: string, address: string): Promise<ChildProcess> {
  const args = ["netns", "exec", netns, ...serverCommand, "--bind", address];
  const child = spawn("ip", args, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server in ${netns} ended with ${code}`)));
    child.stdout.once("data", () => resolve());
  });
  return child;
}

export async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}
