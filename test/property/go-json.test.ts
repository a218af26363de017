import * as fc from "fast-check";
import { expect, it } from "vitest";
import { compareBytes } from "../../src/output/go-json.js";

/** Whole characters: a lone surrogate has no UTF-8. Many of few, so that texts begin alike. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom("a", "\u007f", "\u0080", "\ud7ff", "\ue000", "\uffff", "😀"),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
  ),
});

it("texts compare as their UTF-8 does", () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 1000 },
  );
});
