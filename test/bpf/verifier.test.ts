import { describe, expect, it } from "vitest";
import {
  configurations,
  countConfiguration,
  howToAccept,
  judgeCounts,
  kernelName,
  readRecordedCounts,
} from "./verifier-counts.js";

describe("the verifier", () => {
  it.each(Object.keys(configurations))("processes no more instructions than recorded: %s", (name) => {
    const problems = judgeCounts(name, countConfiguration(name), readRecordedCounts()[kernelName]);
    expect(problems, howToAccept).toEqual([]);
  });

  it("is recorded for configurations that exist", () => {
    const recorded = Object.values(readRecordedCounts()).flatMap(Object.keys);
    expect(new Set(recorded)).toEqual(new Set(Object.keys(configurations)));
  });

  it("is told apart: growth beyond a tenth, and more than half of its limit", () => {
    const recorded = { default: { small: 100, large: 100_000 } };
    expect(judgeCounts("default", { small: 290, large: 109_999, new: 7 }, recorded)).toEqual([]);
    expect(judgeCounts("default", { small: 301, large: 110_001, new: 500_001 }, recorded)).toEqual([
      "small (default): 100 → 301 instructions",
      "large (default): 100000 → 110001 instructions",
      "new (default): 500001 instructions, more than 500000",
    ]);
  });
});
