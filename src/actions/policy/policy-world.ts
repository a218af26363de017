import type { IpPrefix } from "../../lib/ip.js";
import { IpAddress, IpPrefix as Prefix } from "../../lib/ip.js";
import { AGENT_CONFIG_MAP, type AgentConfig, parseAgentConfig } from "../../model/agent-config.js";
import { hostEndpointLabels } from "../../model/host-endpoint.js";
import { type NumericIdentity, reservedIdentities } from "../../model/identity.js";
import { objectKey } from "../../model/kube-object.js";
import {
  type CiliumEndpoint,
  type CiliumNode,
  type KubeEndpointSlice,
  type KubeNode,
  type KubeService,
  resourceTypes,
  SERVICE_NAME_LABEL,
} from "../../model/kubernetes.js";
import { fromSecurityLabels, type Label, parseLabel, sortLabels } from "../../model/labels.js";
import type { PolicyObject } from "../../model/network-policy-objects.js";
import { compilePolicy } from "../../model/policy/compile-policy.js";
import type { CompiledPolicy, SubjectFacts } from "../../model/policy/compiled-policy.js";
import { parsePolicy } from "../../model/policy/parse-policy.js";
import type { ClusterFamilies, NamedContainerPort, PolicyIdentity } from "../../model/policy/policy-identity.js";
import type { ParsedPolicy, PolicyRule } from "../../model/policy/policy-rule.js";
import { addressLabels, prefixLabels } from "../../model/policy/prefix-labels.js";
import { cidrsOf, resolveServicePeers } from "../../model/policy/rule-peers.js";
import { RuleTable } from "../../model/policy/rule-table.js";
import { SelectorCache } from "../../model/policy/selector-cache.js";
import { protocolNumber } from "../../model/protocol-names.js";
import type { StateSource } from "../../state/state-source.js";

/** The policies of a cluster and whom they are about, as its agents see them. */
export interface PolicyWorld {
  readonly config: AgentConfig;
  readonly policies: readonly { readonly object: PolicyObject; readonly parsed: ParsedPolicy }[];
  /** Services in them resolved. */
  readonly rules: readonly PolicyRule[];
  readonly selectors: SelectorCache;
  readonly endpoints: readonly CiliumEndpoint[];
  readonly services: readonly KubeService[];
  readonly slices: readonly KubeEndpointSlice[];
  /** Prefixes that policies name, each with a number that means something in this world alone. */
  readonly prefixes: readonly { readonly prefix: IpPrefix; readonly identity: NumericIdentity }[];
  /** Names the rules of what {@link compile} made. */
  readonly ruleTable: RuleTable;
  /** Addresses of nodes that rules may name by prefixes, numbered likewise. */
  readonly nodePrefixes: PolicyWorld["prefixes"];
  compile(endpoint: CiliumEndpoint): CompiledPolicy;
  readonly nodes: readonly KubeNode[];
  /** Of the node itself; undefined where nodes are no endpoints (`enable-host-firewall`). */
  compileNode(node: KubeNode): CompiledPolicy | undefined;
}

const FIRST_LOCAL = (1 << 24) + 1;
const FIRST_NODE = (2 << 24) + 1;

/**
 * Reads policies and identities from the state.
 * @param proposed policies that stand in for those of the same kind and name, or beside the others
 */
export async function readPolicyWorld(state: StateSource, proposed: readonly PolicyObject[]): Promise<PolicyWorld> {
  const [config, standing, endpoints, identities, services, slices, ciliumNodes, nodes] = await Promise.all([
    readConfig(state),
    readPolicies(state),
    state.list(resourceTypes.ciliumEndpoints).then(({ items }) => items),
    state.list(resourceTypes.ciliumIdentities).then(({ items }) => items),
    state.list(resourceTypes.services).then(({ items }) => items),
    state.list(resourceTypes.endpointSlices).then(({ items }) => items),
    state.list(resourceTypes.ciliumNodes).then(({ items }) => items),
    state.list(resourceTypes.nodes).then(({ items }) => items),
  ]);
  const objects = new Map([...standing, ...proposed].map((object) => [policyKey(object), object]));
  const policies = [...objects.values()].map((object) => {
    return { object, parsed: parsePolicy(object, { clusterName: config.clusterName }) };
  });
  const known = services.map(({ metadata, spec }) => ({
    ...{ namespace: metadata.namespace ?? "default", name: metadata.name, labels: metadata.labels ?? {} },
    ...(spec.selector === undefined ? {} : { selector: spec.selector }),
    prefixes: slices.filter((slice) => serviceOf(slice) === objectKey(metadata)).flatMap(prefixesOf),
  }));
  const rules = resolveServicePeers(
    policies.flatMap(({ parsed }) => parsed.rules),
    known,
  );
  const prefixes = cidrsOf(rules).map((prefix, index) => ({ prefix, identity: FIRST_LOCAL + index }));
  const nodePrefixes = config.policyCidrMatchMode === "nodes" ? nodePrefixesOf(ciliumNodes) : [];
  const families = familiesOf(ciliumNodes.flatMap(({ spec }) => spec.ipam?.podCIDRs ?? []));
  const selectors = new SelectorCache(families);
  const ports = namedPorts(endpoints);
  selectors.upsert([
    ...reservedOf(families),
    ...identities.map((object) => {
      const id = Number(object.metadata.name);
      return withPorts({ id, labels: fromSecurityLabels(object["security-labels"]) }, ports);
    }),
    ...prefixes.map(({ prefix, identity }) => {
      return { id: identity, labels: prefixLabels(prefix, families), prefixes: [prefix] };
    }),
    ...nodePrefixes.map(({ prefix, identity }) => ({ id: identity, labels: nodeLabels(prefix), prefixes: [prefix] })),
  ]);
  const ruleTable = new RuleTable();
  return {
    config,
    policies,
    rules,
    selectors,
    endpoints,
    services,
    slices,
    prefixes,
    nodePrefixes,
    ruleTable,
    nodes,
    ...compilers({ config, rules, selectors, ruleTable }),
  };
}

/** As the agents compile them. */
function compilers(
  world: Pick<PolicyWorld, "config" | "rules" | "selectors" | "ruleTable">,
): Pick<PolicyWorld, "compile" | "compileNode"> {
  const { config, rules, selectors, ruleTable } = world;
  const allowsLocalHost = config.allowLocalhost !== "policy";
  const compileFor = (subject: SubjectFacts): CompiledPolicy =>
    compilePolicy({ subject, rules, selectors, mode: config.enablePolicy, allowsLocalHost, ruleTable });
  return {
    compile: (endpoint) => {
      const labels = sortLabels((endpoint.status?.identity?.labels ?? []).map(parseLabel));
      return compileFor({ kind: "endpoint", labels, namedPorts: portsOf(endpoint) });
    },
    compileNode: ({ metadata }) => {
      if (!config.enableHostFirewall) return undefined;
      return compileFor({ kind: "node", labels: hostEndpointLabels(metadata.labels ?? {}) });
    },
  };
}

/** Equal for policies that stand for the same. */
function policyKey({ kind, metadata }: PolicyObject): string {
  return `${kind}/${objectKey(metadata)}`;
}

export function serviceOf({ metadata }: KubeEndpointSlice): string {
  return objectKey({ ...metadata, name: metadata.labels?.[SERVICE_NAME_LABEL] ?? "" });
}

async function readConfig(state: StateSource): Promise<AgentConfig> {
  const object = await state.get(resourceTypes.configMaps, AGENT_CONFIG_MAP);
  return parseAgentConfig(object?.data ?? {}).config;
}

async function readPolicies(state: StateSource): Promise<readonly PolicyObject[]> {
  const lists = await Promise.all([
    state.list(resourceTypes.networkPolicies),
    state.list(resourceTypes.ciliumNetworkPolicies),
    state.list(resourceTypes.ciliumClusterwideNetworkPolicies),
  ]);
  return lists.flatMap(({ items }) => items as readonly PolicyObject[]);
}

function prefixesOf({ endpoints }: KubeEndpointSlice): readonly IpPrefix[] {
  const addresses = endpoints.flatMap((endpoint) => endpoint.addresses.map((text) => IpAddress.tryParse(text)));
  return addresses.flatMap((address) => (address === undefined ? [] : [Prefix.host(address)]));
}

function familiesOf(podCidrs: readonly string[]): ClusterFamilies {
  const has6 = podCidrs.some((text) => text.includes(":"));
  return { ipv4: !has6 || podCidrs.some((text) => !text.includes(":")), ipv6: has6 };
}

function nodePrefixesOf(nodes: readonly CiliumNode[]): PolicyWorld["prefixes"] {
  const texts = nodes.flatMap(({ spec }) => (spec.addresses ?? []).map(({ ip }) => ip));
  const addresses = [...new Set(texts)].flatMap((text) => IpAddress.tryParse(text) ?? []);
  return addresses.map((address, index) => ({ prefix: Prefix.host(address), identity: FIRST_NODE + index }));
}

function nodeLabels(prefix: IpPrefix): readonly Label[] {
  return sortLabels([{ source: "reserved", key: "remote-node", value: "" }, ...addressLabels([prefix])]);
}

/** Of one family the world has one identity, of both one for each. */
function reservedOf({ ipv4, ipv6 }: ClusterFamilies): readonly PolicyIdentity[] {
  const unused = ipv4 && ipv6 ? [0, 2] : [0, 9, 10];
  return reservedIdentities.filter(({ id }) => id < 11 && !unused.includes(id));
}

function portsOf({ status }: CiliumEndpoint): readonly NamedContainerPort[] {
  return (status?.["named-ports"] ?? []).map(({ name, port, protocol }) => {
    return { name, port, protocol: protocolNumber(protocol) ?? 6 };
  });
}

function namedPorts(endpoints: readonly CiliumEndpoint[]): ReadonlyMap<NumericIdentity, readonly NamedContainerPort[]> {
  const byIdentity = new Map<NumericIdentity, readonly NamedContainerPort[]>();
  for (const endpoint of endpoints) {
    const id = endpoint.status?.identity?.id;
    if (id !== undefined) byIdentity.set(id, [...(byIdentity.get(id) ?? []), ...portsOf(endpoint)]);
  }
  return byIdentity;
}

function withPorts(
  identity: PolicyIdentity,
  ports: ReadonlyMap<NumericIdentity, readonly NamedContainerPort[]>,
): PolicyIdentity {
  const own = ports.get(identity.id) ?? [];
  return own.length === 0 ? identity : { ...identity, namedPorts: own };
}
