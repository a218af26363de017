import { IpAddress } from "../../src/lib/ip.js";

/** IP protocol numbers (IANA). */
export const proto = { icmp: 1, tcp: 6, udp: 17, sctp: 132, gre: 47 } as const;
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

function layer4(options: PacketOptions, protocol: number, source: Uint8Array, destination: Uint8Array): Buffer {
  const payload = options.payload ?? Buffer.alloc(0);
  const isLaterFragment = ((options.fragment ?? 0) & 0x1fff) !== 0;
  if (isLaterFragment) return Buffer.from(payload);
  const pseudo = (length: number): Buffer =>
    Buffer.concat([source, destination, Buffer.from([0, protocol, length >> 8, length & 0xff])]);
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
    if (options.udpChecksum !== "zero")
      header.writeUInt16BE(internetChecksum(pseudo(8 + payload.length), header, payload), 6);
    return Buffer.concat([header, payload]);
  }
  if (protocol === proto.icmp) {
    const { type, code = 0, rest = Buffer.alloc(4) } = options.icmp ?? { type: 8 };
    const header = Buffer.concat([Buffer.from([type, code, 0, 0]), rest]);
    header.writeUInt16BE(internetChecksum(header, payload), 2);
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
