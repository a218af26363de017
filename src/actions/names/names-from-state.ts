import type { CiliumIdentity, CiliumNode, KubeNode, KubePod } from "../../model/kubernetes.js";
import { resourceTypes } from "../../model/kubernetes.js";
import type { NamedIdentity, NamedNode, NamedPod, NamesDocument } from "../../model/names-document.js";
import type { StateSource } from "../../state/state-source.js";

/** Reads the names of everything that has an address from the state, Services apart. */
export async function readNamesFromState(state: StateSource): Promise<NamesDocument> {
  const [pods, nodes, ciliumNodes, identities] = await Promise.all([
    state.list(resourceTypes.pods),
    state.list(resourceTypes.nodes),
    state.list(resourceTypes.ciliumNodes),
    state.list(resourceTypes.ciliumIdentities),
  ]);
  return {
    pods: pods.items.filter((pod) => pod.spec.hostNetwork !== true).map(toNamedPod),
    nodes: nodes.items.map((node) => toNamedNode(node, ciliumNodes.items)),
    identities: identities.items.map(toNamedIdentity),
  };
}

function toNamedPod(pod: KubePod): NamedPod {
  const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  const isOver = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  return {
    namespace: pod.metadata.namespace ?? "default",
    name: pod.metadata.name,
    uid: pod.metadata.uid,
    node: pod.spec.nodeName,
    labels: pod.metadata.labels ?? {},
    // A pod that has ended keeps its address in its status, but another pod may have been given it.
    addresses: isOver ? [] : addresses,
  };
}

function toNamedNode(node: KubeNode, ciliumNodes: readonly CiliumNode[]): NamedNode {
  const cilium = ciliumNodes.find((candidate) => candidate.metadata.name === node.metadata.name);
  const addresses = (node.status?.addresses ?? [])
    .filter(({ type }) => type === "InternalIP" || type === "ExternalIP")
    .sort((a, b) => (a.type === b.type ? 0 : a.type === "InternalIP" ? -1 : 1))
    .map(({ address }) => address);
  const own = cilium?.spec.addresses?.map(({ ip }) => ip) ?? [];
  const podCidrs =
    node.spec?.podCIDRs ??
    (node.spec?.podCIDR === undefined ? (cilium?.spec.ipam?.podCIDRs ?? []) : [node.spec.podCIDR]);
  return { name: node.metadata.name, addresses: [...new Set([...addresses, ...own])], podCidrs };
}

function toNamedIdentity(identity: CiliumIdentity): NamedIdentity {
  const labels = Object.entries(identity["security-labels"]).map(([key, value]) =>
    value === "" ? key : `${key}=${value}`,
  );
  return { id: Number(identity.metadata.name), labels: labels.sort() };
}
