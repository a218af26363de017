import { type CiliumNode, resourceTypes } from "../model/kubernetes.js";
import type { StateSource } from "../state/state-source.js";
import { deleteObject } from "./object-writer.js";

function internalIps(nodes: readonly CiliumNode[]): ReadonlySet<string> {
  const addresses = nodes.flatMap(({ spec }) => spec.addresses ?? []);
  return new Set(addresses.filter(({ type }) => type === "InternalIP").map(({ ip }) => ip));
}

/**
 * Deletes what agents of nodes that are gone had published, as upstream's operator does: nobody else would, and the other
 * agents would keep routes and addresses of theirs for ever. To be called when those agents no longer run.
 * @param nodes name → internal address of the nodes that exist
 */
export async function deleteObjectsOfRemovedNodes(
  state: StateSource,
  nodes: ReadonlyMap<string, string>,
): Promise<void> {
  const published = (await state.list(resourceTypes.ciliumNodes)).items;
  const isRemoved = ({ metadata }: CiliumNode): boolean => !nodes.has(metadata.name);
  const removed = published.filter(isRemoved);
  const present = new Set(nodes.values());
  const removedIps = internalIps(removed);
  const publishedIps = internalIps(published.filter((node) => !isRemoved(node)));
  // The address of a removed node may be a newcomer's, whose agent has published nothing yet.
  const isStale = (ip: string): boolean => !present.has(ip) || (removedIps.has(ip) && !publishedIps.has(ip));
  for (const endpoint of (await state.list(resourceTypes.ciliumEndpoints)).items) {
    const ip = endpoint.status?.networking?.node;
    if (ip !== undefined && isStale(ip)) await deleteObject(state, resourceTypes.ciliumEndpoints, endpoint);
  }
  for (const node of removed) await deleteObject(state, resourceTypes.ciliumNodes, node);
}
