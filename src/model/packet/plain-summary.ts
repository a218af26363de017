import { be16, ip4At, ip6At, macAt } from "./decoding.js";
import { etherTypes } from "./link-layers.js";
import { type PacketSummary, type TcpFlag, tcpFlags } from "./packet-summary.js";

const [ethernetBytes, ipv4Bytes, ipv6Bytes, tcpBytes, udpBytes] = [14, 20, 40, 20, 8];
const [tcp, udp] = [6, 17];

/** Names of the flags that are set, by the byte that holds them. */
export const flagNames: readonly (readonly TcpFlag[])[] = Array.from({ length: 256 }, (_, flags) =>
  tcpFlags.filter((_, bit) => (flags & (1 << bit)) !== 0),
);

/**
 * The summary of a packet of the commonest form, read in place, without views of its headers: Ethernet, IP without options
 * or extension headers, TCP or UDP. Undefined for every other, which dissecting tells; of these it says the same.
 */
export function plainSummary(data: Uint8Array): PacketSummary | undefined {
  const at = plainTransport(data, 0, data.length);
  if (at === 0) return undefined;
  const etherType = be16(data, 12);
  if (etherType === etherTypes.ipv6) {
    const [source, destination] = [ip6At(data, ethernetBytes + 8), ip6At(data, ethernetBytes + 24)];
    return summaryOf(data, at, { etherType, source, destination, protocol: data[ethernetBytes + 6]! });
  }
  const [source, destination] = [ip4At(data, ethernetBytes + 12), ip4At(data, ethernetBytes + 16)];
  return summaryOf(data, at, { etherType, source, destination, protocol: data[ethernetBytes + 9]! });
}

/** Where the transport header is of a packet of that form between two places in `data`; 0 for every other packet. */
export function plainTransport(data: Uint8Array, start: number, dataEnd: number): number {
  if (dataEnd - start < ethernetBytes + ipv4Bytes) return 0;
  const etherType = be16(data, start + 12);
  if (etherType === etherTypes.ipv4) return ipv4Transport(data, start + ethernetBytes, dataEnd);
  return etherType === etherTypes.ipv6 ? ipv6Transport(data, start + ethernetBytes, dataEnd) : 0;
}

function ipv4Transport(data: Uint8Array, ip: number, dataEnd: number): number {
  const hasOptions = (data[ip]! & 0x0f) !== 5;
  const isLaterFragment = (be16(data, ip + 6) & 0x1fff) !== 0;
  if (hasOptions || isLaterFragment) return 0;
  const availableBytes = dataEnd - ip;
  // Segmentation offload leaves 0 there.
  const lengthBytes = be16(data, ip + 2) || availableBytes & 0xffff;
  const end = ip + Math.min(lengthBytes, availableBytes);
  return isTransport(data, ip + ipv4Bytes, end, data[ip + 9]!) ? ip + ipv4Bytes : 0;
}

function ipv6Transport(data: Uint8Array, ip: number, dataEnd: number): number {
  const at = ip + ipv6Bytes;
  if (dataEnd < at) return 0;
  const end = Math.min(at + be16(data, ip + 4), dataEnd);
  return isTransport(data, at, end, data[ip + 6]!) ? at : 0;
}

/** Whether a whole header of TCP or UDP begins at `at`. */
function isTransport(data: Uint8Array, at: number, end: number, protocol: number): boolean {
  if (protocol === tcp) return end - at >= tcpBytes && isTcp(data, at, end);
  if (protocol !== udp || end - at < udpBytes) return false;
  const length = be16(data, at + 4);
  return length === 0 || length >= udpBytes;
}

function isTcp(data: Uint8Array, at: number, end: number): boolean {
  const optionsEnd = at + 4 * (data[at + 12]! >> 4);
  if (optionsEnd < at + tcpBytes || optionsEnd > end) return false;
  let option = at + tcpBytes;
  while (option < optionsEnd) {
    const kind = data[option]!;
    if (kind === 0) return true;
    const length = kind === 1 ? 1 : option + 1 < optionsEnd ? data[option + 1]! : 0;
    if (length === 0 || (kind !== 1 && length < 2) || option + length > optionsEnd) return false;
    option += length;
  }
  return true;
}

type Network = Required<Pick<PacketSummary, "etherType" | "source" | "destination" | "protocol">>;

/** One literal each: objects that grow step by step take ten times as long. */
function summaryOf(data: Uint8Array, at: number, network: Network): PacketSummary {
  const { etherType, source, destination, protocol } = network;
  const [sourceMac, destinationMac] = [macAt(data, 6), macAt(data, 0)];
  const [sourcePort, destinationPort] = [be16(data, at), be16(data, at + 2)];
  const ends = { sourceMac, destinationMac, etherType, source, destination, protocol, sourcePort, destinationPort };
  return protocol === tcp ? { tcpFlags: flagNames[data[at + 13]!], ...ends } : ends;
}
