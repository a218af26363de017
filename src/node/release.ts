import { KernelError } from "../lib/errors.js";

/** What the kernel says of one pinned map. */
export interface PinnedMapShape {
  readonly name: string;
  readonly type: string;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** What a release's map looks like. The capacity is a setting and says nothing. */
export interface MapLayout {
  readonly types: readonly string[];
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
}

export interface ReleaseLayout {
  /** As in messages: `1.20`. */
  readonly release: string;
  readonly maps: Readonly<Record<string, MapLayout>>;
  /** Maps that come with a number per endpoint: name without the number. */
  readonly numberedMaps: Readonly<Record<string, MapLayout>>;
  /** Maps that this release no longer has: their presence speaks against it. */
  readonly absentMaps: readonly string[];
}

/** Which releases fit a node's maps, and what speaks against each of the others. */
export interface ReleaseDecision {
  readonly candidates: readonly string[];
  readonly objections: readonly ReleaseObjection[];
}

export interface ReleaseObjection {
  readonly release: string;
  readonly map: string;
  /** E.g. `value has 24 bytes instead of 12`. */
  readonly text: string;
}

/**
 * Decides once per node, from all evidence, whose layouts its maps have: several releases share names and sizes and
 * differ in meaning, so no map may be read by its own shape alone. A release stays a candidate while nothing that was
 * found speaks against it.
 */
export function decideRelease(found: readonly PinnedMapShape[], releases: readonly ReleaseLayout[]): ReleaseDecision {
  const objections = releases.flatMap((release) => found.flatMap((map) => objectionsTo(release, map)));
  const refuted = new Set(objections.map((objection) => objection.release));
  return {
    candidates: releases.map(({ release }) => release).filter((release) => !refuted.has(release)),
    objections,
  };
}

function objectionsTo(layout: ReleaseLayout, map: PinnedMapShape): readonly ReleaseObjection[] {
  if (layout.absentMaps.includes(map.name)) {
    return [{ release: layout.release, map: map.name, text: "exists, which older releases only have" }];
  }
  const expected = layout.maps[map.name] ?? numberedLayout(layout, map.name);
  if (expected === undefined) return [];
  const text = misfit(expected, map);
  return text === undefined ? [] : [{ release: layout.release, map: map.name, text }];
}

function numberedLayout(layout: ReleaseLayout, name: string): MapLayout | undefined {
  const prefix = /^(.*_)\d{5}$/.exec(name)?.[1];
  return prefix === undefined ? undefined : layout.numberedMaps[prefix];
}

/** In words, how a map differs from its layout; undefined when it fits. */
export function misfit(expected: MapLayout, found: PinnedMapShape): string | undefined {
  const differences = [
    expected.types.includes(found.type) ? undefined : `is a ${found.type} instead of ${expected.types.join(" or ")}`,
    expected.keySizeBytes === found.keySizeBytes
      ? undefined
      : `has keys of ${found.keySizeBytes} bytes instead of ${expected.keySizeBytes}`,
    expected.valueSizeBytes === found.valueSizeBytes
      ? undefined
      : `has values of ${found.valueSizeBytes} bytes instead of ${expected.valueSizeBytes}`,
  ].filter((text) => text !== undefined);
  return differences.length === 0 ? undefined : differences.join(" and ");
}

/** The refusal of a node whose maps fit no release that can be read. */
export function unknownLayoutError(node: string, pinDir: string, decision: ReleaseDecision): KernelError {
  const lines = decision.objections.map((objection) => `${objection.map} ${objection.text}`);
  return new KernelError(
    "layout-unknown",
    `the maps in ${pinDir} on node ${node} have a layout that cannot be read: ${lines.slice(0, 3).join("; ")}` +
      (lines.length > 3 ? `; and ${lines.length - 3} more` : ""),
    {
      hint: "The layouts of release 1.20 can be read. The maps were left as they are.",
      nextSteps: ["kubectl cilium-ts bpf map list   (what is pinned there, whatever its layout)"],
      details: { pinDir, objections: lines },
    },
  );
}
