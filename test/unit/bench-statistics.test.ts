import { describe, expect, it } from "vitest";
import { median, ratioOfPairs } from "../../scripts/bench/statistics.js";

describe("median", () => {
  it("takes the middle, or the mean of the two middle ones, whatever the order", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });
});

describe("ratioOfPairs", () => {
  it("compares within pairs, so that a disturbance of both sides cancels out", () => {
    const ratio = ratioOfPairs([110, 55, 220, 11], [100, 50, 200, 10]);
    expect(ratio.median).toBeCloseTo(1.1);
    expect(ratio.low).toBeCloseTo(1.1);
    expect(ratio.high).toBeCloseTo(1.1);
    expect(ratio.pairs).toBe(4);
  });

  it("gives an interval that holds the median and is the same for the same data", () => {
    const ours = [101, 97, 105, 99, 103, 95, 100, 102];
    const baseline = [100, 100, 100, 100, 100, 100, 100, 100];
    const ratio = ratioOfPairs(ours, baseline);
    expect(ratio.low).toBeLessThan(ratio.median);
    expect(ratio.high).toBeGreaterThan(ratio.median);
    expect(ratioOfPairs(ours, baseline)).toEqual(ratio);
  });

  it("refuses series that are not pairs", () => {
    expect(() => ratioOfPairs([1], [1, 2])).toThrow(RangeError);
  });
});
