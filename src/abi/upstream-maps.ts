import { isReleaseSince } from "../model/upstream-release.js";
import type { CatalogueMapType } from "./map-catalogue.js";
import type { Release } from "./release.js";

/** Types that only upstream's maps have. */
export type UpstreamMapType = CatalogueMapType | "lru_percpu_hash" | "prog_array" | "perf_event_array";

/** A pinned map of upstream's agent, as one or more consecutive releases make it. */
export interface UpstreamMap {
  /** Pin name; `NNNNN` stands for an endpoint id or interface index in five digits, `N` for a number. */
  readonly name: string;
  readonly type: UpstreamMapType;
  /** Structure, or integer type. */
  readonly key: string;
  readonly keySizeBytes: number;
  readonly value: string;
  readonly valueSizeBytes: number;
  /** The agent's default. Only where {@link isCapacityFixed} does it tell releases apart. */
  readonly maxEntries: number;
  readonly isCapacityFixed: boolean;
  /** `BPF_F_*` with the agent's default options. */
  readonly flags: number;
  readonly since: Release;
  /** Last release that has it like this; absent while it lasts. */
  readonly until?: Release;
}

interface Extent {
  readonly since?: Release;
  readonly until?: Release;
  readonly flags?: number;
  readonly isCapacityFixed?: boolean;
}

const flag = { noPrealloc: 0x1, noCommonLru: 0x2, readOnlyProgram: 0x80 } as const;

/** What the agent gives a map of this type without being told otherwise. */
const defaultFlags: Partial<Record<UpstreamMapType, number>> = {
  hash: flag.noPrealloc,
  percpu_hash: flag.noPrealloc,
  lpm_trie: flag.noPrealloc,
  hash_of_maps: flag.noPrealloc,
  lru_percpu_hash: flag.noCommonLru,
};

function one(name: string, type: UpstreamMapType, shape: string, maxEntries: number, extent: Extent = {}): UpstreamMap {
  const [key = "", value = ""] = shape.split(" ");
  const [keyType = "", keySize] = key.split("/");
  const [valueType = "", valueSize] = value.split("/");
  return {
    name,
    type,
    key: keyType,
    keySizeBytes: Number(keySize),
    value: valueType,
    valueSizeBytes: Number(valueSize),
    maxEntries,
    isCapacityFixed: extent.isCapacityFixed === true,
    flags: extent.flags ?? defaultFlags[type] ?? 0,
    since: extent.since ?? "1.14",
    ...(extent.until === undefined ? {} : { until: extent.until }),
  };
}

/** A map that programs may only read from release `readOnlySince` on (`BPF_F_RDONLY_PROG`). */
function guarded(
  name: string,
  type: "hash" | "lpm_trie" | "hash_of_maps" | "array",
  shape: string,
  maxEntries: number,
  readOnlySince: "1.19" | "1.20",
  extent: Extent = {},
): readonly UpstreamMap[] {
  const flags = defaultFlags[type] ?? 0;
  const before = readOnlySince === "1.19" ? "1.18" : "1.19";
  return [
    one(name, type, shape, maxEntries, { ...extent, until: before }),
    one(name, type, shape, maxEntries, { ...extent, since: readOnlySince, flags: flags | flag.readOnlyProgram }),
  ].filter(({ since, until }) => until === undefined || isReleaseSince(until, since));
}

/** A map of maps with one for each other cluster, which are pinned beside it under their cluster's number. */
function perCluster(name: string, shape: string, maxEntries: number): readonly UpstreamMap[] {
  return [one(name, "array_of_maps", "u32/4 u32/4", 256), one(`${name}_N`, "lru_hash", shape, maxEntries)];
}

/** The maps of both families: `N` in the name becomes 4 and 6, shapes are given for each. */
function families(make: (family: 4 | 6) => UpstreamMap | readonly UpstreamMap[]): readonly UpstreamMap[] {
  return [make(4), make(6)].flat();
}

const pick = (family: 4 | 6, four: string, six: string): string => (family === 4 ? four : six);

/**
 * Every map that upstream's agent pins below `<bpffs>/tc/globals`, for 1.14 to 1.20, as measured from the BTF of each
 * release's programs (sizes, types) and its agent's defaults (capacities, flags).
 */
export const upstreamMaps: readonly UpstreamMap[] = [
  // Conntrack and NAT
  ...families((f) => {
    const tuple = pick(f, "ipv4_ct_tuple/14", "ipv6_ct_tuple/38");
    const translation = `${tuple} ${pick(f, "ipv4_nat_entry/40", "ipv6_nat_entry/56")}`;
    return [
      one(`cilium_ct${f}_global`, "lru_hash", `${tuple} ct_entry/56`, 524_288),
      one(`cilium_ct_any${f}_global`, "lru_hash", `${tuple} ct_entry/56`, 262_144),
      ...perCluster(`cilium_per_cluster_ct_tcp${f}`, `${tuple} ct_entry/56`, 524_288),
      ...perCluster(`cilium_per_cluster_ct_any${f}`, `${tuple} ct_entry/56`, 262_144),
      one(`cilium_snat_v${f}_external`, "lru_hash", translation, 524_288),
      ...perCluster(`cilium_per_cluster_snat_v${f}_external`, translation, 524_288),
      one(`cilium_snat_v${f}_alloc_retries`, "percpu_array", "u32/4 u32/4", 33, { since: "1.18" }),
    ];
  }),
  // Load balancing
  ...families((f) => [
    ...guarded(
      `cilium_lb${f}_services_v2`,
      "hash",
      pick(f, "lb4_key/12 lb4_service/12", "lb6_key/24 lb6_service/12"),
      65_536,
      "1.20",
    ),
    one(`cilium_lb${f}_backends_v2`, "hash", pick(f, "u32/4 lb4_backend_v2/8", "u32/4 lb6_backend_v2/20"), 65_536),
    one(`cilium_lb${f}_backends_v3`, "hash", pick(f, "u32/4 lb4_backend/12", "u32/4 lb6_backend/24"), 65_536),
    one(`cilium_lb${f}_reverse_nat`, "hash", pick(f, "u16/2 lb4_reverse_nat/6", "u16/2 lb6_reverse_nat/18"), 65_536),
    one(
      `cilium_lb${f}_affinity`,
      "lru_hash",
      pick(f, "lb4_affinity_key/16 lb_affinity_val/16", "lb6_affinity_key/24 lb_affinity_val/16"),
      65_536,
    ),
    ...guarded(
      `cilium_lb${f}_source_range`,
      "lpm_trie",
      pick(f, "lb4_src_range_key/12 u8/1", "lb6_src_range_key/24 u8/1"),
      65_536,
      "1.20",
    ),
    one(
      `cilium_lb${f}_reverse_sk`,
      "lru_hash",
      pick(f, "ipv4_revnat_tuple/16 ipv4_revnat_entry/8", "ipv6_revnat_tuple/32 ipv6_revnat_entry/20"),
      262_144,
    ),
    ...guarded(`cilium_lb${f}_maglev`, "hash_of_maps", "u16/2 u32/4", 65_536, "1.20"),
    one(`cilium_lb${f}_health`, "lru_hash", pick(f, "u64/8 lb4_health/12", "u64/8 lb6_health/24"), 65_536),
    ...guarded(`cilium_skip_lb${f}`, "hash", pick(f, "skip_lb4_key/16 u8/1", "skip_lb6_key/32 u8/1"), 100, "1.20", {
      since: "1.16",
    }),
  ]),
  ...guarded("cilium_lb_affinity_match", "hash", "lb_affinity_match/8 u8/1", 65_536, "1.20"),
  one("cilium_lb_act", "lru_hash", "lb_act_key/4 lb_act_value/8", 65_536, { since: "1.16" }),
  one("cilium_lb_fct", "lru_hash", "lb_act_key/4 u32/4", 65_536, { since: "1.17" }),
  // Endpoints, identities, policy
  one("cilium_tunnel_map", "hash", "tunnel_key/20 tunnel_value/20", 65_536, { until: "1.17" }),
  ...guarded("cilium_lxc", "hash", "endpoint_key/20 endpoint_info/48", 65_535, "1.20"),
  one("cilium_ipcache", "lpm_trie", "ipcache_key/24 remote_endpoint_info/12", 512_000, { until: "1.17" }),
  ...guarded("cilium_ipcache_v2", "lpm_trie", "ipcache_key/24 remote_endpoint_info/24", 512_000, "1.19", {
    since: "1.18",
  }),
  one("cilium_policy_NNNNN", "lpm_trie", "policy_key/12 policy_entry/24", 16_384, { until: "1.16" }),
  one("cilium_policy_v2_NNNNN", "lpm_trie", "policy_key/12 policy_entry/24", 16_384, { since: "1.17", until: "1.17" }),
  one("cilium_policy_v2_NNNNN", "lpm_trie", "policy_key/12 policy_entry/8", 16_384, { since: "1.18", until: "1.18" }),
  one("cilium_policy_v2_NNNNN", "lpm_trie", "policy_key/12 policy_entry/12", 16_384, {
    since: "1.19",
    flags: flag.noPrealloc | flag.readOnlyProgram,
  }),
  one("cilium_policystats", "lru_percpu_hash", "policy_stats_key/12 policy_stats_value/16", 65_536, { since: "1.18" }),
  ...guarded("cilium_auth_map", "hash", "auth_key/12 auth_info/8", 524_288, "1.20"),
  // Programs and events
  one("cilium_call_policy", "prog_array", "u32/4 u32/4", 65_535),
  one("cilium_egresscall_policy", "prog_array", "u32/4 u32/4", 65_535),
  ...["NNNNN", "hostns_NNNNN", "netdev_NNNNN", "overlay_N", "wireguard_N", "xdp", "xdp_N"].flatMap((suffix) => [
    one(`cilium_calls_${suffix}`, "prog_array", "u32/4 u32/4", 47, { until: "1.17" }),
    ...([48, 49, 50] as const).map((size, i) => {
      const release = (["1.18", "1.19", "1.20"] as const)[i]!;
      const extent = { since: release, ...(release === "1.20" ? {} : { until: release }), isCapacityFixed: true };
      return one(`cilium_calls_${suffix}`, "prog_array", "u32/4 u32/4", size, extent);
    }),
  ]),
  one("cilium_events", "perf_event_array", "u32/4 u32/4", 8),
  one("cilium_signals", "perf_event_array", "u32/4 u32/4", 8),
  one("cilium_metrics", "percpu_hash", "metrics_key/8 metrics_value/16", 1_024),
  // Nodes, egress, devices
  one("cilium_node_map", "hash", "node_key/20 u16/2", 16_384, { until: "1.17" }),
  ...guarded("cilium_node_map_v2", "hash", "node_key/20 node_value/4", 16_384, "1.20", { since: "1.16" }),
  ...guarded(
    "cilium_egress_gw_policy_v4",
    "lpm_trie",
    "egress_gw_policy_key/12 egress_gw_policy_entry/8",
    16_384,
    "1.20",
  ),
  one("cilium_egress_gw_policy_v4_v2", "lpm_trie", "egress_gw_policy_key/12 egress_gw_policy_entry_v2/28", 16_384, {
    since: "1.20",
    flags: flag.noPrealloc | flag.readOnlyProgram,
  }),
  ...guarded(
    "cilium_egress_gw_policy_v6",
    "lpm_trie",
    "egress_gw_policy_key6/36 egress_gw_policy_entry6/40",
    16_384,
    "1.20",
    { since: "1.18" },
  ),
  one("cilium_throttle", "hash", "edt_id/8 edt_info/56", 65_535),
  one("cilium_l2_responder_v4", "hash", "l2_responder_v4_key/8 l2_responder_stats/8", 4_096),
  one("cilium_l2_responder_v6", "hash", "l2_responder_v6_key/24 l2_responder_stats/8", 4_096, { since: "1.19" }),
  ...guarded("cilium_encrypt_state", "array", "u32/4 encrypt_config/1", 1, "1.19"),
  ...guarded("cilium_runtime_config", "array", "u32/4 u64/8", 256, "1.20"),
  ...guarded("cilium_vtep_map", "hash", "vtep_key/4 vtep_value/16", 8, "1.19"),
  one("cilium_devices", "hash", "u32/4 device_state/16", 512, { since: "1.20" }),
  ...guarded("cilium_subnet_map", "lpm_trie", "subnet_key/24 subnet_value/4", 1_024, "1.20", { since: "1.19" }),
  // The small ones
  one("cilium_nodeport_neigh4", "lru_hash", "ipv4/4 macaddr/8", 524_288),
  one("cilium_nodeport_neigh6", "lru_hash", "ipv6/16 macaddr/8", 524_288),
  ...guarded("cilium_ipmasq_v4", "lpm_trie", "lpm_v4_key/8 u8/1", 16_384, "1.19"),
  ...guarded("cilium_ipmasq_v6", "lpm_trie", "lpm_v6_key/20 u8/1", 16_384, "1.19"),
  one("cilium_ipv4_frag_datagrams", "lru_hash", "ipv4_frag_id/12 ipv4_frag_l4ports/4", 8_192),
  one("cilium_ipv6_frag_datagrams", "lru_hash", "ipv6_frag_id/40 ipv6_frag_l4ports/4", 8_192, { since: "1.18" }),
  ...families((f) => [
    ...guarded(`cilium_cidr_v${f}_fix`, "hash", pick(f, "lpm_v4_key/8 u8/1", "lpm_v6_key/20 u8/1"), 16_384, "1.19"),
    ...guarded(`cilium_cidr_v${f}_dyn`, "lpm_trie", pick(f, "lpm_v4_key/8 u8/1", "lpm_v6_key/20 u8/1"), 16_384, "1.19"),
    ...guarded(
      `cilium_srv6_vrf_v${f}`,
      "lpm_trie",
      pick(f, "srv6_vrf_key4/12 u32/4", "srv6_vrf_key6/36 u32/4"),
      16_384,
      "1.19",
    ),
    ...guarded(
      `cilium_srv6_policy_v${f}`,
      "lpm_trie",
      pick(f, "srv6_policy_key4/12 ipv6/16", "srv6_policy_key6/24 ipv6/16"),
      16_384,
      "1.19",
    ),
    one(
      `cilium_srv6_state_v${f}`,
      "lru_hash",
      pick(f, "srv6_ipv4_2tuple/8 srv6_ipv6_2tuple/32", "srv6_ipv6_2tuple/32 srv6_ipv6_2tuple/32"),
      16_384,
      { until: "1.15" },
    ),
  ]),
  ...guarded("cilium_srv6_sid", "hash", "ipv6/16 u32/4", 16_384, "1.19"),
  one("cilium_ratelimit", "lru_hash", "ratelimit_key/4 ratelimit_value/16", 1_024, { since: "1.15", until: "1.16" }),
  one("cilium_ratelimit", "lru_hash", "ratelimit_key/8 ratelimit_value/16", 1_024, { since: "1.17" }),
  one("cilium_ratelimit_metrics", "hash", "ratelimit_metrics_key/4 ratelimit_metrics_value/8", 64, { since: "1.17" }),
  one("cilium_percpu_trace_id", "percpu_array", "u32/4 u64/8", 1, { since: "1.19" }),
  one("cilium_mcast_group_outer_v4_map", "hash_of_maps", "u32/4 u32/4", 1_024, { since: "1.15" }),
  one("cilium_xdp_scratch", "percpu_array", "u32/4 bytes/28", 1),
];

/** The table's name of a pin: `cilium_policy_v2_NNNNN` for `cilium_policy_v2_00878`. */
export function upstreamMapName(pin: string): string | undefined {
  return [pin, pin.replace(/_\d{5}$/, "_NNNNN"), pin.replace(/_\d+$/, "_N")].find((name) => mapsByName.has(name));
}

const mapsByName: ReadonlyMap<string, readonly UpstreamMap[]> = new Map(
  upstreamMaps.map(({ name }) => [name, upstreamMaps.filter((map) => map.name === name)]),
);

/** The forms that the pin's map has had over the releases, oldest first; empty when upstream pins nothing of this name. */
export function upstreamMapForms(pin: string): readonly UpstreamMap[] {
  return mapsByName.get(upstreamMapName(pin) ?? "") ?? [];
}

/** The form in `release`, undefined where the release does not pin it. */
export function upstreamMap(pin: string, release: Release): UpstreamMap | undefined {
  return upstreamMapForms(pin).find((map) => isFormOf(map, release));
}

/** Every map that the release may pin. */
export function upstreamMapsOf(release: Release): readonly UpstreamMap[] {
  return upstreamMaps.filter((map) => isFormOf(map, release));
}

/** True when `release` pins the map in this form. */
export function isFormOf({ since, until }: UpstreamMap, release: Release): boolean {
  return isReleaseSince(release, since) && (until === undefined || isReleaseSince(until, release));
}
