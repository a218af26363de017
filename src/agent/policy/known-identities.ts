import type { IpPrefix } from "../../lib/ip.js";
import { type NumericIdentity, reservedIdentities } from "../../model/identity.js";
import type { CiliumEndpoint } from "../../model/kubernetes.js";
import { fromSecurityLabels, type Label, parseLabel, sortLabels } from "../../model/labels.js";
import type { NamedContainerPort, PolicyIdentity } from "../../model/policy/policy-identity.js";
import { addressLabels, prefixLabels } from "../../model/policy/prefix-labels.js";
import type { SelectorCache } from "../../model/policy/selector-cache.js";
import { protocolNumber } from "../../model/protocol-names.js";
import { identityNumber } from "../../state/identity-allocator.js";
import type { AgentCaches } from "../agent-caches.js";
import type { EndpointRecord } from "../endpoints/endpoint-record.js";
import type { PrefixIdentities } from "../identities/prefix-identities.js";

const HOST = 1;
/** Identities that no policy ever meets: "unknown", and those that stand for ranges of others. */
const meaninglessIdentities: ReadonlySet<NumericIdentity> = new Set([0, 11, 12, 13, 14]);

export interface KnownIdentitiesOptions {
  readonly caches: Pick<AgentCaches, "ciliumIdentities" | "ciliumEndpoints">;
  readonly prefixes: PrefixIdentities;
  /** Addresses of other nodes that rules may name by prefixes. */
  readonly nodePrefixes: PrefixIdentities;
  /** The own node's, if rules may name it by them. */
  readonly hostPrefixes: readonly IpPrefix[];
  readonly selectors: SelectorCache;
}

/**
 * Keeps the selector cache equal to the identities that there are: reserved ones, those of the cluster's labels, those of
 * prefixes, and those of this node's endpoints, whose CiliumIdentity may come later than their first packet.
 */
export class KnownIdentities {
  readonly #options: KnownIdentitiesOptions;
  /** What the selector cache holds, and what it was made of. */
  #known = new Map<NumericIdentity, { readonly source: unknown; readonly ports: string }>();

  constructor(options: KnownIdentitiesOptions) {
    this.#options = options;
  }

  /** Adds and changes, removes nothing. True: policies may have changed by it. */
  learn(own: Iterable<EndpointRecord>): boolean {
    const wanted = this.#wanted([...own]);
    const news = [...wanted].filter(([id, { source, ports }]) => {
      const before = this.#known.get(id);
      return before === undefined || before.source !== source || before.ports !== portsKey(ports);
    });
    for (const [id, { source, ports }] of news) this.#known.set(id, { source, ports: portsKey(ports) });
    return this.#options.selectors.upsert(
      news.map(([id, { labels, prefixes, ports }]) => toIdentity(id, labels, ports, prefixes)),
    );
  }

  /** Forgets what is there no more. True: policies may have changed by it. */
  forget(own: Iterable<EndpointRecord>): boolean {
    const wanted = this.#wanted([...own]);
    const gone = [...this.#known.keys()].filter((id) => !wanted.has(id));
    for (const id of gone) this.#known.delete(id);
    return this.#options.selectors.remove(gone);
  }

  #wanted(own: readonly EndpointRecord[]): ReadonlyMap<NumericIdentity, WantedIdentity> {
    const { caches, prefixes, nodePrefixes, hostPrefixes, selectors } = this.#options;
    const wanted = new Map<NumericIdentity, WantedIdentity>(reservedOf(selectors));
    const ports = namedPorts(caches.ciliumEndpoints.items().values());
    for (const { identity, labels } of own) {
      const text = labels.join();
      wanted.set(identity, {
        source: text,
        labels: () => sortLabels(labels.map(parseLabel)),
        ports: ports.get(identity),
      });
    }
    for (const object of caches.ciliumIdentities.items().values()) {
      const id = identityNumber(object);
      const labels = () => fromSecurityLabels(object["security-labels"]);
      wanted.set(id, { source: object, labels, ports: ports.get(id) });
    }
    for (const { prefix, identity } of prefixes.list()) {
      const labels = () => prefixLabels(prefix, selectors.families);
      wanted.set(identity, { source: prefix.text, labels, prefixes: [prefix], ports: undefined });
    }
    if (hostPrefixes.length > 0) wanted.set(HOST, nodeIdentity("host", hostPrefixes));
    for (const { prefix, identity } of nodePrefixes.list()) {
      wanted.set(identity, nodeIdentity("remote-node", [prefix]));
    }
    return wanted;
  }
}

interface WantedIdentity {
  /** Equal as long as the labels are. */
  readonly source: unknown;
  readonly labels: () => readonly Label[];
  readonly prefixes?: PolicyIdentity["prefixes"];
  readonly ports: readonly NamedContainerPort[] | undefined;
}

function nodeIdentity(name: "host" | "remote-node", prefixes: readonly IpPrefix[]): WantedIdentity {
  const labels = () => sortLabels([{ source: "reserved", key: name, value: "" }, ...addressLabels(prefixes)]);
  return { source: prefixes.map(({ text }) => text).join(), labels, prefixes, ports: undefined };
}

function reservedOf({ families }: SelectorCache): readonly (readonly [NumericIdentity, WantedIdentity])[] {
  const isDual = families.ipv4 && families.ipv6;
  const isUsed = (id: NumericIdentity) => (id === 9 || id === 10 ? isDual : id !== 2 || !isDual);
  return reservedIdentities
    .filter(({ id }) => !meaninglessIdentities.has(id) && isUsed(id))
    .map(({ id, labels }) => [id, { source: labels, labels: () => labels, ports: undefined }]);
}

function toIdentity(
  id: NumericIdentity,
  labels: () => readonly Label[],
  ports: readonly NamedContainerPort[] | undefined,
  prefixes: PolicyIdentity["prefixes"],
): PolicyIdentity {
  return {
    id,
    labels: labels(),
    ...(prefixes === undefined ? {} : { prefixes }),
    ...(ports === undefined ? {} : { namedPorts: ports }),
  };
}

/** Ports with names of all endpoints of the cluster, by identity: the same name may stand for several ports. */
function namedPorts(endpoints: Iterable<CiliumEndpoint>): ReadonlyMap<NumericIdentity, readonly NamedContainerPort[]> {
  const byIdentity = new Map<NumericIdentity, Map<string, NamedContainerPort>>();
  for (const { status } of endpoints) {
    const id = status?.identity?.id;
    const ports = status?.["named-ports"];
    if (id === undefined || ports === undefined) continue;
    const known = byIdentity.get(id) ?? new Map<string, NamedContainerPort>();
    byIdentity.set(id, known);
    for (const { name, port, protocol } of ports) {
      const number = protocolNumber(protocol);
      if (number !== undefined) known.set(`${name} ${port} ${number}`, { name, port, protocol: number });
    }
  }
  return new Map([...byIdentity].map(([id, ports]) => [id, [...ports.values()]]));
}

function portsKey(ports: readonly NamedContainerPort[] | undefined): string {
  return (ports ?? [])
    .map(({ name, port, protocol }) => `${name} ${port} ${protocol}`)
    .sort()
    .join();
}
