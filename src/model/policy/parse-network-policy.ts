import { labelKeys } from "../labels.js";
import type { KubeNetworkPolicy } from "../network-policy-objects.js";
import { parseKubePort } from "./parse-ports.js";
import { parsePrefixWithExceptions } from "./parse-prefix.js";
import { parseSelector } from "./parse-selector.js";
import { type ObjectOrigin, originOfObject, originOfRule } from "./policy-origin.js";
import type { Fields, PolicyReader } from "./policy-reader.js";
import {
  anyPort,
  type PolicyDirection,
  type PolicyPeer,
  type PolicyPort,
  type PolicyRule,
  type PolicySubject,
} from "./policy-rule.js";
import { createPolicySelector, createRequirement, type SelectorRequirement } from "./policy-selector.js";

interface Context {
  readonly reader: PolicyReader;
  readonly origin: ObjectOrigin;
  readonly namespace: string;
  readonly clusterName: string;
}

const sections = [
  { direction: "ingress", type: "Ingress", peers: "from" },
  { direction: "egress", type: "Egress", peers: "to" },
] as const;

/** networking.k8s.io/v1: allow rules only, of pods of the policy's namespace, which deny by default what is not allowed. */
export function parseNetworkPolicy(
  object: KubeNetworkPolicy,
  reader: PolicyReader,
  clusterName: string,
): readonly PolicyRule[] {
  const origin = originOfObject(object);
  const namespace = origin.namespace ?? "default";
  const context = { reader, origin, namespace, clusterName };
  const spec = reader.fields(object.spec ?? {}, "spec");
  if (spec === undefined) return [];
  reader.hasOnly(spec, "spec", ["podSelector", "ingress", "egress", "policyTypes"]);
  const selected = parseSelector(reader, spec.podSelector ?? {}, "spec.podSelector", kubeKey);
  // Nobody knows whom it was meant for.
  if (selected === undefined) return [];
  const selector = createPolicySelector([...selected, inNamespace(namespace)]);
  const types = policyTypes(context, spec);
  return sections.flatMap((section) => {
    const rules = reader.list(spec[section.direction], `spec.${section.direction}`) ?? [];
    if (types.has(section.type)) return parseSection(context, section, rules, { kind: "endpoint", selector });
    if (rules.length > 0) {
      reader.report(`spec.${section.direction}`, `is not in force: spec.policyTypes has no ${section.type}`);
    }
    return [];
  });
}

/**
 * As Kubernetes has it: without `policyTypes` always Ingress, and Egress where there are such rules. Where they cannot be read both:
 * no default deny gets lost.
 */
function policyTypes({ reader }: Context, spec: Fields): ReadonlySet<unknown> {
  const problems = reader.problems.length;
  const listed = reader.list(spec.policyTypes, "spec.policyTypes") ?? [];
  const known = reader.items(listed, "spec.policyTypes", (type, path) =>
    type === "Ingress" || type === "Egress" ? type : reader.report(path, "must be Ingress or Egress"),
  );
  if (reader.problems.length > problems) return new Set(["Ingress", "Egress"]);
  if (known.length > 0) return new Set(known);
  const { egress = [] } = spec;
  const isEmpty = egress === null || (Array.isArray(egress) && egress.length === 0);
  return new Set(isEmpty ? ["Ingress"] : ["Ingress", "Egress"]);
}

function parseSection(
  context: Context,
  section: (typeof sections)[number],
  rules: readonly unknown[],
  subject: PolicySubject,
): readonly PolicyRule[] {
  const path = `spec.${section.direction}`;
  const ruleOf = (path: string, peers: readonly PolicyPeer[], ports: readonly PolicyPort[]): PolicyRule => ({
    origin: originOfRule(context.origin, { path }),
    subject,
    direction: section.direction satisfies PolicyDirection,
    verdict: "allow",
    hasDefaultDeny: true,
    peers,
    ports,
  });
  if (rules.length === 0) return [ruleOf(path, [], [])];
  return rules.map((item, index) => {
    const at = `${path}[${index}]`;
    // `- ` alone is null in YAML and means the same as `- {}`: everybody.
    const rule = context.reader.fields(item ?? {}, at);
    const isWhole = rule !== undefined && context.reader.hasOnly(rule, at, [section.peers, "ports"]);
    if (!isWhole) return ruleOf(at, [], []);
    return ruleOf(
      at,
      parsePeers(context, rule[section.peers], `${at}.${section.peers}`),
      parsePorts(context, rule, at),
    );
  });
}

function parsePorts({ reader }: Context, rule: Fields, path: string): readonly PolicyPort[] {
  const ports = listOrNothing(reader, rule.ports, `${path}.ports`);
  if (ports === "all") return [anyPort];
  return reader.items(ports, `${path}.ports`, (port, at) => parseKubePort(reader, port, at)).flat();
}

function parsePeers(context: Context, value: unknown, path: string): readonly PolicyPeer[] {
  const peers = listOrNothing(context.reader, value, path);
  if (peers === "all") return [{ kind: "any" }];
  return context.reader.items(peers, path, (peer, at) => parsePeer(context, peer, at));
}

/** Absent and empty lists mean all; what is no list means nothing. */
function listOrNothing(reader: PolicyReader, value: unknown, path: string): readonly unknown[] | "all" {
  if (value === undefined || value === null) return "all";
  const list = reader.list(value, path) ?? [undefined];
  return list.length === 0 ? "all" : list;
}

function parsePeer(context: Context, item: unknown, path: string): PolicyPeer | undefined {
  const { reader } = context;
  const peer = reader.fields(item, path);
  if (peer === undefined || !reader.hasOnly(peer, path, ["podSelector", "namespaceSelector", "ipBlock"])) {
    return undefined;
  }
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const hasSelector = (podSelector ?? namespaceSelector ?? undefined) !== undefined;
  const block = reader.fields(ipBlock, `${path}.ipBlock`);
  if ((block !== undefined) === hasSelector) {
    return reader.report(path, "must have either selectors or an ipBlock");
  }
  if (block === undefined) return selectorPeer(context, podSelector, namespaceSelector, path);
  if (!reader.hasOnly(block, `${path}.ipBlock`, ["cidr", "except"])) return undefined;
  return parsePrefixWithExceptions(reader, { cidr: block.cidr, except: block.except }, `${path}.ipBlock`);
}

function selectorPeer(
  { reader, namespace, clusterName }: Context,
  podSelector: unknown,
  namespaceSelector: unknown,
  path: string,
): PolicyPeer | undefined {
  const pods = parseSelector(reader, podSelector ?? {}, `${path}.podSelector`, kubeKey);
  const namespaces = parseSelector(reader, namespaceSelector ?? {}, `${path}.namespaceSelector`, namespaceKey);
  if (pods === undefined || namespaces === undefined) return undefined;
  const isElsewhere = pods.some((one) => one.key === labelKeys.cluster);
  const cluster = createRequirement(`k8s:${labelKeys.cluster}`, "in", [clusterName]);
  const selector = createPolicySelector([
    ...pods,
    ...namespaceRequirements(namespaceSelector, namespaces, namespace),
    ...(isElsewhere || clusterName === "" ? [] : [cluster]),
  ]);
  return { kind: "selector", selector };
}

/** Without a namespace selector the policy's own namespace, with an empty one every pod that has a namespace. */
function namespaceRequirements(
  selector: unknown,
  requirements: readonly SelectorRequirement[],
  namespace: string,
): readonly SelectorRequirement[] {
  if (selector === undefined || selector === null) return [inNamespace(namespace)];
  return requirements.length > 0 ? requirements : [createRequirement(`k8s:${labelKeys.podNamespace}`, "exists")];
}

function inNamespace(namespace: string): SelectorRequirement {
  return createRequirement(`k8s:${labelKeys.podNamespace}`, "in", [namespace]);
}

function kubeKey(key: string): string {
  return key.includes(":") ? key : `k8s:${key}`;
}

function namespaceKey(key: string): string {
  return `k8s:${labelKeys.namespaceLabelPrefix}${key}`;
}
