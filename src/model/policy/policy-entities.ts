import { labelKeys } from "../labels.js";
import type { PolicyPeer } from "./policy-rule.js";
import { createPolicySelector, createRequirement, type SelectorRequirement } from "./policy-selector.js";

const withReserved = (name: string) => createRequirement(`reserved:${name}`, "exists");

/** What belongs to a cluster beside its pods. */
const clusterReserved = ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"];

/** Upstream's entities (pkg/policy/api/entity.go): an identity belongs to one when it meets any of these requirements. */
const entities: Readonly<Record<string, (clusterName: string) => readonly SelectorRequirement[]>> = {
  world: () => ["world", "world-ipv4", "world-ipv6"].map(withReserved),
  cluster: (clusterName) => [
    ...clusterReserved.map(withReserved),
    createRequirement(`k8s:${labelKeys.cluster}`, "in", [clusterName]),
  ],
  "cluster-mesh": () => [...clusterReserved.map(withReserved), createRequirement(labelKeys.cluster, "exists")],
  ...Object.fromEntries(
    ["world-ipv4", "world-ipv6", "host", "remote-node", "init", "health", "unmanaged", "ingress", "kube-apiserver"].map(
      (name) => [name, () => [withReserved(name)]],
    ),
  ),
  none: () => [withReserved("none")],
};

/** Peers that an entity stands for; undefined for a word that is none. */
export function peersOfEntity(entity: string, clusterName: string): readonly PolicyPeer[] | undefined {
  if (entity === "all") return [{ kind: "any" }];
  const requirements = Object.hasOwn(entities, entity) ? entities[entity]!(clusterName) : undefined;
  return requirements?.map((one) => ({ kind: "selector", selector: createPolicySelector([one]) }));
}

/** For messages. */
export const entityNames: readonly string[] = ["all", ...Object.keys(entities)];
