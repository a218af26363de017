import {
  booleanSetting,
  choiceSetting,
  numberSetting,
  portRangeSetting,
  prefixSetting,
  textSetting,
} from "./setting.js";

const devicePatterns = /^[!A-Za-z0-9_.:@-]*\+?([\s,]+[!A-Za-z0-9_.:@-]+\+?)*$/;

/** Settings of what happens on the node's own devices: routing without a tunnel, masquerading, NodePort. */
export const deviceSettings = {
  devices: textSetting("devices", {
    description: "The node's devices that get programs; empty: those with the node's address or a default route",
    defaultValue: "",
    pattern: devicePatterns,
    allowed: "device names separated by spaces or commas, `+` at the end stands for any rest, `!` excludes",
  }),
  directRoutingDevice: textSetting("direct-routing-device", {
    description: "Device that reaches the other nodes; empty: the one with the node's InternalIP",
    defaultValue: "",
    pattern: /^[A-Za-z0-9_.:@-]*\+?$/,
    allowed: "one device name, `+` at the end stands for any rest",
  }),
  routingMode: choiceSetting("routing-mode", {
    description: "How packets reach another node's pods: in a tunnel, or as they are over the nodes' network",
    defaultValue: "tunnel",
    choices: ["tunnel", "native"],
  }),
  autoDirectNodeRoutes: booleanSetting("auto-direct-node-routes", {
    description: "Native routing: routes to the pods of nodes on the same segment, through their addresses",
    defaultValue: false,
  }),
  directRoutingSkipUnreachable: booleanSetting("direct-routing-skip-unreachable", {
    description: "No problem in `status` for nodes on other segments: somebody else routes to them",
    defaultValue: false,
  }),
  ipv4NativeRoutingCidr: prefixSetting("ipv4-native-routing-cidr", 4, {
    description: "Addresses that the network routes to pods and back: not masqueraded. Native routing needs it",
  }),
  ipv6NativeRoutingCidr: prefixSetting("ipv6-native-routing-cidr", 6, {
    description: "As ipv4-native-routing-cidr",
  }),
  masqueradeIpv4: booleanSetting("enable-ipv4-masquerade", {
    description: "Packets of pods for the world leave the node with its own IPv4 address",
    defaultValue: true,
  }),
  masqueradeIpv6: booleanSetting("enable-ipv6-masquerade", {
    description: "Packets of pods for the world leave the node with its own IPv6 address",
    defaultValue: true,
  }),
  bpfMasquerade: booleanSetting("enable-bpf-masquerade", {
    description: "Taken over and without effect: what is masqueraded is masqueraded by eBPF, never by iptables",
    defaultValue: true,
  }),
  ipMasqAgent: booleanSetting("enable-ip-masq-agent", {
    description: "Leave out the destinations that the file of ip-masq-agent-config-path names (of the ip-masq-agent)",
    defaultValue: false,
  }),
  ipMasqAgentConfigPath: textSetting("ip-masq-agent-config-path", {
    description: "File with nonMasqueradeCIDRs, masqLinkLocal and masqLinkLocalIPv6; followed while the agent runs",
    defaultValue: "/etc/config/ip-masq-agent",
    pattern: /^\//,
    allowed: "an absolute path",
  }),
  hostLegacyRouting: booleanSetting("enable-host-legacy-routing", {
    description: "Packets of pods leave through the node's stack with its netfilter rules, not by eBPF",
    defaultValue: false,
  }),
  nodePortRange: portRangeSetting("node-port-range", {
    description: "Ports of NodePort Services; translated connections use the ports above",
    defaultValue: { first: 30_000, last: 32_767 },
    // Some thousand are left for translated connections.
    max: 61_439,
  }),
  lbMode: choiceSetting("bpf-lb-mode", {
    description:
      "How connections from outside reach a backend on another node: with this node's address (snat), with the client's and answered by that node (dsr), or TCP so and the rest the first way (hybrid)",
    defaultValue: "snat",
    choices: ["snat", "dsr", "hybrid"],
  }),
  lbModeAnnotation: booleanSetting("bpf-lb-mode-annotation", {
    description: "Services choose for themselves, with annotation service.cilium.io/forwarding-mode",
    defaultValue: false,
  }),
  lbDsrDispatch: choiceSetting("bpf-lb-dsr-dispatch", {
    description:
      "How the frontend travels to the backend's node with dsr: in an option of the IP header (opt), or each packet as it came inside of another one (ipip)",
    defaultValue: "opt",
    choices: ["opt", "ipip"],
    later: ["geneve"],
  }),
  ipipTermination: booleanSetting("enable-ipip-termination", {
    description:
      "Take what a load balancer outside of the cluster sends to backends here inside of another packet (bpf-lb-dsr-dispatch ipip does so by itself)",
    defaultValue: false,
  }),
  lbRssIpv4Cidr: prefixSetting("bpf-lb-rss-ipv4-src-cidr", 4, {
    description:
      "With bpf-lb-dsr-dispatch ipip the outer packets come from here, each connection's from one address; none: the node's",
  }),
  lbRssIpv6Cidr: prefixSetting("bpf-lb-rss-ipv6-src-cidr", 6, {
    description: "As bpf-lb-rss-ipv4-src-cidr",
  }),
  lbAcceleration: choiceSetting("bpf-lb-acceleration", {
    description:
      "XDP forwards established node-port connections on the node's devices: on all (native), on those whose driver can (best-effort), by the kernel for any driver, which gains nothing (testing-only)",
    defaultValue: "disabled",
    choices: ["disabled", "native", "best-effort", "testing-only"],
  }),
  natMax: numberSetting("bpf-nat-global-max", {
    description: "Entries of the NAT map of each family: a translated connection takes two",
    defaultValue: 524_288,
    min: 1024,
    max: 16_777_216,
  }),
} as const;
