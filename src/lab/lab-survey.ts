import { existsSync, readdirSync, readFileSync } from "node:fs";
import { labsRoot } from "../model/lab-record.js";
import { parseMounts } from "../model/mounts.js";
import { cgroupTreeProcesses } from "./cgroup.js";
import { isLabName, labOfNetns } from "./lab-name.js";
import { type LabPaths, labsCgroup } from "./lab-paths.js";
import { listNetns } from "./network.js";

/** What of one lab exists right now, read from the kernel and the disk, never from what a lab wrote about itself. */
export interface LabRemains {
  readonly processes: readonly number[];
  readonly netns: readonly string[];
  /** Mount points below the lab's folder, outside of the nodes. */
  readonly mounts: readonly string[];
  readonly hasCgroup: boolean;
  readonly hasFolder: boolean;
}

function folderNames(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** Every lab of which anything exists, sorted by name. */
export function surveyLabs(cgroupMount: string): readonly string[] {
  const names = new Set([...folderNames(labsRoot), ...folderNames(labsCgroup(cgroupMount))].filter(isLabName));
  for (const netns of listNetns()) {
    const lab = labOfNetns(netns);
    if (lab !== undefined) names.add(lab);
  }
  return [...names].sort();
}

export function surveyRemains(paths: LabPaths): LabRemains {
  return {
    processes: cgroupTreeProcesses(paths.cgroup),
    netns: listNetns().filter((name) => labOfNetns(name) === paths.lab),
    mounts: mountsBelow(paths.root),
    hasCgroup: existsSync(paths.cgroup),
    hasFolder: existsSync(paths.root),
  };
}

export function isNothing(remains: LabRemains): boolean {
  const { processes, netns, mounts, hasCgroup, hasFolder } = remains;
  return processes.length + netns.length + mounts.length === 0 && !hasCgroup && !hasFolder;
}

/** Deepest first, so that they can be unmounted in this order. Cgroup and lab names need no unescaping: no blanks. */
export function mountsBelow(folder: string): readonly string[] {
  return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"))
    .map(({ mountPoint }) => mountPoint)
    .filter((point) => point === folder || point.startsWith(`${folder}/`))
    .reverse();
}
