import type { NameIndex } from "./name-index.js";

/** Security identities with a fixed meaning. Upstream numbers them so in every release; pkg/identity/numericidentity.go */
export const reservedIdentityLabels: ReadonlyMap<number, readonly string[]> = new Map([
  [1, ["reserved:host"]],
  [2, ["reserved:world"]],
  [3, ["reserved:unmanaged"]],
  [4, ["reserved:health"]],
  [5, ["reserved:init"]],
  [6, ["reserved:remote-node"]],
  [7, ["reserved:kube-apiserver", "reserved:remote-node"]],
  [8, ["reserved:ingress"]],
  [9, ["reserved:world-ipv4"]],
  [10, ["reserved:world-ipv6"]],
]);

/** Labels of an identity, undefined when nobody knows it. */
export function identityLabels(identity: number, names: NameIndex): readonly string[] | undefined {
  return names.labelsOf(identity) ?? reservedIdentityLabels.get(identity);
}
