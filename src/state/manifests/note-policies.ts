import type { KubeConfigMap } from "../../model/kubernetes.js";
import { type PolicyObject, policyKinds } from "../../model/network-policy-objects.js";
import { parsePolicy } from "../../model/policy/parse-policy.js";
import { type PolicySettings, policyProblems } from "../../model/policy/policy-problems.js";
import { isAgentConfig } from "./cross-checks.js";
import { type PlacedObject, placeOf } from "./manifest-object.js";

/**
 * Says what of the policies will not be in force, at its place. The objects stay good: agents leave out those parts and keep the
 * rest, as they do with whatever else a cluster's API would have taken.
 */
export function notePolicies(objects: readonly PlacedObject[], cluster: Partial<PolicySettings>): void {
  const config = objects.find(isAgentConfig)?.object as KubeConfigMap | undefined;
  const enableHostFirewall =
    config === undefined ? cluster.enableHostFirewall === true : config.data?.["enable-host-firewall"] === "true";
  for (const placed of objects) {
    if (!policyKinds.has(placed.type.kind)) continue;
    // Which cluster selectors mean changes nothing of what is refused.
    const parsed = parsePolicy(placed.object as PolicyObject, { clusterName: "" });
    for (const { path, reason } of policyProblems(parsed, { enableHostFirewall })) {
      const place = placeOf(placed, ...partsOfPath(path));
      placed.collector.note(place, `${path} in ${placed.subject} is not in force: ${reason}`);
    }
  }
}

/** `spec.ingress[0].fromCIDR` → `spec`, `ingress`, 0, `fromCIDR`. Keys with dots end the search above them. */
function partsOfPath(path: string): readonly (string | number)[] {
  return path.split(".").flatMap((part) => {
    const [name = "", ...indexes] = part.split(/[[\]]+/).filter((piece) => piece !== "");
    return [name, ...indexes.map((index) => (/^\d+$/.test(index) ? Number(index) : index))];
  });
}
