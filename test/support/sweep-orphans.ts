import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCgroupMount, killCgroupTree, removeCgroupTree } from "../../src/lab/cgroup.js";
import { mountsBelow } from "../../src/lab/lab-survey.js";
import { listNetns } from "../../src/lab/network.js";
import { isRunning } from "../../src/lab/process-table.js";
import { stopLab } from "../../src/lab/stop-lab.js";
import { claimedLab, makerOf } from "./own-names.js";

/** Called after a process that runs no more: a later one of the same pid has another start time. */
function isOrphan(name: string): boolean {
  const maker = makerOf(name);
  return maker !== undefined && !isRunning(maker);
}

/** Whoever is left in a network namespace of an orphan was started by its maker. */
function removeNetns(name: string): void {
  const pids = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
  if (pids.length > 0) spawnSync("kill", ["-KILL", ...pids]);
  spawnSync("ip", ["netns", "delete", name]);
}

/** A folder with a mount left in it is not walked: the mount's files are not the folder's. */
function removeFolder(path: string): void {
  for (const mount of mountsBelow(path)) spawnSync("umount", ["--lazy", mount]);
  const [left] = mountsBelow(path);
  if (left !== undefined) throw new Error(`${left} cannot be unmounted`);
  rmSync(path, { recursive: true, force: true });
}

/**
 * Takes away what killed tests left: labs, network namespaces with the agents in them, mounts, cgroups, folders; nothing whose
 * maker runs, and nothing that is not called after its maker. Answers the names.
 */
export async function sweepOrphans(): Promise<readonly string[]> {
  const inTmp = readdirSync(tmpdir());
  const folders = inTmp.filter(isOrphan);
  // A pid that came back may have made a lab of the same name again.
  const wanted = new Set(inTmp.filter((name) => !isOrphan(name) && makerOf(name) !== undefined).map(claimedLab));
  const labs = folders.flatMap((name) => claimedLab(name) ?? []).filter((lab) => !wanted.has(lab));
  for (const lab of labs) await stopLab(lab, new AbortController().signal);
  const namespaces = listNetns().filter(isOrphan);
  for (const name of namespaces) removeNetns(name);
  const cgroups = readdirSync(findCgroupMount()).filter(isOrphan);
  for (const name of folders) removeFolder(join(tmpdir(), name));
  for (const name of cgroups) {
    const path = join(findCgroupMount(), name);
    await killCgroupTree(path);
    await removeCgroupTree(path);
  }
  return [...labs, ...namespaces, ...cgroups, ...folders];
}

/** Before the first file of a suite that makes such things (vitest's globalSetup). */
export async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const tell = (line: string): unknown => process.stderr.write(`${line}\n`);
  try {
    const swept = await sweepOrphans();
    if (swept.length > 0) tell(`removed what killed tests left: ${swept.join(", ")}`);
  } catch (error) {
    tell(`what killed tests left cannot be removed: ${String(error)}`);
  }
}
