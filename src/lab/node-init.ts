import { existsSync, mkdirSync } from "node:fs";
import { writeFileAtomicSync } from "../lib/atomic-file.js";
import { sleep } from "../lib/time.js";
import { labsRoot } from "../model/lab-record.js";
import { cgroupProcesses, cgroupTreeProcesses, killCgroupTree, makeCgroup } from "./cgroup.js";
import { netnsPath, nodeNetns } from "./lab-name.js";
import { type LabPaths, type NodePaths, nodePaths } from "./lab-paths.js";
import { labToolDir, labToolPath } from "./lab-tool.js";
import { identifyProcess, type ProcessId, processName } from "./process-table.js";
import { runChecked } from "./run-command.js";

/** The tool takes this name when the node is whole; before, a node is still being set up. */
const INIT_NAME = "cts-lab-init";

/** The pid 1 of a node, found by its cgroup: what a killed supervisor started is found again without any file. */
export function findNodeInit(node: NodePaths): ProcessId | undefined {
  for (const pid of cgroupProcesses(node.cgroup)) {
    if (processName(pid) === INIT_NAME) return identifyProcess(pid);
  }
  return undefined;
}

/** A start that was just interrupted may still come through: its second half needs nobody. */
async function awaitInterruptedStart(node: NodePaths): Promise<ProcessId | undefined> {
  for (let waits = 0; waits < 50 && cgroupProcesses(node.cgroup).length > 0; waits++) {
    const init = findNodeInit(node);
    if (init !== undefined) return init;
    await sleep(20);
  }
  return undefined;
}

/** Whether the node has no pid 1 and none is on its way. */
export async function isNodeDown(node: NodePaths): Promise<boolean> {
  return findNodeInit(node) === undefined && (await awaitInterruptedStart(node)) === undefined;
}

/** Starts the node's pid 1, or answers the one that runs. The node's network namespace exists already. */
export async function ensureNodeInit(paths: LabPaths, name: string): Promise<ProcessId> {
  const node = nodePaths(paths, name);
  mkdirSync(node.runDir, { recursive: true });
  const running = findNodeInit(node) ?? (await awaitInterruptedStart(node));
  const init = running ?? (await startNodeInit(paths, name, node));
  for (const cgroup of [node.agentCgroup, node.kubeletCgroup, node.podsCgroup]) makeCgroup(cgroup);
  if (running === undefined || !existsSync(node.initPid))
    writeFileAtomicSync(node.initPid, `${JSON.stringify(init)}\n`);
  return init;
}

async function startNodeInit(paths: LabPaths, name: string, node: NodePaths): Promise<ProcessId> {
  if (cgroupTreeProcesses(node.cgroup).length > 0) await killCgroupTree(node.cgroup);
  makeCgroup(node.cgroup);
  const args = [
    "init",
    ...["--hostname", name],
    ...["--netns", netnsPath(nodeNetns(paths.lab, name))],
    ...["--cgroup", node.cgroup],
    ...["--run-dir", node.runDir],
    ...["--keep", labsRoot],
  ];
  // What is run on the node later takes over this environment, and finds the tool as pods do.
  const env = { ...process.env, PATH: `${labToolDir}:${process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin"}` };
  const answer = await runChecked(labToolPath, args, { env });
  const { pid, startTime } = JSON.parse(answer) as ProcessId;
  return { pid, startTime };
}
