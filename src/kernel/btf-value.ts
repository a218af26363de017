import { KernelError } from "../lib/errors.js";
import type { JsonValue } from "../lib/json-value.js";
import type { BtfMember, BtfType } from "./btf.js";
import { isNetworkOrder, isText, isTruth } from "./btf-meaning.js";

/** Reads values of one C type. */
export interface BtfDecoder {
  readonly sizeBytes: number;
  /**
   * The value at `offset`: structures and unions as objects (a union's members are all readings of the same bytes),
   * arrays as lists, `char` arrays that hold a text as that text, enums by name, `_Bool` as such, pointers as numbers.
   * Integers declared `__be16` to `__be64` are read in network order, all others little-endian; those that a number
   * cannot hold exactly are their digits in a string. What has no reading is its bytes in hex.
   * @throws KernelError `btf-value` when there are fewer bytes than the type takes, or when it has absurdly many parts
   */
  decode(bytes: Uint8Array, offset?: number): JsonValue;
}

/** Compiles the type once: a map may have millions of values of it. */
export function createBtfDecoder(type: BtfType): BtfDecoder {
  const read = readerOf(type);
  const { sizeBytes } = type;
  return {
    sizeBytes,
    decode: (bytes, offset = 0) => {
      if (!Number.isInteger(offset) || offset < 0 || offset + sizeBytes > bytes.length) {
        throw tooShort(type, bytes.length - offset);
      }
      return read(new Source(bytes), 8 * offset);
    },
  };
}

/** Reads what begins at a bit. */
type Reader = (source: Source, bit: number) => JsonValue;

/** More parts than the longest value of a map has: types from outside may nest arrays in unions without end. */
const mostParts = 16_777_216;

class Source {
  readonly #bytes: Uint8Array;
  #parts = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Counts what is about to be made. */
  take(parts: number): void {
    this.#parts += parts;
    if (this.#parts > mostParts) throw new KernelError("btf-value", `a value has more than ${mostParts} parts`);
  }

  /** The whole bytes that hold `width` bits. */
  bytes(bit: number, width: number): Uint8Array {
    const [from, to] = [Math.floor(bit / 8), Math.ceil((bit + width) / 8)];
    if (!(from >= 0 && to <= this.#bytes.length)) {
      throw new KernelError("btf-value", `a part ends at byte ${to}, the value at ${this.#bytes.length}`);
    }
    return this.#bytes.subarray(from, to);
  }
}

function readerOf(type: BtfType | undefined, bitSize = 8 * (type?.sizeBytes ?? 0)): Reader {
  switch (type?.kind) {
    case undefined:
      return () => null;
    case "int":
      return integerReader(type, bitSize);
    case "pointer":
      return integerReader({ ...type, isSigned: false }, bitSize);
    case "enum":
      return enumReader(type, bitSize);
    case "struct":
    case "union":
      return compositeReader(type.members);
    case "array":
      return arrayReader(type);
    case "float":
      return floatReader(type);
    default:
      return (source, bit) => hexText(source.bytes(bit, bitSize));
  }
}

/** Infinities and what is no number have no JSON: those are told by their bytes, as wider formats are. */
function floatReader({ sizeBytes }: BtfType): Reader {
  return (source, bit) => {
    const bytes = Buffer.from(source.bytes(bit, 8 * sizeBytes));
    const value = sizeBytes === 4 ? bytes.readFloatLE() : sizeBytes === 8 ? bytes.readDoubleLE() : Number.NaN;
    return Number.isFinite(value) ? value : hexText(bytes);
  };
}

interface IntegerForm {
  readonly name: string;
  readonly alias?: string;
  readonly sizeBytes: number;
  readonly isSigned: boolean;
}

function integerReader(form: IntegerForm, bitSize: number): Reader {
  if (!(bitSize > 0 && bitSize <= 128)) return (source, bit) => hexText(source.bytes(bit, bitSize));
  const isReversed = isNetworkOrder(form) && bitSize === 8 * form.sizeBytes;
  const toValue = isTruth(form) ? truthOf : exact;
  if (bitSize > 32) {
    const cut = form.isSigned ? BigInt.asIntN : BigInt.asUintN;
    return (source, bit) => toValue(cut(bitSize, wideBits(source.bytes(bit, bitSize), bit % 8, isReversed)));
  }
  const cut = form.isSigned ? signedOf : unsignedOf;
  return (source, bit) => toValue(cut(bitSize, narrowBits(source.bytes(bit, bitSize), bit % 8, isReversed)));
}

/** Up to 32 bits in at most five bytes, with what stands before them cut off and what stands behind left on. */
function narrowBits(bytes: Uint8Array, shift: number, isReversed: boolean): number {
  let value = 0;
  for (let index = 0; index < bytes.length; index++) {
    value += bytes[isReversed ? bytes.length - 1 - index : index]! * 2 ** (8 * index);
  }
  return Math.floor(value / 2 ** shift);
}

const unsignedOf = (bits: number, value: number): number => value % 2 ** bits;
function signedOf(bits: number, value: number): number {
  const rest = value % 2 ** bits;
  return rest >= 2 ** (bits - 1) ? rest - 2 ** bits : rest;
}

function wideBits(bytes: Uint8Array, shift: number, isReversed: boolean): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) {
    value = (value << 8n) | BigInt(bytes[isReversed ? bytes.length - 1 - index : index]!);
  }
  return value >> BigInt(shift);
}

function exact(value: number | bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function truthOf(value: number | bigint): JsonValue {
  return Number(value) === 0 ? false : Number(value) === 1 ? true : exact(value);
}

function enumReader(type: BtfType & { readonly kind: "enum" }, bitSize: number): Reader {
  const isSigned = type.values.some(([, value]) => value < 0n);
  const read = integerReader({ ...type, isSigned }, bitSize);
  // The first of several names of a value.
  const names = new Map([...type.values].reverse().map(([name, value]) => [String(value), name]));
  return (source, bit) => {
    const value = read(source, bit);
    return names.get(String(value)) ?? value;
  };
}

interface Part {
  readonly name: string;
  readonly bitOffset: number;
  readonly read: Reader;
}

function compositeReader(members: readonly BtfMember[]): Reader {
  const parts = members.map(
    ({ name, bitOffset, bitSize, type }): Part => ({ name, bitOffset, read: readerOf(type, bitSize) }),
  );
  return (source, bit) => {
    source.take(parts.length);
    const entries: (readonly [string, JsonValue])[] = [];
    for (const { name, bitOffset, read } of parts) {
      const value = read(source, bit + bitOffset);
      if (name !== "") entries.push([name, value]);
      // Members of an unnamed structure are the outer one's; other unnamed ones only take up room.
      else if (typeof value === "object" && value !== null && !Array.isArray(value))
        entries.push(...Object.entries(value));
    }
    return Object.fromEntries(entries);
  };
}

function arrayReader({ length, element, sizeBytes }: BtfType & { readonly kind: "array" }): Reader {
  if (element === undefined || element.sizeBytes === 0) return () => [];
  const elementBits = 8 * element.sizeBytes;
  const readElement = readerOf(element);
  const readAll: Reader = (source, bit) => {
    source.take(length);
    return Array.from({ length }, (_, index) => readElement(source, bit + index * elementBits));
  };
  if (!isText(element)) return readAll;
  return (source, bit) => textOf(source.bytes(bit, 8 * sizeBytes)) ?? readAll(source, bit);
}

/** The characters before the first zero, if they can be printed and nothing stands behind it. */
function textOf(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(0);
  const text = end < 0 ? bytes : bytes.subarray(0, end);
  const isPlain =
    text.every((byte) => byte >= 0x20 && byte < 0x7f) && bytes.subarray(text.length).every((b) => b === 0);
  return isPlain ? Buffer.from(text).toString("latin1") : undefined;
}

function hexText(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}

function tooShort({ name, alias, sizeBytes }: BtfType, available: number): KernelError {
  const what = (alias ?? name) || "the type";
  return new KernelError("btf-value", `${what} takes ${sizeBytes} bytes, there are ${available}`);
}
