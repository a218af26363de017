import { IpAddress } from "../lib/ip.js";
import { AbiError } from "./codec.js";

/** Enough for the Services of a large cluster; then the cache starts again, so that its memory is bounded. */
const maxCached = 65_536;

/**
 * Reads and writes addresses. A map of half a million connections holds few different addresses, so one object (and one
 * text, made at its first use) serves all rows that hold the same one.
 */
export class AddressReader {
  readonly #v4 = new Map<number, IpAddress>();
  readonly #v6 = new Map<string, IpAddress>();

  /** The four bytes at `offset`. */
  v4(bytes: Uint8Array, offset: number): IpAddress {
    const key = (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
    const known = this.#v4.get(key);
    if (known !== undefined) return known;
    if (this.#v4.size >= maxCached) this.#v4.clear();
    const address = IpAddress.fromBytes(bytes.subarray(offset, offset + 4));
    this.#v4.set(key, address);
    return address;
  }

  /** The sixteen bytes at `offset`. */
  v6(bytes: Uint8Array, offset: number): IpAddress {
    let key = "";
    for (let i = offset; i < offset + 16; i += 2) key += String.fromCharCode((bytes[i]! << 8) | bytes[i + 1]!);
    const known = this.#v6.get(key);
    if (known !== undefined) return known;
    if (this.#v6.size >= maxCached) this.#v6.clear();
    const address = IpAddress.fromBytes(bytes.subarray(offset, offset + 16));
    this.#v6.set(key, address);
    return address;
  }
}

/** Writes `address` at `offset`. @throws AbiError `abi-family` when it has not `lengthBytes` bytes */
export function writeAddress(bytes: Uint8Array, offset: number, address: IpAddress, lengthBytes: 4 | 16): void {
  if (address.bytes.length !== lengthBytes) {
    throw new AbiError("abi-family", `${address} does not fit a field of ${lengthBytes} bytes`);
  }
  bytes.set(address.bytes, offset);
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
