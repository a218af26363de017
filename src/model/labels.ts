import { UsageError } from "../lib/errors.js";
import type { KubeNamespace, KubePod } from "./kubernetes.js";

/** A label with the source that vouches for it: `k8s:app=web`, `reserved:host`. */
export interface Label {
  readonly source: string;
  readonly key: string;
  /** Empty where the label is only a name. */
  readonly value: string;
}

/** Upstream's keys for what the pod itself does not say (pkg/k8s/apis/cilium.io). */
export const labelKeys = {
  podNamespace: "io.kubernetes.pod.namespace",
  namespaceLabelPrefix: "io.cilium.k8s.namespace.labels.",
  policyPrefix: "io.cilium.k8s.policy.",
  cluster: "io.cilium.k8s.policy.cluster",
  serviceAccount: "io.cilium.k8s.policy.serviceaccount",
  /** Set by the API server on every Namespace. */
  namespaceName: "kubernetes.io/metadata.name",
} as const;

/** `source:key=value`; without `=` the value is empty, without a source before the first `:` it is `unspec`. */
export function parseLabel(text: string): Label {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const value = equals < 0 ? "" : text.slice(equals + 1);
  const colon = name.indexOf(":");
  if (colon < 0) return { source: "unspec", key: name, value };
  return { source: name.slice(0, colon), key: name.slice(colon + 1), value };
}

/** As upstream prints it: a label without value has no `=`. */
export function formatLabel(label: Label): string {
  return `${label.source}:${label.key}${label.value === "" ? "" : `=${label.value}`}`;
}

/** Sorted by text in byte order, as upstream sorts the labels of an identity; equal labels once. */
export function sortLabels(labels: Iterable<Label>): readonly Label[] {
  const byText = new Map<string, Label>();
  for (const label of labels) byText.set(formatLabel(label), label);
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, label]) => label);
}

/** `security-labels` of a CiliumIdentity: `source:key` → value. */
export function toSecurityLabels(labels: Iterable<Label>): Readonly<Record<string, string>> {
  return Object.fromEntries(sortLabels(labels).map((label) => [`${label.source}:${label.key}`, label.value]));
}

export function fromSecurityLabels(labels: Readonly<Record<string, string>>): readonly Label[] {
  return sortLabels(Object.entries(labels).map(([name, value]) => ({ ...parseLabel(name), value })));
}

interface LabelPattern {
  /** Undefined: of any source. */
  readonly source: string | undefined;
  /** Matches at the start of the key only. */
  readonly key: RegExp;
  readonly excludes: boolean;
}

/** Decides which labels make up an identity. */
export interface LabelFilter {
  readonly patterns: readonly LabelPattern[];
  /** True when the user named what to include: then nothing else is. */
  readonly isIncludeOnly: boolean;
}

/** Upstream's defaults (pkg/labelsfilter, documentation "Limiting Identity-Relevant Labels"). */
const defaultPatterns = [
  "reserved:.*",
  "io\\.kubernetes\\.pod\\.namespace",
  "io\\.cilium\\.k8s\\.namespace\\.labels",
  "app\\.kubernetes\\.io",
  "io\\.cilium\\.k8s\\.policy\\.cluster",
  "io\\.cilium\\.k8s\\.policy\\.serviceaccount",
  "!io\\.kubernetes",
  "!kubernetes\\.io",
  "!statefulset\\.kubernetes\\.io/pod-name",
  "!apps\\.kubernetes\\.io/pod-index",
  "!batch\\.kubernetes\\.io/job-completion-index",
  "!batch\\.kubernetes\\.io/controller-uid",
  "!.*beta\\.kubernetes\\.io",
  "!k8s\\.io",
  "!pod-template-generation",
  "!pod-template-hash",
  "!controller-revision-hash",
  "!controller-uid",
  "!annotation.*",
  "!etcd_node",
];

/**
 * The filter of the setting `labels`: patterns separated by spaces, `[source:][!]regular expression`, beside the default ones.
 * @throws UsageError `label-pattern`
 */
export function parseLabelFilter(setting: string): LabelFilter {
  const added = setting
    .split(/\s+/)
    .filter((text) => text !== "")
    .map(parsePattern);
  return {
    patterns: [...defaultPatterns.map(parsePattern), ...added],
    isIncludeOnly: added.some((pattern) => !pattern.excludes),
  };
}

function parsePattern(text: string): LabelPattern {
  const colon = text.indexOf(":");
  const source = colon < 0 ? undefined : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  const excludes = rest.startsWith("!");
  const expression = excludes ? rest.slice(1) : rest;
  if (expression === "") throw new UsageError("label-pattern", `"${text}" in the setting labels has no pattern`);
  try {
    return { source, key: new RegExp(expression, "y"), excludes };
  } catch (cause) {
    throw new UsageError("label-pattern", `"${text}" in the setting labels is no regular expression`, { cause });
  }
}

/**
 * Upstream's rule: the longest including match must be longer than the shortest excluding one. A label that nothing matches
 * counts, unless the user named what to include.
 */
export function isIdentityLabel(filter: LabelFilter, label: Label): boolean {
  let included = 0;
  let excluded = 0;
  for (const pattern of filter.patterns) {
    const length = matchLength(pattern, label);
    if (length === undefined) continue;
    if (!pattern.excludes) included = Math.max(included, length);
    else if (excluded === 0 || length < excluded) excluded = length;
  }
  return (!filter.isIncludeOnly && excluded === 0) || included > excluded;
}

function matchLength(pattern: LabelPattern, label: Label): number | undefined {
  if (pattern.source !== undefined && pattern.source !== label.source) return undefined;
  pattern.key.lastIndex = 0;
  return pattern.key.exec(label.key)?.[0].length;
}

export interface PodLabelOptions {
  readonly filter: LabelFilter;
  readonly clusterName: string;
}

/**
 * The labels that decide a pod's identity, sorted. A pod cannot give itself labels that upstream derives: its namespace, the
 * labels of it, its cluster and service account.
 */
export function identityLabelsOfPod(
  pod: KubePod,
  namespace: KubeNamespace | undefined,
  options: PodLabelOptions,
): readonly Label[] {
  const labels = derivedLabels(pod, namespace, options.clusterName);
  const isReserved = (key: string) =>
    key === labelKeys.podNamespace ||
    key.startsWith(labelKeys.namespaceLabelPrefix) ||
    key.startsWith(labelKeys.policyPrefix);
  for (const [key, value] of Object.entries(pod.metadata.labels ?? {})) {
    if (!isReserved(key)) labels.push({ source: "k8s", key, value });
  }
  return sortLabels(labels.filter((label) => isIdentityLabel(options.filter, label)));
}

function derivedLabels(pod: KubePod, namespace: KubeNamespace | undefined, clusterName: string): Label[] {
  const namespaceName = pod.metadata.namespace ?? "default";
  const namespaceLabels = { ...namespace?.metadata.labels, [labelKeys.namespaceName]: namespaceName };
  return [
    { source: "k8s", key: labelKeys.podNamespace, value: namespaceName },
    { source: "k8s", key: labelKeys.cluster, value: clusterName },
    { source: "k8s", key: labelKeys.serviceAccount, value: pod.spec.serviceAccountName ?? "default" },
    ...Object.entries(namespaceLabels).map(([key, value]) => ({
      source: "k8s",
      key: `${labelKeys.namespaceLabelPrefix}${key}`,
      value,
    })),
  ];
}
