import { objectKey } from "../kube-object.js";
import type { PolicyObject } from "../network-policy-objects.js";
import type { ParsedPolicy, PolicyProblem, PolicyRule } from "./policy-rule.js";

/** What of a policy is not in force, by path: what was refused, and whole rules that nobody asks. */
export function policyProblems({ rules, problems }: ParsedPolicy): readonly PolicyProblem[] {
  const notAsked = new Set(rules.filter((rule) => !isAsked(rule)).map(({ origin }) => origin.path));
  const reason = "policies of nodes are not in force in this version";
  return [...problems, ...[...notAsked].map((path) => ({ path, reason }))];
}

/** Whether a rule decides anything on nodes as they are set up. */
export function isAsked({ subject }: PolicyRule): boolean {
  return subject.kind !== "node";
}

/** The same, one sentence each: `CiliumNetworkPolicy shop/web: spec.egress[0].toFQDNs: …`. */
export function policyProblemTexts({ kind, metadata }: PolicyObject, parsed: ParsedPolicy): readonly string[] {
  return policyProblems(parsed).map(({ path, reason }) => `${kind} ${objectKey(metadata)}: ${path}: ${reason}`);
}
