import type { PolicyObject } from "../network-policy-objects.js";
import type { ParsedPolicy } from "./policy-rule.js";

export interface ParsePolicyOptions {
  /** Selectors of peers that name no cluster mean this one (upstream's policy-default-local-cluster). */
  readonly clusterName: string;
}

/**
 * The rules of a policy object, in its order. What is invalid or not supported is left out and reported by path and name: never
 * does a rule allow more than it says. A rule of which nothing is left still makes its subjects deny by default.
 */
export function parsePolicy(_object: PolicyObject, _options: ParsePolicyOptions): ParsedPolicy {
  throw new Error("follows");
}
