/**
 * Checks that BTF refers only to types and names that it has, before libbpf sees it: libbpf 1.1 follows type ids and name
 * offsets without a look (its own check of this kind came in 1.4). Format: Documentation/bpf/btf.rst.
 */
const magic = 0xeb9f;
const headerBytes = 24;
const typeBytes = 12;

const kindNumbers = {
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

interface KindRule {
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

const plain: KindRule = { extra: 0, element: 0, refers: false };
const reference: KindRule = { extra: 0, element: 0, refers: true };
const composite: KindRule = { extra: 0, element: 12, refers: false, elementNames: [0], elementTypes: [4] };

const rules: ReadonlyMap<number, KindRule> = new Map([
  [kindNumbers.int, { ...plain, extra: 4 }],
  [kindNumbers.pointer, reference],
  [kindNumbers.array, { ...plain, extra: 12, extraTypes: [0, 4] }],
  [kindNumbers.struct, composite],
  [kindNumbers.union, composite],
  [kindNumbers.enum, { ...plain, element: 8, elementNames: [0] }],
  [kindNumbers.forward, plain],
  [kindNumbers.typedef, reference],
  [kindNumbers.volatile, reference],
  [kindNumbers.const, reference],
  [kindNumbers.restrict, reference],
  [kindNumbers.function, reference],
  [kindNumbers.functionPrototype, { ...reference, element: 8, elementNames: [0], elementTypes: [4] }],
  [kindNumbers.variable, { ...reference, extra: 4 }],
  [kindNumbers.dataSection, { ...plain, element: 12, elementTypes: [0] }],
  [kindNumbers.float, plain],
  [kindNumbers.declarationTag, { ...reference, extra: 4 }],
  [kindNumbers.typeTag, reference],
  [kindNumbers.enum64, { ...plain, element: 12, elementNames: [0] }],
]);

/** Kinds that libbpf follows until it meets another: a ring of them would never end. */
const followed: ReadonlySet<number> = new Set([
  kindNumbers.typedef,
  kindNumbers.volatile,
  kindNumbers.const,
  kindNumbers.restrict,
  kindNumbers.typeTag,
]);

interface BtfLayout {
  readonly view: DataView;
  readonly typesAt: number;
  readonly typesEnd: number;
  readonly stringBytes: number;
}

interface BtfEntry {
  readonly kind: number;
  readonly refersTo: number;
}

/** What is wrong with a `.BTF` section, in words; undefined when every reference in it holds. */
export function findBtfFault(bytes: Uint8Array): string | undefined {
  const layout = readLayout(bytes);
  if (typeof layout === "string") return layout;
  const offsets = typeOffsets(layout);
  if (typeof offsets === "string") return offsets;
  const entries: BtfEntry[] = [{ kind: 0, refersTo: 0 }];
  for (const [index, at] of offsets.entries()) {
    const fault = typeFault(layout, at, offsets.length);
    if (fault !== undefined) return `BTF type ${index + 1} ${fault}`;
    entries.push({ kind: kindAt(layout.view, at), refersTo: layout.view.getUint32(at + 8, true) });
  }
  return hasRing(entries) ? "BTF types refer to each other in a ring" : undefined;
}

function readLayout(bytes: Uint8Array): BtfLayout | string {
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
  return { view, typesAt, typesEnd, stringBytes };
}

const kindAt = (view: DataView, at: number): number => (view.getUint32(at + 4, true) >>> 24) & 0x1f;
const elementsAt = (view: DataView, at: number): number => view.getUint32(at + 4, true) & 0xffff;

function typeOffsets(layout: BtfLayout): number[] | string {
  const offsets: number[] = [];
  for (let at = layout.typesAt; at < layout.typesEnd; ) {
    if (at + typeBytes > layout.typesEnd) return "BTF ends inside a type";
    const rule = rules.get(kindAt(layout.view, at));
    if (rule === undefined) return `BTF has a type of unknown kind ${kindAt(layout.view, at)}`;
    offsets.push(at);
    at += typeBytes + rule.extra + rule.element * elementsAt(layout.view, at);
    if (at > layout.typesEnd) return "BTF ends inside a type";
  }
  return offsets;
}

function typeFault(layout: BtfLayout, at: number, typeCount: number): string | undefined {
  const { view } = layout;
  const rule = rules.get(kindAt(view, at)) ?? plain;
  const isType = (offset: number) => view.getUint32(offset, true) <= typeCount;
  const isName = (offset: number) => view.getUint32(offset, true) < layout.stringBytes;
  if (!isName(at)) return "has a name outside the strings";
  if (rule.refers && !isType(at + 8)) return "refers to a type that does not exist";
  if (rule.extraTypes?.some((offset) => !isType(at + typeBytes + offset)))
    return "refers to a type that does not exist";
  const elements = at + typeBytes + rule.extra;
  for (let index = 0; index < elementsAt(view, at); index++) {
    const element = elements + index * rule.element;
    if (rule.elementNames?.some((offset) => !isName(element + offset))) return "has a member name outside the strings";
    if (rule.elementTypes?.some((offset) => !isType(element + offset))) return "has a member of a missing type";
  }
  return undefined;
}

function hasRing(entries: readonly BtfEntry[]): boolean {
  for (let start = 1; start < entries.length; start++) {
    let steps = 0;
    for (let entry = entries[start]; entry !== undefined && followed.has(entry.kind); entry = entries[entry.refersTo]) {
      if (++steps > entries.length) return true;
    }
  }
  return false;
}
