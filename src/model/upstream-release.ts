/** An upstream release, e.g. `1.20`. Those that can be read stand in src/abi/release.ts. */
export type UpstreamRelease = `1.${number}`;

/** True when `release` is `first` or newer. */
export function isReleaseSince(release: UpstreamRelease, first: UpstreamRelease): boolean {
  return minorOf(release) >= minorOf(first);
}

function minorOf(release: UpstreamRelease): number {
  return Number(release.slice("1.".length));
}
