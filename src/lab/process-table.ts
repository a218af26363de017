import { readFileSync } from "node:fs";

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessId {
  readonly pid: number;
  /** Field 22 of `/proc/<pid>/stat`, clock ticks since boot. proc(5) */
  readonly startTime: string;
}

interface ProcessStat {
  readonly name: string;
  readonly state: string;
  readonly startTime: string;
}

/** /proc answers from memory: read synchronously, it is cheaper than a turn through the thread pool. */
function readStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined; // gone: the expected absence
  }
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  return { name: text.slice(text.indexOf("(") + 1, close), state: fields[0] ?? "", startTime: fields[19] ?? "" };
}

/** The process with this pid now; undefined when there is none or only its zombie. */
export function identifyProcess(pid: number): ProcessId | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === "Z" || stat.state === "X"
    ? undefined
    : { pid, startTime: stat.startTime };
}

export function isRunning(process: ProcessId): boolean {
  return identifyProcess(process.pid)?.startTime === process.startTime;
}

/** The short name (comm) of a process. */
export function processName(pid: number): string | undefined {
  return readStat(pid)?.name;
}

/** Sends a signal, unless the pid has passed to another process. False: it no longer runs. */
export function signalProcess(target: ProcessId, signal: NodeJS.Signals): boolean {
  if (!isRunning(target)) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Reads `{pid, startTime}` from a file of the lab tool; undefined when it is missing or not whole. */
export function readProcessFile(path: string): ProcessId | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null || !("pid" in value) || !("startTime" in value)) return undefined;
    return typeof value.pid === "number" && typeof value.startTime === "string"
      ? { pid: value.pid, startTime: value.startTime }
      : undefined;
  } catch {
    return undefined;
  }
}
