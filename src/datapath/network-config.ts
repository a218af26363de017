import { IpAddress, type IpFamily, IpPrefix } from "../lib/ip.js";
import { type AgentConfig, usesDsr } from "../model/agent-config.js";
import type { DatapathFeature } from "../model/datapath-port.js";
import { ip4, ip6, uint } from "../model/struct-fields.js";

/** What the programs know of the node's addresses, one a family that it has. */
export interface NodeNetwork {
  readonly ciliumHostIps: readonly IpAddress[];
  readonly internalIps: readonly IpAddress[];
  readonly podCidrs: readonly IpPrefix[];
  /** Of packets to pods of other nodes. */
  readonly routeMtu: number;
}

/** The part of `struct datapath_config` that is about routing, masquerading and NAT. */
export const networkFields = {
  hostIpv4: ip4("host_ipv4"),
  hostIpv6: ip6("host_ipv6"),
  nodeIpv4: ip4("node_ipv4"),
  nodeIpv6: ip6("node_ipv6"),
  nativeRouting: uint("native_routing"),
  hostRouting: uint("host_routing"),
  masqueradeIpv4: uint("masquerade_ipv4"),
  masqueradeIpv6: uint("masquerade_ipv6"),
  ipMasqAgent: uint("ip_masq_agent"),
  routeMtu: uint("route_mtu"),
  natFirstPort: uint("nat_first_port"),
  natLastPort: uint("nat_last_port"),
  nativeIpv4: ip4("native_ipv4"),
  nativeIpv4Mask: ip4("native_ipv4_mask"),
  nativeIpv6: ip6("native_ipv6"),
  nativeIpv6Mask: ip6("native_ipv6_mask"),
  dsrDispatch: uint("dsr_dispatch"),
  ipipSourceIpv4: ip4("ipip_source_ipv4"),
  ipipSourceIpv4Mask: ip4("ipip_source_ipv4_mask"),
  ipipSourceIpv6: ip6("ipip_source_ipv6"),
  ipipSourceIpv6Mask: ip6("ipip_source_ipv6_mask"),
} as const;

/** `DSR_*` of bpf/lib/config.h. */
const dsrDispatch = { none: 0, opt: 1, ipip: 2 } as const;

const NO_ADDRESS = { 4: IpAddress.parse("0.0.0.0"), 6: IpAddress.parse("::") } as const;

export function networkValues(config: AgentConfig, node: NodeNetwork) {
  const hostIp = ofFamily(node.ciliumHostIps);
  const nodeIp = ofFamily(node.internalIps);
  const native4 = nativePrefix(4, config.ipv4NativeRoutingCidr, config, node);
  const native6 = nativePrefix(6, config.ipv6NativeRoutingCidr, config, node);
  const source4 = config.lbRssIpv4Cidr ?? IpPrefix.host(nodeIp(4));
  const source6 = config.lbRssIpv6Cidr ?? IpPrefix.host(nodeIp(6));
  return {
    hostIpv4: hostIp(4),
    hostIpv6: hostIp(6),
    nodeIpv4: nodeIp(4),
    nodeIpv6: nodeIp(6),
    nativeRouting: config.routingMode === "native" ? 1 : 0,
    hostRouting: config.hostLegacyRouting ? 0 : 1,
    masqueradeIpv4: config.masqueradeIpv4 ? 1 : 0,
    masqueradeIpv6: config.masqueradeIpv6 ? 1 : 0,
    ipMasqAgent: config.ipMasqAgent ? 1 : 0,
    routeMtu: node.routeMtu,
    natFirstPort: config.nodePortRange.last + 1,
    natLastPort: 65_535,
    nativeIpv4: native4.address,
    nativeIpv4Mask: maskOf(native4),
    nativeIpv6: native6.address,
    nativeIpv6Mask: maskOf(native6),
    dsrDispatch: dsrDispatch[dispatchOf(config)],
    ipipSourceIpv4: source4.address,
    ipipSourceIpv4Mask: maskOf(source4),
    ipipSourceIpv6: source6.address,
    ipipSourceIpv6Mask: maskOf(source6),
  };
}

/** How frontends travel: also to this node alone, from load balancers outside of the cluster. */
function dispatchOf(config: AgentConfig): keyof typeof dsrDispatch {
  if (usesDsr(config)) return config.lbDsrDispatch;
  return config.ipipTermination ? "ipip" : "none";
}

function ofFamily(addresses: readonly IpAddress[]): (family: IpFamily) => IpAddress {
  return (family) => addresses.find((address) => address.family === family) ?? NO_ADDRESS[family];
}

/** Without the setting the node's own pods, as upstream has it; /0 stands for none. */
function nativePrefix(
  family: IpFamily,
  configured: IpPrefix | undefined,
  config: AgentConfig,
  { podCidrs }: NodeNetwork,
): IpPrefix {
  const own = podCidrs.find(({ address }) => address.family === family);
  const chosen = configured ?? (config.routingMode === "tunnel" ? own : undefined);
  return chosen ?? IpPrefix.of(NO_ADDRESS[family], 0);
}

function maskOf({ address, length }: IpPrefix): IpAddress {
  return IpPrefix.of(IpAddress.fromBytes(address.bytes.map(() => 0xff)), length).address;
}

/** What the settings switch, for `status`: which way packets go. */
export function configuredFeatures(config: AgentConfig): readonly DatapathFeature[] {
  const families = [...(config.masqueradeIpv4 ? ["IPv4"] : []), ...(config.masqueradeIpv6 ? ["IPv6"] : [])];
  const socketLb = config.socketLb
    ? "connect, sendmsg, recvmsg, getpeername, bind; both families"
    : "bpf-lb-sock is off";
  return [
    { name: "socket-lb", used: config.socketLb, detail: socketLb },
    {
      name: "host-routing",
      used: !config.hostLegacyRouting,
      detail: config.hostLegacyRouting ? "through the node's stack" : "redirect_peer, redirect_neigh",
    },
    {
      name: "overlay",
      used: config.routingMode === "tunnel",
      detail: config.routingMode === "tunnel" ? config.tunnelProtocol : "native routing",
    },
    { name: "dsr", used: dispatchOf(config) !== "none", detail: dsrDetail(config) },
    { name: "xdp-acceleration", used: config.lbAcceleration !== "disabled", detail: config.lbAcceleration },
    { name: "masquerading", used: families.length > 0, detail: families.join(", ") || "off" },
  ];
}

function dsrDetail(config: AgentConfig): string {
  const { lbMode, lbModeAnnotation, lbDsrDispatch } = config;
  if (!usesDsr(config)) return config.ipipTermination ? "what load balancers outside send by ipip" : "off";
  const services = { dsr: "all Services", hybrid: "TCP", snat: "Services that ask for it" }[lbMode];
  const annotation = lbModeAnnotation && lbMode !== "snat" ? ", unless a Service says otherwise" : "";
  return `${services}${annotation}; ${{ opt: "frontend in opt", ipip: "packets in ipip" }[lbDsrDispatch]}`;
}
