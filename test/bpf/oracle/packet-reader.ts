import { proto } from "../packet-builder.js";

/** What a packet says of itself: read byte by byte from the RFCs, apart from the programs. */
export interface ReadPacket {
  readonly family: 4 | 6;
  /** Hex of the address bytes. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly hopLimit: number;
  readonly l4Offset: number;
  readonly fragment: "none" | "first" | "later";
  readonly fragmentId: number;
  /** Names the datagram that a fragment is of. */
  readonly datagram: string;
  /** An echo's identifier stands for the port of whoever asked; 0 where there are none. */
  readonly ports: Ports;
  readonly tcpFlags: number;
  readonly icmpType: number;
}

export interface Ports {
  readonly source: number;
  readonly destination: number;
}

export const etherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;

const ETHERNET_BYTES = 14;
const noPorts: Ports = { source: 0, destination: 0 };
/** Hop-by-hop, routing, fragment, authentication, destination options (RFC 8200 4.1). */
const extensions: ReadonlySet<number> = new Set([0, 43, 44, 51, 60]);
const MAX_EXTENSIONS = 4;
const FRAGMENT = 44;
const AUTHENTICATION = 51;

type Layer3 = Omit<ReadPacket, "datagram" | "ports" | "tcpFlags" | "icmpType">;

function read4(frame: Buffer, start: number): Layer3 | undefined {
  if (frame.length < start + 20) return undefined;
  const headerBytes = (frame[start]! & 0xf) * 4;
  if (frame[start]! >> 4 !== 4 || headerBytes < 20) return undefined;
  const flags = frame.readUInt16BE(start + 6);
  const isFragment = (flags & 0x3fff) !== 0;
  return {
    family: 4,
    source: frame.toString("hex", start + 12, start + 16),
    destination: frame.toString("hex", start + 16, start + 20),
    protocol: frame[start + 9]!,
    hopLimit: frame[start + 8]!,
    l4Offset: start + headerBytes,
    fragment: isFragment ? ((flags & 0x1fff) === 0 ? "first" : "later") : "none",
    fragmentId: frame.readUInt16BE(start + 4),
  };
}

function read6(frame: Buffer, start: number): Layer3 | undefined {
  if (frame.length < start + 40 || frame[start]! >> 4 !== 6) return undefined;
  let protocol = frame[start + 6]!;
  let l4Offset = start + 40;
  let fragment: ReadPacket["fragment"] = "none";
  let fragmentId = 0;
  for (let count = 0; extensions.has(protocol) && fragment !== "later"; count++) {
    if (count === MAX_EXTENSIONS || frame.length < l4Offset + 8) return undefined;
    const next = frame[l4Offset]!;
    const length = frame[l4Offset + 1]!;
    if (protocol === FRAGMENT) {
      const field = frame.readUInt16BE(l4Offset + 2);
      fragment = (field & 0xfff9) === 0 ? "none" : (field & 0xfff8) === 0 ? "first" : "later";
      fragmentId = frame.readUInt32BE(l4Offset + 4);
      l4Offset += 8;
    } else {
      l4Offset += protocol === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
    }
    protocol = next;
  }
  return {
    family: 6,
    source: frame.toString("hex", start + 8, start + 24),
    destination: frame.toString("hex", start + 24, start + 40),
    hopLimit: frame[start + 7]!,
    protocol,
    l4Offset,
    fragment,
    fragmentId,
  };
}

interface Layer4 {
  readonly ports: Ports;
  readonly tcpFlags: number;
  readonly icmpType: number;
}

export function isIcmp({ family, protocol }: Pick<ReadPacket, "family" | "protocol">): boolean {
  return protocol === (family === 4 ? proto.icmp : proto.icmpv6);
}

function readLayer4(frame: Buffer, at: number, layer3: Pick<ReadPacket, "family" | "protocol">): Layer4 | undefined {
  const { family, protocol } = layer3;
  const room = frame.length - at;
  const nothing = { ports: noPorts, tcpFlags: 0, icmpType: 0 };
  if (isIcmp(layer3)) {
    if (room < 8) return undefined;
    const icmpType = frame[at]!;
    const [request, reply] = family === 4 ? [8, 0] : [128, 129];
    const id = frame.readUInt16BE(at + 4);
    const ports = {
      source: icmpType === request ? id : 0,
      destination: icmpType === reply ? id : 0,
    };
    return { ...nothing, icmpType, ports };
  }
  const bytes = protocol === proto.tcp ? 14 : protocol === proto.udp || protocol === proto.sctp ? 4 : Infinity;
  if (room < bytes) return undefined;
  const ports = { source: frame.readUInt16BE(at), destination: frame.readUInt16BE(at + 2) };
  return { ...nothing, ports, tcpFlags: protocol === proto.tcp ? frame[at + 13]! : 0 };
}

export function readEtherType(frame: Buffer): number {
  return frame.readUInt16BE(12);
}

/**
 * The packet in a frame; undefined where it is broken or speaks a protocol that nobody serves. Ports of a later fragment
 * are what `datagrams` knows of its first one.
 */
export function readPacket(frame: Buffer, datagrams: ReadonlyMap<string, Ports>): ReadPacket | undefined {
  const type = readEtherType(frame);
  const layer3 =
    type === etherType.ipv4
      ? read4(frame, ETHERNET_BYTES)
      : type === etherType.ipv6
        ? read6(frame, ETHERNET_BYTES)
        : undefined;
  if (layer3 === undefined) return undefined;
  const datagram = datagramOf(layer3);
  if (layer3.fragment === "later") {
    const ports = datagrams.get(datagram);
    return ports === undefined ? undefined : { ...layer3, datagram, ports, tcpFlags: 0, icmpType: 0 };
  }
  const layer4 = readLayer4(frame, layer3.l4Offset, layer3);
  return layer4 === undefined ? undefined : { ...layer3, datagram, ...layer4 };
}

/** The datagram that a fragment is of. */
export function datagramOf(packet: Pick<ReadPacket, "source" | "destination" | "protocol" | "fragmentId">): string {
  return [packet.source, packet.destination, packet.protocol, packet.fragmentId].join();
}

export type Quoted = Pick<ReadPacket, "family" | "source" | "destination" | "protocol" | "ports" | "icmpType">;

const icmpErrors = { 4: [3, 11, 12], 6: [1, 2, 3, 4] } as const;

export function isIcmpError(packet: ReadPacket): boolean {
  const errors: readonly number[] = icmpErrors[packet.family];
  return isIcmp(packet) && packet.fragment !== "later" && errors.includes(packet.icmpType);
}

/** Whether a packet has a port that translations can change: of ICMP what asks for an echo, and what answers. */
export function hasPort(packet: Quoted & Partial<Pick<ReadPacket, "fragment">>, side: "request" | "answer"): boolean {
  if (!isIcmp(packet)) return true;
  const types = packet.family === 4 ? { request: 8, answer: 0 } : { request: 128, answer: 129 };
  const type = packet.fragment !== "later" ? packet.icmpType : packet.ports.source > 0 ? types.request : types.answer;
  return type === types[side];
}

/** The packet that an ICMP error quotes; undefined where that cannot be told. */
export function readQuoted(frame: Buffer, packet: ReadPacket): Quoted | undefined {
  const start = packet.l4Offset + 8;
  const addressBytes = packet.family === 4 ? 4 : 16;
  const [protocolAt, sourceAt] = packet.family === 4 ? [9, 12] : [6, 8];
  const middle = start + sourceAt + addressBytes;
  if (frame.length < middle + addressBytes) return undefined;
  const headerBytes = packet.family === 4 ? (frame[start]! & 0xf) * 4 : 40;
  const at = start + headerBytes;
  if (frame.length < at + 8 || frame[start]! >> 4 !== packet.family || headerBytes < 20) return undefined;
  const inner = { family: packet.family, protocol: frame[start + protocolAt]! };
  // Eight bytes are quoted: of TCP the ports only.
  const { ports, icmpType } = isIcmp(inner)
    ? readLayer4(frame, at, inner)!
    : { ports: { source: frame.readUInt16BE(at), destination: frame.readUInt16BE(at + 2) }, icmpType: 0 };
  const source = frame.toString("hex", start + sourceAt, middle);
  return { ...inner, ports, icmpType, source, destination: frame.toString("hex", middle, middle + addressBytes) };
}
