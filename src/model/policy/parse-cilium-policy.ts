import { formatLabel, labelKeys } from "../labels.js";
import type { CiliumClusterwideNetworkPolicy, CiliumNetworkPolicy } from "../network-policy-objects.js";
import { type PeerContext, parsePeers, peerFields, refusedFields } from "./parse-cilium-peers.js";
import { parseIcmpRule, parsePortRule } from "./parse-ports.js";
import { parseSelector } from "./parse-selector.js";
import { type ObjectOrigin, originOfObject, originOfRule } from "./policy-origin.js";
import type { Fields, PolicyReader } from "./policy-reader.js";
import { anyPort, type PolicyPort, type PolicyRule, type PolicySubject } from "./policy-rule.js";
import { createPolicySelector, createRequirement, type SelectorRequirement } from "./policy-selector.js";

const sections = [
  { name: "ingress", direction: "ingress", verdict: "allow" },
  { name: "ingressDeny", direction: "ingress", verdict: "deny" },
  { name: "egress", direction: "egress", verdict: "allow" },
  { name: "egressDeny", direction: "egress", verdict: "deny" },
] as const;

const specFields = [
  ...["endpointSelector", "nodeSelector", "enableDefaultDeny", "labels", "description", "log"],
  ...sections.map(({ name }) => name),
];

/** cilium.io/v2: each `spec` is a subject with rules of both directions, which allow or deny. */
export function parseCiliumPolicy(
  object: CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy,
  reader: PolicyReader,
  clusterName: string,
): readonly PolicyRule[] {
  const origin = originOfObject(object);
  const specs = reader.list(object.specs, "specs") ?? [];
  const all = [
    ...(object.spec === undefined || object.spec === null ? [] : [{ value: object.spec as unknown, path: "spec" }]),
    ...specs.map((value, index) => ({ value, path: `specs[${index}]` })),
  ];
  if (all.length === 0) reader.report("spec", "must be given, or specs");
  return all.flatMap(({ value, path }) => {
    const spec = reader.fields(value ?? {}, path);
    return spec === undefined ? [] : parseSpec({ reader, origin, clusterName, spec, path });
  });
}

interface SpecContext {
  readonly reader: PolicyReader;
  readonly origin: ObjectOrigin;
  readonly clusterName: string;
  readonly spec: Fields;
  readonly path: string;
}

function parseSpec(context: SpecContext): readonly PolicyRule[] {
  const { reader, origin, clusterName, spec, path } = context;
  reader.hasOnly(spec, path, specFields);
  const subject = parseSubject(context);
  if (subject === undefined) return [];
  const lists = sections.map((section) => ({ section, rules: rulesOf(reader, spec, section.name, path) }));
  if (lists.every(({ rules }) => rules.length === 0)) {
    reader.report(path, `must have rules in one of ${sections.map(({ name }) => name).join(", ")}`);
  }
  const hasDefaultDeny = parseDefaultDeny(context, lists);
  const facts = parseFacts(context);
  const isForInit = subject.selector.requirements.some(({ source, key }) => source === "reserved" && key === "init");
  const peers = { reader, clusterName, namespace: origin.namespace, isForInit };
  return lists.flatMap(({ section, rules }) =>
    rules.map((item, index) => {
      const at = `${path}.${section.name}[${index}]`;
      return {
        origin: originOfRule(origin, { ...facts, path: at }),
        subject,
        direction: section.direction,
        verdict: section.verdict,
        hasDefaultDeny: hasDefaultDeny[section.direction],
        ...parseRule(peers, reader.fields(item ?? {}, at), section, at),
      };
    }),
  );
}

/** What is no list is one rule about nobody: its default deny does not get lost. */
function rulesOf(reader: PolicyReader, spec: Fields, name: string, path: string): readonly unknown[] {
  const value = spec[name];
  if (value === undefined || value === null) return [];
  return reader.list(value, `${path}.${name}`) ?? [{}];
}

/**
 * Peers and ports of one rule; both empty where anything in it cannot be kept. One that names neither peers nor ports is about
 * nobody, one with ports alone about everybody, as upstream.
 */
function parseRule(
  context: PeerContext,
  rule: Fields | undefined,
  { direction, verdict }: (typeof sections)[number],
  path: string,
): Pick<PolicyRule, "peers" | "ports"> {
  const nothing = { peers: [], ports: [] };
  if (rule === undefined) return nothing;
  const { authentication, ...rest } = rule;
  const isAuthenticated = verdict === "allow" && isDisabled(authentication);
  const known = [...Object.keys(peerFields[direction]), "toPorts", "icmps"];
  const kept = isAuthenticated ? rest : rule;
  if (!context.reader.hasOnly(kept, path, known, refusedFields[direction])) return nothing;
  const peers = parsePeers(context, rule, direction, path);
  const ports = parseRulePorts(context.reader, rule, path);
  if (peers !== undefined) return { peers, ports: ports ?? [anyPort] };
  return ports === undefined ? nothing : { peers: [{ kind: "any" }], ports };
}

/** `authentication: {mode: disabled}` asks for nothing. */
function isDisabled(authentication: unknown): boolean {
  return (authentication as { readonly mode?: unknown } | null | undefined)?.mode === "disabled";
}

/** Undefined: the rule says nothing of ports. */
function parseRulePorts(reader: PolicyReader, rule: Fields, path: string): readonly PolicyPort[] | undefined {
  const lists = (["toPorts", "icmps"] as const).flatMap((name) => {
    const value = rule[name];
    if (value === undefined || value === null) return [];
    // What is no list must not mean every port.
    const list = reader.list(value, `${path}.${name}`) ?? [undefined];
    return list.length === 0 ? [] : [{ name, list }];
  });
  if (lists.length > 1) {
    reader.report(path, "toPorts and icmps cannot be combined: write a rule for each");
    return [];
  }
  const only = lists[0];
  if (only === undefined) return undefined;
  const read = only.name === "toPorts" ? parsePortRule : parseIcmpRule;
  return reader.items(only.list, `${path}.${only.name}`, (item, at) => read(reader, item, at)).flat();
}

function parseSubject({ reader, origin, spec, path }: SpecContext): PolicySubject | undefined {
  const hasEndpoint = spec.endpointSelector !== undefined && spec.endpointSelector !== null;
  const hasNode = spec.nodeSelector !== undefined && spec.nodeSelector !== null;
  if (hasEndpoint === hasNode) {
    return reader.report(path, `must have ${hasNode ? "only one" : "one"} of endpointSelector and nodeSelector`);
  }
  const { namespace } = origin;
  if (hasNode && namespace !== undefined) {
    return reader.report(`${path}.nodeSelector`, "belongs into a CiliumClusterwideNetworkPolicy");
  }
  const name = hasNode ? "nodeSelector" : "endpointSelector";
  const written = parseSelector(reader, spec[name], `${path}.${name}`);
  if (written === undefined) return undefined;
  const scoped = namespace === undefined ? written : scopeSubject(reader, written, namespace, `${path}.${name}`);
  return { kind: hasNode ? "node" : "endpoint", selector: createPolicySelector(scoped) };
}

/** A policy of a namespace is about its endpoints, whatever it says of namespaces itself. */
function scopeSubject(
  reader: PolicyReader,
  written: readonly SelectorRequirement[],
  namespace: string,
  path: string,
): readonly SelectorRequirement[] {
  const own = createRequirement(`k8s:${labelKeys.podNamespace}`, "in", [namespace]);
  const isNamespace = ({ source, key, operator }: SelectorRequirement) =>
    source === "k8s" && key === labelKeys.podNamespace && operator === "in";
  const foreign = written.filter((one) => isNamespace(one) && !one.values.includes(namespace));
  if (foreign.length > 0) reader.report(path, `selects in namespace ${namespace} whatever it says of another`);
  return [...written.filter((one) => !foreign.includes(one)), own];
}

/** By default each direction that has rules. */
function parseDefaultDeny(
  { reader, spec, path }: SpecContext,
  lists: readonly { readonly section: (typeof sections)[number]; readonly rules: readonly unknown[] }[],
): Readonly<Record<"ingress" | "egress", boolean>> {
  const at = `${path}.enableDefaultDeny`;
  const wanted = reader.fields(spec.enableDefaultDeny, at) ?? {};
  reader.hasOnly(wanted, at, ["ingress", "egress"]);
  const of = (direction: "ingress" | "egress") => {
    const isWanted = reader.boolean(wanted[direction], `${at}.${direction}`) ?? true;
    const hasRules = lists.some(({ section, rules }) => section.direction === direction && rules.length > 0);
    if (isWanted && !hasRules && wanted[direction] === true) {
      reader.report(`${at}.${direction}`, `does nothing without ${direction} rules: add "${direction}: [{}]"`);
    }
    return isWanted;
  };
  return { ingress: of("ingress"), egress: of("egress") };
}

function parseFacts({ reader, spec, path }: SpecContext) {
  const labels = reader.list(spec.labels, `${path}.labels`) ?? [];
  const log = reader.fields(spec.log, `${path}.log`);
  return {
    labels: reader.items(labels, `${path}.labels`, (item, at) => {
      const label = reader.fields(item, at);
      const key = label && reader.text(label.key, `${at}.key`);
      if (!key) return undefined;
      const source = reader.text(label.source, `${at}.source`) || "unspec";
      return formatLabel({ source, key, value: reader.text(label.value, `${at}.value`) ?? "" });
    }),
    description: reader.text(spec.description, `${path}.description`),
    log: reader.text(log?.value, `${path}.log.value`),
  };
}
