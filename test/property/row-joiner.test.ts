import * as fc from "fast-check";
import { expect, it } from "vitest";
import { rowJoiner } from "../../src/abi/row-joiner.js";

const part = fc.dictionary(
  fc.string().filter((name) => name !== "__proto__"),
  fc.anything(),
);

it("rows are joined as three spreads would join them, whatever their properties are called", () => {
  fc.assert(
    fc.property(part, part, part, (head, key, value) => {
      const row = rowJoiner(head, key, value)(key, value);
      expect(row).toStrictEqual({ ...head, ...key, ...value });
    }),
  );
});
