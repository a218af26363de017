import { describe, expect, it } from "vitest";
import { missingFeaturePrefix, unjustifiedSkips } from "../../scripts/tests/skips.js";

describe("unjustifiedSkips", () => {
  const skip = (reason: string | undefined) => unjustifiedSkips([{ name: "a test", reason }], ["tcx"]);

  it("excuses a skip for a feature that the probe finds missing", () => {
    expect(skip(`${missingFeaturePrefix}tcx`)).toEqual([]);
  });

  it("does not excuse a skip for a feature that this kernel has, for another reason, or for none", () => {
    expect(skip(`${missingFeaturePrefix}ringbuf`)[0]?.why).toContain("which this kernel has");
    expect(skip("flaky")[0]?.why).toContain("no kernel feature (flaky)");
    expect(skip(undefined)[0]?.why).toContain("without a reason");
  });
});
