import { formatLabel, type Label, labelKeys } from "../labels.js";
import type { PolicyObject } from "../network-policy-objects.js";
import type { RuleOrigin } from "./policy-rule.js";

/** What all rules of an object have in common. */
export type ObjectOrigin = Pick<RuleOrigin, "kind" | "namespace" | "name"> & {
  readonly derivedLabels: readonly string[];
};

/** The labels that upstream derives from an object for each of its rules (GetPolicyLabels). */
export function originOfObject({ kind, metadata }: PolicyObject): ObjectOrigin {
  const isNamespaced = kind !== "CiliumClusterwideNetworkPolicy";
  const namespace = isNamespaced ? (metadata.namespace ?? "default") : undefined;
  const label = (key: string, value: string): Label => ({ source: "k8s", key: labelKeys.policyPrefix + key, value });
  const labels = [
    label("derived-from", kind),
    label("name", metadata.name),
    ...(namespace === undefined ? [] : [label("namespace", namespace)]),
    label("uid", metadata.uid ?? ""),
  ];
  const derivedLabels = labels.map(formatLabel);
  return { kind, name: metadata.name, derivedLabels, ...(namespace !== undefined && { namespace }) };
}

export interface RuleFacts {
  readonly path: string;
  readonly labels?: readonly string[];
  readonly description?: string | undefined;
  readonly log?: string | undefined;
}

export function originOfRule({ derivedLabels, ...object }: ObjectOrigin, facts: RuleFacts): RuleOrigin {
  const { path, labels = [], description, log } = facts;
  return {
    ...object,
    path,
    labels: [...derivedLabels, ...labels].sort(),
    ...(description !== undefined && { description }),
    ...(log !== undefined && { log }),
  };
}
