import { type Dirent, readdirSync } from "node:fs";
import { join } from "node:path";
import { KernelError } from "../lib/errors.js";

/** More than any datapath pins; a tree without end must not be followed without end. */
const mostPins = 65_536;

/** Everything pinned on a node's BPF file system. */
export interface PinTree {
  /** Below the mount point, sorted. */
  readonly paths: readonly string[];
  /** There are more than were looked for. */
  readonly isCut: boolean;
}

/** @throws KernelError `pins-unreadable` */
export function listPins(bpffs: string, node: string): PinTree {
  const paths: string[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined && paths.length < mostPins; folder = folders.pop()) {
    for (const entry of readFolder(join(bpffs, folder), node)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      // Symbolic links lead to pins that have a name of their own.
      else if (entry.isFile()) paths.push(path);
    }
  }
  return { paths: paths.slice(0, mostPins).sort(), isCut: paths.length > mostPins || folders.length > 0 };
}

function readFolder(folder: string, node: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw unreadablePins(folder, node, error);
  }
}

/** The refusal when a folder of pins cannot be looked into. */
export function unreadablePins(folder: string, node: string, cause: unknown): KernelError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new KernelError("pins-unreadable", `reading ${folder} on node ${node} failed: ${message}`, {
    ...(code === "EACCES" || code === "EPERM" ? { nextSteps: ["run the command as root"] } : {}),
    cause,
  });
}
