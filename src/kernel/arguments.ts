import { KernelError } from "../lib/errors.js";

/**
 * Checks of what callers hand to the addon. C++ trusts its arguments: a buffer that is one byte short would let the kernel
 * write past its end, so everything is refused here, as KernelError `invalid-argument`.
 */
function refuse(argument: string, expected: string, actual: unknown): never {
  const shown =
    actual instanceof Uint8Array
      ? `${actual.length} bytes`
      : typeof actual === "string"
        ? JSON.stringify(actual)
        : String(actual);
  throw new KernelError("invalid-argument", `${argument} must be ${expected}, got ${shown}`, {
    details: { argument, expected, actual: shown },
  });
}

export function requireBytes(value: Uint8Array, lengthBytes: number, argument: string): void {
  if (!(value instanceof Uint8Array) || value.length !== lengthBytes) {
    refuse(argument, `a Uint8Array of ${lengthBytes} bytes`, value);
  }
}

export function requireAnyBytes(value: Uint8Array, argument: string): void {
  if (!(value instanceof Uint8Array)) refuse(argument, "a Uint8Array", value);
}

/** An integer in [minimum, maximum]; the maximum is u32 unless told. */
export function requireInteger(value: number, argument: string, minimum = 0, maximum = 0xffffffff): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    refuse(argument, `an integer from ${minimum} to ${maximum}`, value);
  }
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

/** A class whose constructor may be private. */
interface HandleClass {
  readonly name: string;
  [Symbol.hasInstance](value: unknown): boolean;
}

export function requireInstance(value: unknown, type: HandleClass, argument: string): void {
  if (!type[Symbol.hasInstance](value)) refuse(argument, `a ${type.name}`, value);
}

export { refuse as refuseArgument };
