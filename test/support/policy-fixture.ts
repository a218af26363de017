import { IpAddress } from "../../src/lib/ip.js";
import { type Label, parseLabel, sortLabels } from "../../src/model/labels.js";
import type { PolicyObject } from "../../src/model/network-policy-objects.js";
import { compilePolicy } from "../../src/model/policy/compile-policy.js";
import type { CompiledPolicy, EnforcementMode } from "../../src/model/policy/compiled-policy.js";
import { decideVerdict } from "../../src/model/policy/decide-verdict.js";
import { parsePolicy } from "../../src/model/policy/parse-policy.js";
import type { NamedContainerPort, PolicyIdentity } from "../../src/model/policy/policy-identity.js";
import type { ParsedPolicy } from "../../src/model/policy/policy-rule.js";
import { prefixLabels } from "../../src/model/policy/prefix-labels.js";
import { cidrsOf, type PolicyService, resolveServicePeers } from "../../src/model/policy/rule-peers.js";
import { SelectorCache } from "../../src/model/policy/selector-cache.js";

const families = { ipv4: true, ipv6: true };
export const protocol = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, sctp: 132 } as const;

/** Labels of a pod's identity as an agent derives them. */
export function podLabels(namespace: string, labels: Readonly<Record<string, string>>): readonly Label[] {
  const all = {
    ...labels,
    "io.kubernetes.pod.namespace": namespace,
    "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": namespace,
    "io.cilium.k8s.namespace.labels.team": namespace === "shop" ? "red" : "blue",
    "io.cilium.k8s.policy.cluster": "default",
    "io.cilium.k8s.policy.serviceaccount": "default",
  };
  return sortLabels(Object.entries(all).map(([key, value]) => ({ source: "k8s", key, value })));
}

const reserved = (id: number, ...names: string[]): PolicyIdentity => ({
  id,
  labels: names.map((name) => parseLabel(`reserved:${name}`)),
});

const ports: readonly NamedContainerPort[] = [
  { name: "http", port: 8080, protocol: protocol.tcp },
  { name: "dns", port: 5353, protocol: protocol.udp },
];

/** A small cluster, by the names that tests use for its identities. */
export const identities = {
  host: reserved(1, "host"),
  world4: reserved(9, "world-ipv4"),
  world6: reserved(10, "world-ipv6"),
  remoteNode: reserved(6, "remote-node"),
  apiServer: reserved(7, "kube-apiserver", "remote-node"),
  health: reserved(4, "health"),
  init: reserved(5, "init"),
  ingress: reserved(8, "ingress"),
  web: { id: 1001, labels: podLabels("shop", { app: "web", tier: "front" }), namedPorts: ports },
  cart: { id: 1002, labels: podLabels("shop", { app: "cart" }), namedPorts: ports },
  job: { id: 1003, labels: podLabels("batch", { app: "job" }) },
  otherWeb: { id: 1004, labels: podLabels("batch", { app: "web" }) },
} satisfies Record<string, PolicyIdentity>;

export type PeerName = keyof typeof identities;

export interface Setup {
  readonly subject?: PeerName | "node";
  readonly mode?: EnforcementMode;
  readonly services?: readonly PolicyService[];
  readonly allowsLocalHost?: boolean;
}

/** Some policies in that cluster, seen from one of its endpoints. */
export class PolicyFixture {
  readonly parsed: ParsedPolicy;
  readonly compiled: CompiledPolicy;
  readonly #prefixes: readonly PolicyIdentity[];

  constructor(policies: readonly unknown[], { subject = "web", mode = "default", services = [], ...rest }: Setup = {}) {
    const all = policies.map((policy) => parsePolicy(policy as PolicyObject, { clusterName: "default" }));
    const rules = resolveServicePeers(
      all.flatMap((one) => one.rules),
      services,
    );
    this.parsed = { rules, problems: all.flatMap(({ problems }) => problems) };
    const selectors = new SelectorCache(families);
    this.#prefixes = cidrsOf(rules).map((prefix, index) => ({
      id: 0x100_0001 + index,
      labels: prefixLabels(prefix, families),
      prefixes: [prefix],
    }));
    selectors.upsert([...Object.values(identities), ...this.#prefixes]);
    const facts =
      subject === "node"
        ? ({ kind: "node", labels: [parseLabel("k8s:role=worker")] } as const)
        : ({ kind: "endpoint", namedPorts: ports, ...identities[subject] } as const);
    this.compiled = compilePolicy({ subject: facts, rules, selectors, mode, ...rest });
  }

  /** `allow`, `deny` or `default-deny`, for a connection from `peer` (a name, or an address outside). */
  ingress(peer: string, proto: number, port = 0): string {
    return this.#decide("ingress", peer, proto, port).verdict;
  }

  egress(peer: string, proto: number, port = 0): string {
    return this.#decide("egress", peer, proto, port).verdict;
  }

  /** Paths of the rules behind the verdict. */
  reasons(direction: "ingress" | "egress", peer: string, proto: number, port = 0): readonly string[] {
    const decided = this.#decide(direction, peer, proto, port);
    const rules = decided.verdict === "default-deny" ? decided.defaultDenyBy : decided.rules;
    return rules.map(({ kind, namespace, name, path }) => [kind, namespace, name, path].filter(Boolean).join(" "));
  }

  get problems(): readonly string[] {
    return this.parsed.problems.map(({ path, reason }) => `${path}: ${reason}`);
  }

  /** `TCP/80/16 deny` and so on, of one direction. */
  entries(direction: "ingress" | "egress"): readonly string[] {
    return this.compiled.entries
      .filter((entry) => entry.direction === direction)
      .map(({ identity, protocol: proto, port, portPrefixLength, verdict }) => {
        return `${identity} ${proto} ${port}/${portPrefixLength} ${verdict}`;
      });
  }

  #decide(direction: "ingress" | "egress", peer: string, proto: number, port: number) {
    return decideVerdict(this.compiled, { direction, identity: this.#identityOf(peer), protocol: proto, port });
  }

  #identityOf(peer: string): number {
    if (Object.hasOwn(identities, peer)) return identities[peer as PeerName].id;
    const address = IpAddress.parse(peer);
    const found = this.#prefixes.filter(({ prefixes }) => prefixes?.[0]?.contains(address));
    const longest = [...found].sort((a, b) => b.prefixes![0]!.length - a.prefixes![0]!.length)[0];
    return longest?.id ?? identities[address.family === 4 ? "world4" : "world6"].id;
  }
}

export function kubePolicy(spec: unknown, name = "policy", namespace = "shop"): unknown {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace }, spec };
}

export function ciliumPolicy(spec: unknown, name = "policy", namespace = "shop"): unknown {
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name, namespace, uid: "7" }, spec };
}

export function clusterwidePolicy(spec: unknown, name = "policy"): unknown {
  return { apiVersion: "cilium.io/v2", kind: "CiliumClusterwideNetworkPolicy", metadata: { name }, spec };
}
