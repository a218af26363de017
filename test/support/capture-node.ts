import { MapNode } from "./map-node.js";

const families = [4, 6] as const;
const maxEntries = 4096;

/** A node with upstream's maps as they were captured on a real one. */
export async function startCaptureNode(): Promise<MapNode> {
  const node = await MapNode.start();
  try {
    for (const family of families) {
      node.pinCapture(`cilium_ct${family}_global`, { type: "lru_hash", maxEntries });
      node.pinCapture(`cilium_ct_any${family}_global`, { type: "lru_hash", maxEntries });
      for (const table of ["services_v2", "backends_v3", "reverse_nat"]) {
        node.pinCapture(`cilium_lb${family}_${table}`, { type: "hash", maxEntries, flags: 1 });
      }
      node.pinCapture(`cilium_lb${family}_reverse_sk`, { type: "lru_hash", maxEntries });
    }
    node.pinCapture("cilium_lxc", { type: "hash", maxEntries, flags: 1 });
    node.pinCapture("cilium_ipcache_v2", { type: "lpm_trie", maxEntries, flags: 1 });
    node.pinCapture("cilium_metrics", { type: "percpu_hash", maxEntries: 1024 });
    node.pinCapture("cilium_node_map_v2", { type: "hash", maxEntries, flags: 1 });
    node.pinCapture("cilium_policy_v2_00801", { type: "lpm_trie", maxEntries, flags: 1 });
    return node;
  } catch (error) {
    node[Symbol.dispose]();
    throw error;
  }
}
