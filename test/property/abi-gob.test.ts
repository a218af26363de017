import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GobDecoder } from "../../src/abi/gob/gob-decoder.js";
import { GobError } from "../../src/abi/gob/gob-error.js";
import type { GobValue } from "../../src/abi/gob/gob-value.js";
import { decodeAccessLog } from "../../src/abi/monitor/access-log.js";
import { decodeAgentNotification } from "../../src/abi/monitor/agent-notification.js";
import { PayloadDecoder } from "../../src/abi/monitor/payload.js";
import { GobTestEncoder, type TestType } from "../support/gob-encoder.js";
import { gobSample, gobSampleNames } from "../support/gob-samples.js";

interface Sample {
  readonly type: TestType;
  readonly value: GobValue;
}

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const float = fc.double();
const name = fc.string({ unit: "binary" });

/** Types with a way to make values of them. */
interface Made {
  readonly type: TestType;
  readonly values: fc.Arbitrary<GobValue>;
}

const basic: fc.Arbitrary<Made> = fc.constantFrom<Made>(
  { type: { kind: "bool" }, values: fc.boolean() },
  { type: { kind: "int" }, values: i64 },
  { type: { kind: "uint" }, values: u64 },
  { type: { kind: "float" }, values: float },
  { type: { kind: "bytes" }, values: fc.uint8Array({ maxLength: 300 }) },
  { type: { kind: "string" }, values: name },
  {
    type: { kind: "complex" },
    values: fc.tuple(float, float).map(([real, imaginary]) => ({ kind: "complex", real, imaginary })),
  },
  { type: { kind: "encoder", name: "Own" }, values: fc.uint8Array() },
  { type: { kind: "interface" }, values: fc.constant(undefined) },
);

const { made } = fc.letrec<{ made: Made }>((tie) => ({
  made: fc.oneof(
    { maxDepth: 4, depthIdentifier: "gob" },
    basic,
    tie("made").map(({ type, values }) => ({
      type: { kind: "slice", element: type } as const,
      values: fc.array(values, { maxLength: 4 }),
    })),
    fc.tuple(tie("made"), fc.nat({ max: 3 })).map(([{ type, values }, length]) => ({
      type: { kind: "array", element: type, length } as const,
      values: fc.array(values, { minLength: length, maxLength: length }),
    })),
    fc.tuple(tie("made"), tie("made")).map(([key, element]) => ({
      type: { kind: "map", key: key.type, element: element.type } as const,
      values: fc
        .array(fc.tuple(key.values, element.values), { maxLength: 3 })
        .map((entries) => ({ kind: "map", entries }) as const),
    })),
    fc
      .tuple(name, fc.uniqueArray(fc.tuple(name, tie("made")), { maxLength: 5, selector: ([field]) => field }))
      .map(structOf),
  ),
}));

function structOf([type, fields]: readonly [string, readonly (readonly [string, Made])[]]): Made {
  return {
    type: { kind: "struct", name: type, fields: fields.map(([field, { type: of }]) => [field, of]) },
    values: fc
      .tuple(...fields.map(([field, { values }]) => fc.option(values.map((value) => [field, value] as const))))
      .map((sent) => ({ kind: "struct", type, fields: new Map(sent.filter((each) => each !== null)) })),
  };
}

const samples: fc.Arbitrary<Sample> = made.chain(({ type, values }) => values.map((value) => ({ type, value })));

function decodeInPieces(bytes: Buffer, cuts: readonly number[]): readonly GobValue[] {
  const decoder = new GobDecoder();
  const values: GobValue[] = [];
  let at = 0;
  for (const cut of cuts) {
    values.push(...decoder.push(bytes.subarray(at, at + cut)));
    at += cut;
  }
  values.push(...decoder.push(bytes.subarray(at)));
  decoder.end();
  return values;
}

const cuts = fc.array(fc.nat({ max: 40 }), { maxLength: 20 });

describe("what an upstream agent says", () => {
  it("gob streams of anything decode or are refused as what they are", () => {
    fc.assert(
      fc.property(samples, fc.nat({ max: 300 }), fc.nat({ max: 255 }), ({ type, value }, at, byte) => {
        const record = Buffer.concat([Buffer.of(129), new GobTestEncoder().encode(type, value)]);
        record[at % record.length] = byte;
        for (const decode of [decodeAccessLog, decodeAgentNotification, pushPayloads])
          expectGobError(() => decode(record));
      }),
      { numRuns: 500 },
    );
  });

  it("real records with some bytes changed decode or are refused as what they are", () => {
    const names = gobSampleNames.filter((sample) => sample.startsWith("l7"));
    const change = fc.tuple(fc.nat({ max: 2000 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.array(change, { minLength: 1, maxLength: 3 }), (sample, changed) => {
        const record = Buffer.concat([Buffer.of(129), gobSample(sample)]);
        for (const [at, byte] of changed) record[at % record.length] = byte;
        expectGobError(() => decodeAccessLog(record));
      }),
      { numRuns: 2000 },
    );
  });
});

function pushPayloads(bytes: Uint8Array): void {
  const decoder = new PayloadDecoder();
  decoder.push(bytes.subarray(1));
  decoder.end();
}

describe("gob", () => {
  it("decode of encode is the value, however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(samples, { minLength: 1, maxLength: 4 }), cuts, (values, sizes) => {
        const encoder = new GobTestEncoder();
        const bytes = Buffer.concat(values.map(({ type, value }) => encoder.encode(type, value)));
        expect(decodeInPieces(bytes, sizes)).toEqual(values.map(({ value }) => value));
      }),
      { numRuns: 500 },
    );
  });

  it("any bytes decode or are refused as what they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (bytes, sizes) => expectOwnError(Buffer.from(bytes), sizes)),
      { numRuns: 2000 },
    );
  });

  it("real streams with some bytes changed decode or are refused as what they are", () => {
    const change = fc.tuple(fc.nat({ max: 2000 }), fc.nat({ max: 255 }));
    const changes = fc.array(change, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.constantFrom(...gobSampleNames), changes, cuts, (sample, changed, sizes) => {
        const bytes = Buffer.from(gobSample(sample));
        for (const [at, byte] of changed) bytes[at % bytes.length] = byte;
        expectOwnError(bytes, sizes);
      }),
      { numRuns: 2000 },
    );
  });
});

function expectOwnError(bytes: Buffer, sizes: readonly number[]): void {
  expectGobError(() => decodeInPieces(bytes, sizes));
}

function expectGobError(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(GobError);
  }
}
