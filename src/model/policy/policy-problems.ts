import { objectKey } from "../kube-object.js";
import type { PolicyObject } from "../network-policy-objects.js";
import type { ParsedPolicy } from "./policy-rule.js";

/** What of a policy is not in force, one sentence each: `CiliumNetworkPolicy shop/web: spec.egress[0].toFQDNs: …`. */
export function policyProblemTexts(
  { kind, metadata }: PolicyObject,
  { rules, problems }: ParsedPolicy,
): readonly string[] {
  const subject = `${kind} ${objectKey(metadata)}`;
  const ofNodes = rules.filter((rule) => rule.subject.kind === "node").map(({ origin }) => origin.path);
  return [
    ...problems.map(({ path, reason }) => `${subject}: ${path}: ${reason}`),
    ...[...new Set(ofNodes)].map((path) => `${subject}: ${path}: policies of nodes are not in force in this version`),
  ];
}
