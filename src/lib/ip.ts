import ipaddr from "ipaddr.js";
import { UsageError } from "./errors.js";

/** Address family as the datapath encodes it (upstream `ENDPOINT_KEY_IPV4` = 1, `ENDPOINT_KEY_IPV6` = 2). */
export type IpFamily = 4 | 6;

/**
 * An IPv4 or IPv6 address, immutable, compared by value. Four words and nothing else: lists of half a million rows make
 * two of them for each.
 */
export class IpAddress {
  /** 32-bit words in network order, signed; an IPv4 address is the first one. */
  readonly word0: number;
  readonly word1: number;
  readonly word2: number;
  readonly word3: number;
  readonly family: IpFamily;
  #text: string | undefined;

  private constructor(family: IpFamily, word0: number, word1: number, word2: number, word3: number) {
    this.word0 = word0;
    this.word1 = word1;
    this.word2 = word2;
    this.word3 = word3;
    this.family = family;
  }

  static ofV4(word: number): IpAddress {
    return new IpAddress(4, word | 0, 0, 0, 0);
  }

  static ofV6(word0: number, word1: number, word2: number, word3: number): IpAddress {
    return new IpAddress(6, word0 | 0, word1 | 0, word2 | 0, word3 | 0);
  }

  /** @param bytes 4 or 16 bytes in network order; copied. */
  static fromBytes(bytes: Uint8Array): IpAddress {
    const word = (at: number): number =>
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (bytes.length === 4) return new IpAddress(4, word(0), 0, 0, 0);
    if (bytes.length === 16) return new IpAddress(6, word(0), word(4), word(8), word(12));
    throw new UsageError("ip-length", `an IP address has 4 or 16 bytes, not ${bytes.length}`);
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
    return IpAddress.fromBytes(Uint8Array.from(ipaddr.parse(text).toByteArray()));
  }

  /** 4 or 16 bytes in network order, the receiver's own. */
  get bytes(): Uint8Array {
    const bytes = new Uint8Array(this.bitLength / 8);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, this.word0);
    if (this.family === 4) return bytes;
    view.setInt32(4, this.word1);
    view.setInt32(8, this.word2);
    view.setInt32(12, this.word3);
    return bytes;
  }

  /** Canonical text; for IPv6 that of RFC 5952, whose section 5 ends IPv4-mapped addresses in dotted decimals, as Go's netip does. */
  get text(): string {
    this.#text ??=
      this.family === 4 ? dotted(this.word0) : this.isV4Mapped ? `::ffff:${dotted(this.word3)}` : compressed(this);
    return this.#text;
  }

  /** True for `::ffff:0:0/96`. */
  get isV4Mapped(): boolean {
    return this.family === 6 && this.word0 === 0 && this.word1 === 0 && this.word2 === 0xffff;
  }

  /** The text of Go's older `net.IP`, which takes an IPv4-mapped address for the IPv4 address in it. */
  get unmappedText(): string {
    return this.isV4Mapped ? dotted(this.word3) : this.text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }

  equals(other: IpAddress): boolean {
    return (
      this.word0 === other.word0 &&
      this.word1 === other.word1 &&
      this.word2 === other.word2 &&
      this.word3 === other.word3 &&
      this.family === other.family
    );
  }

  /** Orders by family, then by the bytes in network order. */
  compare(other: IpAddress): number {
    return (
      this.family - other.family ||
      (this.word0 >>> 0) - (other.word0 >>> 0) ||
      (this.word1 >>> 0) - (other.word1 >>> 0) ||
      (this.word2 >>> 0) - (other.word2 >>> 0) ||
      (this.word3 >>> 0) - (other.word3 >>> 0)
    );
  }

  /** For maps and sets: the same for equal addresses, and made without a text for IPv4. */
  get key(): number | string {
    return this.family === 4 ? this.word0 : this.text;
  }

  /** Length of a host prefix: 32 or 128 bits. */
  get bitLength(): number {
    return this.family === 4 ? 32 : 128;
  }
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function addressPort(address: IpAddress, port: number): string {
  return joinHostPort(address.text, port);
}

/** As Go's function of the same name: what has a colon stands in brackets. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function dotted(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
}

/** RFC 5952: hexadecimal groups without leading zeros, the first of the longest runs of two zeros and more as `::`. */
function compressed({ word0, word1, word2, word3 }: IpAddress): string {
  const groups = [word0, word1, word2, word3].flatMap((word) => [word >>> 16, word & 0xffff]);
  let runStart = 0;
  let runLength = 1;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > runLength) [runStart, runLength] = [start, end - start];
    if (end > start) start = end;
  }
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  if (runLength === 1) return hex(0, groups.length);
  return `${hex(0, runStart)}::${hex(runStart + runLength, groups.length)}`;
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

  /** Like {@link IpPrefix.parse}, but undefined for text that is no prefix. */
  static tryParse(text: string): IpPrefix | undefined {
    try {
      return IpPrefix.parse(text);
    } catch (error) {
      if (error instanceof UsageError) return undefined;
      throw error;
    }
  }

  contains(address: IpAddress): boolean {
    return address.family === this.address.family && IpPrefix.of(address, this.length).address.equals(this.address);
  }

  /** True when every address of `other` is in this prefix. */
  covers(other: IpPrefix): boolean {
    const { address, length } = this;
    if (other.length < length || other.address.family !== address.family) return false;
    return (
      ((address.word0 ^ other.address.word0) & leadingBits(length)) === 0 &&
      ((address.word1 ^ other.address.word1) & leadingBits(length - 32)) === 0 &&
      ((address.word2 ^ other.address.word2) & leadingBits(length - 64)) === 0 &&
      ((address.word3 ^ other.address.word3) & leadingBits(length - 96)) === 0
    );
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

/** A word with the first `count` bits set: none below 1, all from 32 on. */
function leadingBits(count: number): number {
  if (count <= 0) return 0;
  return count >= 32 ? -1 : ~(0xffff_ffff >>> count);
}
