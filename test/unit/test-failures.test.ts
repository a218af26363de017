import { describe, expect, it } from "vitest";
import { describeFailures, type SuiteFailure } from "../../scripts/tests/failures.js";

const failure = (message: string): SuiteFailure => ({
  suite: "netns",
  place: "test/netns/lab.test.ts:12",
  name: "a lab > comes up",
  message,
});

describe("describeFailures", () => {
  it("tells suite, file, name and error without colours or empty lines", () => {
    expect(describeFailures([failure("expected \u001b[31m1\u001b[39m to be 2\n\n- 2\n+ 1\n")])).toEqual([
      "  failed: netns: test/netns/lab.test.ts:12 > a lab > comes up",
      "    expected 1 to be 2",
      "    - 2",
      "    + 1",
    ]);
  });

  it("cuts a long error, and says how much is missing", () => {
    const lines = describeFailures([failure(Array.from({ length: 40 }, (_, index) => `line ${index}`).join("\n"))]);
    expect(lines).toHaveLength(17);
    expect(lines.slice(-2)).toEqual(["    line 14", "    … 25 more lines"]);
  });

  it("keeps every failure within the end of a run when there are many", () => {
    const many = Array.from({ length: 30 }, () => failure("a\nb\nc\nd\ne"));
    const lines = describeFailures(many);
    expect(lines.filter((line) => line.startsWith("  failed: "))).toHaveLength(30);
    expect(lines.filter((line) => line.endsWith("… 2 more lines"))).toHaveLength(30);
  });
});
