/** Kinds of the BPF type format (kernel `Documentation/bpf/btf.rst`). */
const Kind = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  function: 12,
  functionProto: 13,
  variable: 14,
  dataSection: 15,
  float: 16,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

export interface BtfMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** 0 for members that are no bit fields. */
  readonly bitWidth: number;
}

export interface BtfType {
  readonly id: number;
  readonly kind: number;
  readonly name: string;
  /** Bytes, or the id of the type behind. */
  readonly sizeOrType: number;
  readonly members: readonly BtfMember[];
  readonly array?: { readonly type: number; readonly count: number };
}

/** The types of a `.BTF` section, by id. */
export class Btf {
  readonly #types: readonly BtfType[];

  /** @throws Error when the section is no BTF of version 1 */
  constructor(section: Buffer) {
    if (section.length < 24 || section.readUInt16LE(0) !== 0xeb9f || section[2] !== 1)
      throw new Error("bad BTF header");
    const header = section.readUInt32LE(4);
    const typeOffset = header + section.readUInt32LE(8);
    const types = section.subarray(typeOffset, typeOffset + section.readUInt32LE(12));
    const stringOffset = header + section.readUInt32LE(16);
    const strings = section.subarray(stringOffset, stringOffset + section.readUInt32LE(20));
    this.#types = readTypes(types, (at) => strings.toString("utf8", at, strings.indexOf(0, at)));
  }

  struct(name: string): BtfType | undefined {
    return this.#types.find((type) => type.kind === Kind.struct && type.name === name);
  }

  /** Names of all named structures. */
  structNames(): readonly string[] {
    return this.#types.filter((type) => type.kind === Kind.struct && type.name !== "").map((type) => type.name);
  }

  type(id: number): BtfType {
    const type = this.#types[id];
    if (type === undefined) throw new Error(`BTF has no type ${id}`);
    return type;
  }

  /** The type behind typedefs and qualifiers, and the names of the typedefs on the way. */
  resolve(id: number): { readonly type: BtfType; readonly typedefs: readonly string[] } {
    const typedefs: string[] = [];
    let type = this.type(id);
    const transparent: readonly number[] = [Kind.typedef, Kind.volatile, Kind.const, Kind.restrict, Kind.typeTag];
    while (transparent.includes(type.kind)) {
      if (type.kind === Kind.typedef) typedefs.push(type.name);
      type = this.type(type.sizeOrType);
    }
    return { type, typedefs };
  }

  sizeBytes(id: number): number {
    const { type } = this.resolve(id);
    if (type.array !== undefined) return type.array.count * this.sizeBytes(type.array.type);
    return type.kind === Kind.pointer ? 8 : type.sizeOrType;
  }

  isComposite(type: BtfType): boolean {
    return type.kind === Kind.struct || type.kind === Kind.union;
  }
}

function readTypes(bytes: Buffer, text: (offset: number) => string): readonly BtfType[] {
  const types: BtfType[] = [{ id: 0, kind: 0, name: "void", sizeOrType: 0, members: [] }];
  let at = 0;
  while (at < bytes.length) {
    const info = bytes.readUInt32LE(at + 4);
    const kind = (info >> 24) & 0x1f;
    const count = info & 0xffff;
    const base = { id: types.length, kind, name: text(bytes.readUInt32LE(at)), sizeOrType: bytes.readUInt32LE(at + 8) };
    const body = at + 12;
    const hasBitWidths = info >>> 31 === 1;
    const members =
      kind === Kind.struct || kind === Kind.union ? readMembers(bytes, body, count, hasBitWidths, text) : [];
    const array =
      kind === Kind.array ? { array: { type: bytes.readUInt32LE(body), count: bytes.readUInt32LE(body + 8) } } : {};
    types.push({ ...base, members, ...array });
    at = body + extraBytes(kind, count);
  }
  return types;
}

function readMembers(
  bytes: Buffer,
  start: number,
  count: number,
  hasBitWidths: boolean,
  text: (offset: number) => string,
): readonly BtfMember[] {
  return Array.from({ length: count }, (_, index) => {
    const at = start + 12 * index;
    const offset = bytes.readUInt32LE(at + 8);
    return {
      name: text(bytes.readUInt32LE(at)),
      type: bytes.readUInt32LE(at + 4),
      bitOffset: hasBitWidths ? offset & 0xffffff : offset,
      bitWidth: hasBitWidths ? offset >>> 24 : 0,
    };
  });
}

/** Bytes that follow the common twelve of a type. */
function extraBytes(kind: number, count: number): number {
  switch (kind) {
    case Kind.int:
    case Kind.variable:
    case Kind.declTag:
      return 4;
    case Kind.array:
      return 12;
    case Kind.enum:
    case Kind.functionProto:
      return 8 * count;
    case Kind.struct:
    case Kind.union:
    case Kind.dataSection:
    case Kind.enum64:
      return 12 * count;
    default:
      return 0;
  }
}
