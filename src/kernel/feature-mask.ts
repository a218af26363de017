/**
 * `CTS_DISABLE_FEATURES=tcx,batch,…` makes this layer behave as on a kernel without these features, so that every fallback
 * runs on a new kernel too. Names are those of features.ts.
 */
export function disabledFeatures(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ReadonlySet<string> {
  const text = environment.CTS_DISABLE_FEATURES ?? "";
  const named = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return new Set(named.flatMap((name) => [name, ...(impliedFeatures[name] ?? [])]));
}

/** What a kernel without the feature lacks as well. */
const impliedFeatures: Readonly<Record<string, readonly string[]>> = {
  btf: ["map_iterator", "probe_read_kernel", "tp_btf", "fentry"],
};

export function isFeatureDisabled(feature: string): boolean {
  const text = process.env.CTS_DISABLE_FEATURES;
  return text !== undefined && text !== "" && disabledFeatures().has(feature);
}

const featureOfMapType: Readonly<Record<string, string>> = {
  ringbuf: "ringbuf",
  lru_hash: "lru",
  lru_percpu_hash: "lru",
  lpm_trie: "lpm",
  array_of_maps: "map_in_map",
  hash_of_maps: "map_in_map",
};

/** True where the mask takes a map type away: creating such a map then fails as on a kernel without it. */
export function isMapTypeDisabled(type: string): boolean {
  const feature = featureOfMapType[type];
  return feature !== undefined && isFeatureDisabled(feature);
}
