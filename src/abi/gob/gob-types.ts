import { GobError } from "./gob-error.js";
import { type GobStruct, isGobStruct, listField, numberField, structField, textField } from "./gob-value.js";

/** What a type id stands for. Other types are named by their ids, which need not be defined before they are used. */
export type GobType =
  | { readonly kind: "bool" | "int" | "uint" | "float" | "bytes" | "string" | "complex" | "interface" }
  | { readonly kind: "array"; readonly element: number; readonly length: number }
  | { readonly kind: "slice"; readonly element: number }
  | { readonly kind: "map"; readonly key: number; readonly element: number }
  | { readonly kind: "struct"; readonly name: string; readonly fields: readonly GobField[] };

export interface GobField {
  readonly name: string;
  readonly type: number;
}

/** Type ids that both ends know before the first byte: package encoding/gob, "Encoding Details". */
const typeId = {
  bool: 1,
  int: 2,
  uint: 3,
  float: 4,
  bytes: 5,
  string: 6,
  complex: 7,
  interface: 8,
  wireType: 16,
  arrayType: 17,
  commonType: 18,
  sliceType: 19,
  structType: 20,
  fieldType: 21,
  fieldTypes: 22,
  mapType: 23,
  encoderType: 24,
} as const;

const common: GobField = { name: "CommonType", type: typeId.commonType };

/** Definitions of types are values too: of these types. */
const knownTypes: readonly (readonly [number, GobType])[] = [
  ...(["bool", "int", "uint", "float", "bytes", "string", "complex", "interface"] as const).map(
    (kind): readonly [number, GobType] => [typeId[kind], { kind }],
  ),
  [
    typeId.wireType,
    struct("wireType", [
      { name: "ArrayT", type: typeId.arrayType },
      { name: "SliceT", type: typeId.sliceType },
      { name: "StructT", type: typeId.structType },
      { name: "MapT", type: typeId.mapType },
      { name: "GobEncoderT", type: typeId.encoderType },
      { name: "BinaryMarshalerT", type: typeId.encoderType },
      { name: "TextMarshalerT", type: typeId.encoderType },
    ]),
  ],
  [
    typeId.arrayType,
    struct("arrayType", [common, { name: "Elem", type: typeId.int }, { name: "Len", type: typeId.int }]),
  ],
  [
    typeId.commonType,
    struct("CommonType", [
      { name: "Name", type: typeId.string },
      { name: "Id", type: typeId.int },
    ]),
  ],
  [typeId.sliceType, struct("sliceType", [common, { name: "Elem", type: typeId.int }])],
  [typeId.structType, struct("structType", [common, { name: "Field", type: typeId.fieldTypes }])],
  [
    typeId.fieldType,
    struct("fieldType", [
      { name: "Name", type: typeId.string },
      { name: "Id", type: typeId.int },
    ]),
  ],
  [typeId.fieldTypes, { kind: "slice", element: typeId.fieldType }],
  [typeId.mapType, struct("mapType", [common, { name: "Key", type: typeId.int }, { name: "Elem", type: typeId.int }])],
  [typeId.encoderType, struct("gobEncoderType", [common])],
];

function struct(name: string, fields: readonly GobField[]): GobType {
  return { kind: "struct", name, fields };
}

/** Id of the type of type definitions. */
export const wireTypeId = typeId.wireType;

/** What a stream has defined so far, and what it may define at most, because that is kept for the stream's life. */
export class GobTypes {
  readonly #types = new Map<number, GobType>(knownTypes);
  readonly #limit: number;
  /** Ids that were defined since the last {@link commit}. */
  #recent: number[] = [];
  #size = 0;
  #sizeAtCommit = 0;

  /** @param limit types and fields of structs together */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws GobError `gob-type` */
  get(id: number): GobType {
    const type = this.#types.get(id);
    if (type === undefined) throw new GobError("gob-type", `type ${id} was not defined`);
    return type;
  }

  /** @throws GobError `gob-type`, `gob-shape`, `gob-limit` */
  define(id: number, definition: GobStruct): void {
    if (this.#types.has(id)) throw new GobError("gob-type", `type ${id} is defined twice`);
    const type = typeOf(definition);
    this.#size += 1 + (type.kind === "struct" ? type.fields.length : 0);
    if (this.#size > this.#limit) throw new GobError("gob-limit", `more than ${this.#limit} types and fields`);
    this.#types.set(id, type);
    this.#recent.push(id);
  }

  /** What was defined stays. */
  commit(): void {
    this.#recent = [];
    this.#sizeAtCommit = this.#size;
  }

  /** Forgets what was defined since the last commit: its message will be read again. */
  rollback(): void {
    for (const id of this.#recent) this.#types.delete(id);
    this.#recent = [];
    this.#size = this.#sizeAtCommit;
  }
}

function typeOf(definition: GobStruct): GobType {
  const array = structField(definition, "ArrayT");
  if (array !== undefined) {
    return { kind: "array", element: numberField(array, "Elem"), length: numberField(array, "Len") };
  }
  const slice = structField(definition, "SliceT");
  if (slice !== undefined) return { kind: "slice", element: numberField(slice, "Elem") };
  const map = structField(definition, "MapT");
  if (map !== undefined) return { kind: "map", key: numberField(map, "Key"), element: numberField(map, "Elem") };
  const structure = structField(definition, "StructT");
  if (structure !== undefined) return struct(nameOf(structure), listField(structure, "Field").map(fieldOf));
  const encoders = ["GobEncoderT", "BinaryMarshalerT", "TextMarshalerT"];
  if (encoders.some((name) => structField(definition, name) !== undefined)) return { kind: "bytes" };
  throw new GobError("gob-type", "a type definition defines nothing");
}

function nameOf(definition: GobStruct): string {
  const described = structField(definition, "CommonType");
  return described === undefined ? "" : textField(described, "Name");
}

function fieldOf(value: Parameters<typeof isGobStruct>[0]): GobField {
  if (!isGobStruct(value)) throw new GobError("gob-shape", "a field's description is no struct");
  return { name: textField(value, "Name"), type: numberField(value, "Id") };
}
