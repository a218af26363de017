import type { IpAddress } from "../../lib/ip.js";
import type { AgentConfig } from "../../model/agent-config.js";
import type { KubeNode } from "../../model/kubernetes.js";
import { podFamilies } from "../../model/pod-families.js";
import type { ServiceNode } from "../../model/service-frontend.js";
import type { LocalNode } from "../nodes/local-node.js";

export const ZONE_LABEL = "topology.kubernetes.io/zone";

/** The node as Services see it. @param object its Node, for the zone; the last one known where it is gone */
export function describeServiceNode(node: LocalNode, object: KubeNode | undefined, config: AgentConfig): ServiceNode {
  const families = podFamilies(config);
  return {
    name: node.name,
    zone: (object?.metadata.labels ?? node.labels)[ZONE_LABEL],
    families,
    nodePortAddresses: nodePortAddresses(node, config).filter(({ family }) => families.includes(family)),
    addresses: node.addresses,
    config,
  };
}

/** The node's own address of each family by default, upstream's primary addresses; with a setting, all within it. */
function nodePortAddresses(node: LocalNode, { nodePortAddresses: prefixes }: AgentConfig): readonly IpAddress[] {
  if (prefixes.length === 0) return node.internalIps;
  return node.addresses.filter((address) => prefixes.some((prefix) => prefix.contains(address)));
}
