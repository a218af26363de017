import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BtfMember, BtfType } from "../../src/kernel/btf.js";
import { encodeBtfValue } from "../../src/kernel/btf-encode.js";
import { createBtfDecoder } from "../../src/kernel/btf-value.js";
import { KernelError, UsageError } from "../../src/lib/errors.js";

const int: fc.Arbitrary<BtfType> = fc
  .tuple(fc.constantFrom(1, 2, 4, 8, 16), fc.boolean(), fc.boolean())
  .map(([sizeBytes, isSigned, isReversed]) => {
    const alias = isReversed && !isSigned && [2, 4, 8].includes(sizeBytes) ? { alias: `__be${8 * sizeBytes}` } : {};
    return { kind: "int", name: "int", sizeBytes, isSigned, ...alias };
  });
const truth: fc.Arbitrary<BtfType> = fc.constant({ kind: "int", name: "_Bool", sizeBytes: 1, isSigned: false });
const pointer: fc.Arbitrary<BtfType> = fc.constant({ kind: "pointer", name: "", sizeBytes: 8 });
const enumeration: fc.Arbitrary<BtfType> = fc
  .tuple(fc.constantFrom(1, 2, 4, 8), fc.uniqueArray(fc.integer({ min: 0, max: 100 }), { maxLength: 6 }))
  .map(([sizeBytes, values]) => ({
    kind: "enum",
    name: "kinds",
    sizeBytes,
    values: values.map((value) => [`KIND_${value}`, BigInt(value)] as const),
  }));
const text: fc.Arbitrary<BtfType> = fc.integer({ min: 1, max: 20 }).map((length) => ({
  kind: "array",
  name: "",
  sizeBytes: length,
  length,
  element: { kind: "int", name: "char", sizeBytes: 1, isSigned: true },
}));
const float: fc.Arbitrary<BtfType> = fc
  .constantFrom(2, 4, 8, 16)
  .map((sizeBytes) => ({ kind: "float", name: "double", sizeBytes }));

const arrayOf = (element: BtfType, length: number): BtfType => ({
  kind: "array",
  name: "",
  sizeBytes: element.sizeBytes * length,
  length,
  element,
});

const bitsOf = (members: readonly BtfMember[]): number =>
  members.reduce((end, { bitOffset, bitSize }) => Math.max(end, bitOffset + bitSize), 0);

/** Members side by side; a width makes a bit field of an integer. */
function structOf(parts: readonly (readonly [BtfType, number])[]): BtfType {
  const members: BtfMember[] = [];
  for (const [index, [type, width]] of parts.entries()) {
    const isBitField = type.kind === "int" && type.name === "int" && width > 0 && width <= 8 * type.sizeBytes;
    const end = bitsOf(members);
    const bitOffset = isBitField ? end : Math.ceil(end / 8) * 8;
    members.push({ name: `f${index}`, bitOffset, bitSize: isBitField ? width : 8 * type.sizeBytes, type });
  }
  return { kind: "struct", name: "sample", sizeBytes: Math.ceil(bitsOf(members) / 8), members };
}

function unionOf(types: readonly BtfType[]): BtfType {
  const members = types.map((type, index) => ({
    name: `u${index}`,
    bitOffset: 0,
    bitSize: 8 * type.sizeBytes,
    type,
  }));
  return { kind: "union", name: "either", sizeBytes: Math.ceil(bitsOf(members) / 8), members };
}

/** Types as a compiler lays them out; those that say all that their bytes say, and any. */
function types(leaves: readonly fc.Arbitrary<BtfType>[], hasUnions: boolean): fc.Arbitrary<BtfType> {
  return fc.letrec<{ any: BtfType }>((tie) => {
    const part = fc.tuple(tie("any"), fc.integer({ min: 0, max: 40 }));
    return {
      any: fc.oneof(
        { maxDepth: 3 },
        ...leaves,
        fc.tuple(tie("any"), fc.integer({ min: 1, max: 4 })).map(([element, length]) => arrayOf(element, length)),
        fc.array(part, { minLength: 1, maxLength: 5 }).map(structOf),
        ...(hasUnions ? [fc.array(tie("any"), { minLength: 1, maxLength: 3 }).map(unionOf)] : []),
      ),
    };
  }).any;
}

const plain = types([int, pointer, enumeration, text], false);
const any = types([int, truth, pointer, enumeration, text, float], true);
const withBytes = (type: fc.Arbitrary<BtfType>) =>
  type.chain((of) => fc.tuple(fc.constant(of), fc.uint8Array({ minLength: of.sizeBytes, maxLength: of.sizeBytes })));

/** Members and sizes that no compiler would write. */
const absurd: fc.Arbitrary<BtfType> = fc.letrec<{ any: BtfType }>((tie) => {
  const size = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(-1, 2 ** 31, 2 ** 32, Number.NaN));
  const name = fc.constantFrom("", "a", "b", "__proto__", "constructor", "_Bool", "char", "length");
  const maybe = fc.option(tie("any"), { nil: undefined });
  const member = fc.record({ name, bitOffset: size, bitSize: size, type: maybe });
  const base = { name, sizeBytes: size };
  return {
    any: fc.oneof(
      { maxDepth: 3 },
      fc.record({ ...base, kind: fc.constant("int" as const), isSigned: fc.boolean() }),
      fc.record({ ...base, kind: fc.constantFrom("pointer" as const, "float" as const, "other" as const) }),
      fc.record({ ...base, kind: fc.constant("enum" as const), values: fc.constant([["A", 1n] as const]) }),
      fc.record({ ...base, kind: fc.constantFrom("struct" as const, "union" as const), members: fc.array(member) }),
      fc.record({ ...base, kind: fc.constant("array" as const), length: size, element: maybe }),
    ),
  };
}).any;

describe("values by their BTF", () => {
  test("whatever the type and the bytes, there is a value that JSON can hold, or the decoder's own refusal", () => {
    fc.assert(
      fc.property(
        fc.oneof(any, absurd),
        fc.uint8Array({ maxLength: 64 }),
        fc.integer({ min: -2, max: 70 }),
        (...of) => {
          const [type, bytes, offset] = of;
          const decoder = createBtfDecoder(type);
          try {
            const value = decoder.decode(bytes, offset);
            expect(JSON.parse(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
          } catch (error) {
            expect(error).toBeInstanceOf(KernelError);
            expect(error).toMatchObject({ code: "btf-value" });
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("what a type says depends on its own bytes alone", () => {
    fc.assert(
      fc.property(
        withBytes(any),
        fc.uint8Array({ maxLength: 9 }),
        fc.uint8Array({ maxLength: 9 }),
        (of, ahead, behind) => {
          const [type, bytes] = of;
          const { decode } = createBtfDecoder(type);
          expect(decode(Buffer.concat([ahead, bytes, behind]), ahead.length)).toEqual(decode(bytes));
        },
      ),
    );
  });

  test("written back, a value has its bytes again, but for bits that no member names", () => {
    fc.assert(
      fc.property(withBytes(plain), ([type, bytes]) => {
        const { decode } = createBtfDecoder(type);
        const value = decode(bytes);
        const written = encodeBtfValue(type, JSON.parse(JSON.stringify(value)));
        expect(decode(written)).toEqual(value);
        expect(encodeBtfValue(type, decode(written))).toEqual(written);
      }),
    );
  });

  test("integers and bit fields are those that BigInt arithmetic finds", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 24, maxLength: 24 }),
        fc.nat(64),
        fc.integer({ min: 1, max: 64 }),
        (...of) => {
          const [bytes, bitOffset, bitSize] = of;
          const all = BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`) >> BigInt(bitOffset);
          for (const isSigned of [false, true]) {
            const field: BtfType = { kind: "int", name: "int", sizeBytes: 8, isSigned };
            const members = [{ name: "field", bitOffset, bitSize, type: field }];
            const { decode } = createBtfDecoder({ kind: "struct", name: "", sizeBytes: 24, members });
            const expected = isSigned ? BigInt.asIntN(bitSize, all) : BigInt.asUintN(bitSize, all);
            expect(BigInt((decode(bytes) as { field: number | string }).field)).toBe(expected);
          }
        },
      ),
    );
  });

  test("whatever a user writes for a type is taken, or misuse", () => {
    fc.assert(
      fc.property(any, fc.jsonValue(), (type, value) => {
        try {
          expect(encodeBtfValue(type, value as never)).toHaveLength(type.sizeBytes);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });
});
