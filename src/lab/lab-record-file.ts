import { readFileSync } from "node:fs";
import { writeFileAtomicSync } from "../lib/atomic-file.js";
import type { LabNodeRecord, LabRecord } from "../model/lab-record.js";

/** The record on disk: what sessions read, and what the supervisor needs to carry on a lab. */
export interface LabFile extends LabRecord {
  /** Changes with every lab of this name: a supervisor of an older one ends when it sees a foreign value. */
  readonly instance: string;
  readonly createdAt: string;
  readonly mtuBytes: number;
  /** Starts an agent: program and first arguments, the agent's own follow. */
  readonly agentCommand: readonly string[];
}

export function writeLabFile(path: string, file: LabFile): void {
  writeFileAtomicSync(path, `${JSON.stringify(file, undefined, 2)}\n`);
}

/** Undefined when there is none, or when it is not whole: the lab is then swept, never guessed. */
export function readLabFile(path: string): LabFile | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isLabFile(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isLabFile(value: unknown): value is LabFile {
  if (typeof value !== "object" || value === null) return false;
  const file = value as { readonly [Field in keyof LabFile]?: unknown };
  return (
    file.version === 1 &&
    [file.name, file.stateDir, file.instance, file.createdAt].every((field) => typeof field === "string") &&
    typeof file.mtuBytes === "number" &&
    Array.isArray(file.agentCommand) &&
    Array.isArray(file.nodes) &&
    file.nodes.every(isNodeRecord)
  );
}

function isNodeRecord(value: unknown): value is LabNodeRecord {
  return typeof value === "object" && value !== null && "name" in value && "initPid" in value;
}
