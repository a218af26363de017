import type { IpFamily } from "../lib/ip.js";
import { AGENT_CONFIG_MAP } from "../model/agent-config.js";
import { resourceTypes } from "../model/kubernetes.js";
import { configuredFamilies } from "../model/pod-families.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import { findCgroupMount } from "./cgroup.js";
import { parseLabName } from "./lab-name.js";
import { labPaths } from "./lab-paths.js";
import { readLabFile } from "./lab-record-file.js";

/** The address families of a lab's pods; of no lab those of settings that nobody made. */
export async function readKnownFamilies(name: string): Promise<readonly IpFamily[]> {
  const paths = labPaths(parseLabName(name), findCgroupMount());
  if (readLabFile(paths.record) === undefined) return configuredFamilies();
  await using state = await FolderStateSource.open(paths.stateDir);
  return configuredFamilies((await state.get(resourceTypes.configMaps, AGENT_CONFIG_MAP))?.data);
}
