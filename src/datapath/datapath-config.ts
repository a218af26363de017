import { ownReleases } from "../abi/release.js";
import { structCodec } from "../abi/struct-codec.js";

import type { MapSpec } from "../kernel/bpf-map.js";
import { isFeatureAvailable } from "../kernel/features.js";
import { netnsCookie, possibleCpus } from "../kernel/net.js";
import { IpAddress } from "../lib/ip.js";
import type { AgentConfig } from "../model/agent-config.js";
import { nodeEventOptions } from "../model/event-options.js";
import { HOST_ENDPOINT_ID } from "../model/host-endpoint.js";
import { maglevSeeds } from "../model/maglev.js";
import { be, bytes, ip4, ip6, u64, uint } from "../model/struct-fields.js";
import { tunnelPortOf } from "../model/tunnel-protocol.js";
import type { Devices } from "./devices.js";
import { eventOptionBits } from "./event-options.js";
import { maglevTableSpec } from "./maglev-maps.js";
import { type NodeNetwork, networkFields, networkValues } from "./network-config.js";

/** Upstream's defaults: what a pod that reaches itself through a Service sees as its peer. */
const SERVICE_LOOPBACK_IPV4 = IpAddress.parse("169.254.42.1");
const SERVICE_LOOPBACK_IPV6 = IpAddress.parse("fe80::1");

const codec = structCodec("datapath_config", ownReleases, {
  hostIfindex: uint("host_ifindex"),
  tunnelIfindex: uint("tunnel_ifindex"),
  hostMac: bytes("host_mac"),
  ...networkFields,
  ctRegularTcpSeconds: uint("ct_regular_tcp_seconds"),
  ctRegularAnySeconds: uint("ct_regular_any_seconds"),
  ctServiceTcpSeconds: uint("ct_service_tcp_seconds"),
  ctServiceAnySeconds: uint("ct_service_any_seconds"),
  ctTcpSynSeconds: uint("ct_tcp_syn_seconds"),
  ctTcpFinSeconds: uint("ct_tcp_fin_seconds"),
  traceIntervalSeconds: uint("trace_interval_seconds"),
  eventOptions: uint("event_options"),
  ctAccounting: uint("ct_accounting"),
  tunnelPort: be("tunnel_port"),
  serviceLoopbackIpv4: ip4("service_loopback_ipv4"),
  serviceLoopbackIpv6: ip6("service_loopback_ipv6"),
  enableIpv4: uint("enable_ipv4"),
  enableIpv6: uint("enable_ipv6"),
  policyAccounting: uint("policy_accounting"),
  policyAuditMode: uint("policy_audit_mode"),
  lbMaglev: uint("lb_maglev"),
  noBackendReject: uint("no_backend_reject"),
  sockHostnsOnly: uint("sock_hostns_only"),
  sockSparesExternal: uint("sock_spares_external"),
  podsSpareExternal: uint("pods_spare_external"),
  traceSock: uint("trace_sock"),
  maglevSlots: uint("maglev_slots"),
  maglevSeed: uint("maglev_seed"),
  hostNetnsCookie: u64("host_netns_cookie"),
  hostEndpointId: uint("host_endpoint_id"),
  csumIpv6: uint("csum_ipv6"),
});

/** What this machine's kernel is asked for once. */
export interface KernelFacts {
  /** 0: not known. */
  readonly hostNetnsCookie: bigint;
  /** bpf_l4_csum_replace() knows `BPF_F_IPV6`. */
  readonly csumIpv6: boolean;
}

export function kernelFacts(): KernelFacts {
  return { hostNetnsCookie: netnsCookie(), csumIpv6: isFeatureAvailable("csum_ipv6") === true };
}

/** The load-time constants of every program: `struct datapath_config` of bpf/lib/config.h. */
export function encodeDatapathConfig(
  config: AgentConfig,
  devices: Devices,
  node: NodeNetwork,
  kernel: KernelFacts,
): Buffer {
  const hostMac = new Uint8Array(8);
  hostMac.set(devices.hostMac);
  return codec.encode({
    hostIfindex: devices.hostIfindex,
    tunnelIfindex: devices.tunnelIfindex,
    hostMac,
    ...networkValues(config, node),
    ctRegularTcpSeconds: config.ctTimeoutTcpSeconds,
    ctRegularAnySeconds: config.ctTimeoutAnySeconds,
    ctServiceTcpSeconds: config.ctTimeoutServiceTcpSeconds,
    ctServiceAnySeconds: config.ctTimeoutServiceAnySeconds,
    ctTcpSynSeconds: config.ctTimeoutTcpSynSeconds,
    ctTcpFinSeconds: config.ctTimeoutTcpFinSeconds,
    traceIntervalSeconds: config.monitorAggregationIntervalSeconds,
    eventOptions: eventOptionBits(nodeEventOptions(config)),
    ctAccounting: config.ctAccounting ? 1 : 0,
    tunnelPort: tunnelPortOf(config),
    serviceLoopbackIpv4: SERVICE_LOOPBACK_IPV4,
    serviceLoopbackIpv6: SERVICE_LOOPBACK_IPV6,
    enableIpv4: config.enableIpv4 ? 1 : 0,
    enableIpv6: config.enableIpv6 ? 1 : 0,
    policyAccounting: config.policyAccounting ? 1 : 0,
    policyAuditMode: config.policyAuditMode ? 1 : 0,
    lbMaglev: config.lbAlgorithm === "maglev" ? 1 : 0,
    noBackendReject: config.serviceNoBackendResponse === "reject" ? 1 : 0,
    sockHostnsOnly: config.socketLbHostnsOnly ? 1 : 0,
    sockSparesExternal: config.disableExternalIpMitigation ? 0 : 1,
    podsSpareExternal: sparesExternalAddresses(config) ? 1 : 0,
    traceSock: config.traceSock ? 1 : 0,
    maglevSlots: config.lbMaglevTableSize,
    maglevSeed: maglevSeeds(config.lbMaglevHashSeed).connections[0],
    hostNetnsCookie: kernel.hostNetnsCookie,
    hostEndpointId: config.enableHostFirewall ? HOST_ENDPOINT_ID : 0,
    csumIpv6: kernel.csumIpv6 ? 1 : 0,
  });
}

/** Upstream: packets of pods are balanced without this check, but only where the socket LB does not serve pods. */
function sparesExternalAddresses(config: AgentConfig): boolean {
  return !config.disableExternalIpMitigation && config.socketLb && !config.socketLbHostnsOnly;
}

/** Of maps that the programs name and, with this configuration, never use: an LRU map takes its memory when it is made. */
const UNUSED_MAP_ENTRIES = 256;

/** Configured sizes of the pinned maps; what is not named keeps the size that bpf/lib/maps.h declares. */
export function configuredMapSizes(config: AgentConfig): ReadonlyMap<string, number> {
  const orDefault = (size: number): number => (size === 0 ? config.lbMapMax : size);
  const sizesOf = (family: 4 | 6, isServed: boolean): readonly (readonly [string, number])[] =>
    (
      [
        [`cilium_ct${family}_global`, config.ctTcpMax],
        [`cilium_ct_any${family}_global`, config.ctAnyMax],
        [`cilium_lb${family}_services_v2`, orDefault(config.lbServiceMapMax)],
        [`cilium_lb${family}_backends_v3`, orDefault(config.lbBackendMapMax)],
        [`cilium_lb${family}_reverse_nat`, orDefault(config.lbRevNatMapMax)],
        [`cilium_lb${family}_reverse_sk`, config.sockRevNatMapMax],
        [`cilium_lb${family}_affinity`, orDefault(config.lbAffinityMapMax)],
        [`cilium_lb${family}_source_range`, orDefault(config.lbSourceRangeMapMax)],
        [`cilium_lb${family}_maglev`, orDefault(config.lbMaglevMapMax)],
        [`cilium_snat_v${family}_external`, config.natMax],
      ] as const
    ).map(([name, size]) => [name, isServed ? size : UNUSED_MAP_ENTRIES]);
  return new Map([
    ...sizesOf(4, config.enableIpv4),
    ...sizesOf(6, config.enableIpv6),
    ["cilium_lb_affinity_match", orDefault(config.lbAffinityMapMax)],
    ["cilium_policystats", perCpuEntries(config.policyStatsMapMax)],
  ]);
}

/** A per-CPU LRU map without a common list shares its entries out: as upstream, what does not divide is left. */
function perCpuEntries(wanted: number): number {
  const count = possibleCpus();
  return wanted - (wanted % count);
}

/** Shapes of the maps within maps that depend on the configuration. */
export function configuredInnerMaps(config: AgentConfig): ReadonlyMap<string, MapSpec> {
  const table = maglevTableSpec(config.lbMaglevTableSize);
  return new Map([
    ["cilium_lb4_maglev", table],
    ["cilium_lb6_maglev", table],
  ]);
}
