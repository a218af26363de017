import { describe, expect, it } from "vitest";
import { parseEventFilter } from "../../src/model/event-filter.js";

describe("the filter in a request", () => {
  it("is taken when every field is what it should be", () => {
    const filter = { types: ["drop", "trace-sock"], from: [7], dropReasons: [133], packets: { ports: [80] } };
    expect(parseEventFilter(filter)).toEqual(filter);
    expect(parseEventFilter(undefined)).toEqual({});
  });

  it.each([
    "drop",
    [],
    { types: ["drops"] },
    { types: ["__proto__"] },
    { from: ["7"] },
    { to: [1.5] },
    { relatedTo: [-1] },
    { identities: { length: 1 } },
    { dropReasons: ["133"] },
    { from: Array(10_001).fill(1) },
    { packets: { addresses: [1] } },
    { packets: [] },
  ])("is refused otherwise: %j", (body) => {
    expect(parseEventFilter(body)).toBeUndefined();
  });
});
