import type { IpFamily } from "../lib/ip.js";
import { AGENT_CONFIG_MAP } from "../model/agent-config.js";
import { resourceTypes } from "../model/kubernetes.js";
import { configuredFamilies } from "../model/pod-families.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import { findCgroupMount } from "./cgroup.js";
import { parseLabName } from "./lab-name.js";
import { labPaths } from "./lab-paths.js";
import { readLabFile } from "./lab-record-file.js";

/** What of a lab's settings manifests are judged by. */
export interface KnownSettings {
  /** Address families of pods. */
  readonly families: readonly IpFamily[];
  readonly enableHostFirewall: boolean;
}

/** Of no lab those of settings that nobody made. */
export async function readKnownSettings(name: string): Promise<KnownSettings> {
  const paths = labPaths(parseLabName(name), findCgroupMount());
  if (readLabFile(paths.record) === undefined) return toKnownSettings();
  await using state = await FolderStateSource.open(paths.stateDir);
  return toKnownSettings((await state.get(resourceTypes.configMaps, AGENT_CONFIG_MAP))?.data);
}

function toKnownSettings(data: Readonly<Record<string, string>> = {}): KnownSettings {
  return { families: configuredFamilies(data), enableHostFirewall: data["enable-host-firewall"] === "true" };
}
