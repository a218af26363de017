import { mkdirSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { KernelError } from "../lib/errors.js";

/** `BPF_FS_MAGIC` of linux/magic.h. */
const BPF_FS_MAGIC = 0xcafe4a11;

/**
 * Suffix of a pin, and of its record, that is about to take another one's place by rename(2). A bpffs takes no dots in
 * names.
 */
export const NEXT_SUFFIX = "__next";

/** Where a node's pins live. Maps use upstream's folder, so that upstream's tools find them. */
export interface BpfFolder {
  /** `<bpffs>/tc/globals` */
  readonly maps: string;
  /** `<bpffs>/cts/links` */
  readonly links: string;
}

/**
 * Makes the folders for pins on a mounted bpffs.
 * @throws KernelError `bpffs-missing` when nothing of type bpf is mounted there
 */
export function prepareBpfFolder(bpffs: string): BpfFolder {
  if (!isBpffs(bpffs)) {
    throw new KernelError("bpffs-missing", `no BPF file system is mounted on ${bpffs}`, {
      hint: "Maps and links are pinned there so that they outlive the agent.",
      nextSteps: [`mount -t bpf bpf ${bpffs}`],
      details: { path: bpffs },
    });
  }
  const folder = { maps: join(bpffs, "tc", "globals"), links: join(bpffs, "cts", "links") };
  mkdirSync(folder.maps, { recursive: true, mode: 0o700 });
  mkdirSync(folder.links, { recursive: true, mode: 0o700 });
  return folder;
}

export function isBpffs(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC;
  } catch {
    return false;
  }
}

/** Names of the pins in a folder, sorted; none when the folder is missing. */
export function listPins(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Reads a number of procfs or sysfs; undefined when absent. */
export function readNumberFile(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, "utf8"), 10);
  } catch {
    return undefined;
  }
}
