import type { IpFamily } from "../lib/ip.js";
import { AGENT_CONFIG_MAP } from "../model/agent-config.js";
import { objectKey } from "../model/kube-object.js";
import { configuredFamilies } from "../model/pod-families.js";
import type { LabCaches } from "./supervisor-context.js";

/** The families that the lab's nodes, pods and Services have, IPv4 first: those that its agents are told to give to pods. */
export function labFamilies({ configMaps }: Pick<LabCaches, "configMaps">): readonly IpFamily[] {
  return configuredFamilies(configMaps.get(objectKey(AGENT_CONFIG_MAP))?.data);
}
