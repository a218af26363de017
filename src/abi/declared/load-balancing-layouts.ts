import { parseLayout, type StructLayout } from "../layout.js";
import type { DeclaredLayouts, LayoutVersions } from "./layout-versions.js";

const service = (tail: string): StructLayout =>
  parseLayout(
    12,
    `backend_id@0:4 affinity_timeout@0:4 l7_lb_proxy_port@0:4 count@4:2 rev_nat_index@6:2 flags@8:1 flags2@9:1 ${tail}`,
  );
const serviceVersions: LayoutVersions = [
  ["1.14", service("pad@10:2")],
  ["1.17", service("qcount@10:2")],
];
/** @param at where what the families have in common ends */
const backend = (at: 8 | 20, sizeBytes: number, tail: string): StructLayout =>
  parseLayout(
    sizeBytes,
    `address@0:${at - 4}${at === 8 ? "/be" : ""} port@${at - 4}:2/be proto@${at - 2}:1 flags@${at - 1}:1 ${tail}`.trim(),
  );
const backendVersions = (at: 8 | 20): LayoutVersions => [
  ["1.14", backend(at, at + 4, `cluster_id@${at}:1 pad@${at + 1}:3`)],
  ["1.15", backend(at, at + 4, `cluster_id@${at}:2 pad@${at + 2}:2`)],
  ["1.16", backend(at, at + 4, `cluster_id@${at}:2 zone@${at + 2}:1 pad@${at + 3}:1`)],
];

/** Structures of the load balancer's maps. */
export const loadBalancingLayouts: DeclaredLayouts = {
  lb4_key: [["1.14", parseLayout(12, "address@0:4/be dport@4:2/be backend_slot@6:2 proto@8:1 scope@9:1 pad@10:2")]],
  lb6_key: [["1.14", parseLayout(24, "address@0:16 dport@16:2/be backend_slot@18:2 proto@20:1 scope@21:1 pad@22:2")]],
  lb4_service: serviceVersions,
  lb6_service: serviceVersions,
  lb4_backend: backendVersions(8),
  lb6_backend: backendVersions(20),
  lb4_backend_v2: [["1.14", backend(8, 8, "")]],
  lb6_backend_v2: [["1.14", backend(20, 20, "")]],
  lb4_reverse_nat: [["1.14", parseLayout(6, "address@0:4/be port@4:2/be")]],
  lb6_reverse_nat: [["1.14", parseLayout(18, "address@0:16 port@16:2/be")]],
  lb4_src_range_key: [["1.14", parseLayout(12, "lpm_key@0:4 rev_nat_id@4:2 pad@6:2 addr@8:4")]],
  lb6_src_range_key: [["1.14", parseLayout(24, "lpm_key@0:4 rev_nat_id@4:2 pad@6:2 addr@8:16")]],
  ipv4_revnat_tuple: [["1.14", parseLayout(16, "cookie@0:8 address@8:4/be port@12:2/be pad@14:2")]],
  ipv6_revnat_tuple: [["1.14", parseLayout(32, "cookie@0:8 address@8:16 port@24:2/be pad@26:2")]],
  ipv4_revnat_entry: [["1.14", parseLayout(8, "address@0:4/be port@4:2/be rev_nat_index@6:2")]],
  ipv6_revnat_entry: [["1.14", parseLayout(20, "address@0:16 port@16:2/be rev_nat_index@18:2")]],
  lb4_affinity_key: [
    ["1.14", parseLayout(16, "client_ip@0:4 client_cookie@0:8 rev_nat_id@8:2 netns_cookie@10.0#1 reserved@10.1#7")],
  ],
  lb6_affinity_key: [
    ["1.14", parseLayout(24, "client_ip@0:16 client_cookie@0:8 rev_nat_id@16:2 netns_cookie@18.0#1 reserved@18.1#7")],
  ],
  lb_affinity_val: [["1.14", parseLayout(16, "last_used@0:8 backend_id@8:4 pad@12:4")]],
  lb_affinity_match: [["1.14", parseLayout(8, "backend_id@0:4 rev_nat_id@4:2 pad@6:2")]],
  // A backend and nothing else.
  lb4_health: backendVersions(8),
  lb6_health: backendVersions(20),
  skip_lb4_key: [["1.16", parseLayout(16, "netns_cookie@0:8 address@8:4 port@12:2 pad@14:2")]],
  skip_lb6_key: [["1.16", parseLayout(32, "netns_cookie@0:8 address@8:16 pad@24:4 port@28:2 pad2@30:2")]],
  lb_act_key: [["1.16", parseLayout(4, "svc_id@0:2 zone@2:1 pad@3:1")]],
  lb_act_value: [["1.16", parseLayout(8, "opened@0:4 closed@4:4")]],
};
