import type { EnforcementMode, SubjectFacts } from "../../model/policy/compiled-policy.js";
import { isAsked, type PolicySettings, policyProblems } from "../../model/policy/policy-problems.js";
import type { PolicyRule } from "../../model/policy/policy-rule.js";
import { matchesPolicySelector } from "../../model/policy/policy-selector.js";
import {
  describeRule,
  type KnownPolicy,
  type PolicyCookies,
  type PolicyDocument,
} from "../../model/policy/rule-rows.js";
import { originKey } from "../../model/policy/rule-table.js";
import type { Policies } from "./open-policies.js";
import type { BookedPolicy } from "./policy-book.js";

type ReportedSettings = PolicySettings & { readonly enablePolicy: EnforcementMode };

interface Subject {
  readonly id: number;
  readonly subject: SubjectFacts;
}

/** Every policy as the kernel was last brought to it, with what of it is not in force. */
export function describePolicies({ reconciler, endpoints }: Policies, config: ReportedSettings): PolicyDocument {
  const { page } = reconciler;
  const subjects = endpoints.owners().map(({ endpointId, subject }) => ({ id: endpointId, subject }));
  const policies = (page?.policies ?? []).map((policy) => describePolicy(policy, subjects, config));
  return { revision: page?.revision ?? 0, policies };
}

/** What the cookies of the node's policy entries stand for, also those that events of earlier policies carry. */
export function describeCookies({ endpoints }: Policies): PolicyCookies {
  return { items: endpoints.ruleTable.entries().map(([cookie, origins]) => [cookie, origins.map(originKey)]) };
}

function describePolicy(policy: BookedPolicy, subjects: readonly Subject[], config: ReportedSettings): KnownPolicy {
  const { object, parsed, rules, revision } = policy;
  const { name, namespace, uid } = object.metadata;
  const isNever = config.enablePolicy === "never";
  const never = { path: "spec", reason: "no policy is asked: enable-policy is never" };
  const problems = [...(isNever ? [never] : []), ...policyProblems(parsed, config)];
  const asked = isNever ? [] : rules.filter((rule) => isAsked(rule, config));
  return {
    ...{ kind: object.kind, name, revision, problems },
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    state: asked.length === 0 ? "none" : problems.length > 0 ? "partial" : "whole",
    rules: rules.map(describeRule),
    endpoints: subjects.filter(({ subject }) => asked.some((rule) => isAbout(rule, subject))).map(({ id }) => id),
  };
}

function isAbout({ subject }: PolicyRule, { kind, labels }: SubjectFacts): boolean {
  return subject.kind === kind && matchesPolicySelector(subject.selector, labels);
}
