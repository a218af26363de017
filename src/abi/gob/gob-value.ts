import { GobError } from "./gob-error.js";

/**
 * A value of a gob stream. Integers of any size are `bigint`, floats `number`; what a type of Go's encodes by itself
 * (GobEncoder, BinaryMarshaler) stays bytes, as `[]byte` does; an interface that holds nothing is undefined.
 */
export type GobValue =
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | undefined
  | readonly GobValue[]
  | GobComplex
  | GobMap
  | GobStruct;

export interface GobComplex {
  readonly kind: "complex";
  readonly real: number;
  readonly imaginary: number;
}

/** Entries as they came: keys may be of any kind, so they are no JavaScript map's. */
export interface GobMap {
  readonly kind: "map";
  readonly entries: readonly (readonly [GobValue, GobValue])[];
}

/** Fields whose value is the zero of their type are not sent, and absent here; see the readers of fields below. */
export interface GobStruct {
  readonly kind: "struct";
  /** Name of the type in the sender's program. */
  readonly type: string;
  readonly fields: ReadonlyMap<string, GobValue>;
}

export function isGobStruct(value: GobValue): value is GobStruct {
  return isKind(value) && value.kind === "struct";
}

export function isGobMap(value: GobValue): value is GobMap {
  return isKind(value) && value.kind === "map";
}

/** Zero when the field was not sent or is unknown to the sender. @throws GobError `gob-shape` */
export function numberField(struct: GobStruct, name: string): number {
  const value = bigintField(struct, name);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw wrongShape(struct, name, "an integer below 2^53", value);
  return number;
}

/** As {@link numberField}, for 64-bit counters. */
export function bigintField(struct: GobStruct, name: string): bigint {
  const value = struct.fields.get(name) ?? 0n;
  if (typeof value === "bigint") return value;
  throw wrongShape(struct, name, "an integer", value);
}

/** Empty when the field was not sent or is unknown to the sender. @throws GobError `gob-shape` */
export function textField(struct: GobStruct, name: string): string {
  const value = struct.fields.get(name) ?? "";
  if (typeof value === "string") return value;
  throw wrongShape(struct, name, "a string", value);
}

/** As {@link textField}. */
export function bytesField(struct: GobStruct, name: string): Uint8Array {
  const value = struct.fields.get(name) ?? new Uint8Array(0);
  if (value instanceof Uint8Array) return value;
  throw wrongShape(struct, name, "bytes", value);
}

/** Undefined when the field was not sent or is unknown to the sender. @throws GobError `gob-shape` */
export function structField(struct: GobStruct, name: string): GobStruct | undefined {
  const value = struct.fields.get(name);
  if (value === undefined || isGobStruct(value)) return value;
  throw wrongShape(struct, name, "a struct", value);
}

/** Empty when the field was not sent or is unknown to the sender. @throws GobError `gob-shape` */
export function listField(struct: GobStruct, name: string): readonly GobValue[] {
  const value = struct.fields.get(name) ?? [];
  if (isList(value)) return value;
  throw wrongShape(struct, name, "a list", value);
}

/** As {@link listField}. */
export function mapField(struct: GobStruct, name: string): GobMap {
  const value = struct.fields.get(name) ?? { kind: "map", entries: [] };
  if (isGobMap(value)) return value;
  throw wrongShape(struct, name, "a map", value);
}

function isKind(value: GobValue): value is GobComplex | GobMap | GobStruct {
  return typeof value === "object" && "kind" in value;
}

function isList(value: GobValue): value is readonly GobValue[] {
  return Array.isArray(value);
}

function wrongShape(struct: GobStruct, name: string, wanted: string, found: GobValue): GobError {
  const what = typeof found === "object" && "kind" in found ? `a ${found.kind}` : typeof found;
  return new GobError("gob-shape", `field ${name} of ${struct.type} is ${what}, not ${wanted}`);
}
