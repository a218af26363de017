import { isReleaseSince } from "../model/upstream-release.js";
import type { DeclaredLayouts, LayoutVersions } from "./declared/layout-versions.js";
import { loadBalancingLayouts } from "./declared/load-balancing-layouts.js";
import { smallMapLayouts } from "./declared/small-map-layouts.js";
import { parseLayout, type StructLayout } from "./layout.js";
import type { Release } from "./release.js";

/*
 * Layouts of upstream's structures, release by release, as measured in the BTF of each release's own headers. Our own
 * release is generated instead (`generated/layouts.ts`); what our datapath does not have (IPv6 services, the tunnel map)
 * still comes from here.
 */

const ctFlags = (third: string, eighth: string, tenth: string): string =>
  `rx_closing@36.0#1 tx_closing@36.1#1 ${third}@36.2#1 lb_loopback@36.3#1 seen_non_syn@36.4#1 node_port@36.5#1
   proxy_redirect@36.6#1 ${eighth}@36.7#1 from_l7lb@37.0#1 ${tenth}@37.1#1 from_tunnel@37.2#1 reserved3@37.3#5`;
const ctTail = "tx_flags_seen@42:1 rx_flags_seen@43:1 src_sec_id@44:4 last_tx_report@48:4 last_rx_report@52:4";

const conntrack: DeclaredLayouts = {
  ipv4_ct_tuple: [
    ["1.14", parseLayout(14, "daddr@0:4/be saddr@4:4/be dport@8:2/be sport@10:2/be nexthdr@12:1 flags@13:1")],
  ],
  ipv6_ct_tuple: [
    ["1.14", parseLayout(38, "daddr@0:16 saddr@16:16 dport@32:2/be sport@34:2/be nexthdr@36:1 flags@37:1")],
  ],
  ct_entry: [
    [
      "1.14",
      parseLayout(
        56,
        `rx_packets@0:8 rx_bytes@8:8 backend_id@8:8 tx_packets@16:8 tx_bytes@24:8 lifetime@32:4
      ${ctFlags("nat46", "dsr", "reserved1")} rev_nat_index@38:2 ifindex@40:2 ${ctTail}`,
      ),
    ],
    [
      "1.16",
      parseLayout(
        56,
        `reserved0@0:8 backend_id@8:8 packets@16:8 bytes@24:8 lifetime@32:4
      ${ctFlags("reserved1", "dsr_internal", "reserved2")} rev_nat_index@38:2 ifindex@40:2 ${ctTail}`,
      ),
    ],
    [
      "1.18",
      parseLayout(
        56,
        `reserved0@0:8 backend_id@8:8 packets@16:8 bytes@24:8 lifetime@32:4
      ${ctFlags("reserved1", "dsr_internal", "reserved2")} rev_nat_index@38:2 reserved4@40:2 ${ctTail}`,
      ),
    ],
    [
      "1.19",
      parseLayout(
        56,
        `nat_addr@0:16 reserved0@0:8 backend_id@8:8 packets@16:8 bytes@24:8 lifetime@32:4
      ${ctFlags("reserved1", "dsr_internal", "reserved2")} rev_nat_index@38:2 nat_port@40:2/be ${ctTail}`,
      ),
    ],
  ],
};

const endpointInfo = (tail: string): StructLayout =>
  parseLayout(48, `ifindex@0:4 unused@4:2 lxc_id@6:2 flags@8:4 mac@16:8 node_mac@24:8 sec_id@32:4 ${tail}`);
const tunnelKey = (tail: string): LayoutVersions[number][1] => parseLayout(20, `ip4@0:4 ip6@0:16 family@16:1 ${tail}`);

const endpoints: DeclaredLayouts = {
  endpoint_key: [
    ["1.14", parseLayout(20, "ip4@0:4 ip6@0:16 family@16:1 key@17:1 cluster_id@18:1 pad@19:1")],
    ["1.15", parseLayout(20, "ip4@0:4 ip6@0:16 family@16:1 key@17:1 cluster_id@18:2")],
  ],
  endpoint_info: [
    ["1.14", endpointInfo("pad@36:12")],
    ["1.17", endpointInfo("parent_ifindex@36:4 pad@40:8")],
    ["1.20", endpointInfo("rt_info@12:4 parent_ifindex@36:4 pad@40:8")],
  ],
  ipcache_key: [
    ["1.14", parseLayout(24, "prefixlen@0:4 pad1@4:2 cluster_id@6:1 family@7:1 ip4@8:4 ip6@8:16")],
    ["1.15", parseLayout(24, "prefixlen@0:4 cluster_id@4:2 pad1@6:1 family@7:1 ip4@8:4 ip6@8:16")],
  ],
  remote_endpoint_info: [
    ["1.14", parseLayout(12, "sec_identity@0:4 tunnel_endpoint@4:4 pad@8:2 key@10:1")],
    [
      "1.16",
      parseLayout(12, "sec_identity@0:4 tunnel_endpoint@4:4 pad@8:2 key@10:1 flag_skip_tunnel@11.0#1 pad2@11.1#7"),
    ],
    [
      "1.18",
      parseLayout(
        24,
        `sec_identity@0:4 tunnel_endpoint.ip4@4:4 tunnel_endpoint.ip6@4:16 pad@20:2 key@22:1
      flag_skip_tunnel@23.0#1 flag_has_tunnel_ep@23.1#1 flag_ipv6_tunnel_ep@23.2#1 flag_remote_cluster@23.3#1 pad2@23.4#4`,
      ),
    ],
  ],
  tunnel_key: [
    ["1.14", tunnelKey("cluster_id@17:1 pad@18:2")],
    ["1.15", tunnelKey("pad@17:1 cluster_id@18:2")],
    ["1.18", "absent"],
  ],
  tunnel_value: [
    ["1.14", tunnelKey("key@17:1 pad@18:2")],
    ["1.18", "absent"],
  ],
  node_key: [["1.14", parseLayout(20, "pad1@0:2 pad2@2:1 family@3:1 ip4@4:4 ip6@4:16")]],
  node_value: [["1.16", parseLayout(4, "id@0:2 spi@2:1 pad@3:1")]],
};

const policyEntry = (sizeBytes: number, flags: string, tail: string): StructLayout =>
  parseLayout(sizeBytes, `proxy_port@0:2/be deny@2.0#1 ${flags} ${tail}`);
const prefixFlags = "reserved@2.1#2 lpm_prefix_length@2.3#5";
const explicitAuth = `${prefixFlags} auth_type@3.0#7 has_explicit_auth_type@3.7#1`;
const policyCounters = "packets@8:8 bytes@16:8";

const policy: DeclaredLayouts = {
  policy_key: [
    ["1.14", parseLayout(12, "prefixlen@0:4 sec_label@4:4 egress@8.0#1 pad@8.1#7 protocol@9:1 dport@10:2/be")],
  ],
  policy_entry: [
    ["1.14", policyEntry(24, "wildcard_protocol@2.1#1 wildcard_dport@2.2#1 pad@2.3#5 auth_type@3:1", policyCounters)],
    ["1.16", policyEntry(24, `${prefixFlags} auth_type@3:1`, policyCounters)],
    ["1.17", policyEntry(24, explicitAuth, `proxy_port_priority@4:1 ${policyCounters}`)],
    ["1.18", policyEntry(8, explicitAuth, "proxy_port_priority@4:1 pad1@5:1 pad2@6:2")],
    ["1.19", policyEntry(12, explicitAuth, "precedence@4:4 cookie@8:4")],
  ],
  policy_stats_key: [
    [
      "1.18",
      parseLayout(
        12,
        "endpoint_id@0:2 pad1@2:1 prefix_len@3:1 sec_label@4:4 egress@8.0#1 pad@8.1#7 protocol@9:1 dport@10:2/be",
      ),
    ],
  ],
  policy_stats_value: [["1.18", parseLayout(16, "packets@0:8 bytes@8:8")]],
  metrics_key: [
    ["1.14", parseLayout(8, "reason@0:1 dir@1.0#2 pad@1.2#6 reserved@2:6")],
    ["1.16", parseLayout(8, "reason@0:1 dir@1.0#2 pad@1.2#6 line@2:2 file@4:1 reserved@5:3")],
  ],
  metrics_value: [["1.14", parseLayout(16, "count@0:8 bytes@8:8")]],
};

const captureHeader = (version: string): string =>
  `type@0:1 subtype@1:1 source@2:2 hash@4:4 len_orig@8:4 len_cap@12:2 ${version}`;
const wideVersion = captureHeader("version@14:2");
const narrowVersion = captureHeader("version@14:1 ext_version@15:1");
const dropTail = "src_label@16:4 dst_label@20:4 dst_id@24:4 line@28:2 file@30:1 ext_error@31:1 ifindex@32:4";
const traceHead = "src_label@16:4 dst_label@20:4 dst_id@24:2 reason@26:1 flags@27:1 ifindex@28:4";
const traceTail = `${traceHead} orig_ip4@32:4 orig_ip6@32:16`;
const verdictTail = `remote_label@16:4 verdict@20:4 dst_port@24:2 proto@26:1 dir@27.0#2 ipv6@27.2#1 match_type@27.3#3
  audited@27.6#1 l3@27.7#1 auth_type@28:1`;

const events: DeclaredLayouts = {
  debug_msg: [["1.14", parseLayout(20, "type@0:1 subtype@1:1 source@2:2 hash@4:4 arg1@8:4 arg2@12:4 arg3@16:4")]],
  debug_capture_msg: [
    ["1.14", parseLayout(24, `${wideVersion} arg1@16:4 arg2@20:4`)],
    ["1.19", parseLayout(24, `${narrowVersion} arg1@16:4 arg2@20:4`)],
  ],
  capture_msg: [
    [
      "1.14",
      parseLayout(24, "type@0:1 subtype@1:1 source@2:2 hash@4:4 hdr.to.tv_boot@8:8 hdr.caplen@16:4 hdr.len@20:4"),
    ],
    ["1.19", "absent"],
  ],
  trace_notify_v0: [["1.14", parseLayout(32, `${wideVersion} ${traceHead}`)]],
  drop_notify: [
    ["1.14", parseLayout(36, `${wideVersion} ${dropTail}`)],
    ["1.17", parseLayout(40, `${wideVersion} ${dropTail} flags@36:1 pad2@37:3`)],
    ["1.19", parseLayout(48, `${narrowVersion} ${dropTail} flags@36:1 pad2@37:3 ip_trace_id@40:8`)],
  ],
  trace_notify: [
    ["1.14", parseLayout(48, `${wideVersion} ${traceTail}`)],
    ["1.19", parseLayout(56, `${narrowVersion} ${traceTail} ip_trace_id@48:8`)],
  ],
  policy_verdict_notify: [
    ["1.14", parseLayout(32, `${wideVersion} ${verdictTail}`)],
    ["1.19", parseLayout(40, `${narrowVersion} ${verdictTail} pad1@29:3 cookie@32:4 pad2@36:4`)],
  ],
  trace_sock_notify: [
    [
      "1.14",
      parseLayout(
        38,
        `type@0:1 xlate_point@1:1 dst_ip.ip4@2:4/be dst_ip.ip6@2:16 dst_port@18:2 sock_cookie@20:8
      cgroup_id@28:8 l4_proto@36:1 ipv6@37.0#1 pad@37.1#7`,
      ),
    ],
    [
      "1.19",
      parseLayout(
        40,
        `type@0:1 xlate_point@1:1 l4_proto@2:1 ipv6@3.0#1 pad@3.1#7 dst_port@4:2 pad2@6:2
      sock_cookie@8:8 cgroup_id@16:8 dst_ip.ip4@24:4 dst_ip.ip6@24:16`,
      ),
    ],
  ],
};

const declared: DeclaredLayouts = {
  ...conntrack,
  ...loadBalancingLayouts,
  ...endpoints,
  ...policy,
  ...events,
  ...smallMapLayouts,
};

/** The declared layout of `struct` in `release`, undefined where the release has no such structure. */
export function declaredLayout(struct: string, release: Release): StructLayout | undefined {
  const versions = declared[struct] ?? [];
  const layout = versions.filter(([since]) => isReleaseSince(release, since)).at(-1)?.[1];
  return layout === "absent" ? undefined : layout;
}

export const declaredStructs: readonly string[] = Object.keys(declared);
