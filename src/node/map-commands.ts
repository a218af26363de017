import { findCatalogueEntry } from "../abi/map-catalogue.js";
import { upstreamMapName } from "../abi/upstream-maps.js";

/** Command that prints a map with the meaning of its fields and with names, by the pattern of the map's name. */
const commands: readonly (readonly [map: RegExp, command: string])[] = [
  [/^cilium_ct(_any)?[46]_global$/, "bpf ct list"],
  [/^cilium_per_cluster_ct_/, "bpf ct list cluster"],
  [/^cilium_snat_v[46]_external$/, "bpf nat list"],
  [/^cilium_per_cluster_snat_/, "bpf nat list cluster"],
  [/^cilium_snat_v[46]_alloc_retries$/, "bpf nat retries list"],
  [/^cilium_lb[46]_services_v2$/, "bpf lb list"],
  [/^cilium_lb[46]_backends_v[23]$/, "bpf lb list --backends"],
  [/^cilium_lb[46]_reverse_nat$/, "bpf lb list --revnat"],
  [/^cilium_lb[46]_source_range$/, "bpf lb list --source-ranges"],
  [/^cilium_lb[46]_reverse_sk$/, "bpf socknat list"],
  [/^cilium_lb[46]_affinity$/, "bpf lb affinity list"],
  [/^cilium_lb_affinity_match$/, "bpf lb affinity-match list"],
  [/^cilium_lb[46]_health$/, "bpf lb health list"],
  [/^cilium_skip_lb[46]$/, "bpf lb skip list"],
  [/^cilium_lb_(act|fct)$/, "bpf lb activity list"],
  [/^cilium_lb[46]_maglev$/, "bpf lb maglev list"],
  [/^cilium_lxc$/, "bpf endpoint list"],
  [/^cilium_ipcache(_v2)?$/, "bpf ipcache list"],
  [/^cilium_tunnel_map$/, "bpf tunnel list"],
  [/^cilium_policy_(v2_)?NNNNN$|^cilium_policystats$|^cts_policy_maps$/, "bpf policy list"],
  [/^cilium_metrics$/, "bpf metrics list"],
  [/^cilium_node_map(_v2)?$/, "bpf nodeid list"],
  [/^cilium_egress_gw_policy_/, "bpf egress list"],
  [/^cilium_throttle$/, "bpf bandwidth list"],
  [/^cilium_l2_responder_/, "bpf l2responder list"],
  [/^cilium_encrypt_state$/, "bpf encrypt list"],
  [/^cilium_runtime_config$/, "bpf config list"],
  [/^cilium_auth_map$/, "bpf auth list"],
  [/^cilium_vtep_map$/, "bpf vtep list"],
  [/^cilium_devices$/, "bpf device list"],
  [/^cilium_subnet_map$/, "bpf subnet list"],
  [/^cilium_nodeport_neigh[46]$/, "bpf neigh list"],
  [/^cilium_ipmasq_/, "bpf ipmasq list"],
  [/^cilium_ipv[46]_frag_datagrams$/, "bpf frag list"],
  [/^cilium_cidr_/, "bpf prefilter list"],
  [/^cilium_srv6_vrf_/, "bpf srv6 vrf"],
  [/^cilium_srv6_policy_/, "bpf srv6 policy"],
  [/^cilium_srv6_state_/, "bpf srv6 state"],
  [/^cilium_srv6_sid$/, "bpf srv6 sid"],
  [/^cilium_ratelimit$/, "bpf ratelimit list"],
  [/^cilium_ratelimit_metrics$/, "bpf ratelimit metrics list"],
  [/^cilium_mcast_group_outer_/, "bpf multicast group list"],
];

/** The command that prints the pinned map better than any decoder that knows types only. */
export function commandOfMap(pin: string): string | undefined {
  const name = upstreamMapName(pin) ?? findCatalogueEntry(pin)?.name;
  return name === undefined ? undefined : commands.find(([map]) => map.test(name))?.[1];
}
