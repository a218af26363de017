/**
 * Finds a section of a 64-bit little-endian ELF object, which is what clang makes for `-target bpf` on x86-64 and arm64.
 * @throws Error when the file is no such object or the section is missing
 */
export function readElfSection(file: Buffer, wanted: string): Buffer {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) {
    throw new Error("not a 64-bit little-endian ELF object");
  }
  const tableOffset = Number(file.readBigUInt64LE(0x28));
  const entrySize = file.readUInt16LE(0x3a);
  const count = file.readUInt16LE(0x3c);
  const section = (index: number): { name: number; body: Buffer } => {
    const at = tableOffset + index * entrySize;
    const offset = Number(file.readBigUInt64LE(at + 0x18));
    return {
      name: file.readUInt32LE(at),
      body: file.subarray(offset, offset + Number(file.readBigUInt64LE(at + 0x20))),
    };
  };
  const names = section(file.readUInt16LE(0x3e)).body;
  for (let index = 1; index < count; index++) {
    const { name, body } = section(index);
    if (names.toString("latin1", name, names.indexOf(0, name)) === wanted) return body;
  }
  throw new Error(`the object has no ${wanted} section; was it compiled with -g?`);
}
