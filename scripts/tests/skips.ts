import type { SkippedTest } from "./reporter.js";

/** How a skip must be worded to be accepted; test/support/skip.ts words it. */
export const missingFeaturePrefix = "kernel feature missing: ";

export interface UnjustifiedSkip {
  readonly name: string;
  readonly why: string;
}

function whyUnjustified(reason: string | undefined, missing: ReadonlySet<string>): string | undefined {
  if (reason === undefined) return "skipped without a reason";
  if (!reason.startsWith(missingFeaturePrefix)) return `skipped for no kernel feature (${reason})`;
  const feature = reason.slice(missingFeaturePrefix.length);
  return missing.has(feature) ? undefined : `skipped for "${feature}", which this kernel has`;
}

/**
 * The skips that nothing excuses. The only excuse is a kernel feature that is missing here, named in the skip's reason
 * and confirmed by the product's probe: on a full-featured kernel every skip is a failure.
 */
export function unjustifiedSkips(
  skipped: readonly SkippedTest[],
  missingFeatures: readonly string[],
): readonly UnjustifiedSkip[] {
  const missing = new Set(missingFeatures);
  return skipped
    .map(({ name, reason }) => ({ name, why: whyUnjustified(reason, missing) }))
    .filter((skip): skip is UnjustifiedSkip => skip.why !== undefined);
}
