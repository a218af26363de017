/** An upstream release, e.g. `1.20`. Those that can be read stand in src/abi/release.ts. */
export type UpstreamRelease = `1.${number}`;

/** True when `release` is `first` or newer. */
export function isReleaseSince(release: UpstreamRelease, first: UpstreamRelease): boolean {
  // Decimal numbers compare as their texts do, the longer one being the larger: rows ask this by the ten thousand.
  return release.length === first.length ? release >= first : release.length > first.length;
}
