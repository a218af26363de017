/** Upstream releases whose maps can be read, oldest first. */
export const releases = ["1.14", "1.15", "1.16", "1.17", "1.18", "1.19", "1.20"] as const;
export type Release = (typeof releases)[number];

/** The release whose names and layouts our own datapath uses. */
export const ownRelease: Release = "1.20";

/**
 * The releases that a node's map may be of, oldest first: one, unless what was found fits several (src/node/release.ts).
 * Never empty.
 */
export type Releases = readonly Release[];

/** {@link ownRelease} alone. */
export const ownReleases: Releases = [ownRelease];

/** The newest of the candidates: its form is printed where they differ in form only. */
export function newestOf(candidates: Releases): Release {
  return candidates.at(-1) ?? ownRelease;
}

/** What holds for all candidates, undefined when it differs among them. */
export function commonTo<T>(candidates: Releases, of: (release: Release) => T): T | undefined {
  const [first, ...others] = candidates.map(of);
  return others.every((value) => value === first) ? first : undefined;
}

/** The release named `text` (`1.18`, `v1.18.3`), undefined when it is none that we know. */
export function findRelease(text: string): Release | undefined {
  const minor = /^v?(\d+\.\d+)(?:[.-].*)?$/.exec(text)?.[1];
  return releases.find((release) => release === minor);
}
