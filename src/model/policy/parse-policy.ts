import type { PolicyObject } from "../network-policy-objects.js";
import { parseCiliumPolicy } from "./parse-cilium-policy.js";
import { parseNetworkPolicy } from "./parse-network-policy.js";
import { PolicyReader } from "./policy-reader.js";
import type { ParsedPolicy } from "./policy-rule.js";

export interface ParsePolicyOptions {
  /** Selectors of peers that name no cluster mean this one (upstream's policy-default-local-cluster); empty: any. */
  readonly clusterName: string;
}

/**
 * The rules of a policy object, in its order. What is invalid or not supported is left out and reported by path and name: never
 * does a rule allow more than it says. A rule of which nothing is left still makes its subjects deny by default.
 */
export function parsePolicy(object: PolicyObject, { clusterName }: ParsePolicyOptions): ParsedPolicy {
  const reader = new PolicyReader();
  const rules =
    object.kind === "NetworkPolicy"
      ? parseNetworkPolicy(object, reader, clusterName)
      : parseCiliumPolicy(object, reader, clusterName);
  return { rules, problems: reader.problems };
}
