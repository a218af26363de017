import { findCgroupMount } from "./cgroup.js";
import { requireLabHost } from "./lab-access.js";
import { lockLab } from "./lab-lock.js";
import { parseLabName } from "./lab-name.js";
import { labPaths } from "./lab-paths.js";
import { isNothing, surveyLabs, surveyRemains } from "./lab-survey.js";
import { sweepLab } from "./lab-sweep.js";

const LOCK_WAIT_MS = 60_000;

/** Takes a lab away, in whatever state it is. False: nothing of it existed. */
export async function stopLab(name: string, signal: AbortSignal): Promise<boolean> {
  requireLabHost();
  const mount = findCgroupMount();
  const paths = labPaths(parseLabName(name), mount);
  await using _lock = await lockLab(name, "change", { timeoutMs: LOCK_WAIT_MS, signal });
  if (isNothing(surveyRemains(paths))) return false;
  await sweepLab(paths, mount);
  return true;
}

/** Takes every lab of this machine away; answers their names. */
export async function stopAllLabs(signal: AbortSignal): Promise<readonly string[]> {
  requireLabHost();
  const names = surveyLabs(findCgroupMount());
  for (const name of names) await stopLab(name, signal);
  return names;
}
