import { IpAddress } from "../../src/lib/ip.js";

/** IP protocol numbers (IANA). */
export const proto = { icmp: 1, tcp: 6, udp: 17, gre: 47, icmpv6: 58, sctp: 132 } as const;
export const tcpFlag = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;

export interface PacketOptions {
  readonly source: string;
  readonly destination: string;
  readonly protocol?: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly tcpFlags?: number;
  readonly ttl?: number;
  readonly payload?: Uint8Array;
  /** Raw IPv4 flags and fragment offset field. */
  readonly fragment?: number;
  readonly identification?: number;
  /** ICMP type and code; `rest` are the 4 bytes after the checksum. */
  readonly icmp?: { readonly type: number; readonly code?: number; readonly rest?: Uint8Array };
  readonly version?: number;
  readonly ihl?: number;
  readonly udpChecksum?: "zero";
}

const ETHERNET_HEADER = Buffer.from("0200000000010200000000020800", "hex");

/** RFC 1071. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An Ethernet frame with an IPv4 packet; checksums are right. */
export function ipv4Packet(options: PacketOptions): Buffer {
  const source = IpAddress.parse(options.source).bytes;
  const destination = IpAddress.parse(options.destination).bytes;
  const protocol = options.protocol ?? proto.tcp;
  const l4 = layer4(options, protocol, source, destination);
  const header = Buffer.alloc(20);
  header[0] = ((options.version ?? 4) << 4) | (options.ihl ?? 5);
  header.writeUInt16BE(header.length + l4.length, 2);
  header.writeUInt16BE(options.identification ?? 1, 4);
  header.writeUInt16BE(options.fragment ?? 0x4000, 6);
  header[8] = options.ttl ?? 64;
  header[9] = protocol;
  header.set(source, 12);
  header.set(destination, 16);
  header.writeUInt16BE(internetChecksum(header), 10);
  return Buffer.concat([ETHERNET_HEADER, header, l4]);
}

export interface Packet6Options extends Omit<PacketOptions, "fragment" | "identification" | "ihl"> {
  /** Extension headers in order, each with its own number; "next header" fields are filled in. */
  readonly extensions?: readonly { readonly number: number; readonly bytes: Buffer }[];
  /** L4 as it stands, instead of one that is built. */
  readonly layer4?: Buffer;
}

/** An Ethernet frame with an IPv6 packet; checksums are right. */
export function ipv6Packet(options: Packet6Options): Buffer {
  const source = IpAddress.parse(options.source).bytes;
  const destination = IpAddress.parse(options.destination).bytes;
  const protocol = options.protocol ?? proto.tcp;
  const l4 = options.layer4 ?? layer4(options, protocol, source, destination);
  const extensions = (options.extensions ?? []).map(({ bytes }) => Buffer.from(bytes));
  const numbers = [...(options.extensions ?? []).map(({ number }) => number), protocol];
  for (const [index, bytes] of extensions.entries()) bytes.writeUInt8(numbers[index + 1]!, 0);
  const header = Buffer.alloc(40);
  header[0] = (options.version ?? 6) << 4;
  header.writeUInt16BE(Buffer.concat(extensions).length + l4.length, 4);
  header[6] = numbers[0]!;
  header[7] = options.ttl ?? 64;
  header.set(source, 8);
  header.set(destination, 24);
  const ethernet = Buffer.from(ETHERNET_HEADER);
  ethernet.writeUInt16BE(0x86dd, 12);
  return Buffer.concat([ethernet, header, ...extensions, l4]);
}

/** A fragment header (RFC 8200 4.5); `offset` in bytes. */
export function fragmentHeader(id: number, offset: number, hasMore: boolean): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16BE(offset | (hasMore ? 1 : 0), 2);
  bytes.writeUInt32BE(id, 4);
  return bytes;
}

/** RFC 791 3.1 and RFC 8200 8.1. */
function pseudoHeader(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): Buffer {
  const tail = Buffer.alloc(source.length === 4 ? 4 : 8);
  if (source.length === 4) tail.writeUInt16BE(length, 2);
  else tail.writeUInt32BE(length, 0);
  tail[source.length === 4 ? 1 : 7] = protocol;
  return Buffer.concat([source, destination, tail]);
}

function layer4(options: PacketOptions, protocol: number, source: Uint8Array, destination: Uint8Array): Buffer {
  const payload = options.payload ?? Buffer.alloc(0);
  const isLaterFragment = ((options.fragment ?? 0) & 0x1fff) !== 0;
  if (isLaterFragment) return Buffer.from(payload);
  const pseudo = (length: number): Buffer => pseudoHeader(source, destination, protocol, length);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(options.sourcePort ?? 40_000, 0);
  ports.writeUInt16BE(options.destinationPort ?? 80, 2);
  if (protocol === proto.tcp) {
    const header = Buffer.concat([ports, Buffer.alloc(16)]);
    header[12] = 5 << 4;
    header[13] = options.tcpFlags ?? tcpFlag.syn;
    header.writeUInt16BE(0xffff, 14);
    header.writeUInt16BE(internetChecksum(pseudo(20 + payload.length), header, payload), 16);
    return Buffer.concat([header, payload]);
  }
  if (protocol === proto.udp) {
    const header = Buffer.concat([ports, Buffer.alloc(4)]);
    header.writeUInt16BE(8 + payload.length, 4);
    // RFC 768: a sum of zero is sent as all ones, zero says that there is none.
    if (options.udpChecksum !== "zero")
      header.writeUInt16BE(internetChecksum(pseudo(8 + payload.length), header, payload) || 0xffff, 6);
    return Buffer.concat([header, payload]);
  }
  if (protocol === proto.icmp || protocol === proto.icmpv6) {
    const isV6 = protocol === proto.icmpv6;
    const { type, code = 0, rest = Buffer.alloc(4) } = options.icmp ?? { type: isV6 ? 128 : 8 };
    const header = Buffer.concat([Buffer.from([type, code, 0, 0]), rest]);
    const covered = isV6 ? pseudo(header.length + payload.length) : Buffer.alloc(0);
    header.writeUInt16BE(internetChecksum(covered, header, payload), 2);
    return Buffer.concat([header, payload]);
  }
  return Buffer.concat([ports, Buffer.alloc(4), payload]);
}

export function arpRequest(options: {
  readonly senderMac: string;
  readonly sender: string;
  readonly target: string;
  readonly operation?: number;
}): Buffer {
  const mac = macBytes(options.senderMac);
  return Buffer.concat([
    Buffer.alloc(6, 0xff),
    mac,
    Buffer.from("08060001080006040000", "hex").fill(options.operation ?? 1, 9),
    mac,
    IpAddress.parse(options.sender).bytes,
    Buffer.alloc(6),
    IpAddress.parse(options.target).bytes,
  ]);
}

export function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

/** What a test asserts of a frame: addresses, ports, TTL, and whether both checksums are right. */
export function parseFrame(frame: Buffer) {
  const ip = frame.subarray(14);
  const headerBytes = (ip[0]! & 0xf) * 4;
  const l4 = ip.subarray(headerBytes, ip.readUInt16BE(2));
  const pseudo = Buffer.concat([ip.subarray(12, 20), Buffer.from([0, ip[9]!, l4.length >> 8, l4.length & 0xff])]);
  return {
    destinationMac: frame.subarray(0, 6).toString("hex"),
    sourceMac: frame.subarray(6, 12).toString("hex"),
    source: IpAddress.fromBytes(ip.subarray(12, 16)).text,
    destination: IpAddress.fromBytes(ip.subarray(16, 20)).text,
    ttl: ip[8]!,
    sourcePort: l4.readUInt16BE(0),
    destinationPort: l4.readUInt16BE(2),
    ipChecksumIsRight: internetChecksum(ip.subarray(0, headerBytes)) === 0,
    l4ChecksumIsRight: internetChecksum(pseudo, l4) === 0,
  };
}

/** As {@link parseFrame}, of an IPv6 packet whose extension headers take `extensionBytes`. */
export function parseFrame6(frame: Buffer, extensionBytes = 0) {
  const ip = frame.subarray(14);
  const l4 = ip.subarray(40 + extensionBytes, 40 + ip.readUInt16BE(4));
  const protocol = extensionBytes === 0 ? ip[6]! : ip[40]!;
  const pseudo = pseudoHeader(ip.subarray(8, 24), ip.subarray(24, 40), protocol, l4.length);
  return {
    destinationMac: frame.subarray(0, 6).toString("hex"),
    sourceMac: frame.subarray(6, 12).toString("hex"),
    source: IpAddress.fromBytes(ip.subarray(8, 24)).text,
    destination: IpAddress.fromBytes(ip.subarray(24, 40)).text,
    protocol,
    hopLimit: ip[7]!,
    sourcePort: l4.readUInt16BE(0),
    destinationPort: l4.readUInt16BE(2),
    layer4: l4,
    l4ChecksumIsRight: internetChecksum(pseudo, l4) === 0,
  };
}
