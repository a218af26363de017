import { UsageError } from "../lib/errors.js";
import { IpAddress, IpPrefix } from "../lib/ip.js";
import type { KubeNode } from "../model/kubernetes.js";
import { FIRST_NODE_OFFSET, nodeInternalIp } from "./network.js";

/** Where a node stands on the fabric and what its pods get. */
export interface NodeAddresses {
  readonly index: number;
  readonly internalIp: string;
  readonly podCidr: string;
}

const FABRIC = IpPrefix.parse("172.18.0.0/16");
const MAX_NODES = 256;

export function internalIpOf(node: KubeNode): string | undefined {
  return node.status?.addresses?.find((address) => address.type === "InternalIP")?.address;
}

/** Position on the fabric of a node that has its address already. */
export function nodeIndex(internalIp: string): number | undefined {
  const address = IpAddress.tryParse(internalIp);
  if (address === undefined || !FABRIC.contains(address)) return undefined;
  const index = address.bytes[2]! * 256 + address.bytes[3]! - FIRST_NODE_OFFSET;
  return index >= 0 && index < MAX_NODES ? index : undefined;
}

/**
 * Addresses of every node; those that have some keep them. A manifest may give `spec.podCIDR` itself.
 * @throws UsageError `too-many-nodes`, `node-address`
 */
export function assignNodeAddresses(nodes: readonly KubeNode[]): ReadonlyMap<string, NodeAddresses> {
  const assigned = new Map<string, NodeAddresses>();
  const taken = new Set<number>();
  const waiting: KubeNode[] = [];
  for (const node of nodes) {
    const internalIp = internalIpOf(node);
    const index = internalIp === undefined ? undefined : nodeIndex(internalIp);
    if (internalIp !== undefined && (index === undefined || taken.has(index)))
      throw new UsageError(
        "node-address",
        `node ${node.metadata.name}: ${internalIp} is taken or outside of ${FABRIC}`,
      );
    if (index === undefined) {
      waiting.push(node);
      continue;
    }
    taken.add(index);
    assigned.set(node.metadata.name, addressesAt(index, node));
  }
  for (const node of waiting) {
    let index = 0;
    while (taken.has(index)) index++;
    if (index >= MAX_NODES) throw new UsageError("too-many-nodes", `a lab has at most ${MAX_NODES} nodes`);
    taken.add(index);
    assigned.set(node.metadata.name, addressesAt(index, node));
  }
  return assigned;
}

function addressesAt(index: number, node: KubeNode): NodeAddresses {
  return { index, internalIp: nodeInternalIp(index), podCidr: node.spec?.podCIDR ?? `10.244.${index}.0/24` };
}
