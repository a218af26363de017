/**
 * Checks that BTF refers only to types and names that it has, before libbpf sees it: libbpf 1.1 follows type ids and name
 * offsets without a look (its own check of this kind came in 1.4). Format: Documentation/bpf/btf.rst.
 */
import {
  BtfKind,
  type BtfLayout,
  btfElementsAt,
  btfKindAt,
  btfKindRules,
  btfTypeBytes,
  btfTypeOffsets,
  readBtfLayout,
} from "./btf-format.js";

/** Kinds that libbpf follows until it meets another: a ring of them would never end. */
const followed: ReadonlySet<number> = new Set([
  BtfKind.typedef,
  BtfKind.volatile,
  BtfKind.const,
  BtfKind.restrict,
  BtfKind.typeTag,
]);

interface BtfEntry {
  readonly kind: number;
  readonly refersTo: number;
}

/** What is wrong with a `.BTF` section, in words; undefined when every reference in it holds. */
export function findBtfFault(bytes: Uint8Array): string | undefined {
  const layout = readBtfLayout(bytes);
  if (typeof layout === "string") return layout;
  const offsets = btfTypeOffsets(layout);
  if (typeof offsets === "string") return offsets;
  const entries: BtfEntry[] = [{ kind: 0, refersTo: 0 }];
  for (const [index, at] of offsets.entries()) {
    const fault = typeFault(layout, at, offsets.length);
    if (fault !== undefined) return `BTF type ${index + 1} ${fault}`;
    entries.push({ kind: btfKindAt(layout.view, at), refersTo: layout.view.getUint32(at + 8, true) });
  }
  return hasRing(entries) ? "BTF types refer to each other in a ring" : undefined;
}

function typeFault(layout: BtfLayout, at: number, typeCount: number): string | undefined {
  const { view } = layout;
  const rule = btfKindRules.get(btfKindAt(view, at));
  if (rule === undefined) return "is of an unknown kind";
  const isType = (offset: number) => view.getUint32(offset, true) <= typeCount;
  const isName = (offset: number) => view.getUint32(offset, true) < layout.stringBytes;
  if (!isName(at)) return "has a name outside the strings";
  if (rule.refers && !isType(at + 8)) return "refers to a type that does not exist";
  if (rule.extraTypes?.some((offset) => !isType(at + btfTypeBytes + offset)))
    return "refers to a type that does not exist";
  const elements = at + btfTypeBytes + rule.extra;
  for (let index = 0; index < btfElementsAt(view, at); index++) {
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
