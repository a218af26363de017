import type { LabelSelector, LabelSelectorRequirement } from "./kubernetes.js";

type Labels = Readonly<Record<string, string>>;

/** True when `labels` have every pair of `wanted`; an empty `wanted` matches everything. */
export function matchesLabels(wanted: Labels, labels: Labels | undefined): boolean {
  return Object.entries(wanted).every(([key, value]) => ownValue(labels, key) === value);
}

/** Kubernetes' rules: every part must hold, an empty selector matches everything, NotIn holds for a missing key. */
export function matchesSelector(selector: LabelSelector, labels: Labels | undefined): boolean {
  if (!matchesLabels(selector.matchLabels ?? {}, labels)) return false;
  return (selector.matchExpressions ?? []).every((requirement) => holds(requirement, labels));
}

function holds(requirement: LabelSelectorRequirement, labels: Labels | undefined): boolean {
  const value = ownValue(labels, requirement.key);
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

/** Not what an object inherits: a label may be called `constructor`. */
function ownValue(labels: Labels | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}
