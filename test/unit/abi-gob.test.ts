import { describe, expect, it } from "vitest";
import { decodeGob, GobDecoder } from "../../src/abi/gob/gob-decoder.js";
import type { GobValue } from "../../src/abi/gob/gob-value.js";
import { GobTestEncoder, type TestType } from "../support/gob-encoder.js";
import { gobSample, gobSampleNames } from "../support/gob-samples.js";

/** Structs as objects, maps as lists of pairs, bytes as Latin text: what a person would write down. */
function plain(value: GobValue): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1");
  if (typeof value !== "object") return value;
  if (!("kind" in value)) return value.map(plain);
  switch (value.kind) {
    case "struct":
      return Object.fromEntries([...value.fields].map(([name, field]) => [name, plain(field)]));
    case "map":
      return value.entries.map(([key, element]) => [plain(key), plain(element)]);
    default:
      return { real: value.real, imaginary: value.imaginary };
  }
}

function decodeAll(bytes: Buffer): readonly GobValue[] {
  const decoder = new GobDecoder();
  const values = decoder.push(bytes);
  decoder.end();
  return values;
}

describe("streams of Go's own encoder", () => {
  it("every kind of value", () => {
    expect(plain(decodeGob(gobSample("kinds")))).toEqual({
      Yes: true,
      Int8: -128n,
      Int64: 2n ** 63n - 1n,
      Smallest: -(2n ** 63n),
      Uint64: 2n ** 64n - 1n,
      Float32: 17,
      Float64: Number.MAX_VALUE,
      Tiny: Number.MIN_VALUE,
      Negative: -0.1,
      Complex: { real: 1.5, imaginary: -2 },
      Text: "héllo \0 wörld",
      Bytes: "\x00\x01\xff",
      Array: [-1n, 0n, 300n],
      Octets: [10n, 0n, 0n, 255n],
      Nested: [["a", ""], []],
      Map: [["__proto__", -7n]],
      Deep: [[9n, [[["x", { Name: "y", Count: 1n }]], []]]],
      Pointer: { Name: "p", Count: 2n },
      Tree: { Name: "root", Children: [{ Name: "leaf" }, { Name: "branch", Children: [{ Name: "twig" }] }] },
      Encoded: "<self>",
      URL: "https://example.org/a?b",
      IP: `${"\0".repeat(10)}\xff\xff\x0a\x00\x00\x01`,
      Number: -3n,
      Struct: { Name: "in an interface", Count: 5n },
      Other: { Inner: { Name: "o", Count: 1n }, Any: { Text: "later", More: [{ Name: "z", Count: 26n }] } },
      After: "end",
    });
  });

  it("zeros are not sent, but those of arrays and of types that encode themselves", () => {
    expect(Object.keys(plain(decodeGob(gobSample("zero struct"))) as object)).not.toContain("After");
  });

  it("values that are no structs, and interfaces in a list", () => {
    expect(decodeAll(gobSample("singletons")).map(plain)).toEqual([
      5n,
      "text",
      "\x01\x02",
      [["a", true]],
      [1n, "b", undefined, { Text: "l" }],
      1e100,
    ]);
  });

  it("types are defined once, also by a value in an interface", () => {
    expect(decodeAll(gobSample("several values of a type")).map(plain)).toEqual([
      { Name: "a", Count: 1n },
      {},
      { Inner: {}, Any: { Name: "b", Count: 2n } },
      { Name: "c", Count: 3n },
    ]);
  });

  it.each(gobSampleNames)("%s: the same values, however the bytes are cut", (name) => {
    const bytes = gobSample(name);
    const whole = decodeAll(bytes);
    for (const size of [1, 2, 3, 7, 61, 1000]) {
      const decoder = new GobDecoder();
      const values: GobValue[] = [];
      for (let at = 0; at < bytes.length; at += size) values.push(...decoder.push(bytes.subarray(at, at + size)));
      decoder.end();
      expect(values).toEqual(whole);
    }
  });

  it("nothing of the input is kept alive or shared", () => {
    const bytes = Buffer.from(gobSample("capture"));
    const [first] = decodeAll(bytes);
    const before = plain(first);
    bytes.fill(0);
    expect(plain(first)).toEqual(before);
  });
});

describe("what is no gob stream", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["a length that no integer has", "80000000000000000000", "gob-number"],
    ["a message beyond the limit", "fc7fffffff", "gob-limit"],
    ["an empty message", "00", "gob-cut"],
    ["an unknown type", "03ff8000", "gob-type"],
    ["the type zero", "020000", "gob-type"],
    ["a string longer than its message", "040c007f61", "gob-cut"],
    ["bytes behind a value", "0404000a00", "gob-cut"],
    ["a singleton that pretends to be a field", "0304010a", "gob-number"],
    ["a type that defines nothing", "027f00", "gob-type"],
  ];

  it.each(cases)("%s", (_, hex, code) => {
    expect(() => decodeAll(Buffer.from(hex, "hex"))).toThrow(expect.objectContaining({ name: "GobError", code }));
  });

  it("a type that is defined twice", () => {
    const types = gobSample("agent").subarray(0, 0x2c);
    expect(() => decodeAll(Buffer.concat([types, types]))).toThrow(expect.objectContaining({ code: "gob-type" }));
  });

  it("a stream that ends within a message", () => {
    const decoder = new GobDecoder();
    decoder.push(gobSample("agent").subarray(0, -1));
    expect(() => decoder.end()).toThrow(expect.objectContaining({ code: "gob-cut" }));
  });

  it("what came before the fault is handed over, then every call fails", () => {
    const decoder = new GobDecoder();
    const values = decoder.push(Buffer.concat([gobSample("agent"), Buffer.from("03ff8000", "hex")]));
    expect(values).toHaveLength(1);
    const failure = expect.objectContaining({ code: "gob-type" });
    expect(() => decoder.push(gobSample("agent"))).toThrow(failure);
    expect(() => decoder.end()).toThrow(failure);
  });

  it("types that hold themselves end at the limit of depth", () => {
    const type = { kind: "slice" } as { kind: "slice"; element: TestType };
    type.element = type;
    const nested = (depth: number): GobValue => (depth === 0 ? [] : [nested(depth - 1)]);
    expect(decodeGob(new GobTestEncoder().encode(type, nested(50)))).toEqual(nested(50));
    const tooDeep = new GobTestEncoder().encode(type, nested(100));
    expect(() => decodeGob(tooDeep)).toThrow(expect.objectContaining({ code: "gob-limit" }));
  });

  it("lists of more values than allowed, and more types than are kept", () => {
    const limit = expect.objectContaining({ code: "gob-limit" });
    const type: TestType = { kind: "slice", element: { kind: "struct", name: "Empty", fields: [] } };
    const empty: GobValue = { kind: "struct", type: "Empty", fields: new Map() };
    const bytes = new GobTestEncoder().encode(type, Array(1000).fill(empty));
    expect(() => decodeGob(bytes, { values: 1000 })).toThrow(limit);
    expect(decodeGob(bytes, { values: 1001 })).toHaveLength(1000);
    expect(() => decodeGob(gobSample("l7 http"), { types: 20 })).toThrow(limit);
  });

  it("a value that is spread over more bytes than a message may have", () => {
    const limit = expect.objectContaining({ code: "gob-limit" });
    expect(() => decodeGob(gobSample("kinds"), { messageBytes: 330 })).toThrow(limit);
  });
});
