import { type CtsErrorOptions, KernelError } from "../lib/errors.js";
import type { IpAddress } from "../lib/ip.js";

/**
 * Bytes of the kernel that do not have the shape their layout promises, or a value that does not fit its field.
 * Codes: `abi-size` (too few bytes), `abi-range` (value out of a field's range), `abi-family` (address family),
 * `abi-prefix` (prefix length), `abi-version` (event version), `abi-layout` (no such field in this release).
 */
export class AbiError extends KernelError {
  constructor(code: AbiErrorCode, message: string, options: CtsErrorOptions = {}) {
    super(code, message, options);
  }
}

export type AbiErrorCode = "abi-size" | "abi-range" | "abi-family" | "abi-prefix" | "abi-version" | "abi-layout";

/** Between the bytes of one key, value or record and a typed value. */
export interface Codec<T> {
  readonly sizeBytes: number;
  /** Properties that the releases in question hold in different places: they decode as undefined. */
  readonly unknownFields?: readonly string[];
  /**
   * Reads `sizeBytes` bytes at `offset` (default 0). The result shares nothing with `bytes`.
   * @throws AbiError
   */
  decode(bytes: Uint8Array, offset?: number): T;
  /** @throws AbiError `abi-range` when a value does not fit */
  encode(value: T): Buffer;
}

/** Each property of many entries in an array of its own. */
export type StructColumns<T> = { readonly [Property in keyof T]-?: ColumnOf<T[Property]> };

/** An address takes one signed 32-bit word or four, in network order; a 64-bit number takes two, the low one first. */
type ColumnOf<Value> = Value extends undefined
  ? undefined
  : Value extends number
    ? Uint8Array | Uint16Array | Uint32Array
    : Value extends bigint
      ? Uint32Array
      : Value extends IpAddress
        ? Int32Array
        : never;

/** A codec that can also read many entries at once, without an object for any. */
export interface StructCodec<T> extends Codec<T> {
  /**
   * The first `count` of the structures that lie side by side in `bytes`.
   * @throws AbiError `abi-size`; `abi-layout` when a property is neither a number nor an address
   */
  columns(bytes: Uint8Array, count: number): StructColumns<T>;
}

/** @throws AbiError `abi-size` unless `sizeBytes` bytes can be read at `offset` */
export function checkBounds(name: string, bytes: Uint8Array, offset: number, sizeBytes: number): void {
  if (offset < 0 || offset + sizeBytes > bytes.length || !Number.isInteger(offset)) {
    throw new AbiError("abi-size", `${name} needs ${sizeBytes} bytes at offset ${offset}, there are ${bytes.length}`, {
      details: { name, sizeBytes, offset, available: bytes.length },
    });
  }
}

/** A codec over another one, for values that mean more than their fields. */
export function mapCodec<Raw, T>(codec: Codec<Raw>, decode: (raw: Raw) => T, encode: (value: T) => Raw): Codec<T> {
  return {
    sizeBytes: codec.sizeBytes,
    ...(codec.unknownFields === undefined ? {} : { unknownFields: codec.unknownFields }),
    decode: (bytes, offset) => decode(codec.decode(bytes, offset)),
    encode: (value) => codec.encode(encode(value)),
  };
}
