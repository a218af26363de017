import type {
  CiliumIdentity,
  CiliumNode,
  KubeEndpointSlice,
  KubeNode,
  KubePod,
  KubeService,
  SlicePort,
} from "../../model/kubernetes.js";
import { resourceTypes, SERVICE_NAME_LABEL } from "../../model/kubernetes.js";
import type {
  NamedIdentity,
  NamedNode,
  NamedPod,
  NamedService,
  NamedTransportAddress,
  NamesDocument,
} from "../../model/names-document.js";
import { protocolNumber } from "../../model/protocol-names.js";
import type { StateSource } from "../../state/state-source.js";

/** Reads the names of everything that has an address from the state. */
export async function readNamesFromState(state: StateSource): Promise<NamesDocument> {
  const [pods, services, slices, nodes, ciliumNodes, identities] = await Promise.all([
    state.list(resourceTypes.pods),
    state.list(resourceTypes.services),
    state.list(resourceTypes.endpointSlices),
    state.list(resourceTypes.nodes),
    state.list(resourceTypes.ciliumNodes),
    state.list(resourceTypes.ciliumIdentities),
  ]);
  const slicesByService = groupByService(slices.items);
  return {
    pods: pods.items.filter((pod) => pod.spec.hostNetwork !== true).map(toNamedPod),
    services: services.items.map((service) => {
      const own = slicesByService.get(serviceKey(service.metadata.namespace, service.metadata.name)) ?? [];
      return toNamedService(service, own, nodes.items);
    }),
    nodes: nodes.items.map((node) => toNamedNode(node, ciliumNodes.items)),
    identities: identities.items.map(toNamedIdentity),
  };
}

function serviceKey(namespace: string | undefined, name: string | undefined): string {
  return `${namespace}/${name}`;
}

/** By the Service they belong to: with 10,000 Services, looking through all slices for each takes seconds. */
function groupByService(slices: readonly KubeEndpointSlice[]): ReadonlyMap<string, readonly KubeEndpointSlice[]> {
  const groups = new Map<string, KubeEndpointSlice[]>();
  for (const slice of slices) {
    const key = serviceKey(slice.metadata.namespace, slice.metadata.labels?.[SERVICE_NAME_LABEL]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [slice]);
    else group.push(slice);
  }
  return groups;
}

function toNamedPod(pod: KubePod): NamedPod {
  const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  const isOver = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  return {
    namespace: pod.metadata.namespace ?? "default",
    name: pod.metadata.name,
    node: pod.spec.nodeName,
    labels: pod.metadata.labels ?? {},
    // A pod that has ended keeps its address in its status, but another pod may have been given it.
    addresses: isOver ? [] : addresses,
  };
}

function toNamedService(
  service: KubeService,
  own: readonly KubeEndpointSlice[],
  nodes: readonly KubeNode[],
): NamedService {
  const { metadata, spec } = service;
  const clusterIps = (spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP])).filter(isAddress);
  const nodeIps = nodes.flatMap((node) => node.status?.addresses?.map(({ address }) => address) ?? []);
  const frontends = (spec.ports ?? []).flatMap((port): NamedTransportAddress[] => {
    const protocol = protocolNumber(port.protocol ?? "TCP") ?? 6;
    const at = (address: string, number: number): NamedTransportAddress => ({
      address,
      port: number,
      protocol,
      portName: port.name,
    });
    return [
      ...[...clusterIps, ...(spec.externalIPs ?? [])].map((address) => at(address, port.port)),
      ...(port.nodePort === undefined ? [] : ["0.0.0.0", ...nodeIps].map((address) => at(address, port.nodePort!))),
    ];
  });
  return {
    namespace: metadata.namespace ?? "default",
    name: metadata.name,
    frontends,
    backends: own.flatMap(backendsOfSlice),
  };
}

function backendsOfSlice(slice: KubeEndpointSlice): readonly NamedTransportAddress[] {
  const addresses = slice.endpoints.flatMap((endpoint) => endpoint.addresses);
  return (slice.ports ?? [])
    .filter((port): port is SlicePort & { port: number } => port.port !== undefined)
    .flatMap((port) =>
      addresses.map((address) => ({
        address,
        port: port.port,
        protocol: protocolNumber(port.protocol ?? "TCP") ?? 6,
        portName: port.name,
      })),
    );
}

function isAddress(text: string): boolean {
  return text !== "" && text !== "None";
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
