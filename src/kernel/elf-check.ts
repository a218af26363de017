import { findBtfFault } from "./btf-check.js";

/**
 * Checks that every part of an ELF file that libbpf reads lies inside the file, before libbpf sees it: its 1.1 release
 * trusts section and symbol offsets and reads past the end of a crafted or truncated file (CVE-2025-29481 is one such case).
 * Format: System V ABI, ELF-64.
 */
const headerBytes = 64;
const sectionHeaderBytes = 64;
const symbolBytes = 24;
const machineBpf = 247;
const typeRelocatable = 1;
const sectionType = { data: 1, symbols: 2, strings: 3, relocationsWithAddend: 4, noBits: 8, relocations: 9 } as const;

interface Section {
  /** Offset into the table of section names. */
  readonly name: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

/** What is wrong with the file, in words; undefined when it can be handed to libbpf. */
export function findElfFault(bytes: Uint8Array): string | undefined {
  if (bytes.length < headerBytes) return `it has ${bytes.length} bytes, an ELF header alone has ${headerBytes}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== 0x7f454c46) return "it does not begin with the ELF magic";
  if (bytes[4] !== 2 || bytes[5] !== 1) return "it is not 64-bit little-endian ELF";
  if (view.getUint16(16, true) !== typeRelocatable) return "it is not a relocatable object";
  if (view.getUint16(18, true) !== machineBpf) return `its machine is ${view.getUint16(18, true)}, not BPF`;
  if (view.getUint16(58, true) !== sectionHeaderBytes) return "its section headers have an unknown size";
  const sections = readSections(view);
  if (typeof sections === "string") return sections;
  const names = sections[view.getUint16(62, true)];
  if (names?.type !== sectionType.strings) return "its table of section names is missing";
  for (const [index, section] of sections.entries()) {
    const fault = sectionFault(view, sections, section);
    if (fault !== undefined) return `section ${index} ${fault}`;
    if (section.name >= names.size) return `section ${index} has a name outside the string table`;
    const isBtf = nameOf(bytes, names, section) === ".BTF" && section.type === sectionType.data;
    const btfFault = isBtf ? findBtfFault(bytes.subarray(section.offset, section.offset + section.size)) : undefined;
    if (btfFault !== undefined) return btfFault;
  }
  return undefined;
}

function nameOf(bytes: Uint8Array, names: Section, section: Section): string {
  const start = names.offset + section.name;
  return Buffer.from(bytes.subarray(start, bytes.indexOf(0, start))).toString("latin1");
}

function readSections(view: DataView): Section[] | string {
  const start = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  if (count === 0) return "it has no sections";
  if (start + count * sectionHeaderBytes > view.byteLength) {
    return `it ends before its section headers (${view.byteLength} of ${start + count * sectionHeaderBytes} bytes)`;
  }
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * sectionHeaderBytes;
    return {
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      size: Number(view.getBigUint64(at + 32, true)),
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
      entrySize: Number(view.getBigUint64(at + 56, true)),
    };
  });
}

function sectionFault(view: DataView, sections: readonly Section[], section: Section): string | undefined {
  if (section.type === 0 || section.type === sectionType.noBits) return undefined;
  if (section.offset + section.size > view.byteLength) return "lies beyond the end of the file";
  if (section.type === sectionType.strings) {
    const isTerminated = section.size > 0 && view.getUint8(section.offset + section.size - 1) === 0;
    return isTerminated ? undefined : "is a string table without an end";
  }
  if (section.type === sectionType.symbols) return symbolFault(view, sections, section);
  if (section.type === sectionType.relocations || section.type === sectionType.relocationsWithAddend) {
    const entrySize = section.type === sectionType.relocations ? 16 : 24;
    if (section.entrySize !== entrySize || section.size % entrySize !== 0) return "has relocations of an unknown size";
    if (sections[section.link]?.type !== sectionType.symbols) return "has relocations without symbols";
    if (sections[section.info] === undefined) return "relocates a section that does not exist";
  }
  return undefined;
}

function symbolFault(view: DataView, sections: readonly Section[], table: Section): string | undefined {
  if (table.entrySize !== symbolBytes || table.size % symbolBytes !== 0) return "has symbols of an unknown size";
  const names = sections[table.link];
  if (names?.type !== sectionType.strings) return "has symbols without names";
  for (let at = table.offset; at < table.offset + table.size; at += symbolBytes) {
    if (view.getUint32(at, true) >= names.size) return "has a symbol whose name lies outside the string table";
    const home = view.getUint16(at + 6, true);
    if (home === 0 || home >= 0xff00) continue; // undefined, absolute, common
    const section = sections[home];
    if (section === undefined) return "has a symbol in a section that does not exist";
    const end = view.getBigUint64(at + 8, true) + view.getBigUint64(at + 16, true);
    if (end > BigInt(section.size)) return "has a symbol that reaches beyond its section";
  }
  return undefined;
}
