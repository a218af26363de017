import { type CiliumNode, resourceTypes } from "../model/kubernetes.js";
import type { IdentityRow, NodeRow } from "../model/rows.js";
import { reservedIdentityLabels } from "./names/identity-labels.js";
import type { Target } from "./open-target.js";
import { compareBy, finishedList, type RowList } from "./row-list.js";

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
