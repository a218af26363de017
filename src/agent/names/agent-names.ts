import type { CiliumEndpoint, CiliumNode } from "../../model/kubernetes.js";
import type { NamedIdentity, NamedNode, NamedPod, NamesDocument } from "../../model/names-document.js";

export interface NameSources {
  readonly ciliumEndpoints: Iterable<CiliumEndpoint>;
  readonly ciliumNodes: Iterable<CiliumNode>;
}

/** Names of every address that the agent knows, Services apart: pods by their endpoints, which exist from the moment of attachment. */
export function collectNames(sources: NameSources): NamesDocument {
  const nodes = [...sources.ciliumNodes].map(toNamedNode);
  const nodeNames = new Map(nodes.flatMap((node) => node.addresses.map((address) => [address, node.name] as const)));
  const pods: NamedPod[] = [];
  const identities = new Map<number, NamedIdentity>();
  for (const endpoint of sources.ciliumEndpoints) {
    pods.push(toNamedPod(endpoint, nodeNames));
    const identity = endpoint.status?.identity;
    if (identity !== undefined) identities.set(identity.id, { id: identity.id, labels: identity.labels ?? [] });
  }
  return { pods, nodes, identities: [...identities.values()].sort((a, b) => a.id - b.id) };
}

function toNamedPod(endpoint: CiliumEndpoint, nodeNames: ReadonlyMap<string, string>): NamedPod {
  const networking = endpoint.status?.networking;
  const addresses = (networking?.addressing ?? []).flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  return {
    namespace: endpoint.metadata.namespace ?? "default",
    name: endpoint.metadata.name,
    uid: endpoint.metadata.ownerReferences?.find(({ kind }) => kind === "Pod")?.uid,
    node: nodeNames.get(networking?.node ?? ""),
    labels: endpoint.metadata.labels,
    addresses: addresses.filter((address): address is string => address !== undefined),
  };
}

function toNamedNode(node: CiliumNode): NamedNode {
  const addresses = [...(node.spec.addresses ?? [])].sort((a, b) => rank(a.type) - rank(b.type));
  return {
    name: node.metadata.name,
    addresses: addresses.filter(({ type }) => type !== "Hostname").map(({ ip }) => ip),
    podCidrs: node.spec.ipam?.podCIDRs ?? [],
  };
}

function rank(type: string): number {
  return type === "InternalIP" ? 0 : 1;
}
