import { objectKey } from "../kube-object.js";
import type { PolicyObject } from "../network-policy-objects.js";
import type { ParsedPolicy, PolicyProblem, PolicyRule } from "./policy-rule.js";

/** What decides whether rules are asked. */
export interface PolicySettings {
  /** `enable-host-firewall` */
  readonly enableHostFirewall: boolean;
}

/** What of a policy is not in force, by path: what was refused, and whole rules that nobody asks. */
export function policyProblems({ rules, problems }: ParsedPolicy, settings: PolicySettings): readonly PolicyProblem[] {
  const notAsked = new Set(rules.filter((rule) => !isAsked(rule, settings)).map(({ origin }) => origin.path));
  const reason = "policies of nodes are not in force: enable-host-firewall is false";
  return [...problems, ...[...notAsked].map((path) => ({ path, reason }))];
}

/** Whether a rule decides anything on nodes as they are set up. */
export function isAsked({ subject }: PolicyRule, { enableHostFirewall }: PolicySettings): boolean {
  return subject.kind !== "node" || enableHostFirewall;
}

/** The same, one sentence each: `CiliumNetworkPolicy shop/web: spec.egress[0].toFQDNs: …`. */
export function policyProblemTexts(
  { kind, metadata }: PolicyObject,
  parsed: ParsedPolicy,
  settings: PolicySettings,
): readonly string[] {
  const subject = `${kind} ${objectKey(metadata)}`;
  return policyProblems(parsed, settings).map(({ path, reason }) => `${subject}: ${path}: ${reason}`);
}
