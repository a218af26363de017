/**
 * The BPF type format as bytes (Documentation/bpf/btf.rst): its kinds, what follows a type of each, and where the types of a
 * section begin. Needs no addon.
 */
const magic = 0xeb9f;
const headerBytes = 24;
/** Of every type: name, kind with number of elements, size or type. */
export const btfTypeBytes = 12;

/** Numbers of the kinds. */
export const BtfKind = {
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
  functionPrototype: 13,
  variable: 14,
  dataSection: 15,
  float: 16,
  declarationTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

/** What follows a type of one kind. */
export interface BtfKindRule {
  /** Bytes behind the type, once, and for each of its `vlen` elements. */
  readonly extra: number;
  readonly element: number;
  /** Whether the type's third word is a type id. */
  readonly refers: boolean;
  /** Offsets of further type ids in the extra part, and of type ids and names in an element. */
  readonly extraTypes?: readonly number[];
  readonly elementTypes?: readonly number[];
  readonly elementNames?: readonly number[];
}

const plain: BtfKindRule = { extra: 0, element: 0, refers: false };
const reference: BtfKindRule = { extra: 0, element: 0, refers: true };
const composite: BtfKindRule = { extra: 0, element: 12, refers: false, elementNames: [0], elementTypes: [4] };

/** Every kind that there is. */
export const btfKindRules: ReadonlyMap<number, BtfKindRule> = new Map([
  [BtfKind.int, { ...plain, extra: 4 }],
  [BtfKind.pointer, reference],
  [BtfKind.array, { ...plain, extra: 12, extraTypes: [0, 4] }],
  [BtfKind.struct, composite],
  [BtfKind.union, composite],
  [BtfKind.enum, { ...plain, element: 8, elementNames: [0] }],
  [BtfKind.forward, plain],
  [BtfKind.typedef, reference],
  [BtfKind.volatile, reference],
  [BtfKind.const, reference],
  [BtfKind.restrict, reference],
  [BtfKind.function, reference],
  [BtfKind.functionPrototype, { ...reference, element: 8, elementNames: [0], elementTypes: [4] }],
  [BtfKind.variable, { ...reference, extra: 4 }],
  [BtfKind.dataSection, { ...plain, element: 12, elementTypes: [0] }],
  [BtfKind.float, plain],
  [BtfKind.declarationTag, { ...reference, extra: 4 }],
  [BtfKind.typeTag, reference],
  [BtfKind.enum64, { ...plain, element: 12, elementNames: [0] }],
]);

/** Where the parts of a section lie, from its first byte. */
export interface BtfLayout {
  readonly view: DataView;
  readonly typesAt: number;
  readonly typesEnd: number;
  readonly stringsAt: number;
  readonly stringBytes: number;
}

/** The parts of a `.BTF` section; in words what is wrong when they do not lie in it. */
export function readBtfLayout(bytes: Uint8Array): BtfLayout | string {
  if (bytes.length < headerBytes) return "BTF is shorter than its header";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0, true) !== magic || bytes[2] !== 1) return "BTF has an unknown magic or version";
  const header = view.getUint32(4, true);
  const typesAt = header + view.getUint32(8, true);
  const typesEnd = typesAt + view.getUint32(12, true);
  const stringsAt = header + view.getUint32(16, true);
  const stringBytes = view.getUint32(20, true);
  if (header < headerBytes || typesEnd > bytes.length || stringsAt + stringBytes > bytes.length) {
    return "BTF has parts that lie beyond its end";
  }
  if (stringBytes === 0 || bytes[stringsAt] !== 0 || bytes[stringsAt + stringBytes - 1] !== 0) {
    return "BTF has strings without an end";
  }
  return { view, typesAt, typesEnd, stringsAt, stringBytes };
}

/** The kind of the type at an offset. */
export const btfKindAt = (view: DataView, at: number): number => (view.getUint32(at + 4, true) >>> 24) & 0x1f;
/** How many members, values or parameters the type at an offset has. */
export const btfElementsAt = (view: DataView, at: number): number => view.getUint32(at + 4, true) & 0xffff;

/** Where each type begins: number 1 first. In words what is wrong when one has no end or no known kind. */
export function btfTypeOffsets(layout: BtfLayout): number[] | string {
  const offsets: number[] = [];
  for (let at = layout.typesAt; at < layout.typesEnd; ) {
    if (at + btfTypeBytes > layout.typesEnd) return "BTF ends inside a type";
    const rule = btfKindRules.get(btfKindAt(layout.view, at));
    if (rule === undefined) return `BTF has a type of unknown kind ${btfKindAt(layout.view, at)}`;
    offsets.push(at);
    at += btfTypeBytes + rule.extra + rule.element * btfElementsAt(layout.view, at);
    if (at > layout.typesEnd) return "BTF ends inside a type";
  }
  return offsets;
}
