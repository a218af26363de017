import type { IpPrefix } from "../../lib/ip.js";
import { labelKeys } from "../labels.js";
import type { PolicyPeer, PolicyRule, ServicePeer } from "./policy-rule.js";
import {
  createPolicySelector,
  createRequirement,
  matchesPolicySelector,
  type PolicySelector,
} from "./policy-selector.js";

/**
 * The prefixes that rules name, excepted ones too, each once and sorted: each needs an identity of local scope. Not those of
 * length 0: they are the world, which has identities of its own.
 */
export function cidrsOf(rules: readonly PolicyRule[]): readonly IpPrefix[] {
  const peers = rules.flatMap((rule) => rule.peers.filter((peer) => peer.kind === "cidr"));
  const prefixes = peers.flatMap(({ prefix, except }) => [prefix, ...except]).filter(({ length }) => length > 0);
  const byText = new Map(prefixes.map((prefix) => [prefix.text, prefix]));
  return [...byText.values()].sort((a, b) => a.address.compare(b.address) || a.length - b.length);
}

/** What `toServices` needs to know of a Service. */
export interface PolicyService {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent or empty: its endpoints are addresses that somebody else wrote down. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Of its endpoints; asked for only where there is no selector. */
  readonly prefixes: readonly IpPrefix[];
}

/**
 * The same rules with Services replaced by who is behind them, as upstream: the pods that a Service selects, or the addresses of
 * one without a selector. A rule whose Services do not exist is about nobody (upstream, with ports: about everybody).
 */
export function resolveServicePeers(
  rules: readonly PolicyRule[],
  services: readonly PolicyService[],
): readonly PolicyRule[] {
  return rules.map((rule) => {
    if (!rule.peers.some((peer) => peer.kind === "service")) return rule;
    const peers = rule.peers.flatMap((peer) => {
      if (peer.kind !== "service") return [peer];
      return services.filter((service) => matchesService(peer, service)).flatMap(peersBehind);
    });
    return { ...rule, peers };
  });
}

function matchesService(peer: ServicePeer, service: PolicyService): boolean {
  if (peer.namespace !== undefined && peer.namespace !== service.namespace) return false;
  if (peer.selector === undefined) return peer.name === service.name;
  const labels = Object.entries(service.labels).map(([key, value]) => ({ source: "k8s", key, value }));
  return matchesPolicySelector(peer.selector, labels);
}

function peersBehind({ namespace, selector = {}, prefixes }: PolicyService): readonly PolicyPeer[] {
  const pairs = Object.entries(selector);
  if (pairs.length === 0) return prefixes.map((prefix) => ({ kind: "cidr", prefix, except: [] }));
  const requirements = [
    ...pairs.map(([key, value]) => createRequirement(`k8s:${key}`, "in", [value])),
    createRequirement(`k8s:${labelKeys.podNamespace}`, "in", [namespace]),
  ];
  return [{ kind: "selector", selector: createPolicySelector(requirements) }];
}

/** Every selector that the rules use for peers and subjects, each once: `policy selectors`. Sorted by key. */
export function selectorsOf(rules: readonly PolicyRule[]): readonly PolicySelector[] {
  const selectors = rules.flatMap((rule) => [
    rule.subject.selector,
    ...rule.peers.flatMap((peer) => (peer.kind === "selector" ? [peer.selector] : [])),
  ]);
  const byKey = new Map(selectors.map((selector) => [selector.key, selector]));
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
