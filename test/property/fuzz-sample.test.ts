import { describe, expect, test } from "vitest";
import { fuzz } from "../fuzz/fuzz.js";
import { fuzzTargets } from "../fuzz/targets.js";

describe("a sample of the fuzz run: bytes are decoded or refused, and nothing around them is read", () => {
  test.each(fuzzTargets().map((target) => [target.name, target] as const))("%s", (_, target) => {
    const seed = Number(process.env.CTS_PROPERTY_SEED ?? 20_261_121);
    expect(fuzz(target, { seed, inputs: 300 }).failures).toEqual([]);
  });

  test("a decoder that reads behind its input is found out, and so is one that throws what it should not", () => {
    const base = { seeds: [Buffer.from([1, 2, 3])], isRefusal: () => false };
    const greedy = {
      ...base,
      name: "greedy",
      run: (bytes: Uint8Array) => new Uint8Array(bytes.buffer)[bytes.byteOffset + bytes.length],
    };
    expect(fuzz(greedy, { seed: 1, inputs: 5 }).failures[0]?.what).toBe("reads outside of its input");
    const throwing = { ...base, name: "throwing", run: () => JSON.parse("{") };
    expect(fuzz(throwing, { seed: 1, inputs: 5 }).failures[0]?.what).toContain("throws SyntaxError");
  });
});
