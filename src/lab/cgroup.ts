import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KernelError } from "../lib/errors.js";
import { sleep } from "../lib/time.js";
import { parseMounts } from "../model/mounts.js";

/**
 * Where the cgroup2 tree is mounted: /sys/fs/cgroup, or beside the v1 controllers of a hybrid tree.
 * @throws KernelError `cgroup2-missing`
 */
export function findCgroupMount(mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): string {
  const tree = parseMounts(mountinfo).find(({ filesystem, root }) => filesystem === "cgroup2" && root === "/");
  if (tree !== undefined) return tree.mountPoint;
  throw new KernelError("cgroup2-missing", "no cgroup2 tree is mounted, and every lab process lives in one", {
    nextSteps: ["mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"],
  });
}

export function makeCgroup(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Pids directly in a cgroup; empty when it does not exist. */
export function cgroupProcesses(path: string): readonly number[] {
  let text: string;
  try {
    text = readFileSync(join(path, "cgroup.procs"), "utf8");
  } catch {
    return []; // removed: ENOENT, or ENODEV while it goes
  }
  return text.split("\n").filter(Boolean).map(Number);
}

function childCgroups(path: string): readonly string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
  } catch {
    return []; // removed while we look
  }
}

/** The cgroup and all below it, parents first. */
function cgroupTree(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const found = [path];
  for (let i = 0; i < found.length; i++) found.push(...childCgroups(found[i]!));
  return found;
}

export function cgroupTreeProcesses(path: string): readonly number[] {
  return cgroupTree(path).flatMap(cgroupProcesses);
}

function killOnce(path: string): void {
  try {
    writeFileSync(join(path, "cgroup.kill"), "1"); // since 5.14: the whole tree at once, forks included
    return;
  } catch {
    // older kernel: one by one
  }
  for (const pid of cgroupTreeProcesses(path)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ended meanwhile
    }
  }
}

/**
 * Kills everything in a cgroup tree and waits until it is empty. Repeats, because a process that was being started may
 * join after the first round. @throws KernelError `cgroup-busy`
 */
export async function killCgroupTree(path: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
    const pids = cgroupTreeProcesses(path);
    if (pids.length === 0) return;
    if (performance.now() > deadline)
      throw new KernelError("cgroup-busy", `processes in ${path} do not die: ${pids.join(", ")}`, {
        details: { pids },
      });
    killOnce(path);
    await sleep(waitMs);
  }
}

/** Removes a tree of empty cgroups; absent is fine. Zombies may hold one for a moment. @throws KernelError `cgroup-busy` */
export async function removeCgroupTree(path: string, timeoutMs = 5_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
    for (const directory of [...cgroupTree(path)].reverse()) {
      try {
        rmdirSync(directory);
      } catch {
        // busy or gone: the check below decides
      }
    }
    if (!existsSync(path)) return;
    if (performance.now() > deadline) throw new KernelError("cgroup-busy", `the cgroup ${path} cannot be removed`);
    await sleep(waitMs);
  }
}
