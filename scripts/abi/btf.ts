import {
  BtfKind,
  btfElementsAt,
  btfKindAt,
  btfTypeBytes,
  btfTypeOffsets,
  readBtfLayout,
} from "../../src/kernel/btf-format.js";

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
    const layout = readBtfLayout(section);
    if (typeof layout === "string") throw new Error(layout);
    const offsets = btfTypeOffsets(layout);
    if (typeof offsets === "string") throw new Error(offsets);
    const strings = section.subarray(layout.stringsAt, layout.stringsAt + layout.stringBytes);
    const text: ReadText = (at) => strings.toString("utf8", at, strings.indexOf(0, at));
    const { view } = layout;
    this.#types = [noType, ...offsets.map((at, index) => readType(view, at, index + 1, text))];
  }

  struct(name: string): BtfType | undefined {
    return this.#types.find((type) => type.kind === BtfKind.struct && type.name === name);
  }

  /** Names of all named structures. */
  structNames(): readonly string[] {
    return this.#types.filter((type) => type.kind === BtfKind.struct && type.name !== "").map((type) => type.name);
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
    const transparent: readonly number[] = [
      BtfKind.typedef,
      BtfKind.volatile,
      BtfKind.const,
      BtfKind.restrict,
      BtfKind.typeTag,
    ];
    while (transparent.includes(type.kind)) {
      if (type.kind === BtfKind.typedef) typedefs.push(type.name);
      type = this.type(type.sizeOrType);
    }
    return { type, typedefs };
  }

  sizeBytes(id: number): number {
    const { type } = this.resolve(id);
    if (type.array !== undefined) return type.array.count * this.sizeBytes(type.array.type);
    return type.kind === BtfKind.pointer ? 8 : type.sizeOrType;
  }

  isComposite(type: BtfType): boolean {
    return type.kind === BtfKind.struct || type.kind === BtfKind.union;
  }
}

type ReadText = (offset: number) => string;

const noType: BtfType = { id: 0, kind: 0, name: "void", sizeOrType: 0, members: [] };

function readType(view: DataView, at: number, id: number, text: ReadText): BtfType {
  const kind = btfKindAt(view, at);
  const word = (offset: number): number => view.getUint32(at + offset, true);
  const base = { id, kind, name: text(word(0)), sizeOrType: word(8) };
  if (kind === BtfKind.struct || kind === BtfKind.union) return { ...base, members: readMembers(view, at, text) };
  if (kind !== BtfKind.array) return { ...base, members: [] };
  return { ...base, members: [], array: { type: word(btfTypeBytes), count: word(btfTypeBytes + 8) } };
}

function readMembers(view: DataView, typeAt: number, text: ReadText): readonly BtfMember[] {
  const hasBitWidths = view.getUint32(typeAt + 4, true) >>> 31 === 1;
  return Array.from({ length: btfElementsAt(view, typeAt) }, (_, index) => {
    const at = typeAt + btfTypeBytes + 12 * index;
    const offset = view.getUint32(at + 8, true);
    return {
      name: text(view.getUint32(at, true)),
      type: view.getUint32(at + 4, true),
      bitOffset: hasBitWidths ? offset & 0xffffff : offset,
      bitWidth: hasBitWidths ? offset >>> 24 : 0,
    };
  });
}
