import type { FieldKind, FieldSpec } from "../model/struct-fields.js";
import { AbiError } from "./codec.js";
import type { FieldLayout, StructLayout } from "./layout.js";

/** One property of a codec, bound to the field of a layout. */
export interface BoundField {
  readonly property: string;
  readonly spec: FieldSpec<unknown>;
  /** Absent when the release lacks the field, or the candidates differ in it. */
  readonly at?: FieldLayout;
  readonly isAmbiguous?: boolean;
  readonly sizeBytes: number;
}

/** One field as several layouts have it: theirs where all agree, else unknown. */
export function agreedField(fields: readonly BoundField[], struct: string): BoundField {
  // Where a release lacks the field its bytes are padding, which upstream zeroes: what a default of zero means.
  const isPadding = fields[0]?.spec.absent?.value !== undefined && fields.some((field) => field.at !== undefined);
  const [first, ...others] = isPadding ? fields.filter((field) => field.at !== undefined) : fields;
  if (first === undefined) throw new AbiError("abi-layout", `struct ${struct} has no layout`);
  if (others.every((field) => isSamePlace(first, field))) return first;
  const { property, spec } = first;
  if (spec.absent === undefined) {
    throw new AbiError(
      "abi-layout",
      `${struct}.${spec.names.join(" or ")} lies differently in the releases in question`,
    );
  }
  return { property, spec: { ...spec, absent: { value: undefined } }, isAmbiguous: true, sizeBytes: 0 };
}

function isSamePlace(a: BoundField, b: BoundField): boolean {
  return (
    a.at?.offset === b.at?.offset &&
    a.sizeBytes === b.sizeBytes &&
    a.at?.bit?.shift === b.at?.bit?.shift &&
    a.at?.bit?.width === b.at?.bit?.width
  );
}

export function bindField(
  struct: string,
  layout: StructLayout,
  property: string,
  spec: FieldSpec<unknown>,
): BoundField {
  if (!/^[A-Za-z]\w*$/.test(property)) throw new AbiError("abi-layout", `"${property}" is no property name`);
  const name = spec.names.find((candidate) => layout.fields[candidate] !== undefined);
  const at = name === undefined ? undefined : layout.fields[name];
  if (at === undefined) {
    if (spec.absent !== undefined) return { property, spec, sizeBytes: 0 };
    throw new AbiError("abi-layout", `struct ${struct} has no field ${spec.names.join(" or ")}`);
  }
  const sizeBytes = spec.sizeBytes ?? at.sizeBytes;
  const fixed = ({ ip4: 4, ip6: 16, mac: 6, u64: 8 } as Partial<Record<FieldKind, number>>)[spec.kind] ?? sizeBytes;
  const isInteger = spec.kind === "uint" || spec.kind === "be" || spec.kind === "sint";
  if (sizeBytes < fixed || at.offset + fixed > layout.sizeBytes || (isInteger && ![1, 2, 4].includes(sizeBytes))) {
    throw new AbiError("abi-layout", `${struct}.${name} has ${sizeBytes} bytes and cannot be read as ${spec.kind}`);
  }
  return { property, spec, at, sizeBytes };
}

/** JavaScript that reads the field from `b` at `o`. */
export function readExpression(field: BoundField): string {
  const { at, sizeBytes } = field;
  if (at === undefined) return literal(field.spec.absent?.value);
  const byte = (index: number): string => `b[o + ${at.offset + index}]`;
  switch (field.spec.kind) {
    case "uint":
      return joinBytes(range(sizeBytes).map(byte));
    case "be":
      return joinBytes(range(sizeBytes).map(byte).reverse());
    case "sint":
      return sizeBytes === 4
        ? `(${joinBytes(range(4).map(byte))} | 0)`
        : `(${joinBytes(range(sizeBytes).map(byte))} << ${32 - 8 * sizeBytes} >> ${32 - 8 * sizeBytes})`;
    case "u64":
      return `run.readU64(b, o + ${at.offset})`;
    case "ip4":
      return `run.readIp4(b, o + ${at.offset})`;
    case "ip6":
      return `run.readIp6(b, o + ${at.offset})`;
    case "mac":
      return `run.readMac(b, o + ${at.offset})`;
    case "text":
      return `run.readText(b, o + ${at.offset}, ${sizeBytes})`;
    case "bytes":
      return `Uint8Array.from(b.subarray(o + ${at.offset}, o + ${at.offset + sizeBytes}))`;
    case "bit":
      return `((${byte(0)} & ${1 << bitOf(at).shift}) !== 0)`;
    case "bits":
      return `((${joinBytes(range(sizeBytes).map(byte))} >> ${bitOf(at).shift}) & ${2 ** bitOf(at).width - 1})`;
  }
}

/** JavaScript that reads the 32-bit word, in host or network order, that lies `shift` bytes into the field. */
export function wordExpression({ at }: BoundField, shift: number, order: "host" | "network"): string {
  const bytes = range(4).map((index) => `b[o + ${(at?.offset ?? 0) + shift + index}]`);
  return joinBytes(order === "host" ? bytes : bytes.reverse());
}

/** JavaScript that writes `value`'s property into `b`. Fields that the release lacks are not written. */
export function writeStatement(field: BoundField): string {
  const { at, sizeBytes, property } = field;
  if (field.isAmbiguous) return `run.refuseAmbiguous(value.${property}, "${property}");`;
  if (at === undefined) return "";
  const value = `value.${property}`;
  const args = `b, ${at.offset}, ${value}`;
  switch (field.spec.kind) {
    case "uint":
      return `run.writeUint(${args}, ${sizeBytes}, "${property}");`;
    case "be":
      return `run.writeBe(${args}, ${sizeBytes}, "${property}");`;
    case "sint":
      return `run.writeSint(${args}, ${sizeBytes}, "${property}");`;
    case "u64":
      return `run.writeU64(${args}, "${property}");`;
    case "ip4":
      return `run.writeAddress(${args}, 4);`;
    case "ip6":
      return `run.writeAddress(${args}, 16);`;
    case "mac":
      return `run.writeMac(${args});`;
    case "text":
      return `run.writeText(${args}, ${sizeBytes}, "${property}");`;
    case "bytes":
      return `run.writeBytes(${args}, ${sizeBytes}, "${property}");`;
    case "bit":
      return `run.writeBits(b, ${at.offset}, ${value} ? 1 : 0, ${bitOf(at).shift}, 1, "${property}");`;
    case "bits":
      return `run.writeBits(${args}, ${bitOf(at).shift}, ${bitOf(at).width}, "${property}");`;
  }
}

function bitOf(at: FieldLayout): { readonly shift: number; readonly width: number } {
  return at.bit ?? { shift: 0, width: 8 * at.sizeBytes };
}

/** @param bytes expressions, the lowest byte first */
function joinBytes(bytes: readonly string[]): string {
  const terms = bytes.map((byte, index) => (index === 0 ? byte : `${byte} << ${8 * index}`));
  // Only a fourth byte can set the sign bit.
  return bytes.length === 4 ? `((${terms.join(" | ")}) >>> 0)` : `(${terms.join(" | ")})`;
}

function literal(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value === undefined || typeof value === "number" || typeof value === "boolean") return String(value);
  throw new AbiError("abi-layout", "the value of an absent field must be a number, a boolean or undefined");
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
