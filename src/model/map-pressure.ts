/** A map and how much of it is in use. */
export interface CountedMap {
  readonly name: string;
  readonly entries: number;
  readonly maxEntries: number;
}

/** `high`: warned of. `full`: what it holds makes room for something else, or nothing new gets in. */
export type MapPressure = "low" | "high" | "full";

/** From this share of a map on `status` warns. */
export const HIGH_SHARE = 0.8;
/** From this share on a map counts as full: LRU maps keep some entries of each CPU free and never get to the last one. */
export const FULL_SHARE = 0.95;

/**
 * Maps that are not to run full, and what happens when they do. All others of the LRU kind (affinity, sockets' reverse
 * entries, fragments, counters of policies) lose nothing that is not made again.
 */
export const watchedMaps: readonly { readonly maps: RegExp; readonly what: string; readonly whenFull: string }[] = [
  { maps: /^cilium_ct(_any)?[46]_global$/, what: "conntrack", whenFull: "new connections push idle ones out" },
  { maps: /^cilium_snat_v[46]_external$/, what: "NAT", whenFull: "new connections push others' translations out" },
  { maps: /^cilium_policy_v2_\d+$/, what: "policy", whenFull: "a larger policy denies everything" },
  { maps: /^cilium_lb[46]_services_v2$/, what: "services", whenFull: "new Services are not balanced" },
  { maps: /^cilium_lb[46]_backends_v3$/, what: "backends", whenFull: "new backends get no connections" },
  { maps: /^cilium_lb[46]_reverse_nat$/, what: "reverse NAT", whenFull: "new Services are not balanced" },
  { maps: /^cilium_ipcache_v2$/, what: "ipcache", whenFull: "new addresses have no identity" },
  { maps: /^cilium_lxc$/, what: "endpoints", whenFull: "new pods are not reached" },
];

export function pressureOf({ entries, maxEntries }: CountedMap): MapPressure {
  const share = maxEntries === 0 ? 0 : entries / maxEntries;
  return share >= FULL_SHARE ? "full" : share >= HIGH_SHARE ? "high" : "low";
}

/** In words: `conntrack 85 %: cilium_ct4_global has some 445644 of 524288 entries`; undefined where nobody watches the map. */
export function describePressure(map: CountedMap & { readonly isEstimate?: boolean | undefined }): string | undefined {
  const watched = watchedMaps.find(({ maps }) => maps.test(map.name));
  if (watched === undefined) return undefined;
  const share = Math.round((100 * map.entries) / map.maxEntries);
  const count = `${map.isEstimate === true ? "some " : ""}${map.entries} of ${map.maxEntries} entries`;
  const ending = pressureOf(map) === "full" ? `: ${watched.whenFull}` : "";
  return `${watched.what} ${share} %: ${map.name} has ${count}${ending}`;
}
