import type { KubeObject, ResourceType } from "../../model/kube-object.js";
import { resourceTypes } from "../../model/kubernetes.js";
import {
  clusterMetadata,
  dnsLabel,
  dnsName,
  labelSelector,
  labels,
  namespacedMetadata,
  portNumber,
  protocol,
  servicePortName,
  templateMetadata,
} from "./common-schemas.js";
import { podSpec, podStatus } from "./pod-schema.js";
import { ciliumPolicyFields, networkPolicySpec } from "./policy-schema.js";
import {
  boolean,
  ignored,
  ignoring,
  integer,
  list,
  map,
  type ObjectSchema,
  object,
  oneOf,
  portReference,
  silentlyIgnored,
  text,
} from "./schema.js";

/** A kind that a manifest may hold. */
export interface ManifestKind {
  readonly type: ResourceType;
  readonly schema: ObjectSchema;
}

const serviceSpec = object({
  type: oneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
  clusterIP: text,
  clusterIPs: list(text),
  selector: labels,
  ports: list(
    object({
      name: servicePortName,
      "port!": portNumber,
      targetPort: portReference,
      protocol,
      nodePort: portNumber,
      appProtocol: text,
    }),
  ),
  publishNotReadyAddresses: boolean,
  sessionAffinity: oneOf("None", "ClientIP"),
  externalIPs: list(text),
  externalTrafficPolicy: oneOf("Cluster", "Local"),
  internalTrafficPolicy: oneOf("Cluster", "Local"),
  externalName: text,
  loadBalancerIP: text,
  loadBalancerSourceRanges: list(text),
  loadBalancerClass: text,
  trafficDistribution: text,
  ipFamilies: list(oneOf("IPv4", "IPv6")),
  ipFamilyPolicy: oneOf("SingleStack", "PreferDualStack", "RequireDualStack"),
  sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: integer(1, 86_400) }) }),
  healthCheckNodePort: portNumber,
  allocateLoadBalancerNodePorts: boolean,
});

/** The addresses that somebody's balancer gave it: a lab has none that would. */
const serviceStatus = object({
  loadBalancer: object({
    ingress: list(object({ ip: text, hostname: text, ipMode: oneOf("VIP", "Proxy"), ports: ignored })),
  }),
  conditions: ignored,
});

const hintNames = list(object({ "name!": text }));

const sliceEndpoint = object({
  "addresses!": list(text, 1),
  conditions: object({ ready: boolean, serving: boolean, terminating: boolean }),
  hostname: dnsLabel,
  nodeName: dnsName,
  zone: text,
  targetRef: object({
    kind: text,
    namespace: dnsLabel,
    name: dnsName,
    uid: text,
    ...ignoring("apiVersion", "fieldPath", "resourceVersion"),
  }),
  hints: object({ forZones: hintNames, forNodes: hintNames }),
  ...ignoring("deprecatedTopology"),
});

/** A whole object of a kind: what every object has, and its own fields. */
function kind(type: ResourceType, fields: Parameters<typeof object>[0]): ManifestKind {
  const metadata = type.namespaced ? namespacedMetadata : clusterMetadata;
  const schema = object({
    "apiVersion!": text,
    "kind!": text,
    "metadata!": metadata,
    status: silentlyIgnored,
    ...fields,
  });
  return { type: type as ResourceType<KubeObject>, schema };
}

/** Kinds that the lab runs. */
export const manifestKinds: readonly ManifestKind[] = [
  kind(resourceTypes.namespaces, { spec: silentlyIgnored }),
  kind(resourceTypes.nodes, {
    spec: object({
      podCIDR: text,
      podCIDRs: list(text),
      unschedulable: boolean,
      ...ignoring("configSource", "externalID", "providerID", "taints"),
    }),
  }),
  kind(resourceTypes.pods, { "spec!": podSpec, status: podStatus }),
  kind(resourceTypes.deployments, {
    "spec!": object({
      replicas: integer(0, 1000),
      "selector!": labelSelector,
      "template!": object({ metadata: templateMetadata, "spec!": podSpec }),
      ...ignoring("minReadySeconds", "paused", "progressDeadlineSeconds", "revisionHistoryLimit", "strategy"),
    }),
  }),
  kind(resourceTypes.services, { "spec!": serviceSpec, status: serviceStatus }),
  kind(resourceTypes.endpointSlices, {
    "addressType!": oneOf("IPv4", "IPv6", "FQDN"),
    "endpoints!": list(sliceEndpoint),
    ports: list(object({ name: servicePortName, port: portNumber, protocol, appProtocol: text })),
  }),
  kind(resourceTypes.configMaps, { data: map(text), binaryData: ignored, immutable: ignored }),
  kind(resourceTypes.networkPolicies, { spec: networkPolicySpec }),
  kind(resourceTypes.ciliumNetworkPolicies, ciliumPolicyFields),
  kind(resourceTypes.ciliumClusterwideNetworkPolicies, ciliumPolicyFields),
];

/** Kinds of real manifests that change nothing between pods: noted and left out. */
export const ignoredKinds: ReadonlySet<string> = new Set([
  "ClusterRole",
  "ClusterRoleBinding",
  "HorizontalPodAutoscaler",
  "LimitRange",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "PodDisruptionBudget",
  "PriorityClass",
  "ResourceQuota",
  "Role",
  "RoleBinding",
  "RuntimeClass",
  "Secret",
  "ServiceAccount",
  "StorageClass",
]);

/** Kinds that would change what runs or what is reachable: refused by name until they do. */
export const laterKinds: ReadonlySet<string> = new Set([
  "CiliumBGPAdvertisement",
  "CiliumBGPClusterConfig",
  "CiliumBGPNodeConfig",
  "CiliumBGPNodeConfigOverride",
  "CiliumBGPPeerConfig",
  "CiliumBGPPeeringPolicy",
  "CiliumCIDRGroup",
  "CiliumClusterwideEnvoyConfig",
  "CiliumEgressGatewayPolicy",
  "CiliumEnvoyConfig",
  "CiliumExternalWorkload",
  "CiliumL2AnnouncementPolicy",
  "CiliumLoadBalancerIPPool",
  "CiliumLocalRedirectPolicy",
  "CiliumNodeConfig",
  "CiliumPodIPPool",
  "ClusterNetworkPolicy",
  "CronJob",
  "CustomResourceDefinition",
  "DaemonSet",
  "Endpoints",
  "GRPCRoute",
  "Gateway",
  "GatewayClass",
  "HTTPRoute",
  "Ingress",
  "IngressClass",
  "Job",
  "ReferenceGrant",
  "ReplicaSet",
  "ReplicationController",
  "StatefulSet",
  "TCPRoute",
  "TLSRoute",
  "UDPRoute",
]);

/** Kinds that agents and controllers write; a manifest cannot. */
export const writtenKinds: ReadonlySet<string> = new Set([
  "CiliumEndpoint",
  "CiliumEndpointSlice",
  "CiliumIdentity",
  "CiliumNode",
  "Event",
  "Lease",
]);
