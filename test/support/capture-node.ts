import { capturedMapNames } from "../unit/abi-capture-files.js";
import { MapNode } from "./map-node.js";

const families = [4, 6] as const;

const captured: readonly string[] = [
  ...families.flatMap((family) => [
    `cilium_ct${family}_global`,
    `cilium_ct_any${family}_global`,
    `cilium_lb${family}_services_v2`,
    `cilium_lb${family}_backends_v3`,
    `cilium_lb${family}_reverse_nat`,
    `cilium_lb${family}_reverse_sk`,
    `cilium_lb${family}_source_range`,
    `cilium_lb${family}_maglev`,
    `cilium_lb${family}_affinity`,
  ]),
  ...families.map((family) => `cilium_snat_v${family}_external`),
  "cilium_lb_affinity_match",
  "cilium_lxc",
  "cilium_ipcache_v2",
  "cilium_metrics",
  "cilium_node_map_v2",
  "cilium_policystats",
  ...capturedMapNames("1.20").filter((name) => name.startsWith("cilium_policy_")),
];

/** A node with upstream's maps as they were captured on a real one. */
export async function startCaptureNode(): Promise<MapNode> {
  const node = await MapNode.start();
  try {
    for (const name of captured) node.pinCapture(name);
    return node;
  } catch (error) {
    node[Symbol.dispose]();
    throw error;
  }
}
