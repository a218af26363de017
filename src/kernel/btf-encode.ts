import { UsageError } from "../lib/errors.js";
import type { JsonValue } from "../lib/json-value.js";
import type { BtfMember, BtfType } from "./btf.js";
import { isNetworkOrder, isText, isTruth } from "./btf-meaning.js";

/**
 * The bytes of a value that a user wrote: what `createBtfDecoder` reads, the other way round. Members that are left out
 * are zero, as padding is.
 * @throws UsageError `bad-typed-value` naming the part that does not fit
 */
export function encodeBtfValue(type: BtfType, value: JsonValue): Buffer {
  const bytes = Buffer.alloc(type.sizeBytes);
  write({ type, bitSize: 8 * type.sizeBytes, bit: 0, path: "" }, value, bytes);
  return bytes;
}

interface Place {
  readonly type: BtfType | undefined;
  readonly bitSize: number;
  readonly bit: number;
  /** E.g. `.ports[1]` */
  readonly path: string;
}

function write(place: Place, value: JsonValue, bytes: Buffer): void {
  const { type } = place;
  switch (type?.kind) {
    case "int":
      writeInteger(place, type, integerOf(place, type.isSigned, value, isTruth(type)), bytes);
      return;
    case "pointer":
      writeInteger(place, type, integerOf(place, false, value, false), bytes);
      return;
    case "enum":
      writeInteger(place, type, enumeratorOf(place, type, value), bytes);
      return;
    case "struct":
    case "union":
      writeMembers(place, type.members, value, bytes);
      return;
    case "array":
      writeElements(place, type, value, bytes);
      return;
    default:
      throw misfit(place, "cannot be written");
  }
}

function writeInteger({ bit, bitSize }: Place, type: BtfType, value: bigint, bytes: Buffer): void {
  const unsigned = BigInt.asUintN(bitSize, value);
  const isReversed = isNetworkOrder(type) && bitSize === 8 * type.sizeBytes;
  for (let done = 0; done < bitSize; done++) {
    const at = bit + (isReversed ? bitSize - 8 - 8 * (done >> 3) + (done % 8) : done);
    if (((unsigned >> BigInt(done)) & 1n) === 1n) bytes[at >> 3]! |= 1 << (at % 8);
  }
}

function integerOf(place: Place, isSigned: boolean, value: JsonValue, isBoolean: boolean): bigint {
  const { bitSize } = place;
  if (isBoolean && typeof value === "boolean") return value ? 1n : 0n;
  const text = typeof value === "number" || typeof value === "string" ? String(value) : "";
  const [least, most] = isSigned
    ? [-(1n << BigInt(bitSize - 1)), (1n << BigInt(bitSize - 1)) - 1n]
    : [0n, (1n << BigInt(bitSize)) - 1n];
  const number = /^(-?\d+|0x[0-9a-f]+)$/i.test(text) ? BigInt(text) : undefined;
  if (number === undefined || number < least || number > most) {
    throw misfit(place, `is a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`);
  }
  return number;
}

function enumeratorOf(place: Place, type: BtfType & { readonly kind: "enum" }, value: JsonValue): bigint {
  const found = type.values.find(([name]) => name === value)?.[1];
  if (found !== undefined) return found;
  const isName = typeof value === "string" && !/^-?(\d+|0x[0-9a-f]+)$/i.test(value);
  if (isName) throw misfit(place, `is one of ${type.values.map(([name]) => name).join(", ")}, not ${value}`);
  const isSigned = type.values.some(([, enumerator]) => enumerator < 0n);
  return integerOf(place, isSigned, value, false);
}

function writeMembers(place: Place, members: readonly BtfMember[], value: JsonValue, bytes: Buffer): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw misfit(place, "is an object");
  const fields = value as { readonly [name: string]: JsonValue };
  const known = new Set(members.flatMap(namesOf));
  for (const name of Object.keys(fields)) {
    if (!known.has(name)) throw misfit(place, `has no member "${name}": there are ${[...known].join(", ")}`);
  }
  for (const { name, bitOffset, bitSize, type } of members) {
    const inner = { type, bitSize, bit: place.bit + bitOffset };
    if (name !== "" && Object.hasOwn(fields, name)) {
      write({ ...inner, path: `${place.path}.${name}` }, fields[name]!, bytes);
    } else if (name === "" && isComposite(type)) {
      const own = type.members.flatMap(namesOf).filter((field) => Object.hasOwn(fields, field));
      const part = Object.fromEntries(own.map((field) => [field, fields[field]!]));
      write({ ...inner, path: place.path }, part, bytes);
    }
  }
}

/** Members of an unnamed structure are the outer one's. */
function namesOf({ name, type }: BtfMember): readonly string[] {
  if (name !== "") return [name];
  return isComposite(type) ? type.members.flatMap(namesOf) : [];
}

function isComposite(type: BtfType | undefined): type is BtfType & { readonly kind: "struct" | "union" } {
  return type?.kind === "struct" || type?.kind === "union";
}

function writeElements(
  place: Place,
  { length, element }: BtfType & { readonly kind: "array" },
  value: JsonValue,
  bytes: Buffer,
): void {
  if (element === undefined) throw misfit(place, "cannot be written");
  if (typeof value === "string" && isText(element)) {
    writeText(place, length, value, bytes);
    return;
  }
  if (!Array.isArray(value) || value.length > length) throw misfit(place, `is a list of at most ${length}`);
  const bitSize = 8 * element.sizeBytes;
  for (const [index, part] of value.entries()) {
    write({ type: element, bitSize, bit: place.bit + index * bitSize, path: `${place.path}[${index}]` }, part, bytes);
  }
}

function writeText(place: Place, length: number, text: string, bytes: Buffer): void {
  const own = Buffer.from(text);
  if (own.length > length) throw misfit(place, `is a text of at most ${length} bytes`);
  own.copy(bytes, place.bit / 8);
}

function misfit({ path }: Place, problem: string): UsageError {
  return new UsageError("bad-typed-value", `${path === "" ? "it" : path} ${problem}`);
}
