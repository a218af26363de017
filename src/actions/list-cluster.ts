import { AgentError } from "../lib/errors.js";
import { type CiliumEndpoint, type CiliumNode, resourceTypes } from "../model/kubernetes.js";
import type { EndpointRow, IdentityRow, NodeRow } from "../model/rows.js";
import { getFromAgent } from "../session/agent-client.js";
import { agentSockets } from "./agent-sockets.js";
import { reservedIdentityLabels } from "./names/identity-labels.js";
import type { NameIndex } from "./names/name-index.js";
import type { Target } from "./open-target.js";
import { compareBy, finishedList, type RowList } from "./row-list.js";
import { findNamed, type RowSelection } from "./row-selection.js";

/** Endpoints as the agents published them in the state, or as this node's agent lists them. */
export async function listEndpoints(
  target: Target,
  selection: RowSelection & {
    /** Endpoint id, `[namespace/]pod` or address. */
    readonly endpoint?: string | undefined;
  },
): Promise<RowList<EndpointRow>> {
  const names = await target.names();
  const rows =
    target.state === undefined
      ? await endpointsOfAgent(target)
      : (await target.state.list(resourceTypes.ciliumEndpoints)).items.map((endpoint) => fromObject(endpoint, names));
  const nodes = new Set(target.nodes.map((node) => node.name));
  const isNamed = endpointFilter(selection, names);
  const { endpoint } = selection;
  const isWanted = (row: EndpointRow): boolean => isNamed(row) && (endpoint === undefined || isCalled(row, endpoint));
  return finishedList(
    rows
      .filter((row) => (row.node === undefined || nodes.has(row.node)) && isWanted(row))
      .sort(
        compareBy(
          (row) => row.node,
          (row) => row.id,
        ),
      ),
    target.notes,
  );
}

function endpointFilter(selection: RowSelection, names: NameIndex): (row: EndpointRow) => boolean {
  const pods = (selection.pods ?? []).map((name) => findNamed("pod", name, selection, names.document.pods));
  const identities = selection.identities ?? [];
  return (row) =>
    (selection.namespace === undefined || row.podNamespace === selection.namespace) &&
    (pods.length === 0 || pods.some((pod) => pod.namespace === row.podNamespace && pod.name === row.podName)) &&
    (identities.length === 0 || identities.includes(row.identity));
}

function isCalled(row: EndpointRow, text: string): boolean {
  return [String(row.id), row.ipv4, row.ipv6, row.podName, `${row.podNamespace}/${row.podName}`].includes(text);
}

function fromObject(endpoint: CiliumEndpoint, names: NameIndex): EndpointRow {
  const { status } = endpoint;
  const address = status?.networking?.addressing[0];
  return {
    node: names.nodeOf(address?.ipv4 ?? "") ?? names.nodeOf(status?.networking?.node ?? ""),
    id: status?.id ?? 0,
    identity: status?.identity?.id ?? 0,
    identityLabels: status?.identity?.labels ?? [],
    ipv4: address?.ipv4,
    ipv6: address?.ipv6,
    state: status?.state ?? "unknown",
    policyEnforcement: "none",
    podNamespace: status?.["external-identifiers"]?.["k8s-namespace"] ?? endpoint.metadata.namespace,
    podName: status?.["external-identifiers"]?.["k8s-pod-name"] ?? endpoint.metadata.name,
    containerId: status?.["external-identifiers"]?.["container-id"],
  };
}

async function endpointsOfAgent(target: Target): Promise<readonly EndpointRow[]> {
  const socket = agentSockets(target.resolved)[0]!;
  const value = await getFromAgent(socket.path, "/v1/endpoints");
  const items = typeof value === "object" && value !== null && "items" in value ? value.items : undefined;
  if (!Array.isArray(items)) {
    throw new AgentError("agent-answer", `the agent's answer to GET /v1/endpoints on ${socket.path} is no list`);
  }
  return items.map((row: EndpointRow) => ({ ...row, node: row.node ?? socket.node }));
}

/** Identities that the cluster allocated. */
export async function listIdentities(
  target: Target,
  selection: { readonly identities?: readonly number[] | undefined },
): Promise<RowList<IdentityRow>> {
  const names = await target.names();
  const endpoints = await countEndpoints(target);
  const wanted = selection.identities ?? [];
  const reserved = [...reservedIdentityLabels].map(([id, labels]) => ({ id, labels }));
  const rows = [...reserved, ...names.document.identities]
    .filter((identity) => wanted.length === 0 || wanted.includes(identity.id))
    .map((identity): IdentityRow => {
      const labels = [...identity.labels].sort();
      return {
        id: identity.id,
        labels,
        endpoints: endpoints?.get(identity.id) ?? (endpoints === undefined ? undefined : 0),
      };
    });
  return finishedList(rows.sort(compareBy((row) => row.id)), target.notes);
}

async function countEndpoints(target: Target): Promise<ReadonlyMap<number, number> | undefined> {
  if (target.state === undefined) return undefined;
  const { items } = await target.state.list(resourceTypes.ciliumEndpoints);
  const counts = new Map<number, number>();
  for (const { status } of items) {
    const id = status?.identity?.id;
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** Nodes of the cluster as the agents announced them. */
export async function listNodes(target: Target): Promise<RowList<NodeRow>> {
  const names = await target.names();
  const objects = target.state === undefined ? [] : (await target.state.list(resourceTypes.ciliumNodes)).items;
  const announced = new Map<string, CiliumNode>(objects.map((object) => [object.metadata.name, object]));
  const rows = names.document.nodes.map((node): NodeRow => {
    const isV6 = (text: string): boolean => text.includes(":");
    return {
      name: node.name,
      ipv4: node.addresses.find((address) => !isV6(address)),
      ipv6: node.addresses.find(isV6),
      ipv4PodCidr: node.podCidrs.find((prefix) => !isV6(prefix)),
      ipv6PodCidr: node.podCidrs.find(isV6),
      source: announced.has(node.name) ? "custom-resource" : "kubernetes",
      secondaryAddresses: node.addresses.slice(1),
      healthIpv4: announced.get(node.name)?.spec.health?.ipv4,
      healthIpv6: announced.get(node.name)?.spec.health?.ipv6,
    };
  });
  return finishedList(rows.sort(compareBy((row) => row.name)), target.notes);
}
