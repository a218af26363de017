import type { IpAddress, IpFamily } from "../../lib/ip.js";
import type { AgentConfig } from "../../model/agent-config.js";
import type { KubeNode } from "../../model/kubernetes.js";
import type { ServiceNode } from "../../model/service-frontend.js";
import type { LocalNode } from "../nodes/local-node.js";

export const ZONE_LABEL = "topology.kubernetes.io/zone";

/** The node as Services see it. @param object its Node, for the zone; the last one known where it is gone */
export function describeServiceNode(node: LocalNode, object: KubeNode | undefined, config: AgentConfig): ServiceNode {
  const families: IpFamily[] = [...(config.enableIpv4 ? [4 as const] : []), ...(config.enableIpv6 ? [6 as const] : [])];
  return {
    name: node.name,
    zone: (object?.metadata.labels ?? node.labels)[ZONE_LABEL],
    families,
    nodePortAddresses: nodePortAddresses(node, object, config, families),
    addresses: node.addresses,
    config,
  };
}

/** Those of the Node's status by default, as upstream's primary addresses; with a setting, every address within it. */
function nodePortAddresses(
  node: LocalNode,
  object: KubeNode | undefined,
  config: AgentConfig,
  families: readonly IpFamily[],
): readonly IpAddress[] {
  const { nodePortAddresses: prefixes } = config;
  const internal =
    object?.status?.addresses?.filter(({ type }) => type === "InternalIP").map(({ address }) => address) ?? [];
  const isDefault = (address: IpAddress): boolean => address.equals(node.internalIp) || internal.includes(address.text);
  return node.addresses
    .filter(({ family }) => families.includes(family))
    .filter((address) => (prefixes.length === 0 ? isDefault(address) : prefixes.some((one) => one.contains(address))));
}
