import { type LabelRequirement, meetsRequirement } from "../label-query.js";
import type { Label } from "../labels.js";
import { parsePrefixLabelKey } from "./prefix-labels.js";

/** One requirement of a selector on the labels of an identity. */
export interface SelectorRequirement extends LabelRequirement {
  /** Undefined: of any source (`any:`, or no source given). */
  readonly source: string | undefined;
  /** Sorted; of `in` and `not-in` only. */
  readonly values: readonly string[];
}

/** All requirements must hold. Without any it selects every identity. */
export interface PolicySelector {
  /** Text that is equal for equal selectors, whatever the order that they were written in. */
  readonly key: string;
  /** Sorted. */
  readonly requirements: readonly SelectorRequirement[];
}

/** A selector whose key does not depend on the order of requirements. Requirements on the same key all count. */
export function createPolicySelector(requirements: readonly SelectorRequirement[]): PolicySelector {
  const byText = new Map(requirements.map((requirement) => [requirementText(requirement), requirement] as const));
  const sorted = [...byText].sort(([a], [b]) => (a < b ? -1 : 1));
  return { key: sorted.map(([text]) => text).join(","), requirements: sorted.map(([, requirement]) => requirement) };
}

/** A requirement with upstream's syntax of keys: `k8s:app`, `any:app`, `reserved:host`; without a source any source will do. */
export function createRequirement(
  sourcedKey: string,
  operator: SelectorRequirement["operator"],
  values: readonly string[] = [],
): SelectorRequirement {
  const colon = sourcedKey.indexOf(":");
  const source = colon <= 0 ? "any" : sourcedKey.slice(0, colon);
  return {
    source: source === "any" ? undefined : source,
    key: sourcedKey.slice(colon + 1),
    operator,
    values: [...new Set(values)].sort(),
  };
}

/** True when the labels of an identity meet every requirement; a missing key meets `not-in`. */
export function matchesPolicySelector({ requirements }: PolicySelector, labels: readonly Label[]): boolean {
  // Asked for every rule and endpoint, and every selector and identity: loops without closures.
  for (const requirement of requirements) {
    if (!meetsRequirement(requirement, labelValue(labels, requirement.key, requirement.source))) return false;
  }
  return true;
}

function labelValue(labels: readonly Label[], key: string, source: string | undefined): string | undefined {
  if (source === "cidr") return isInside(labels, key) ? "" : undefined;
  for (const label of labels) {
    if (label.key === key && (source === undefined || label.source === source)) return label.value;
  }
  return undefined;
}

/** A prefix is a label of all that it contains (upstream's Label.HasKey). */
function isInside(labels: readonly Label[], key: string): boolean {
  const outer = parsePrefixLabelKey(key);
  if (outer === undefined) return false;
  return labels.some((label) => {
    const inner = label.source === "cidr" ? parsePrefixLabelKey(label.key) : undefined;
    return inner !== undefined && outer.covers(inner);
  });
}

/** As upstream prints requirements, for people and as part of keys: `k8s:app in (web)`, `!any:tier`. */
export function requirementText({ source, key, operator, values }: SelectorRequirement): string {
  const name = `${source ?? "any"}:${key}`;
  switch (operator) {
    case "in":
      return values.length === 1 ? `${name}=${values[0]}` : `${name} in (${values.join(",")})`;
    case "not-in":
      return `${name} notin (${values.join(",")})`;
    case "exists":
      return name;
    case "not-exists":
      return `!${name}`;
  }
}
