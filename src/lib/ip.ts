import ipaddr from "ipaddr.js";
import { UsageError } from "./errors.js";

/** Address family as the datapath encodes it (upstream `ENDPOINT_KEY_IPV4` = 1, `ENDPOINT_KEY_IPV6` = 2). */
export type IpFamily = 4 | 6;

/** An IPv4 or IPv6 address: 4 or 16 bytes in network order, immutable, compared by `text`. */
export class IpAddress {
  readonly bytes: Uint8Array;
  #text: string | undefined;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** @param bytes 4 or 16 bytes in network order; copied. */
  static fromBytes(bytes: Uint8Array): IpAddress {
    if (bytes.length !== 4 && bytes.length !== 16) {
      throw new UsageError("ip-length", `an IP address has 4 or 16 bytes, not ${bytes.length}`);
    }
    return new IpAddress(new Uint8Array(bytes));
  }

  /** Parses `10.0.0.1` or `fd00::1`. @throws UsageError `ip-syntax` */
  static parse(text: string): IpAddress {
    const address = IpAddress.tryParse(text);
    if (address === undefined) throw new UsageError("ip-syntax", `"${text}" is not an IPv4 or IPv6 address`);
    return address;
  }

  /** Like {@link IpAddress.parse}, but undefined for text that is no address. */
  static tryParse(text: string): IpAddress | undefined {
    // Four-part form only: ipaddr.js would read "10.1" as 10.0.0.1, as inet_aton does.
    if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !(text.includes(":") && ipaddr.IPv6.isValid(text)))
      return undefined;
    return new IpAddress(Uint8Array.from(ipaddr.parse(text).toByteArray()));
  }

  get family(): IpFamily {
    return this.bytes.length === 4 ? 4 : 6;
  }

  /** Canonical text (RFC 5952 for IPv6). */
  get text(): string {
    this.#text ??= this.bytes.length === 4 ? this.bytes.join(".") : ipaddr.fromByteArray([...this.bytes]).toString();
    return this.#text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }

  equals(other: IpAddress): boolean {
    return this.text === other.text;
  }

  /** Length of a host prefix: 32 or 128 bits. */
  get bitLength(): number {
    return this.bytes.length * 8;
  }
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function addressPort(address: IpAddress, port: number): string {
  return address.family === 6 ? `[${address.text}]:${port}` : `${address.text}:${port}`;
}

/** An address prefix; host bits are always zero. */
export class IpPrefix {
  readonly address: IpAddress;
  /** Prefix length in bits. */
  readonly length: number;

  private constructor(address: IpAddress, length: number) {
    this.address = address;
    this.length = length;
  }

  /** Masks the host bits away. @throws UsageError `prefix-length` */
  static of(address: IpAddress, length: number): IpPrefix {
    if (!Number.isInteger(length) || length < 0 || length > address.bitLength) {
      throw new UsageError("prefix-length", `/${length} is no prefix length for ${address}`);
    }
    const bytes = Uint8Array.from(address.bytes);
    for (let bit = length; bit < bytes.length * 8; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
    return new IpPrefix(IpAddress.fromBytes(bytes), length);
  }

  static host(address: IpAddress): IpPrefix {
    return new IpPrefix(address, address.bitLength);
  }

  /** Parses `10.0.0.0/8`; a bare address is a host prefix. @throws UsageError `prefix-syntax` */
  static parse(text: string): IpPrefix {
    const slash = text.indexOf("/");
    if (slash < 0) return IpPrefix.host(IpAddress.parse(text));
    const lengthText = text.slice(slash + 1);
    if (!/^\d{1,3}$/.test(lengthText)) throw new UsageError("prefix-syntax", `"${text}" is not an address prefix`);
    return IpPrefix.of(IpAddress.parse(text.slice(0, slash)), Number(lengthText));
  }

  contains(address: IpAddress): boolean {
    return address.family === this.address.family && IpPrefix.of(address, this.length).address.equals(this.address);
  }

  /** The address at `offset` inside the prefix, or undefined past its end. */
  at(offset: number): IpAddress | undefined {
    const hostBits = this.address.bitLength - this.length;
    if (offset < 0 || (hostBits < 48 && offset >= 2 ** hostBits)) return undefined;
    const bytes = Uint8Array.from(this.address.bytes);
    let rest = offset;
    for (let i = bytes.length - 1; i >= 0 && rest > 0; i--) {
      const sum = bytes[i]! + (rest % 256);
      bytes[i] = sum & 0xff;
      rest = Math.floor(rest / 256) + (sum >> 8);
    }
    return IpAddress.fromBytes(bytes);
  }

  get text(): string {
    return `${this.address.text}/${this.length}`;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}
