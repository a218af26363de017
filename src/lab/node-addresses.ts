import { UsageError } from "../lib/errors.js";
import { IpAddress, type IpFamily, IpPrefix } from "../lib/ip.js";
import type { KubeNode } from "../model/kubernetes.js";
import { FABRIC, FIRST_NODE_OFFSET } from "./network.js";

/** Where a node stands on the fabric and what its pods get. */
export interface NodeAddresses {
  readonly index: number;
  /** One for each family of the lab, IPv4 first. */
  readonly internalIps: readonly string[];
  readonly podCidrs: readonly string[];
}

const MAX_NODES = 256;

/** The prefix that a node's pods get unless its manifest says otherwise. */
const defaultPodCidr: Readonly<Record<IpFamily, (index: number) => string>> = {
  4: (index) => `10.244.${index}.0/24`,
  6: (index) => IpPrefix.parse(`fd00:10:244:${index.toString(16)}::/64`).text,
};

export function internalIpsOf(node: KubeNode): readonly string[] {
  const internal = (node.status?.addresses ?? []).filter((address) => address.type === "InternalIP");
  return internal.map(({ address }) => address);
}

/** Position on the fabric of a node that has its address already. */
export function nodeIndex(internalIp: string): number | undefined {
  const address = IpAddress.tryParse(internalIp);
  if (address === undefined || !FABRIC[address.family].prefix.contains(address)) return undefined;
  const last = address.family === 4 ? address.word0 : address.word3;
  const index = (last & 0xffff) - FIRST_NODE_OFFSET;
  return index >= 0 && index < MAX_NODES ? index : undefined;
}

/**
 * Addresses of every node; those that have some keep them. A manifest may give `spec.podCIDR` or `spec.podCIDRs` itself.
 * @throws UsageError `too-many-nodes`, `node-address`
 */
export function assignNodeAddresses(
  nodes: readonly KubeNode[],
  families: readonly IpFamily[],
): ReadonlyMap<string, NodeAddresses> {
  const assigned = new Map<string, NodeAddresses>();
  const taken = new Set<number>();
  const waiting: KubeNode[] = [];
  for (const node of nodes) {
    const internalIp = internalIpsOf(node)[0];
    const index = internalIp === undefined ? undefined : nodeIndex(internalIp);
    if (internalIp !== undefined && (index === undefined || taken.has(index)))
      throw new UsageError(
        "node-address",
        `node ${node.metadata.name}: ${internalIp} is taken or outside of ${FABRIC[4].prefix} and ${FABRIC[6].prefix}`,
      );
    if (index === undefined) {
      waiting.push(node);
      continue;
    }
    taken.add(index);
    assigned.set(node.metadata.name, addressesAt(index, node, families));
  }
  for (const node of waiting) {
    let index = 0;
    while (taken.has(index)) index++;
    if (index >= MAX_NODES) throw new UsageError("too-many-nodes", `a lab has at most ${MAX_NODES} nodes`);
    taken.add(index);
    assigned.set(node.metadata.name, addressesAt(index, node, families));
  }
  return assigned;
}

function addressesAt(index: number, { spec }: KubeNode, families: readonly IpFamily[]): NodeAddresses {
  const given = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  const givenOf = (family: IpFamily): string | undefined =>
    given.find((text) => IpPrefix.tryParse(text)?.address.family === family);
  return {
    index,
    internalIps: families.map((family) => FABRIC[family].prefix.at(FIRST_NODE_OFFSET + index)!.text),
    podCidrs: families.map((family) => givenOf(family) ?? defaultPodCidr[family](index)),
  };
}
