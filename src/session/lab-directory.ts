import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { NotFoundError, SystemError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import { type LabNodeRecord, type LabRecord, labRecordFile, labsRoot } from "../model/lab-record.js";

/**
 * Labs that have a record below `root`, by name. A folder without a readable record is a lab that is being made or
 * being removed; it is left out.
 */
export async function listLabs(root: string = labsRoot): Promise<readonly LabRecord[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new SystemError("labs-unreadable", `reading the labs in ${root} failed: ${error.message}`, { cause: error });
  });
  const records = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => readLabRecord(join(root, entry.name))),
  );
  return records
    .filter((record): record is LabRecord => record !== undefined)
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** Labs of which at least one node's pid 1 is alive. */
export async function listRunningLabs(root: string = labsRoot): Promise<readonly LabRecord[]> {
  const labs = await listLabs(root);
  const running = await Promise.all(labs.map(async (lab) => (await aliveNodes(lab)).length > 0));
  return labs.filter((_, index) => running[index]);
}

/** @throws NotFoundError `lab-unknown` */
export async function findLab(name: string, root: string = labsRoot): Promise<LabRecord> {
  const labs = await listLabs(root);
  const lab = labs.find((candidate) => candidate.name === name);
  if (lab !== undefined) return lab;
  const names = labs.map((candidate) => candidate.name);
  throw new NotFoundError("lab-unknown", `there is no lab "${name}" below ${root}${didYouMean(name, names)}`, {
    nextSteps: [
      names.length > 0 ? `use one of: ${names.join(", ")}` : `kubectl cilium-ts lab up --name ${name} -f manifests/`,
    ],
  });
}

/** Whether the node's pid 1 is the process that the record was written for. */
export async function isNodeAlive(node: LabNodeRecord): Promise<boolean> {
  return (await processStartTime(node.initPid)) === node.initStartTime;
}

/** Field 22 of `/proc/<pid>/stat` as text, undefined when there is no such process. proc(5) */
export async function processStartTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The command name (field 2) may hold spaces and parentheses: count from the last one. Field 3 follows it.
  return stat
    ?.slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .at(22 - 3);
}

async function aliveNodes(lab: LabRecord): Promise<readonly LabNodeRecord[]> {
  const alive = await Promise.all(lab.nodes.map(isNodeAlive));
  return lab.nodes.filter((_, index) => alive[index]);
}

async function readLabRecord(directory: string): Promise<LabRecord | undefined> {
  const text = await readFile(join(directory, labRecordFile), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isLabRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isLabRecord(value: unknown): value is LabRecord {
  if (typeof value !== "object" || value === null) return false;
  const record: Partial<Record<keyof LabRecord, unknown>> = value;
  return (
    record.version === 1 &&
    typeof record.name === "string" &&
    typeof record.stateDir === "string" &&
    Array.isArray(record.nodes) &&
    record.nodes.every(isLabNodeRecord)
  );
}

function isLabNodeRecord(value: unknown): value is LabNodeRecord {
  if (typeof value !== "object" || value === null) return false;
  const node: Partial<Record<keyof LabNodeRecord, unknown>> = value;
  const texts = [node.name, node.internalIp, node.podCidr, node.initStartTime, node.runDir, node.cgroupPath];
  return typeof node.initPid === "number" && texts.every((text) => typeof text === "string");
}
