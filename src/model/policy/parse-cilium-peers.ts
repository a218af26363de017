import { labelKeys } from "../labels.js";
import { parsePrefix, parsePrefixWithExceptions } from "./parse-prefix.js";
import { parseSelector } from "./parse-selector.js";
import { entityNames, peersOfEntity } from "./policy-entities.js";
import { type Fields, type PolicyReader, wordOf } from "./policy-reader.js";
import type { PolicyDirection, PolicyPeer } from "./policy-rule.js";
import { createPolicySelector, createRequirement, type SelectorRequirement } from "./policy-selector.js";

export interface PeerContext {
  readonly reader: PolicyReader;
  readonly clusterName: string;
  /** Absent: of the whole cluster. */
  readonly namespace: string | undefined;
  /** Whether the subject is what has no labels yet: such pods have no namespace either. */
  readonly isForInit: boolean;
}

type ReadPeers = (context: PeerContext, item: unknown, path: string) => readonly PolicyPeer[] | undefined;

/** The lists of peers that a rule may have, of which at most one may have anything in it. */
export const peerFields: Readonly<Record<PolicyDirection, Readonly<Record<string, ReadPeers>>>> = {
  ingress: {
    fromEndpoints: parseEndpoints,
    fromEntities: parseEntity,
    fromCIDR: parseCidr,
    fromCIDRSet: parseCidrRule,
  },
  egress: {
    toEndpoints: parseEndpoints,
    toEntities: parseEntity,
    toCIDR: parseCidr,
    toCIDRSet: parseCidrRule,
    toServices: parseService,
  },
};

/** What upstream has in rules and this does not: a rule with one of these allows and denies nothing. */
export const refusedFields: Readonly<Record<PolicyDirection, Readonly<Record<string, string>>>> = {
  ingress: {
    fromNodes: "node selectors of peers are not supported (upstream: enable-node-selector-labels)",
    fromGroups: "groups of a cloud provider are not supported",
    fromRequires: "was removed from upstream: use deny rules",
    authentication: "mutual authentication is not supported",
  },
  egress: {
    toNodes: "node selectors of peers are not supported (upstream: enable-node-selector-labels)",
    toGroups: "groups of a cloud provider are not supported",
    toRequires: "was removed from upstream: use deny rules",
    toFQDNs: "DNS names are not supported yet",
    authentication: "mutual authentication is not supported",
  },
};

/**
 * The peers of a rule; none where the rule is about nobody; undefined where it names no peers at all. A list that is there and
 * empty is about nobody, except of Services.
 */
export function parsePeers(
  context: PeerContext,
  rule: Fields,
  direction: PolicyDirection,
  path: string,
): readonly PolicyPeer[] | undefined {
  const named = Object.entries(peerFields[direction]).flatMap(([name, read]) => {
    const value = rule[name];
    const isAbsent = value === undefined || value === null || (name === "toServices" && isEmptyList(value));
    return isAbsent ? [] : [{ name, read, list: context.reader.list(value, `${path}.${name}`) ?? [] }];
  });
  if (named.length === 0) return undefined;
  const filled = named.filter(({ list }) => list.length > 0);
  if (filled.length > 1) {
    const names = filled.map(({ name }) => name).join(" and ");
    context.reader.report(path, `${names} cannot be combined: write a rule for each`);
  }
  if (filled.length !== 1 || named.length > 1) return [];
  const { name, read, list } = filled[0]!;
  return context.reader.items(list, `${path}.${name}`, (item, at) => read(context, item, at)).flat();
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function parseEndpoints(context: PeerContext, item: unknown, path: string): readonly PolicyPeer[] | undefined {
  const written = parseSelector(context.reader, item, path);
  if (written === undefined) return undefined;
  return [{ kind: "selector", selector: createPolicySelector([...written, ...scopeOf(context, written)]) }];
}

/**
 * What upstream adds to a selector of peers (getEndpointSelector): the policy's namespace and the own cluster, unless the selector
 * says something of them itself. One of reserved labels is left as it is.
 */
function scopeOf(context: PeerContext, written: readonly SelectorRequirement[]): readonly SelectorRequirement[] {
  const { namespace, clusterName } = context;
  if (written.some(({ source }) => source === "reserved")) return [];
  const says = (matches: (key: string) => boolean) =>
    written.some(({ source, key }) => (source === "k8s" || source === undefined) && matches(key));
  const scope: SelectorRequirement[] = [];
  if (!says((key) => key === labelKeys.podNamespace)) {
    const ofNamespace = `k8s:${labelKeys.podNamespace}`;
    if (namespace === undefined) {
      if (!context.isForInit) scope.push(createRequirement(ofNamespace, "exists"));
    } else if (!says((key) => key.startsWith(labelKeys.namespaceLabelPrefix))) {
      scope.push(createRequirement(ofNamespace, "in", [namespace]));
    }
  }
  if (clusterName !== "" && !says((key) => key === labelKeys.cluster)) {
    scope.push(createRequirement(`k8s:${labelKeys.cluster}`, "in", [clusterName]));
  }
  return scope;
}

function parseEntity(context: PeerContext, item: unknown, path: string): readonly PolicyPeer[] | undefined {
  const peers = peersOfEntity(wordOf(item), context.clusterName);
  return peers ?? context.reader.report(path, `${JSON.stringify(item)} is no entity: ${entityNames.join(", ")}`);
}

function parseCidr({ reader }: PeerContext, item: unknown, path: string): readonly PolicyPeer[] | undefined {
  const prefix = parsePrefix(reader, item, path, true);
  return prefix && [{ kind: "cidr", prefix, except: [] }];
}

const refusedOfCidrRule: Readonly<Record<string, string>> = {
  cidrGroupRef: "CIDR groups are not supported",
  cidrGroupSelector: "CIDR groups are not supported",
};

function parseCidrRule({ reader }: PeerContext, item: unknown, path: string): readonly PolicyPeer[] | undefined {
  const fields = reader.fields(item, path);
  if (fields === undefined || !reader.hasOnly(fields, path, ["cidr", "except"], refusedOfCidrRule)) return undefined;
  const peer = parsePrefixWithExceptions(reader, { cidr: fields.cidr, except: fields.except }, path);
  return peer && [peer];
}

function parseService({ reader }: PeerContext, item: unknown, path: string): readonly PolicyPeer[] | undefined {
  const fields = reader.fields(item, path);
  if (fields === undefined || !reader.hasOnly(fields, path, ["k8sService", "k8sServiceSelector"])) return undefined;
  const bySelector = reader.fields(fields.k8sServiceSelector, `${path}.k8sServiceSelector`);
  const at = `${path}.${bySelector === undefined ? "k8sService" : "k8sServiceSelector"}`;
  const ref = bySelector ?? reader.fields(fields.k8sService, at);
  if (ref === undefined) return reader.report(path, "must have k8sService or k8sServiceSelector");
  const namespace = reader.text(ref.namespace, `${at}.namespace`);
  const scope = { kind: "service", ...(namespace && { namespace }) } as const;
  if (bySelector === undefined) {
    const name = reader.text(ref.serviceName, `${at}.serviceName`);
    return name ? [{ ...scope, name }] : reader.report(`${at}.serviceName`, "must be given");
  }
  // Labels of Services have no source.
  const requirements = parseSelector(reader, ref.selector ?? {}, `${at}.selector`);
  const selector = requirements?.map((one) => ({ ...one, source: undefined }));
  return selector && [{ ...scope, selector: createPolicySelector(selector) }];
}
