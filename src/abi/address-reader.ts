import { IpAddress } from "../lib/ip.js";
import { AbiError } from "./codec.js";

/** The IPv4 address of the four bytes at `offset`. */
export function readIp4(bytes: Uint8Array, offset: number): IpAddress {
  return IpAddress.ofV4(wordAt(bytes, offset));
}

/** The IPv6 address of the sixteen bytes at `offset`. */
export function readIp6(bytes: Uint8Array, offset: number): IpAddress {
  return IpAddress.ofV6(
    wordAt(bytes, offset),
    wordAt(bytes, offset + 4),
    wordAt(bytes, offset + 8),
    wordAt(bytes, offset + 12),
  );
}

function wordAt(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}

/** Writes `address` at `offset`. @throws AbiError `abi-family` when it has not `lengthBytes` bytes */
export function writeAddress(bytes: Uint8Array, offset: number, address: IpAddress, lengthBytes: 4 | 16): void {
  const source = address.bytes;
  if (source.length !== lengthBytes) {
    throw new AbiError("abi-family", `${address} does not fit a field of ${lengthBytes} bytes`);
  }
  bytes.set(source, offset);
}

/** Address families as the datapath numbers them (`ENDPOINT_KEY_IPV4`, `ENDPOINT_KEY_IPV6`). */
export const familyV4 = 1;
export const familyV6 = 2;

/**
 * Reads an address out of a union of both families: IPv4 uses the first four bytes.
 * @param bytes sixteen bytes
 * @throws AbiError `abi-family`
 */
export function addressOfUnion(bytes: Uint8Array, family: number): IpAddress {
  if (family === familyV4) return IpAddress.fromBytes(bytes.subarray(0, 4));
  if (family === familyV6) return IpAddress.fromBytes(bytes);
  throw new AbiError("abi-family", `${family} is no address family (1 is IPv4, 2 is IPv6)`, { details: { family } });
}

/** The sixteen bytes of the union and the family that say `address`. */
export function unionOfAddress(address: IpAddress): { readonly ip: Uint8Array; readonly family: number } {
  const ip = new Uint8Array(16);
  ip.set(address.bytes);
  return { ip, family: address.family === 4 ? familyV4 : familyV6 };
}
