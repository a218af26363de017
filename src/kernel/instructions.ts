import { endianness } from "node:os";

/** Instructions of hand-made probe programs (Documentation/bpf/standardization/instruction-set.rst), 8 bytes each. */
function instruction(opcode: number, dst: number, src: number, offset: number, immediate: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes[0] = opcode;
  bytes[1] = endianness() === "LE" ? (src << 4) | dst : (dst << 4) | src;
  if (endianness() === "LE") {
    bytes.writeInt16LE(offset, 2);
    bytes.writeInt32LE(immediate, 4);
  } else {
    bytes.writeInt16BE(offset, 2);
    bytes.writeInt32BE(immediate, 4);
  }
  return bytes;
}

/** r[dst] = value */
export const setRegister = (dst: number, value: number): Buffer => instruction(0xb7, dst, 0, 0, value);
/** r[dst] = r[src] */
export const copyRegister = (dst: number, src: number): Buffer => instruction(0xbf, dst, src, 0, 0);
/** r[dst] += value */
export const addToRegister = (dst: number, value: number): Buffer => instruction(0x07, dst, 0, 0, value);
/** the 64-bit word at r10 + offset = 0 */
export const zeroStackWord = (offset: number): Buffer => instruction(0x7a, 10, 0, offset, 0);
export const callHelper = (id: number): Buffer => instruction(0x85, 0, 0, 0, id);
export const exitProgram = (): Buffer => instruction(0x95, 0, 0, 0, 0);

export function assemble(...instructions: readonly Buffer[]): Buffer {
  return Buffer.concat(instructions);
}
