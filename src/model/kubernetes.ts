import type { KubeObject, ResourceType } from "./kube-object.js";
import type {
  CiliumClusterwideNetworkPolicy,
  CiliumNetworkPolicy,
  KubeNetworkPolicy,
} from "./network-policy-objects.js";

/** Kubernetes objects as the API serves them (v1 of their groups), cut to the fields that the product reads or writes. */

export type Protocol = "TCP" | "UDP" | "SCTP";
/** A port number, or the name of a container port. */
export type IntOrString = number | string;

/** `status.conditions[]` of any kind. */
export interface KubeCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelSelectorRequirement[];
}

export interface LabelSelectorRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

export interface KubeNamespace extends KubeObject {
  readonly kind: "Namespace";
}

export interface KubeNodeAddress {
  readonly type: "InternalIP" | "ExternalIP" | "Hostname" | "InternalDNS" | "ExternalDNS";
  readonly address: string;
}

export interface KubeNode extends KubeObject {
  readonly kind: "Node";
  readonly spec?: {
    readonly podCIDR?: string;
    readonly podCIDRs?: readonly string[];
    readonly unschedulable?: boolean;
  };
  readonly status?: {
    readonly addresses?: readonly KubeNodeAddress[];
    readonly conditions?: readonly KubeCondition[];
    readonly nodeInfo?: { readonly kernelVersion?: string; readonly kubeletVersion?: string };
  };
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
}

export interface ContainerPort {
  readonly containerPort: number;
  readonly name?: string;
  readonly protocol?: Protocol;
  readonly hostPort?: number;
  /** Address of the node that the host port is bound to; unset: all of them. */
  readonly hostIP?: string;
}

/** Exactly one of `httpGet`, `tcpSocket`, `exec`. Defaults as in Kubernetes: period 10 s, timeout 1 s, thresholds 1/3. */
export interface Probe {
  readonly httpGet?: {
    readonly path?: string;
    readonly port: IntOrString;
    readonly host?: string;
    readonly scheme?: "HTTP" | "HTTPS";
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly tcpSocket?: { readonly port: IntOrString; readonly host?: string };
  readonly exec?: { readonly command: readonly string[] };
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
  readonly terminationGracePeriodSeconds?: number;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly ContainerPort[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
}

export type RestartPolicy = "Always" | "OnFailure" | "Never";

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly nodeName?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly restartPolicy?: RestartPolicy;
  readonly hostNetwork?: boolean;
  readonly hostname?: string;
  /** Default 30. */
  readonly terminationGracePeriodSeconds?: number;
  /** Default "default". */
  readonly serviceAccountName?: string;
}

/** Kubelet's account of one container. Exactly one of the three states is set. */
export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly signal?: number;
    readonly reason?: string;
    readonly message?: string;
    readonly startedAt?: string;
    readonly finishedAt?: string;
  };
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";

export interface PodStatus {
  readonly phase?: PodPhase;
  readonly reason?: string;
  readonly message?: string;
  readonly hostIP?: string;
  readonly hostIPs?: readonly { readonly ip: string }[];
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly startTime?: string;
  readonly conditions?: readonly KubeCondition[];
  readonly containerStatuses?: readonly ContainerStatus[];
}

export interface KubePod extends KubeObject {
  readonly kind: "Pod";
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

export interface PodTemplate {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodSpec;
}

export interface KubeDeployment extends KubeObject {
  readonly kind: "Deployment";
  readonly spec: {
    /** Default 1. */
    readonly replicas?: number;
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
  };
  readonly status?: {
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly updatedReplicas?: number;
  };
}

export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly targetPort?: IntOrString;
  readonly protocol?: Protocol;
  readonly nodePort?: number;
  readonly appProtocol?: string;
}

export interface ServiceSpec {
  /** Default ClusterIP. */
  readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** "None" makes the Service headless. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  readonly publishNotReadyAddresses?: boolean;
  readonly sessionAffinity?: "None" | "ClientIP";
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
  readonly externalIPs?: readonly string[];
  readonly externalTrafficPolicy?: "Cluster" | "Local";
  readonly internalTrafficPolicy?: "Cluster" | "Local";
  readonly externalName?: string;
  readonly loadBalancerIP?: string;
  readonly loadBalancerSourceRanges?: readonly string[];
  readonly loadBalancerClass?: string;
  readonly trafficDistribution?: string;
  readonly healthCheckNodePort?: number;
  /** Default true. */
  readonly allocateLoadBalancerNodePorts?: boolean;
  readonly ipFamilies?: readonly ("IPv4" | "IPv6")[];
  readonly ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
}

export interface LoadBalancerIngress {
  readonly ip?: string;
  readonly hostname?: string;
  /** KEP-1860. Default VIP; with Proxy the balancer delivers to node ports and the address is none of ours. */
  readonly ipMode?: "VIP" | "Proxy";
}

export interface KubeService extends KubeObject {
  readonly kind: "Service";
  readonly spec: ServiceSpec;
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] } };
}

/** discovery.k8s.io/v1: unset `ready` means ready, unset `serving` means as `ready`, unset `terminating` means no. */
export interface EndpointConditions {
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly conditions?: EndpointConditions;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  /** Whom the EndpointSlice controller wants this endpoint to serve. */
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[];
    readonly forNodes?: readonly { readonly name: string }[];
  };
  readonly targetRef?: {
    readonly kind?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly uid?: string;
  };
}

export interface SlicePort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: Protocol;
  readonly appProtocol?: string;
}

/** The Service is named by label `kubernetes.io/service-name`. */
export interface KubeEndpointSlice extends KubeObject {
  readonly kind: "EndpointSlice";
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports?: readonly SlicePort[];
}

/** Label that ties an EndpointSlice to its Service. */
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

export interface KubeConfigMap extends KubeObject {
  readonly kind: "ConfigMap";
  readonly data?: Readonly<Record<string, string>>;
}

/** Upstream CRD cilium.io/v2. No spec; the agent owns the status. */
export interface CiliumEndpoint extends KubeObject {
  readonly kind: "CiliumEndpoint";
  readonly status?: {
    /** Endpoint id, 1…65535, unique on its node. */
    readonly id?: number;
    readonly identity?: { readonly id: number; readonly labels?: readonly string[] };
    readonly networking?: {
      readonly addressing: readonly { readonly ipv4?: string; readonly ipv6?: string }[];
      /** The node's internal address. */
      readonly node?: string;
    };
    readonly "external-identifiers"?: {
      readonly "container-id"?: string;
      readonly "cni-attachment-id"?: string;
      readonly "k8s-namespace"?: string;
      readonly "k8s-pod-name"?: string;
      readonly "pod-name"?: string;
    };
    readonly "named-ports"?: readonly { readonly name: string; readonly port: number; readonly protocol: Protocol }[];
    readonly state?: string;
  };
}

/** Upstream CRD cilium.io/v2; its name is the numeric identity. */
export interface CiliumIdentity extends KubeObject {
  readonly kind: "CiliumIdentity";
  /** Key with its source (`k8s:app`) → value. */
  readonly "security-labels": Readonly<Record<string, string>>;
}

/** Upstream CRD cilium.io/v2: what nodes tell one another. */
export interface CiliumNode extends KubeObject {
  readonly kind: "CiliumNode";
  readonly spec: {
    readonly addresses?: readonly {
      readonly type: "InternalIP" | "ExternalIP" | "Hostname" | "CiliumInternalIP";
      readonly ip: string;
    }[];
    readonly bootid?: string;
    readonly encryption?: { readonly key?: number };
    readonly health?: { readonly ipv4?: string; readonly ipv6?: string };
    readonly ipam?: { readonly podCIDRs?: readonly string[] };
  };
  readonly status?: { readonly ipam?: { readonly "operator-status"?: { readonly error?: string } } };
}

function resourceType<T extends KubeObject>(
  apiVersion: string,
  kind: T["kind"],
  plural: string,
  namespaced: boolean,
): ResourceType<T> {
  return { apiVersion, kind, plural, namespaced };
}

/** Every kind that a state source serves. */
export const resourceTypes = {
  namespaces: resourceType<KubeNamespace>("v1", "Namespace", "namespaces", false),
  nodes: resourceType<KubeNode>("v1", "Node", "nodes", false),
  pods: resourceType<KubePod>("v1", "Pod", "pods", true),
  deployments: resourceType<KubeDeployment>("apps/v1", "Deployment", "deployments", true),
  services: resourceType<KubeService>("v1", "Service", "services", true),
  endpointSlices: resourceType<KubeEndpointSlice>("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", true),
  configMaps: resourceType<KubeConfigMap>("v1", "ConfigMap", "configmaps", true),
  ciliumEndpoints: resourceType<CiliumEndpoint>("cilium.io/v2", "CiliumEndpoint", "ciliumendpoints", true),
  ciliumIdentities: resourceType<CiliumIdentity>("cilium.io/v2", "CiliumIdentity", "ciliumidentities", false),
  ciliumNodes: resourceType<CiliumNode>("cilium.io/v2", "CiliumNode", "ciliumnodes", false),
  networkPolicies: resourceType<KubeNetworkPolicy>("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
  ciliumNetworkPolicies: resourceType<CiliumNetworkPolicy>(
    "cilium.io/v2",
    "CiliumNetworkPolicy",
    "ciliumnetworkpolicies",
    true,
  ),
  ciliumClusterwideNetworkPolicies: resourceType<CiliumClusterwideNetworkPolicy>(
    "cilium.io/v2",
    "CiliumClusterwideNetworkPolicy",
    "ciliumclusterwidenetworkpolicies",
    false,
  ),
} as const;
