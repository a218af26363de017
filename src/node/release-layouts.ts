import type { MapLayout, ReleaseLayout } from "./release.js";

/**
 * The pinned maps of upstream release 1.20, which are also ours, as measured from the BTF of that release's programs.
 * Only maps that are read are listed; maps of the same name in another shape refute the release.
 */
export const release120: ReleaseLayout = {
  release: "1.20",
  maps: {
    cilium_ct4_global: layout(["lru_hash", "hash"], 14, 56),
    cilium_ct_any4_global: layout(["lru_hash", "hash"], 14, 56),
    cilium_ct6_global: layout(["lru_hash", "hash"], 38, 56),
    cilium_ct_any6_global: layout(["lru_hash", "hash"], 38, 56),
    cilium_lb4_services_v2: layout(["hash"], 12, 12),
    cilium_lb6_services_v2: layout(["hash"], 24, 12),
    cilium_lb4_backends_v3: layout(["hash"], 4, 12),
    cilium_lb6_backends_v3: layout(["hash"], 4, 24),
    cilium_lb4_reverse_nat: layout(["hash"], 2, 6),
    cilium_lb6_reverse_nat: layout(["hash"], 2, 18),
    cilium_lb4_reverse_sk: layout(["lru_hash"], 16, 8),
    cilium_lb6_reverse_sk: layout(["lru_hash"], 32, 20),
    cilium_lxc: layout(["hash"], 20, 48),
    cilium_ipcache_v2: layout(["lpm_trie"], 24, 24),
    cilium_metrics: layout(["percpu_hash"], 8, 16),
    cilium_node_map_v2: layout(["hash"], 20, 4),
    cilium_policystats: layout(["lru_percpu_hash"], 12, 16),
  },
  numberedMaps: { cilium_policy_v2_: layout(["lpm_trie"], 12, 12) },
  absentMaps: ["cilium_ipcache", "cilium_tunnel_map", "cilium_node_map"],
};

/** Every release whose maps can be read. */
export const readableReleases: readonly ReleaseLayout[] = [release120];

/** Shape of `cilium_tunnel_map`, the same from 1.14 until its end with 1.17. */
export const tunnelMapLayout: MapLayout = layout(["hash"], 20, 20);

function layout(types: readonly string[], keySizeBytes: number, valueSizeBytes: number): MapLayout {
  return { types, keySizeBytes, valueSizeBytes };
}
