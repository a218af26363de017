import { newestOf, type Release, type Releases, releases } from "../abi/release.js";
import { isFormOf, type UpstreamMap, upstreamMapForms, upstreamMapName } from "../abi/upstream-maps.js";
import { KernelError } from "../lib/errors.js";
import { isReleaseSince } from "../model/upstream-release.js";

/** What the kernel says of one pinned map. */
export interface PinnedMapShape {
  readonly name: string;
  readonly type: string;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** One finding and the releases that it allows. */
export interface ReleaseEvidence {
  /** E.g. `cilium_devices exists`. */
  readonly text: string;
  readonly releases: Releases;
}

/** Everything that was found on a node and may tell its release. */
export interface NodeEvidence {
  readonly maps: readonly PinnedMapShape[];
  /** From programs, types and the agent: each narrows what the maps leave open. */
  readonly others?: readonly ReleaseEvidence[];
  /** What the user says it is, or what our own record says: the rest is not asked. */
  readonly decided?: ReleaseEvidence;
}

/** Whose layouts a node's maps have. */
export interface ReleaseDecision {
  /** Oldest first: one, several when the evidence fits several, none when it fits none. */
  readonly candidates: Releases;
  /** The maps are of two releases, as in the middle of an upgrade. */
  readonly isMixed: boolean;
  /** Somebody said which it is: of a map only its type and sizes are held against that. */
  readonly isGiven: boolean;
  /** What was found, one line each, the most telling first. */
  readonly evidence: readonly string[];
  /** Maps that fit no release, or together no upgrade. */
  readonly objections: readonly MapObjection[];
  readonly maps: readonly PinnedMapShape[];
}

export interface MapObjection {
  readonly map: string;
  /** E.g. `has values of 24 bytes instead of 12`. */
  readonly text: string;
}

const readOnlyProgram = 0x80;

/**
 * Decides once per node, from all evidence, whose layouts its maps have: several releases share names and sizes and
 * differ in meaning, so no map may be read by its own shape alone.
 *
 * A map allows the releases that pin one of its name in its shape. What all maps allow is narrowed by the other
 * evidence, and last by maps that a release always makes and that are missing. Where no release fits all maps, the node
 * is in the middle of an upgrade if two releases together do: each map is then read by what it fits of the two.
 */
export function decideRelease(found: NodeEvidence): ReleaseDecision {
  const known = found.maps.filter(({ name }) => upstreamMapName(name) !== undefined);
  if (found.decided !== undefined) {
    return {
      candidates: found.decided.releases,
      isMixed: false,
      isGiven: true,
      evidence: [lineOf(found.decided)],
      objections: [],
      maps: known,
    };
  }
  const fits = known.map((map) => ({ map, releases: releasesFitting(map, isShapedLike) }));
  const strangers = fits.filter((fit) => fit.releases.length === 0);
  if (strangers.length > 0) {
    const objections = strangers.map(({ map }) => ({ map: map.name, text: misfitText(map) }));
    return { candidates: [], isMixed: false, isGiven: false, evidence: [], objections, maps: known };
  }
  const common = intersect(fits.map((fit) => fit.releases));
  const isMixed = common.length === 0;
  const spanned = isMixed ? upgradeOf(fits.map((fit) => fit.releases)) : common;
  if (spanned.length === 0) {
    const objections = fits.map(({ map, releases: of }) => ({ map: map.name, text: `is of ${of.join(", ")}` }));
    return { candidates: [], isMixed: false, isGiven: false, evidence: [], objections, maps: known };
  }
  const others = [...(found.others ?? []), ...(isMixed ? [] : missingMaps(known))];
  return {
    candidates: isMixed ? spanned : narrow(spanned, others),
    isMixed,
    isGiven: false,
    evidence: [...mapEvidence(fits), ...others].map(lineOf),
    objections: [],
    maps: known,
  };
}

/** The candidates that a pinned map fits; for a map that is not pinned, the newest candidate that has one. */
export function releasesOfMap(decision: ReleaseDecision, name: string): Releases {
  const map = decision.maps.find((candidate) => candidate.name === name);
  if (map !== undefined) {
    return intersect([releasesFitting(map, decision.isGiven ? isSizedLike : isShapedLike), decision.candidates]);
  }
  const having = decision.candidates.filter((release) =>
    upstreamMapForms(name).some((form) => isFormOf(form, release)),
  );
  return [newestOf(having.length === 0 ? decision.candidates : having)];
}

/** Says that the pinned map is none of the decided release's, undefined when it is. */
export function objectionTo(decision: ReleaseDecision, name: string): MapObjection | undefined {
  const map = decision.maps.find((candidate) => candidate.name === name);
  const isReadable = map === undefined || decision.candidates.length === 0 || releasesOfMap(decision, name).length > 0;
  if (isReadable) return undefined;
  const form = upstreamMapForms(name).find((candidate) => decision.candidates.some((of) => isFormOf(candidate, of)));
  return { map: name, text: form === undefined ? "is no map of that release" : differenceText(form, map) };
}

type Likeness = (form: UpstreamMap, map: PinnedMapShape) => boolean;

function releasesFitting(map: PinnedMapShape, isLike: Likeness): Releases {
  const forms = upstreamMapForms(map.name).filter((form) => isLike(form, map));
  return releases.filter((release) => forms.some((form) => isFormOf(form, release)));
}

/**
 * Capacities are settings, and so are the flags but for one: a map that programs cannot write is not of a release that
 * writes it. The other way round, agents keep maps that an older release has made.
 */
function isShapedLike(form: UpstreamMap, map: PinnedMapShape): boolean {
  return (
    isSizedLike(form, map) &&
    (!form.isCapacityFixed || form.maxEntries === map.maxEntries) &&
    ((map.flags & readOnlyProgram) === 0 || (form.flags & readOnlyProgram) !== 0)
  );
}

function isSizedLike(form: UpstreamMap, map: PinnedMapShape): boolean {
  return (
    isSameType(form.type, map.type) &&
    form.keySizeBytes === map.keySizeBytes &&
    form.valueSizeBytes === map.valueSizeBytes
  );
}

/** Kernels without LRU maps get plain ones. */
function isSameType(expected: string, found: string): boolean {
  return expected === found || (expected === "lru_hash" && found === "hash");
}

/** The releases of the shortest upgrades that explain all maps; none when no two releases do. */
function upgradeOf(fits: readonly Releases[]): Releases {
  for (let step = 1; step < releases.length; step++) {
    const pairs = releases.slice(step).map((to, i) => [releases[i]!, to] as const);
    const explaining = pairs.filter((pair) => fits.every((fit) => pair.some((release) => fit.includes(release))));
    if (explaining.length > 0) return releases.filter((release) => explaining.some((pair) => pair.includes(release)));
  }
  return [];
}

/** Maps that an agent of the release makes whatever its configuration; only a node with all the basics is complete. */
const alwaysMade: readonly (readonly [name: string, since: Release])[] = [
  ["cilium_ratelimit", "1.15"],
  ["cilium_node_map_v2", "1.16"],
  ["cilium_ipcache_v2", "1.18"],
  ["cilium_policystats", "1.18"],
  ["cilium_devices", "1.20"],
];
const basics: readonly string[] = ["cilium_lxc", "cilium_metrics", "cilium_events"];

function missingMaps(found: readonly PinnedMapShape[]): readonly ReleaseEvidence[] {
  const names = new Set(found.map(({ name }) => name));
  if (!basics.every((name) => names.has(name))) return [];
  return alwaysMade
    .filter(([name]) => !names.has(name))
    .map(([name, since]) => ({
      text: `${name} is missing`,
      releases: releases.filter((release) => !isReleaseSince(release, since)),
    }));
}

/** Evidence that contradicts what is left is shown, and weighs nothing. */
function narrow(candidates: Releases, evidence: readonly ReleaseEvidence[]): Releases {
  return evidence.reduce<Releases>((left, { releases: allowed }) => {
    const both = intersect([left, allowed]);
    return both.length === 0 ? left : both;
  }, candidates);
}

function intersect(sets: readonly Releases[]): Releases {
  return releases.filter((release) => sets.every((set) => set.includes(release)));
}

/** What the maps say, those of one name and shape in one line; maps that every release has so say nothing. */
function mapEvidence(
  fits: readonly { readonly map: PinnedMapShape; readonly releases: Releases }[],
): readonly ReleaseEvidence[] {
  const byText = new Map<string, ReleaseEvidence>();
  for (const { map, releases: of } of fits) {
    if (of.length === releases.length) continue;
    const guard = (map.flags & readOnlyProgram) !== 0 ? ", read-only for programs" : "";
    const shape = `${map.type} of ${map.keySizeBytes} and ${map.valueSizeBytes} bytes${guard}`;
    const capacity = upstreamMapForms(map.name).some((form) => form.isCapacityFixed)
      ? ` with ${map.maxEntries} slots`
      : "";
    const text = `${upstreamMapName(map.name)} is a ${shape}${capacity}`;
    byText.set(text, { text, releases: of });
  }
  return [...byText.values()].sort((a, b) => a.releases.length - b.releases.length);
}

function lineOf({ text, releases: of }: ReleaseEvidence): string {
  return `${text}: ${of.length === 0 ? "no known release" : of.join(", ")}`;
}

/** How a map differs from the form that it resembles most. */
function misfitText(map: PinnedMapShape): string {
  const texts = upstreamMapForms(map.name).map((form) => differenceText(form, map));
  return texts.reduce((best, text) => (text.length <= best.length ? text : best));
}

function differenceText(form: UpstreamMap, map: PinnedMapShape): string {
  const differences = [
    isSameType(form.type, map.type) ? undefined : `is a ${map.type} instead of a ${form.type}`,
    form.keySizeBytes === map.keySizeBytes
      ? undefined
      : `has keys of ${map.keySizeBytes} bytes instead of ${form.keySizeBytes}`,
    form.valueSizeBytes === map.valueSizeBytes
      ? undefined
      : `has values of ${map.valueSizeBytes} bytes instead of ${form.valueSizeBytes}`,
    form.isCapacityFixed && form.maxEntries !== map.maxEntries
      ? `has ${map.maxEntries} slots instead of ${form.maxEntries}`
      : undefined,
    (map.flags & readOnlyProgram) !== 0 && (form.flags & readOnlyProgram) === 0
      ? "is read-only for programs, which must write it"
      : undefined,
  ].filter((text) => text !== undefined);
  return differences.join(" and ");
}

/** The refusal of maps that fit no release that can be read. */
export function unknownLayoutError(
  { node, pinDir, isGiven }: { readonly node: string; readonly pinDir: string; readonly isGiven: boolean },
  objections: readonly MapObjection[],
): KernelError {
  const lines = objections.map((objection) => `${objection.map} ${objection.text}`);
  return new KernelError(
    "layout-unknown",
    `the maps in ${pinDir} on node ${node} have a layout that cannot be read: ${lines.slice(0, 3).join("; ")}` +
      (lines.length > 3 ? `; and ${lines.length - 3} more` : ""),
    {
      hint: `The layouts of releases ${releases[0]} to ${newestOf(releases)} can be read. The maps were left as they are.`,
      nextSteps: [
        "kubectl cilium-ts bpf map list   (what is pinned there, whatever its layout)",
        isGiven
          ? "leave --release out   (to decide from what the node holds)"
          : "add --release   (when you know the release: its layouts are used, maps of other sizes are still refused)",
      ],
      details: { pinDir, objections: lines },
    },
  );
}
