import { readIp4, readIp6, writeAddress } from "./address-reader.js";
import { AbiError } from "./codec.js";

/** What compiled codecs call for fields that are more than a shift and a mask. */
export const structRuntime = {
  readU64,
  readIp4,
  readIp6,
  readMac,
  readText,
  writeUint,
  writeBe,
  writeSint,
  writeU64,
  writeMac,
  writeText,
  writeBytes,
  writeBits,
  writeAddress,
  refuseAmbiguous,
} as const;

/** Counters are mostly zero or small: both are made without a 64-bit allocation. */
export function readU64(bytes: Uint8Array, offset: number): bigint {
  const low =
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0;
  const high =
    (bytes[offset + 4]! | (bytes[offset + 5]! << 8) | (bytes[offset + 6]! << 16) | (bytes[offset + 7]! << 24)) >>> 0;
  if (high !== 0) return (BigInt(high) << 32n) | BigInt(low);
  return low === 0 ? 0n : BigInt(low);
}

const hexBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).toUpperCase().padStart(2, "0"),
);

function readMac(bytes: Uint8Array, offset: number): string {
  let text = hexBytes[bytes[offset]!]!;
  for (let i = 1; i < 6; i++) text += `:${hexBytes[bytes[offset + i]!]!}`;
  return text;
}

function readText(bytes: Uint8Array, offset: number, sizeBytes: number): string {
  const field = bytes.subarray(offset, offset + sizeBytes);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString("utf8");
}

function writeUint(bytes: Buffer, offset: number, value: number, sizeBytes: number, name: string): void {
  bytes.writeUIntLE(inRange(value, 0, 2 ** (8 * sizeBytes) - 1, name), offset, sizeBytes);
}

function writeBe(bytes: Buffer, offset: number, value: number, sizeBytes: number, name: string): void {
  bytes.writeUIntBE(inRange(value, 0, 2 ** (8 * sizeBytes) - 1, name), offset, sizeBytes);
}

function writeSint(bytes: Buffer, offset: number, value: number, sizeBytes: number, name: string): void {
  const limit = 2 ** (8 * sizeBytes - 1);
  bytes.writeIntLE(inRange(value, -limit, limit - 1, name), offset, sizeBytes);
}

function writeU64(bytes: Buffer, offset: number, value: bigint, name: string): void {
  if (typeof value !== "bigint" || value < 0n || value >= 1n << 64n) throw rangeError(value, name);
  bytes.writeBigUInt64LE(value, offset);
}

function writeBits(bytes: Buffer, offset: number, value: number, shift: number, width: number, name: string): void {
  const checked = inRange(value, 0, 2 ** width - 1, name);
  for (let i = 0; i < width; i++) {
    const bit = shift + i;
    if ((checked >> i) & 1) bytes[offset + (bit >> 3)]! |= 1 << (bit & 7);
  }
}

function writeMac(bytes: Buffer, offset: number, value: string): void {
  if (!/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/.test(value)) throw rangeError(value, "mac");
  bytes.write(value.replaceAll(":", ""), offset, "hex");
}

function writeText(bytes: Buffer, offset: number, value: string, sizeBytes: number, name: string): void {
  const encoded = Buffer.from(value, "utf8");
  // A field may be filled to its last byte; a NUL inside would cut the text short.
  if (encoded.length > sizeBytes || encoded.includes(0)) throw rangeError(value, name);
  encoded.copy(bytes, offset);
}

function writeBytes(bytes: Buffer, offset: number, value: Uint8Array, sizeBytes: number, name: string): void {
  if (value.length !== sizeBytes) throw rangeError(`${value.length} bytes`, name);
  bytes.set(value, offset);
}

function refuseAmbiguous(value: unknown, name: string): void {
  if (value === undefined) return;
  throw new AbiError("abi-layout", `${name} lies differently in the releases in question and cannot be written`);
}

function inRange(value: number, min: number, max: number, name: string): number {
  if (!Number.isInteger(value) || value < min || value > max) throw rangeError(value, name);
  return value;
}

function rangeError(value: unknown, name: string): AbiError {
  return new AbiError("abi-range", `${String(value)} does not fit the field ${name}`, {
    details: { name, value: String(value) },
  });
}
