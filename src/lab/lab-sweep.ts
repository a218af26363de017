import { rmdirSync, rmSync } from "node:fs";
import { KernelError } from "../lib/errors.js";
import { labsRoot } from "../model/lab-record.js";
import { killCgroupTree, removeCgroupTree } from "./cgroup.js";
import { type LabPaths, labsCgroup } from "./lab-paths.js";
import { isNothing, surveyRemains } from "./lab-survey.js";
import { removeNetns } from "./network.js";
import { runChecked } from "./run-command.js";

/**
 * Takes a lab away, whatever state it is in: whole, half built, or what a killed command left. Works from kernel state
 * alone. Order: the record first, so that a supervisor that starts late ends by itself; then processes, which hold the
 * nodes' mounts, bpffs and pins; then names; the folder last, so that an interrupted sweep is still listed.
 * @throws KernelError `lab-remains`, `cgroup-busy`
 */
export async function sweepLab(paths: LabPaths, cgroupMount: string): Promise<void> {
  rmSync(paths.record, { force: true });
  await killCgroupTree(paths.cgroup);
  const { netns, mounts } = surveyRemains(paths);
  await removeNetns(netns);
  for (const mount of mounts) await runChecked("umount", ["--lazy", mount]);
  await killCgroupTree(paths.cgroup);
  await removeCgroupTree(paths.cgroup);
  rmSync(paths.root, { recursive: true, force: true });
  removeWhenEmpty(labsCgroup(cgroupMount));
  removeWhenEmpty(labsRoot);
  const remains = surveyRemains(paths);
  if (!isNothing(remains))
    throw new KernelError("lab-remains", `parts of lab ${paths.lab} could not be removed`, {
      details: { ...remains },
      nextSteps: [`kubectl cilium-ts lab down --name ${paths.lab}`],
    });
}

/** The last lab takes the shared folders with it; another lab that uses them keeps them. */
function removeWhenEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // not empty, or gone already
  }
}
