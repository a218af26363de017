import type { TestContext } from "vitest";
import { missingFeaturePrefix } from "../../scripts/tests/skips.js";
import { probeKernelFeatures } from "../../src/kernel/features.js";

/**
 * Skips the test when this kernel lacks the feature, by the product's own probe. There is no other way to skip one:
 * `scripts/run-tests.ts` asks the same probe and counts any other skip as a failure.
 */
export function requireKernelFeature(context: TestContext, name: string): void {
  const feature = probeKernelFeatures().find((candidate) => candidate.name === name);
  if (feature === undefined) throw new Error(`there is no probe for a kernel feature "${name}"`);
  context.skip(!feature.available, `${missingFeaturePrefix}${name}`);
}
