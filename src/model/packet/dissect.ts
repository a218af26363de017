import { decodeIcmpv4, decodeIcmpv6, decodeIgmp, decodeVrrp } from "./control-layers.js";
import type { Decoding } from "./decoding.js";
import { decodeIpv4, decodeIpv6, decodeIpv6Extension, ipv6Extensions } from "./ip-layers.js";
import type { Ipv4Layer, LayerKind, PacketLayer, UdpLayer } from "./layers.js";
import { decodeArp, decodeEthernet, decodeVlan, etherTypes } from "./link-layers.js";
import { decodeSctp, decodeTcp, decodeUdp } from "./transport-layers.js";
import { decodeGeneve, decodeVxlan } from "./tunnel-layers.js";

/** A packet, header by header, as far as it could be read. */
export interface Dissection {
  readonly layers: readonly PacketLayer[];
  /** A header says that there is more than was captured. */
  readonly isTruncated: boolean;
  /** Why the last header could not be read; absent when all were, or when what follows is none that is read. */
  readonly error?: string | undefined;
}

/** Which headers are read: all of them unless said. */
export interface DissectOptions {
  readonly known?: ReadonlySet<LayerKind>;
  /** The first fragment of an IPv4 packet is left alone like the later ones. */
  readonly skipsFirstFragments?: boolean;
  /** UDP to or from the registered ports of VXLAN and Geneve carries another packet. */
  readonly followsTunnelPorts?: boolean;
}

/** More headers than any packet has: a bound for bytes that were made to nest. */
const maxLayers = 64;

/**
 * Reads the headers of `data`, beginning with one of kind `first`, until one that it does not know, that cannot be read or
 * that carries nothing. Takes any bytes and never throws; the layers are views of them.
 */
export function dissect(data: Uint8Array, first: LayerKind, options: DissectOptions = {}): Dissection {
  const layers: PacketLayer[] = [];
  let isTruncated = false;
  let rest = data;
  let next: NextHeader | undefined = { kind: first };
  do {
    const decoding: Decoding = decoders[next.kind](rest, next.number ?? 0);
    isTruncated ||= decoding.isTruncated;
    if (decoding.layer === undefined) return { layers, isTruncated, error: decoding.error };
    layers.push(decoding.layer);
    rest = decoding.layer.payload;
    next = headerAfter(decoding.layer, options);
    if (next !== undefined && options.known?.has(next.kind) === false) next = undefined;
  } while (next !== undefined && rest.length > 0 && layers.length < maxLayers);
  return { layers, isTruncated };
}

interface NextHeader {
  readonly kind: LayerKind;
  /** Of an IPv6 extension header: its protocol number. */
  readonly number?: number;
}

const decoders: Readonly<Record<LayerKind, (data: Uint8Array, number: number) => Decoding>> = {
  ethernet: decodeEthernet,
  vlan: decodeVlan,
  arp: decodeArp,
  ipv4: decodeIpv4,
  ipv6: decodeIpv6,
  "ipv6-extension": decodeIpv6Extension,
  tcp: decodeTcp,
  udp: decodeUdp,
  sctp: decodeSctp,
  icmpv4: decodeIcmpv4,
  icmpv6: decodeIcmpv6,
  igmp: decodeIgmp,
  vrrp: decodeVrrp,
  vxlan: decodeVxlan,
  geneve: decodeGeneve,
};

const kindOfEtherType: Readonly<Record<number, LayerKind>> = {
  [etherTypes.ipv4]: "ipv4",
  [etherTypes.ipv6]: "ipv6",
  [etherTypes.arp]: "arp",
  [etherTypes.vlan]: "vlan",
  [etherTypes.serviceVlan]: "vlan",
  [etherTypes.ethernet]: "ethernet",
};

const kindOfProtocol: Readonly<Record<number, LayerKind>> = {
  1: "icmpv4",
  2: "igmp",
  4: "ipv4",
  6: "tcp",
  17: "udp",
  41: "ipv6",
  58: "icmpv6",
  94: "ipv4",
  112: "vrrp",
  132: "sctp",
};

/** The header that follows `layer`, undefined when it is none that {@link dissect} reads. */
function headerAfter(layer: PacketLayer, options: DissectOptions): NextHeader | undefined {
  switch (layer.kind) {
    case "ethernet":
    case "vlan":
      return ofKind(kindOfEtherType[layer.etherType]);
    case "geneve":
      return ofKind(kindOfEtherType[layer.protocol]);
    case "vxlan":
      return { kind: "ethernet" };
    case "ipv4":
      return isSkipped(layer, options) ? undefined : ofProtocol(layer.protocol);
    case "ipv6":
      return ofProtocol(layer.hopByHop?.nextHeader ?? layer.nextHeader);
    case "ipv6-extension":
      return layer.fragmentOffset !== 0 ? undefined : ofProtocol(layer.nextHeader);
    case "udp":
      return options.followsTunnelPorts ? ofKind(tunnelOf(layer)) : undefined;
    default:
      return undefined;
  }
}

function isSkipped({ fragmentOffset, flags }: Ipv4Layer, { skipsFirstFragments = false }: DissectOptions): boolean {
  const hasMore = (flags & moreFragments) !== 0;
  return fragmentOffset !== 0 || (skipsFirstFragments && hasMore);
}

const moreFragments = 1;

const kindOfPort: Readonly<Record<number, LayerKind>> = { 4789: "vxlan", 6081: "geneve" };

/** UDP ports of protocols that are not read here: the destination's protocol counts before the source's. */
const otherPorts: ReadonlySet<number> = new Set([
  53, 67, 68, 123, 546, 547, 623, 666, 1000, 1812, 2123, 2152, 2222, 3784, 3868, 5060, 5082, 5083, 6343, 44818,
]);

function tunnelOf({ destinationPort, sourcePort }: UdpLayer): LayerKind | undefined {
  return kindOfPort[destinationPort] ?? (otherPorts.has(destinationPort) ? undefined : kindOfPort[sourcePort]);
}

function ofProtocol(protocol: number): NextHeader | undefined {
  return ipv6Extensions.includes(protocol)
    ? { kind: "ipv6-extension", number: protocol }
    : ofKind(kindOfProtocol[protocol]);
}

function ofKind(kind: LayerKind | undefined): NextHeader | undefined {
  return kind === undefined ? undefined : { kind };
}
