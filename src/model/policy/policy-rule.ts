import type { IpPrefix } from "../../lib/ip.js";
import type { PolicySelector } from "./policy-selector.js";

export type PolicyDirection = "ingress" | "egress";

export type PolicyKind = "NetworkPolicy" | "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy";

/** Where a rule comes from, as a user finds it again. Equal by value for the same rule of the same object. */
export interface RuleOrigin {
  readonly kind: PolicyKind;
  /** Absent for a CiliumClusterwideNetworkPolicy. */
  readonly namespace?: string;
  readonly name: string;
  /** `spec.ingress[0]`, `specs[1].egressDeny[2]`; without index where the direction has no rules. */
  readonly path: string;
  /** As upstream gives them to a rule: derived-from, name, namespace, uid, and the rule's own. Sorted. */
  readonly labels: readonly string[];
  readonly description?: string;
  /** `log.value`: free text that upstream hands on with flows. */
  readonly log?: string;
}

/** One rule in the form that all three kinds of policies come down to. */
export interface PolicyRule {
  readonly origin: RuleOrigin;
  readonly subject: PolicySubject;
  readonly direction: PolicyDirection;
  readonly verdict: "allow" | "deny";
  /** What no rule allows to its subjects in this direction is denied. */
  readonly hasDefaultDeny: boolean;
  /** Whom the rule is about; none: nobody. */
  readonly peers: readonly PolicyPeer[];
  /** What it is about; none: nothing. */
  readonly ports: readonly PolicyPort[];
}

/** A node's selector never selects endpoints and the other way round. The namespace of a policy is among the requirements. */
export interface PolicySubject {
  readonly kind: "endpoint" | "node";
  readonly selector: PolicySelector;
}

export type PolicyPeer = AnyPeer | SelectorPeer | CidrPeer | ServicePeer;

/** Everybody, known or not: identity 0 in the map. */
export interface AnyPeer {
  readonly kind: "any";
}

/** Identities by their labels. Entities are such selectors too. */
export interface SelectorPeer {
  readonly kind: "selector";
  readonly selector: PolicySelector;
}

/** What is outside the cluster and in `prefix` and in none of `except`. Never a pod or a node, whatever their addresses. */
export interface CidrPeer {
  readonly kind: "cidr";
  readonly prefix: IpPrefix;
  readonly except: readonly IpPrefix[];
}

/** Whoever is behind Services: `resolveServicePeers` makes selectors and prefixes of it; as it is it selects nobody. */
export interface ServicePeer {
  readonly kind: "service";
  /** Absent: in any namespace. */
  readonly namespace?: string;
  /** By name or by labels. */
  readonly name?: string;
  readonly selector?: PolicySelector;
}

export type PolicyPort = PortRange | NamedPort;

/** Ports, or types of ICMP and ICMPv6. Everything of every protocol is protocol 0, 0–65535. */
export interface PortRange {
  readonly kind: "range";
  /** IP protocol; 0 = any. */
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
}

/** A container's port by name: the subject's for ingress, each peer's for egress. */
export interface NamedPort {
  readonly kind: "named";
  /** Lower case. */
  readonly name: string;
  readonly protocol: number;
}

/** Part of a policy that is invalid or not supported, and was left out. The rest is in force. */
export interface PolicyProblem {
  /** `spec.egress[0].toFQDNs` */
  readonly path: string;
  readonly reason: string;
}

export interface ParsedPolicy {
  readonly rules: readonly PolicyRule[];
  readonly problems: readonly PolicyProblem[];
}

/** Everything of every protocol. */
export const anyPort: PortRange = { kind: "range", protocol: 0, first: 0, last: 0xffff };
