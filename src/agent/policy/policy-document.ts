import { type Label, parseLabel, sortLabels } from "../../model/labels.js";
import type { EnforcementMode } from "../../model/policy/compiled-policy.js";
import { isAsked, policyProblems } from "../../model/policy/policy-problems.js";
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

interface Subject {
  readonly id: number;
  readonly labels: readonly Label[];
}

/** Every policy as the kernel was last brought to it, with what of it is not in force. */
export function describePolicies({ reconciler, endpoints }: Policies, mode: EnforcementMode): PolicyDocument {
  const { page } = reconciler;
  const subjects = [...endpoints.records()].map(({ endpointId, labels }) => {
    return { id: endpointId, labels: sortLabels(labels.map(parseLabel)) };
  });
  const policies = (page?.policies ?? []).map((policy) => describePolicy(policy, subjects, mode));
  return { revision: page?.revision ?? 0, policies };
}

/** What the cookies of the node's policy entries stand for, also those that events of earlier policies carry. */
export function describeCookies({ endpoints }: Policies): PolicyCookies {
  return { items: endpoints.ruleTable.entries().map(([cookie, origins]) => [cookie, origins.map(originKey)]) };
}

function describePolicy(policy: BookedPolicy, subjects: readonly Subject[], mode: EnforcementMode): KnownPolicy {
  const { object, parsed, rules, revision } = policy;
  const { name, namespace, uid } = object.metadata;
  const isNever = mode === "never";
  const never = { path: "spec", reason: "no policy is asked: enable-policy is never" };
  const problems = [...(isNever ? [never] : []), ...policyProblems(parsed)];
  const asked = isNever ? [] : rules.filter(isAsked);
  return {
    ...{ kind: object.kind, name, revision, problems },
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    state: asked.length === 0 ? "none" : problems.length > 0 ? "partial" : "whole",
    rules: rules.map(describeRule),
    endpoints: subjects.filter(({ labels }) => asked.some((rule) => isAbout(rule, labels))).map(({ id }) => id),
  };
}

function isAbout({ subject }: PolicyRule, labels: readonly Label[]): boolean {
  return subject.kind === "endpoint" && matchesPolicySelector(subject.selector, labels);
}
