import type { BtfMember, BtfType, EntryTypes } from "../kernel/btf.js";

/** A part of a value that is copied whole: a number, a bit field, an array, a union. */
interface Field {
  readonly bitOffset: number;
  readonly bitSize: number;
}

/** Whether entries of both have the same fields in the same places. What has no type fits anything of its size. */
export function isSameLayout(a: EntryTypes, b: EntryTypes): boolean {
  return isSameType(a.key, b.key) && isSameType(a.value, b.value);
}

function isSameType(a: BtfType | undefined, b: BtfType | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  const fields = fieldsOf(a);
  const others = fieldsOf(b);
  if (fields.size !== others.size || a.sizeBytes !== b.sizeBytes) return false;
  return [...fields].every(([name, field]) => {
    const other = others.get(name);
    return other?.bitOffset === field.bitOffset && other.bitSize === field.bitSize;
  });
}

/**
 * How a value of one layout becomes one of another: fields of the same name are copied, from their least significant bit,
 * as far as both reach; what only the new one has is zero. Undefined where a type is unknown.
 */
export function planConversion(
  from: BtfType | undefined,
  to: BtfType | undefined,
): ((bytes: Uint8Array) => Buffer) | undefined {
  if (from === undefined || to === undefined) return undefined;
  const sources = fieldsOf(from);
  const moves = [...fieldsOf(to)].flatMap(([name, target]) => {
    const source = sources.get(name);
    return source === undefined ? [] : [{ source, target }];
  });
  return (bytes) => {
    const out = Buffer.alloc(to.sizeBytes);
    for (const { source, target } of moves) moveBits(bytes, source, out, target);
    return out;
  };
}

/** Parts by their path of names; those of unnamed structures are the outer one's, padding has no name. */
function fieldsOf(type: BtfType, path = "", start = 0): ReadonlyMap<string, Field> {
  if (type.kind !== "struct") return new Map([[path, { bitOffset: start, bitSize: 8 * type.sizeBytes }]]);
  return new Map(type.members.flatMap((member) => [...fieldsOfMember(member, path, start)]));
}

function fieldsOfMember(member: BtfMember, path: string, start: number): ReadonlyMap<string, Field> {
  const { name, bitSize, type } = member;
  const bitOffset = start + member.bitOffset;
  const isUnnamedUnion = name === "" && type?.kind === "union";
  const inner = isUnnamedUnion ? nameOfUnion(type) : name;
  const full = path === "" || inner === "" ? path + inner : `${path}.${inner}`;
  if (type?.kind === "struct") return fieldsOf(type, full, bitOffset);
  return new Map(inner === "" ? [] : [[full, { bitOffset, bitSize }]]);
}

/** An unnamed union is known by the first of its readings. */
function nameOfUnion(type: BtfType & { readonly kind: "struct" | "union" }): string {
  const [first] = type.members;
  if (first === undefined || first.name !== "" || first.type?.kind !== "struct") return first?.name ?? "";
  return first.type.members[0]?.name ?? "";
}

/** Little-endian, as the programs' numbers are. */
function moveBits(from: Uint8Array, source: Field, to: Buffer, target: Field): void {
  const width = Math.min(source.bitSize, target.bitSize);
  const isWhole = (source.bitOffset | target.bitOffset | width) % 8 === 0;
  if (isWhole) {
    to.set(from.subarray(source.bitOffset / 8, (source.bitOffset + width) / 8), target.bitOffset / 8);
    return;
  }
  for (let bit = 0; bit < width; bit++) {
    const at = source.bitOffset + bit;
    const isSet = (from[at >> 3]! >> (at & 7)) & 1;
    const place = target.bitOffset + bit;
    to[place >> 3]! |= isSet << (place & 7);
  }
}
