/** Settings whose default depends on the machine's memory. */
export const memorySizedFields = ["ctTcpMax", "ctAnyMax", "natMax", "sockRevNatMapMax"] as const;
type MemorySizedField = (typeof memorySizedFields)[number];

/** No machine is so small that fewer entries help, none so large that more do (upstream pkg/option, LimitTableAuto*). */
const minimumEntries: Readonly<Record<MemorySizedField, number>> = {
  ctTcpMax: 131_072,
  ctAnyMax: 65_536,
  natMax: 131_072,
  sockRevNatMapMax: 65_536,
};
const MAXIMUM_ENTRIES = 16_777_216;

/**
 * Bytes that upstream counts for the maps that share its memory budget, at their default sizes: conntrack 94 an entry, NAT 94,
 * neighbours 24, the socket LB's reverse map 52 (pkg/maps). Ours has no neighbour maps, and keeps their share free,
 * so that a machine gets the same sizes from both.
 */
const DEFAULT_BUDGET_BYTES = (524_288 + 262_144) * 94 + 524_288 * 94 + 524_288 * 24 + 262_144 * 52;

/**
 * Entries of a map of `defaultEntries` when all maps of the budget together take `ratio` of the memory.
 * @param ratio share of the memory; 0 keeps the default
 */
export function scaleEntries(
  field: MemorySizedField,
  defaultEntries: number,
  ratio: number,
  memoryBytes: number,
): number {
  if (ratio === 0) return defaultEntries;
  const scaled = Math.floor((defaultEntries * memoryBytes * ratio) / DEFAULT_BUDGET_BYTES);
  return Math.min(MAXIMUM_ENTRIES, Math.max(minimumEntries[field], scaled));
}

/** The part of the agent's settings that is sized here. */
type SizedSettings = { readonly [Field in MemorySizedField]: number } & { readonly mapDynamicSizeRatio: number };

/** `config` with the sizes that the user did not set scaled to the machine's memory, as upstream does at start. */
export function sizeMaps<Settings extends SizedSettings>(
  config: Settings,
  isSet: (field: MemorySizedField) => boolean,
  memoryBytes: number,
): Settings {
  const sizes = memorySizedFields
    .filter((field) => !isSet(field))
    .map((field) => [field, scaleEntries(field, config[field], config.mapDynamicSizeRatio, memoryBytes)] as const);
  return { ...config, ...Object.fromEntries(sizes) };
}
