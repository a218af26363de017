import type { PolicyEntry } from "../../model/datapath-port.js";

export interface FittedPolicy {
  readonly entries: readonly PolicyEntry[];
  readonly overflowing: readonly { readonly direction: PolicyEntry["direction"]; readonly count: number }[];
}

/**
 * A policy that does not fit into its map would be one with entries missing, and a missing deny lets packets through. So a
 * direction that is too large has no entry at all: everything is denied there. The larger one goes first.
 */
export function fitPolicy(entries: readonly PolicyEntry[], maxEntries: number): FittedPolicy {
  let kept = entries;
  const overflowing: { direction: PolicyEntry["direction"]; count: number }[] = [];
  while (kept.length > maxEntries) {
    const ingress = kept.filter(({ direction }) => direction === "ingress").length;
    const direction = ingress > kept.length / 2 ? "ingress" : "egress";
    overflowing.push({ direction, count: direction === "ingress" ? ingress : kept.length - ingress });
    kept = kept.filter((entry) => entry.direction !== direction);
  }
  return { entries: kept, overflowing };
}
