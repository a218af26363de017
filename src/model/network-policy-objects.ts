import type { KubeObject } from "./kube-object.js";
import type { IntOrString, LabelSelector, Protocol } from "./kubernetes.js";

/** Policy objects as users write them. `parsePolicy` (policy/parse-policy.ts) takes nothing in them for granted. */

/** networking.k8s.io/v1. */
export interface KubeNetworkPolicy extends KubeObject {
  readonly kind: "NetworkPolicy";
  readonly spec?: {
    /** Empty or absent: every pod of the namespace. */
    readonly podSelector?: LabelSelector;
    readonly ingress?: readonly {
      readonly from?: readonly NetworkPolicyPeer[];
      readonly ports?: readonly NetworkPolicyPort[];
    }[];
    readonly egress?: readonly {
      readonly to?: readonly NetworkPolicyPeer[];
      readonly ports?: readonly NetworkPolicyPort[];
    }[];
    /** Absent: Ingress, and Egress where there are egress rules. */
    readonly policyTypes?: readonly ("Ingress" | "Egress")[];
  };
}

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

export interface NetworkPolicyPort {
  /** Default TCP. */
  readonly protocol?: Protocol;
  readonly port?: IntOrString;
  readonly endPort?: number;
}

/** cilium.io/v2. */
export interface CiliumNetworkPolicy extends KubeObject {
  readonly kind: "CiliumNetworkPolicy";
  readonly spec?: CiliumPolicySpec;
  readonly specs?: readonly CiliumPolicySpec[];
}

/** cilium.io/v2. */
export interface CiliumClusterwideNetworkPolicy extends KubeObject {
  readonly kind: "CiliumClusterwideNetworkPolicy";
  readonly spec?: CiliumPolicySpec;
  readonly specs?: readonly CiliumPolicySpec[];
}

/** One rule of upstream's API: a subject and what it may do. Keys of selectors may carry a source: `k8s:app`, `any:app`. */
export interface CiliumPolicySpec {
  readonly endpointSelector?: LabelSelector;
  /** Of a CiliumClusterwideNetworkPolicy only. */
  readonly nodeSelector?: LabelSelector;
  readonly ingress?: readonly CiliumIngressRule[];
  readonly ingressDeny?: readonly CiliumIngressRule[];
  readonly egress?: readonly CiliumEgressRule[];
  readonly egressDeny?: readonly CiliumEgressRule[];
  readonly enableDefaultDeny?: { readonly ingress?: boolean; readonly egress?: boolean };
  readonly labels?: readonly { readonly key: string; readonly value?: string; readonly source?: string }[];
  readonly description?: string;
  readonly log?: { readonly value?: string };
}

/** Of the peers at most one list may have anything in it. */
export interface CiliumIngressRule extends CiliumPortRules {
  readonly fromEndpoints?: readonly LabelSelector[];
  readonly fromEntities?: readonly string[];
  readonly fromCIDR?: readonly string[];
  readonly fromCIDRSet?: readonly CiliumCidrRule[];
}

/** Of the peers at most one list may have anything in it. */
export interface CiliumEgressRule extends CiliumPortRules {
  readonly toEndpoints?: readonly LabelSelector[];
  readonly toEntities?: readonly string[];
  readonly toCIDR?: readonly string[];
  readonly toCIDRSet?: readonly CiliumCidrRule[];
  readonly toServices?: readonly CiliumServiceRef[];
}

export interface CiliumPortRules {
  readonly toPorts?: readonly { readonly ports?: readonly CiliumPortProtocol[] }[];
  readonly icmps?: readonly { readonly fields?: readonly CiliumIcmpField[] }[];
}

export interface CiliumPortProtocol {
  /** A number or the name of a container port, as text. */
  readonly port?: string;
  readonly endPort?: number;
  /** Default ANY: TCP, UDP and SCTP. */
  readonly protocol?: string;
}

export interface CiliumIcmpField {
  /** Default IPv4. */
  readonly family?: "IPv4" | "IPv6";
  /** A number or a name as `EchoRequest`. */
  readonly type: IntOrString;
}

export interface CiliumCidrRule {
  readonly cidr?: string;
  readonly except?: readonly string[];
}

export interface CiliumServiceRef {
  readonly k8sService?: { readonly serviceName?: string; readonly namespace?: string };
  readonly k8sServiceSelector?: { readonly selector: LabelSelector; readonly namespace?: string };
}

/** Every object that `parsePolicy` understands. */
export type PolicyObject = KubeNetworkPolicy | CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy;

/** Kinds of {@link PolicyObject}. */
export const policyKinds: ReadonlySet<string> = new Set<PolicyObject["kind"]>([
  "NetworkPolicy",
  "CiliumNetworkPolicy",
  "CiliumClusterwideNetworkPolicy",
]);
