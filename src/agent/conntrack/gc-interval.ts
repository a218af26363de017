/** Upstream's bounds and factors (`pkg/maps/ctmap`, `GetInterval`). */
const STARTING_MS = 5 * 60_000;
const MIN_MS = 10_000;
const MAX_MS = 12 * 3_600_000;

export const startingGcIntervalMs = STARTING_MS;

/**
 * Time until the next collection: shorter when more than a quarter of the entries was expired, longer when less than a
 * twentieth was. A configured interval always holds.
 * @param configuredMs 0 = adaptive
 */
export function nextGcIntervalMs(
  previousMs: number,
  found: { readonly scanned: number; readonly deleted: number },
  configuredMs: number,
): number {
  if (configuredMs > 0) return configuredMs;
  const ratio = found.scanned === 0 ? 0 : found.deleted / found.scanned;
  // Almost everything expired: 0.9 at most, or the interval would fall to nothing at once.
  if (ratio > 0.25) return Math.max(MIN_MS, Math.round(previousMs * (1 - Math.min(ratio, 0.9))));
  if (ratio < 0.05) return Math.min(MAX_MS, Math.round(previousMs * 1.5));
  return previousMs;
}
