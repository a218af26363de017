import { parseLayout } from "../layout.js";
import type { Release } from "../release.js";
import type { DeclaredLayouts, LayoutVersions } from "./layout-versions.js";

/** A structure that has looked the same in every release that has it. */
function steady(sizeBytes: number, text: string, since: Release = "1.14"): LayoutVersions {
  return [[since, parseLayout(sizeBytes, text)]];
}

/** Keys and values that are no structure: their one field is called `value`. */
const scalars: DeclaredLayouts = {
  u8: steady(1, "value@0:1"),
  u16: steady(2, "value@0:2"),
  u32: steady(4, "value@0:4"),
  u64: steady(8, "value@0:8"),
  ipv4: steady(4, "value@0:4/be"),
  ipv6: steady(16, "value@0:16"),
};

const natCommon = "created@0:8 needs_ct@8:8 pad1@16:8 pad2@24:8";

const nat: DeclaredLayouts = {
  ipv4_nat_entry: steady(40, `${natCommon} to_saddr@32:4/be to_sport@36:2/be to_daddr@32:4/be to_dport@36:2/be`),
  ipv6_nat_entry: steady(56, `${natCommon} to_saddr@32:16 to_sport@48:2/be to_daddr@32:16 to_dport@48:2/be`),
  ipv4_frag_id: steady(12, "daddr@0:4/be saddr@4:4/be id@8:2/be proto@10:1 pad@11:1"),
  ipv4_frag_l4ports: steady(4, "sport@0:2/be dport@2:2/be"),
  ipv6_frag_id: steady(40, "id@0:4/be proto@4:1 pad@5:3 saddr@8:16 daddr@24:16", "1.18"),
  ipv6_frag_l4ports: steady(4, "sport@0:2/be dport@2:2/be", "1.18"),
};

const egress: DeclaredLayouts = {
  egress_gw_policy_key: steady(12, "lpm_key@0:4 saddr@4:4/be daddr@8:4/be"),
  egress_gw_policy_entry: steady(8, "egress_ip@0:4/be gateway_ip@4:4/be"),
  egress_gw_policy_entry_v2: steady(
    28,
    "egress_ip@0:4/be gateway_ip@4:4/be reserved@8:12 egress_ifindex@20:4 reserved2@24:4",
    "1.20",
  ),
  egress_gw_policy_key6: steady(36, "lpm_key@0:4 saddr@4:16 daddr@20:16", "1.18"),
  egress_gw_policy_entry6: steady(
    40,
    "egress_ip@0:16 gateway_ip@16:4/be reserved@20:12 egress_ifindex@32:4 reserved2@36:4",
    "1.18",
  ),
  vtep_key: steady(4, "vtep_ip@0:4"),
  vtep_value: steady(16, "vtep_mac@0:8 tunnel_endpoint@8:4"),
  lpm_v4_key: steady(8, "lpm@0:4 addr@4:4"),
  lpm_v6_key: steady(20, "lpm@0:4 addr@4:16"),
  subnet_key: steady(24, "lpm_key@0:4 pad0@4:2 pad1@6:1 family@7:1 ip4@8:4 ip6@8:16", "1.19"),
  subnet_value: steady(4, "identity@0:4", "1.19"),
};

const srv6: DeclaredLayouts = {
  srv6_vrf_key4: steady(12, "lpm@0:4 src_ip@4:4 dst_cidr@8:4"),
  srv6_vrf_key6: steady(36, "lpm@0:4 src_ip@4:16 dst_cidr@20:16"),
  srv6_policy_key4: steady(12, "lpm@0:4 vrf_id@4:4 dst_cidr@8:4"),
  srv6_policy_key6: steady(24, "lpm@0:4 vrf_id@4:4 dst_cidr@8:16"),
  srv6_ipv4_2tuple: [...steady(8, "src@0:4 dst@4:4"), ["1.16", "absent"]],
  srv6_ipv6_2tuple: [...steady(32, "src@0:16 dst@16:16"), ["1.16", "absent"]],
};

const shaping: DeclaredLayouts = {
  // Up to 1.17 one 64-bit number; endpoint ids have 16 bits, so its upper half is zero: what later means egress.
  edt_id: [
    ["1.14", parseLayout(8, "id@0:4 pad@4:4")],
    ["1.18", parseLayout(8, "id@0:4 direction@4:1 pad@5:3")],
  ],
  edt_info: [
    ["1.14", parseLayout(56, "bps@0:8 t_last@8:8 t_horizon_drop@16:8 pad@24:32")],
    ["1.17", parseLayout(56, "bps@0:8 t_last@8:8 t_horizon_drop@16:8 prio@24:4 pad_32@28:4 pad@32:24")],
    ["1.18", parseLayout(56, "bps@0:8 t_last@8:8 t_horizon_drop@16:8 tokens@16:8 prio@24:4 pad_32@28:4 pad@32:24")],
  ],
  ratelimit_key: [
    ["1.15", parseLayout(4, "netdev_idx@0:4")],
    ["1.17", parseLayout(8, "usage@0:4 netdev_idx@4:4")],
  ],
  ratelimit_value: steady(16, "last_topup@0:8 tokens@8:8", "1.15"),
  ratelimit_metrics_key: steady(4, "usage@0:4", "1.17"),
  ratelimit_metrics_value: steady(8, "dropped@0:8", "1.17"),
};

const others: DeclaredLayouts = {
  auth_key: steady(12, "local_sec_label@0:4 remote_sec_label@4:4 remote_node_id@8:2 auth_type@10:1 pad@11:1"),
  auth_info: steady(8, "expiration@0:8"),
  encrypt_config: steady(1, "encrypt_key@0:1"),
  macaddr: steady(8, "addr@0:6"),
  l2_responder_v4_key: steady(8, "ip4@0:4 ifindex@4:4"),
  l2_responder_v6_key: steady(24, "ip6@0:16 ifindex@16:4 pad@20:4", "1.19"),
  l2_responder_stats: steady(8, "responses_sent@0:8"),
  mcast_subscriber_v4: steady(12, "saddr@0:4/be ifindex@4:4 pad1@8:2 pad2@10:1 flags@11:1", "1.15"),
  device_state: steady(16, "mac@0:8 l3@8.0#1 pad0@8.1#7 pad1@9:1 pad2@10:2 pad3@12:4", "1.20"),
};

/** Structures of the maps that src/model/small-maps declares. */
export const smallMapLayouts: DeclaredLayouts = { ...scalars, ...nat, ...egress, ...srv6, ...shaping, ...others };
