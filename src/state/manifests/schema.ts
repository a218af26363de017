/** What a manifest may hold at one place. */
export type Schema =
  | TextSchema
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "port" }
  | { readonly kind: "anything" }
  | { readonly kind: "list"; readonly of: Schema; readonly minItems: number }
  | { readonly kind: "map"; readonly of: Schema }
  | ObjectSchema
  | IgnoredSchema;

export interface TextSchema {
  readonly kind: "text";
  readonly pattern?: RegExp;
  /** What `pattern` means, to say what was expected. */
  readonly form?: string;
  readonly words?: readonly string[];
}

export interface ObjectSchema {
  readonly kind: "object";
  readonly fields: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
}

/** A field of the Kubernetes API without effect here: noted, not stored, and not looked into. */
export interface IgnoredSchema {
  readonly kind: "ignored";
  /** False for what every export of a live object carries: not worth a note. */
  readonly isNoted: boolean;
}

export const text: TextSchema = { kind: "text" };
export const boolean: Schema = { kind: "boolean" };
/** A port number or a port's name. */
export const portReference: Schema = { kind: "port" };
/** Kept as it is: whoever understands the object says what is wrong there. */
export const anything: Schema = { kind: "anything" };
export const ignored: IgnoredSchema = { kind: "ignored", isNoted: true };
export const silentlyIgnored: IgnoredSchema = { kind: "ignored", isNoted: false };

export function formed(pattern: RegExp, form: string): TextSchema {
  return { kind: "text", pattern, form };
}

export function oneOf(...words: readonly string[]): TextSchema {
  return { kind: "text", words };
}

export function integer(min: number, max: number): Schema {
  return { kind: "integer", min, max };
}

export function list(of: Schema, minItems = 0): Schema {
  return { kind: "list", of, minItems };
}

export function map(of: Schema): Schema {
  return { kind: "map", of };
}

/** Fields whose name ends in `!` are required. */
export function object(fields: Readonly<Record<string, Schema>>): ObjectSchema {
  const names = Object.keys(fields);
  return {
    kind: "object",
    fields: Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name.replace("!", ""), schema])),
    required: names.filter((name) => name.endsWith("!")).map((name) => name.slice(0, -1)),
  };
}

/** Every one of `names` as an ignored field. */
export function ignoring(...names: readonly string[]): Readonly<Record<string, Schema>> {
  return Object.fromEntries(names.map((name) => [name, ignored]));
}
