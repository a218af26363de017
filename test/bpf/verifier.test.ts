import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DatapathHarness } from "./harness.js";

/** `BPF_COMPLEXITY_LIMIT_INSNS` of 5.2 and newer. */
const KERNEL_LIMIT = 1_000_000;

describe("the verifier", () => {
  let datapath: DatapathHarness;
  beforeAll(() => {
    datapath = new DatapathHarness();
  });
  afterAll(() => datapath[Symbol.dispose]());

  it("needs less than a quarter of its limit for every program", () => {
    const counts = Object.entries(datapath.programs).map(
      ([name, program]) => [name, program.info.verifiedInsns] as const,
    );
    for (const [name, count] of counts) {
      expect(count, name).toBeGreaterThan(1);
      expect(count, name).toBeLessThan(KERNEL_LIMIT / 4);
    }
  });
});
