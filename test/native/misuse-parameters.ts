/**
 * What a parameter of src/kernel takes, and rubbish of every kind to hand to it. A call with rubbish in one place must be
 * refused with a KernelError before the addon sees it; values that a parameter does take may do what they like but crash.
 */
import { types } from "node:util";

export interface Parameter {
  /** A value that is right; made anew for each call. */
  readonly valid: () => unknown;
  readonly accepts: (value: unknown) => boolean;
  /** Of options: each one is given rubbish, too. */
  readonly fields?: Readonly<Record<string, Parameter>>;
}

const lengthOf = (value: unknown): number => (types.isUint8Array(value) ? (value as Uint8Array).byteLength : -1);

export const bytes = (length: number): Parameter => ({
  valid: () => Buffer.alloc(length),
  accepts: (value) => lengthOf(value) === length,
});

export const anyBytes = (length: number): Parameter => ({ ...bytes(length), accepts: types.isUint8Array });

export const integer = (valid: number, minimum = 0, maximum = 0xffffffff): Parameter => ({
  valid: () => valid,
  accepts: (value) => Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum,
});

export const bigInteger = (valid: bigint): Parameter => ({
  valid: () => valid,
  accepts: (value) => typeof value === "bigint" && value >= 0n && value < 1n << 64n,
});

/** Paths and names; of rubbish none is a string that could pass. */
export const text = (valid: string): Parameter => ({ valid: () => valid, accepts: () => false });

export const oneOf = (valid: string): Parameter => text(valid);

export const instance = (valid: () => unknown): Parameter => ({ valid, accepts: () => false });

export const boolean: Parameter = { valid: () => true, accepts: (value) => typeof value === "boolean" };

export const callback: Parameter = { valid: () => () => {}, accepts: (value) => typeof value === "function" };

export const list = (valid: readonly unknown[]): Parameter => ({
  valid: () => valid,
  accepts: (value) => Array.isArray(value) && value.length === 0,
});

export const optional = (parameter: Parameter): Parameter => ({
  ...parameter,
  accepts: (value) => value === undefined || parameter.accepts(value),
});

export function options(fields: Readonly<Record<string, Parameter>>): Parameter {
  return {
    fields,
    valid: () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.valid()])),
    // An object without any of the fields is right where all of them are optional.
    accepts: (value) =>
      typeof value === "object" && value !== null && Object.values(fields).every((field) => field.accepts(undefined)),
  };
}

function detachedBytes(): Uint8Array {
  const detached = new Uint8Array(4);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  return detached;
}

/** Says that it is longer than it is: the kernel would write past its end. */
class LyingBytes extends Uint8Array {
  override get length(): number {
    return 4;
  }
  override get byteLength(): number {
    return 4;
  }
}

/** Named, so that a failure says what went through. */
export const rubbish: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  zero: () => 0,
  negative: () => -1,
  fraction: () => 1.5,
  NaN: () => Number.NaN,
  infinity: () => Number.POSITIVE_INFINITY,
  "2^53": () => 2 ** 53,
  bigint: () => 7n,
  "negative bigint": () => -7n,
  "huge bigint": () => 1n << 70n,
  "empty string": () => "",
  "string with NUL": () => "a\0b",
  "long string": () => "x".repeat(5000),
  symbol: () => Symbol("s"),
  object: () => ({}),
  "object without prototype": () => Object.create(null),
  array: () => [],
  "array of rubbish": () => [Symbol("s"), null],
  function: () => () => {},
  date: () => new Date(Number.NaN),
  "empty bytes": () => new Uint8Array(0),
  "bytes of another length": () => Buffer.alloc(5),
  "detached bytes": detachedBytes,
  "bytes that lie": () => new LyingBytes(0),
  "words instead of bytes": () => new Uint32Array(1),
  "a view instead of bytes": () => new DataView(new ArrayBuffer(4)),
  "a buffer instead of bytes": () => new ArrayBuffer(4),
  "a proxy of bytes": () => new Proxy(Buffer.alloc(4), {}),
  "object with a hostile conversion": () => ({
    toString: () => {
      throw new Error("hostile");
    },
    valueOf: () => {
      throw new Error("hostile");
    },
  }),
};
