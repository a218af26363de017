import { be16, be32, type Decoding, decoded, ip4At, ip6At, undecodable } from "./decoding.js";
import { ipProtocolName } from "./gopacket-names.js";
import type { Ipv4Layer, Ipv4Option, Ipv6ExtensionLayer, Ipv6HopByHop, Ipv6Layer, Ipv6Option } from "./layers.js";

const minIpv4Bytes = 20;
const ipv6Bytes = 40;
const hopByHop = 0;
const jumboOption = 0xc2;
const maxIpv6Payload = 0xffff;

export function decodeIpv4(data: Uint8Array): Decoding<Ipv4Layer> {
  if (data.length < minIpv4Bytes) return undecodable(`Invalid ip4 header. Length ${data.length} less than 20`, true);
  const headerWords = data[0]! & 0x0f;
  const headerBytes = 4 * headerWords;
  // Segmentation offload leaves 0 there: the packet is as long as what was captured.
  const length = be16(data, 2) || data.length & 0xffff;
  if (length < minIpv4Bytes) return undecodable(`Invalid (too small) IP length (${length} < 20)`);
  if (headerWords < 5) return undecodable(`Invalid (too small) IP header length (${headerWords} < 5)`);
  if (headerBytes > length) {
    return undecodable(`Invalid IP header length > IP length (${headerWords} > ${length})`);
  }
  const isTruncated = data.length < length;
  if (headerBytes > data.length) return undecodable("Not all IP header bytes available", true);

  const options = ipv4Options(data.subarray(minIpv4Bytes, headerBytes));
  if ("error" in options) return undecodable(options.error, isTruncated || options.isTruncated);
  const flagsAndOffset = be16(data, 6);
  const layer: Ipv4Layer = {
    kind: "ipv4",
    contents: data.subarray(0, headerBytes),
    payload: data.subarray(headerBytes, Math.min(length, data.length)),
    version: data[0]! >> 4,
    headerWords,
    tos: data[1]!,
    length,
    id: be16(data, 4),
    flags: flagsAndOffset >> 13,
    fragmentOffset: flagsAndOffset & 0x1fff,
    ttl: data[8]!,
    protocol: data[9]!,
    checksum: be16(data, 10),
    source: ip4At(data, 12),
    destination: ip4At(data, 16),
    ...options,
  };
  return decoded(layer, isTruncated);
}

type Refusal = { readonly error: string; readonly isTruncated: boolean };

function ipv4Options(area: Uint8Array): Pick<Ipv4Layer, "options" | "padding"> | Refusal {
  const options: Ipv4Option[] = [];
  const empty = new Uint8Array(0);
  let rest = area;
  while (rest.length > 0) {
    const type = rest[0]!;
    if (type <= 1) {
      options.push({ type, length: 1, data: empty });
      rest = rest.subarray(1);
      if (type === 0) return { options, padding: rest };
      continue;
    }
    const length = rest[1];
    if (length === undefined) {
      return { error: `Invalid ip4 option length. Length ${rest.length} less than 2`, isTruncated: true };
    }
    if (rest.length < length) {
      const error = `IP option length exceeds remaining IP header size, option type ${type} length ${length}`;
      return { error, isTruncated: true };
    }
    if (length <= 2) {
      const error = `Invalid IP option type ${type} length ${length}. Must be greater than 2`;
      return { error, isTruncated: false };
    }
    options.push({ type, length, data: rest.subarray(2, length) });
    rest = rest.subarray(length);
  }
  return { options, padding: empty };
}

export function decodeIpv6(data: Uint8Array): Decoding<Ipv6Layer> {
  if (data.length < ipv6Bytes) return undecodable(`Invalid ip6 header. Length ${data.length} less than 40`, true);
  const nextHeader = data[6]!;
  const body = ipv6Body(nextHeader, be16(data, 4), data.subarray(ipv6Bytes));
  if ("error" in body) return undecodable(body.error, body.isTruncated);
  const layer: Ipv6Layer = {
    kind: "ipv6",
    contents: data.subarray(0, ipv6Bytes),
    payload: body.payload,
    version: data[0]! >> 4,
    trafficClass: (be16(data, 0) >> 4) & 0xff,
    flowLabel: be32(data, 0) & 0xfffff,
    length: be16(data, 4),
    nextHeader,
    hopLimit: data[7]!,
    source: ip6At(data, 8),
    destination: ip6At(data, 24),
    hopByHop: body.hopByHop,
  };
  return decoded(layer, body.isTruncated);
}

interface Ipv6Body {
  readonly payload: Uint8Array;
  readonly hopByHop?: Ipv6HopByHop;
  readonly isTruncated: boolean;
}

/** What the fixed header carries: all that its length says, or a jumbo option in its place. */
function ipv6Body(nextHeader: number, length: number, rest: Uint8Array): Ipv6Body | Refusal {
  if (nextHeader !== hopByHop) {
    if (length === 0) return refusal(`IPv6 length 0, but next header is ${ipProtocolName(nextHeader)}, not HopByHop`);
    return cut(rest, length);
  }
  const header = decodeHopByHop(rest);
  if ("error" in header) return header;
  const jumbo = jumboLength(header.options);
  if (typeof jumbo === "string") return refusal(jumbo);
  if (jumbo !== undefined) {
    if (length !== 0) return refusal("IPv6 has jumbo length and IPv6 length is not 0");
    return { ...cut(rest, jumbo), hopByHop: header };
  }
  if (length === 0) return refusal("IPv6 length 0, but HopByHop header does not have jumbogram option");
  return { ...cut(header.payload, length), hopByHop: header };
}

function cut(bytes: Uint8Array, length: number): Ipv6Body {
  return { payload: bytes.subarray(0, length), isTruncated: bytes.length < length };
}

function refusal(error: string, isTruncated = false): Refusal {
  return { error, isTruncated };
}

/** The length that a jumbo option says, undefined without one; text says what is wrong with it (RFC 2675). */
function jumboLength(options: readonly Ipv6Option[]): number | string | undefined {
  const option = options.find(({ type }) => type === jumboOption);
  if (option === undefined) return undefined;
  if (option.data.length !== 4) return "Jumbo length TLV data must have length 4";
  const length = be32(option.data, 0);
  return length > maxIpv6Payload ? length : `Jumbo length cannot be less than ${maxIpv6Payload + 1}`;
}

function decodeHopByHop(data: Uint8Array): Ipv6HopByHop | Refusal {
  const base = extensionBase(data);
  if ("error" in base) return base;
  const options: Ipv6Option[] = [];
  let offset = 2;
  while (offset < base.lengthBytes) {
    // As upstream reads them: to the end of the packet, not of the header.
    const option = ipv6Option(data.subarray(offset));
    if ("error" in option) return option;
    options.push(option);
    offset += option.lengthBytes;
  }
  return { ...base, options };
}

function extensionBase(data: Uint8Array): Omit<Ipv6HopByHop, "options"> | Refusal {
  if (data.length < 2) return refusal(`Invalid ip6-extension header. Length ${data.length} less than 2`, true);
  const headerLength = data[1]!;
  const lengthBytes = 8 * headerLength + 8;
  if (data.length < lengthBytes) {
    return refusal(`Invalid ip6-extension header. Length ${data.length} less than specified length ${lengthBytes}`);
  }
  const contents = data.subarray(0, lengthBytes);
  return { contents, payload: data.subarray(lengthBytes), nextHeader: data[0]!, headerLength, lengthBytes };
}

function ipv6Option(data: Uint8Array): Ipv6Option | Refusal {
  if (data.length < 2) return refusal("IPv6 header option too small", true);
  const [type, length] = [data[0]!, data[1]!];
  if (type === 0) return { type: 0, length: 0, lengthBytes: 1, data: new Uint8Array(0) };
  if (data.length < length + 2) return refusal("IPv6 header TLV option too small", true);
  return { type, length, lengthBytes: length + 2, data: data.subarray(2, length + 2) };
}

const fragmentHeader = 44;
const authenticationHeader = 51;

/** Numbers of the headers that {@link decodeIpv6Extension} reads. */
export const ipv6Extensions: readonly number[] = [43, fragmentHeader, authenticationHeader, 60, 135, 139, 140];

/** A header between the IPv6 header and what it carries (RFC 8200, RFC 4302). */
export function decodeIpv6Extension(data: Uint8Array, header: number): Decoding<Ipv6ExtensionLayer> {
  if (data.length < 8) return undecodable(`Invalid ip6-extension header. Length ${data.length} less than 8`, true);
  const words = data[1]!;
  const isFragment = header === fragmentHeader;
  const lengthBytes = isFragment ? 8 : header === authenticationHeader ? 4 * words + 8 : 8 * words + 8;
  if (data.length < lengthBytes) {
    const error = `Invalid ip6-extension header. Length ${data.length} less than specified length ${lengthBytes}`;
    return undecodable(error, true);
  }
  return decoded({
    kind: "ipv6-extension",
    contents: data.subarray(0, lengthBytes),
    payload: data.subarray(lengthBytes),
    header,
    nextHeader: data[0]!,
    fragmentOffset: isFragment ? be16(data, 2) >> 3 : 0,
  });
}
