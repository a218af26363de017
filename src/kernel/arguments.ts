import { inspect, types } from "node:util";
import { KernelError } from "../lib/errors.js";

/**
 * Checks of what callers hand to the addon. C++ trusts its arguments: a buffer that is one byte short would let the kernel
 * write past its end, so everything is refused here, as KernelError `invalid-argument`.
 */
function refuse(argument: string, expected: string, actual: unknown): never {
  const shown = describeValue(actual);
  throw new KernelError("invalid-argument", `${argument} must be ${expected}, got ${shown}`, {
    details: { argument, expected, actual: shown },
  });
}

/** In words that run no code of the value's own: it may be anything. */
function describeValue(value: unknown): string {
  if (types.isProxy(value)) return "a proxy";
  if (types.isUint8Array(value)) return `${byteLengthOf(value)} bytes`;
  const text = inspect(value, {
    depth: 0,
    customInspect: false,
    maxStringLength: 80,
    breakLength: Number.POSITIVE_INFINITY,
  });
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Length and place as the engine has them: an object may say otherwise. */
const getters = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array);
const byteLengthGetter = getters.byteLength.get as () => number;
const byteOffsetGetter = getters.byteOffset.get as () => number;
const bufferGetter = getters.buffer.get as () => ArrayBuffer;

function byteLengthOf(value: Uint8Array): number {
  return byteLengthGetter.call(value);
}

export function requireBytes(value: Uint8Array, lengthBytes: number, argument: string): void {
  if (!types.isUint8Array(value) || byteLengthOf(value) !== lengthBytes) {
    refuse(argument, `a Uint8Array of ${lengthBytes} bytes`, value);
  }
}

/** A view of the bytes whose length is the truth. */
export function viewBytes(value: Uint8Array, argument: string): Buffer {
  if (!types.isUint8Array(value)) refuse(argument, "a Uint8Array", value);
  try {
    return Buffer.from(bufferGetter.call(value), byteOffsetGetter.call(value), byteLengthOf(value));
  } catch {
    return refuse(argument, "a Uint8Array whose memory is still its own", value); // handed on to another thread
  }
}

/** An integer in [minimum, maximum]; the maximum is u32 unless told. */
export function requireInteger(value: number, argument: string, minimum = 0, maximum = 0xffffffff): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    refuse(argument, `an integer from ${minimum} to ${maximum}`, value);
  }
}

export function requireUint64(value: bigint, argument: string): void {
  if (typeof value !== "bigint" || value < 0n || value >= 1n << 64n) refuse(argument, "a bigint of 64 bits", value);
}

export function requireBoolean(value: boolean, argument: string): void {
  if (typeof value !== "boolean") refuse(argument, "true or false", value);
}

/** A string that may cross into C: not empty, no NUL byte. */
export function requireText(value: string, argument: string, maxBytes = 4095): void {
  if (typeof value !== "string" || value === "" || value.includes("\0") || Buffer.byteLength(value) > maxBytes) {
    refuse(argument, `a string of 1 to ${maxBytes} bytes without NUL`, value);
  }
}

export function requireOneOf<T extends string>(value: T, allowed: readonly T[], argument: string): void {
  if (!allowed.includes(value)) refuse(argument, `one of ${allowed.join(", ")}`, value);
}

/** An object whose members are looked at one by one. */
export function requireOptions(value: object, argument = "options"): void {
  if (typeof value !== "object" || value === null) refuse(argument, "an object", value);
}

/** A class whose constructor may be private, and which knows what it made: `Object.create(type.prototype)` is not of it. */
interface HandleClass {
  readonly name: string;
  [Symbol.hasInstance](value: unknown): boolean;
  isMade(value: object): boolean;
}

export function requireInstance(value: unknown, type: HandleClass, argument: string): void {
  const isOfType = typeof value === "object" && value !== null && type[Symbol.hasInstance](value) && type.isMade(value);
  if (!isOfType) refuse(argument, `a ${type.name}`, value);
}

export { refuse as refuseArgument };
