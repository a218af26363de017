import { deviceSettings } from "./device-settings.js";
import {
  booleanSetting,
  choiceSetting,
  numberChoiceSetting,
  numberSetting,
  prefixListSetting,
  ratioSetting,
  secondsSetting,
  textSetting,
} from "./setting.js";

/** Bounds of every conntrack and NAT map option upstream. */
const ctMapBounds = { min: 1024, max: 16_777_216 };
/** 16-bit service ids and slots end the service tables at 65,536 entries upstream; 0 follows `bpf-lb-map-max`. */
const lbMapBounds = { min: 256, max: 1_048_576 };
const timeoutBounds = { min: 1, max: 604_800 };
const zeroMeans = "as bpf-lb-map-max";

/**
 * Settings of the agent: upstream's ConfigMap keys, defaults and bounds (release 1.20), so that a user's `cilium-config` can be
 * taken over. The name on the left is the field of `AgentConfig`.
 */
export const agentSettings = {
  clusterName: textSetting("cluster-name", {
    description: "Name of the cluster; part of every pod's identity labels",
    defaultValue: "default",
    pattern: /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/,
    allowed: "up to 32 lower-case letters, digits and dashes",
  }),
  clusterId: numberSetting("cluster-id", {
    description: "Number of the cluster; 0 = none. Shifts the range of identities (id << 16)",
    defaultValue: 0,
    min: 0,
    max: 255,
  }),
  labels: textSetting("labels", {
    description: "Label prefixes (regular expressions, `!` excludes) beside the default ones that make up an identity",
    defaultValue: "",
    pattern: /^/,
    allowed: "patterns separated by spaces",
  }),
  enableIpv4: booleanSetting("enable-ipv4", { description: "IPv4 for pods", defaultValue: true }),
  enableIpv6: booleanSetting("enable-ipv6", { description: "IPv6 for pods", defaultValue: false }),
  tunnelProtocol: choiceSetting("tunnel-protocol", {
    description: "Encapsulation of the overlay",
    defaultValue: "vxlan",
    choices: ["vxlan", "geneve"],
  }),
  tunnelPort: numberSetting("tunnel-port", {
    description: "UDP port of the overlay",
    defaultValue: 0,
    min: 1,
    max: 65_535,
    zeroMeans: "8472 of VXLAN, 6081 of Geneve",
  }),
  mtu: numberSetting("mtu", {
    description: "MTU of the underlay; with an overlay pods get 50 bytes less, or 70 where nodes have IPv6 alone",
    defaultValue: 0,
    min: 576,
    max: 65_520,
    zeroMeans: "as the underlay device",
  }),
  socketLb: booleanSetting("bpf-lb-sock", {
    description: "Translate Services in connect(2) and sendmsg(2), not per packet",
    defaultValue: true,
  }),
  socketLbHostnsOnly: booleanSetting("bpf-lb-sock-hostns-only", {
    description: "The socket LB serves the node's own processes alone; pods are balanced per packet, as meshes want it",
    defaultValue: false,
  }),
  disableExternalIpMitigation: booleanSetting("disable-external-ip-mitigation", {
    description: "The socket LB translates externalIPs that are not the node's own too (CVE-2020-8554)",
    defaultValue: false,
  }),
  traceSock: booleanSetting("trace-sock", {
    description: "Report each translation of the socket LB. Upstream's default is true; a record a dial costs as much",
    defaultValue: false,
  }),
  lbAlgorithm: choiceSetting("bpf-lb-algorithm", {
    description: "How a backend is chosen for a connection from outside: at random, or the same one by every node",
    defaultValue: "random",
    choices: ["random", "maglev"],
  }),
  lbAlgorithmAnnotation: booleanSetting("bpf-lb-algorithm-annotation", {
    description: "Services choose for themselves, with annotation service.cilium.io/lb-algorithm",
    defaultValue: false,
  }),
  lbMaglevTableSize: numberChoiceSetting("bpf-lb-maglev-table-size", {
    description: "Slots of each Service's Maglev table; a hundred times the backends spread them to 1 %",
    defaultValue: 16_381,
    choices: [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521, 131_071],
  }),
  lbMaglevHashSeed: textSetting("bpf-lb-maglev-hash-seed", {
    description: "Seed of the Maglev hashes, the same on every node",
    defaultValue: "JLfvgnHc2kaSUFaI",
    pattern: /^[A-Za-z0-9+/]{16}$/,
    allowed: "12 bytes in base64",
  }),
  lbExternalClusterIp: booleanSetting("bpf-lb-external-clusterip", {
    description: "ClusterIPs answer packets from outside the cluster",
    defaultValue: false,
  }),
  lbSourceRangeAllTypes: booleanSetting("bpf-lb-source-range-all-types", {
    description: "loadBalancerSourceRanges hold for node ports and ClusterIPs too",
    defaultValue: false,
  }),
  serviceTopology: booleanSetting("enable-service-topology", {
    description: "Prefer backends near the client where a Service's trafficDistribution or topology mode asks for it",
    defaultValue: true,
  }),
  healthCheckNodePort: booleanSetting("enable-health-check-nodeport", {
    description: "Answer external balancers on the healthCheckNodePort of Services with externalTrafficPolicy Local",
    defaultValue: true,
  }),
  terminatePodConnections: booleanSetting("bpf-lb-sock-terminate-pod-connections", {
    description: "UDP sockets that the socket LB connected to a backend that is gone are closed (ECONNABORTED)",
    defaultValue: true,
  }),
  nodePortAddresses: prefixListSetting("nodeport-addresses", {
    description:
      "Prefixes of the node's addresses on which node ports answer; empty = the node's own address of each family",
  }),
  serviceNoBackendResponse: choiceSetting("service-no-backend-response", {
    description: "What a connection to a Service without backends gets",
    defaultValue: "reject",
    choices: ["drop", "reject"],
  }),
  enablePolicy: choiceSetting("enable-policy", {
    description: "Whom policies make deny what they do not allow: those they select, everybody, nobody",
    defaultValue: "default",
    choices: ["default", "always", "never"],
  }),
  allowLocalhost: choiceSetting("allow-localhost", {
    description:
      "Whether a pod takes everything from its own node (probes); `policy`: what policies say; auto = always",
    defaultValue: "auto",
    choices: ["auto", "always", "policy"],
  }),
  enableHostFirewall: booleanSetting("enable-host-firewall", {
    description: "Policies with a nodeSelector hold for what nodes themselves send and receive",
    defaultValue: false,
  }),
  policyCidrMatchMode: choiceSetting("policy-cidr-match-mode", {
    description: "Whom of the cluster rules may name by prefixes: nodes, or nobody",
    defaultValue: "",
    choices: ["", "nodes"],
  }),
  policyAuditMode: booleanSetting("policy-audit-mode", {
    description: "Forward what policies deny, and say so in verdict events",
    defaultValue: false,
  }),
  policyAccounting: booleanSetting("policy-accounting", {
    description: "Count how often each entry of a policy decides",
    defaultValue: true,
  }),
  policyStatsMapMax: numberSetting("bpf-policy-stats-map-max", {
    description: "Entries of the counters of all policies",
    defaultValue: 65_536,
    min: 4096,
    max: 16_777_216,
  }),
  mapDynamicSizeRatio: ratioSetting("bpf-map-dynamic-size-ratio", {
    description: "Share of the memory for the conntrack and reverse maps whose own size is not set; 0 = fixed sizes",
    defaultValue: 0.0025,
    max: 1,
  }),
  ctTcpMax: numberSetting("bpf-ct-global-tcp-max", {
    description: "Entries of the TCP conntrack map",
    defaultValue: 524_288,
    ...ctMapBounds,
  }),
  ctAnyMax: numberSetting("bpf-ct-global-any-max", {
    description: "Entries of the conntrack map of all other protocols",
    defaultValue: 262_144,
    ...ctMapBounds,
  }),
  ctTimeoutTcpSeconds: secondsSetting("bpf-ct-timeout-regular-tcp", {
    description: "Life of an idle established TCP connection",
    defaultValue: 8000,
    ...timeoutBounds,
  }),
  ctTimeoutTcpSynSeconds: secondsSetting("bpf-ct-timeout-regular-tcp-syn", {
    description: "Life of a TCP connection that was not answered",
    defaultValue: 60,
    ...timeoutBounds,
  }),
  ctTimeoutTcpFinSeconds: secondsSetting("bpf-ct-timeout-regular-tcp-fin", {
    description: "Life of a TCP connection after FIN or RST",
    defaultValue: 10,
    ...timeoutBounds,
  }),
  ctTimeoutAnySeconds: secondsSetting("bpf-ct-timeout-regular-any", {
    description: "Life of an idle connection of all other protocols",
    defaultValue: 60,
    ...timeoutBounds,
  }),
  ctTimeoutServiceTcpSeconds: secondsSetting("bpf-ct-timeout-service-tcp", {
    description: "Life of the service entry of an idle established TCP connection",
    defaultValue: 8000,
    ...timeoutBounds,
  }),
  ctTimeoutServiceTcpGraceSeconds: secondsSetting("bpf-ct-timeout-service-tcp-grace", {
    description: "Life of the service entry of a TCP connection whose backend goes away",
    defaultValue: 60,
    ...timeoutBounds,
  }),
  ctTimeoutServiceAnySeconds: secondsSetting("bpf-ct-timeout-service-any", {
    description: "Life of the service entry of an idle connection of all other protocols",
    defaultValue: 60,
    ...timeoutBounds,
  }),
  ctAccounting: booleanSetting("bpf-conntrack-accounting", {
    description: "Count packets and bytes in every conntrack entry",
    defaultValue: false,
  }),
  ctGcIntervalSeconds: secondsSetting("conntrack-gc-interval", {
    description: "Time between two collections of expired conntrack entries; 0s = chosen from how much was found",
    defaultValue: 0,
    min: 0,
    max: 43_200,
  }),
  lbMapMax: numberSetting("bpf-lb-map-max", {
    description: "Entries of each load-balancing map",
    defaultValue: 65_536,
    ...lbMapBounds,
  }),
  lbServiceMapMax: numberSetting("bpf-lb-service-map-max", {
    description: "Entries of the service map: a Service port takes one and one more for each backend",
    defaultValue: 0,
    ...lbMapBounds,
    zeroMeans,
  }),
  lbBackendMapMax: numberSetting("bpf-lb-service-backend-map-max", {
    description: "Entries of the backend map",
    defaultValue: 0,
    ...lbMapBounds,
    zeroMeans,
  }),
  lbRevNatMapMax: numberSetting("bpf-lb-rev-nat-map-max", {
    description: "Entries of the reverse NAT map: one a Service port",
    defaultValue: 0,
    ...lbMapBounds,
    zeroMeans,
  }),
  lbAffinityMapMax: numberSetting("bpf-lb-affinity-map-max", {
    description: "Entries of the session affinity maps: one a client and Service",
    defaultValue: 0,
    ...lbMapBounds,
    zeroMeans,
  }),
  lbSourceRangeMapMax: numberSetting("bpf-lb-source-range-map-max", {
    description: "Entries of the source range maps: one a range and Service port",
    defaultValue: 0,
    ...lbMapBounds,
    zeroMeans,
  }),
  lbMaglevMapMax: numberSetting("bpf-lb-maglev-map-max", {
    description: "Entries of the Maglev maps: one a Service port",
    defaultValue: 0,
    ...lbMapBounds,
    zeroMeans,
  }),
  sockRevNatMapMax: numberSetting("bpf-sock-rev-map-max", {
    description: "Entries of the socket LB's reverse map",
    defaultValue: 262_144,
    min: 256,
    max: 16_777_216,
  }),
  policyMapMax: numberSetting("bpf-policy-map-max", {
    description: "Entries of each endpoint's policy map",
    defaultValue: 16_384,
    min: 256,
    max: 65_536,
  }),
  nodeMapMax: numberSetting("bpf-node-map-max", {
    description: "Entries of the node map",
    defaultValue: 16_384,
    min: 256,
    max: 1_048_576,
  }),
  preallocateMaps: booleanSetting("preallocate-bpf-maps", {
    description: "Take the memory of hash maps at start instead of entry by entry",
    defaultValue: false,
  }),
  enableTcx: booleanSetting("enable-tcx", {
    description: "Attach with tcx where the kernel has it (6.6 and newer), else with clsact",
    defaultValue: true,
  }),
  monitorAggregation: choiceSetting("monitor-aggregation", {
    description: "How much of a connection its trace events tell",
    defaultValue: "medium",
    choices: ["none", "lowest", "low", "medium", "maximum"],
  }),
  monitorAggregationIntervalSeconds: secondsSetting("monitor-aggregation-interval", {
    description: "Time between two trace events of a connection without news",
    defaultValue: 5,
    min: 1,
    max: 3600,
  }),
  eventsDrop: booleanSetting("bpf-events-drop-enabled", { description: "Report dropped packets", defaultValue: true }),
  eventsTrace: booleanSetting("bpf-events-trace-enabled", { description: "Report connections", defaultValue: true }),
  eventsPolicyVerdict: booleanSetting("bpf-events-policy-verdict-enabled", {
    description: "Report policy verdicts",
    defaultValue: true,
  }),
  debug: booleanSetting("debug", { description: "Log at level debug", defaultValue: false }),
  ...deviceSettings,
} as const;
