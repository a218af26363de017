import type { PolicyEntry } from "../datapath-port.js";
import type { NumericIdentity } from "../identity.js";
import type { Label } from "../labels.js";
import type { NamedContainerPort } from "./policy-identity.js";
import type { PolicyDirection, PolicyRule, RuleOrigin } from "./policy-rule.js";
import type { RuleTable } from "./rule-table.js";
import type { SelectorCache } from "./selector-cache.js";

/** As the setting `enable-policy`: whom policies make deny what they do not allow. */
export type EnforcementMode = "default" | "always" | "never";

/** Whose policy is compiled. */
export interface SubjectFacts {
  /** `node` for the host itself: its labels are those of the Node, its policies those with a node selector. */
  readonly kind: "endpoint" | "node";
  /** With sources, sorted: of its identity, or of its node (`k8s:kubernetes.io/hostname=…`). */
  readonly labels: readonly Label[];
  /** Of its containers, for ingress rules that name ports. */
  readonly namedPorts?: readonly NamedContainerPort[];
}

export interface CompileOptions {
  readonly subject: SubjectFacts;
  /** Of every policy of the cluster, in any order; those that do not select the subject are left out here. */
  readonly rules: readonly PolicyRule[];
  /** Every identity that there is, and what selectors select of them: kept across endpoints and policies. */
  readonly selectors: SelectorCache;
  readonly mode: EnforcementMode;
  /** Whether an endpoint takes everything from its own node (probes), unless a rule denies it. Upstream: in Kubernetes always. */
  readonly allowsLocalHost?: boolean;
  /** Numbers rules; kept across endpoints and changes, so that entries that did not change are equal. Default: a new one. */
  readonly ruleTable?: RuleTable;
}

/** The policy of one endpoint: the content of its map, and what explains it. */
export interface CompiledPolicy {
  /** No entry can be left out without a change of some verdict. Sorted, equal for equal input. */
  readonly entries: readonly PolicyEntry[];
  readonly ingress: DirectionPolicy;
  readonly egress: DirectionPolicy;
  /** Finds the rules of an entry by its cookie. */
  readonly ruleTable: RuleTable;
}

export interface DirectionPolicy {
  /** False: nothing is asked of policies in this direction (upstream's "Disabled"). */
  readonly isEnforced: boolean;
  /** What no rule allows is denied. */
  readonly hasDefaultDeny: boolean;
  /** Rules that ask for it, each path once; none where only the enforcement mode does. */
  readonly defaultDenyBy: readonly RuleOrigin[];
}

/** The first packet of a connection, seen from the endpoint whose policy is asked. */
export interface PolicyPacket {
  readonly direction: PolicyDirection;
  /** Of the other end. */
  readonly identity: NumericIdentity;
  /** IP protocol. */
  readonly protocol: number;
  /** Destination port in host order, type for ICMP and ICMPv6, 0 where the protocol has neither. */
  readonly port: number;
}

export type PolicyVerdict = AllowVerdict | DenyVerdict | DefaultDenyVerdict;

export interface AllowVerdict {
  readonly verdict: "allow";
  readonly entry: PolicyEntry;
  /** Rules behind the entry, the first 16 of many; none: nothing is denied by default, or the peer is the own node. */
  readonly rules: readonly RuleOrigin[];
}

export interface DenyVerdict {
  readonly verdict: "deny";
  readonly entry: PolicyEntry;
  readonly rules: readonly RuleOrigin[];
}

/** No entry matches. */
export interface DefaultDenyVerdict {
  readonly verdict: "default-deny";
  /** The allow that a policy of the subject would need: what the packet is. */
  readonly missing: PolicyPacket;
  /** Rules that make the subject deny by default; none: the enforcement mode does. */
  readonly defaultDenyBy: readonly RuleOrigin[];
}
