import { etherTypeName, ipProtocolName } from "../../../model/packet/gopacket-names.js";
import type { PacketLayer } from "../../../model/packet/layers.js";

/** The name of what `layer` carries where the monitor up to 1.16 stopped at it; undefined for what has no name. */
export function unreadHeader(layer: PacketLayer): string | undefined {
  switch (layer.kind) {
    case "ethernet":
      return known(etherTypeName(layer.etherType));
    case "ipv4":
      return layer.fragmentOffset !== 0 || (layer.flags & 1) !== 0 ? "Fragment" : known(ipProtocolName(layer.protocol));
    case "ipv6":
      return known(ipProtocolName(layer.hopByHop?.nextHeader ?? layer.nextHeader));
    case "tcp":
    case "udp": {
      const byPort = portLayers[layer.kind];
      return byPort[layer.destinationPort] ?? byPort[layer.sourcePort] ?? "Payload";
    }
    case "icmpv6":
      return icmpv6Layer(layer.type, layer.payload.length);
    case "sctp":
    case "icmpv4":
      return "Payload";
    default:
      return undefined;
  }
}

/** EtherTypes and protocols whose layer has another name. */
const layerNames: Readonly<Record<string, string>> = {
  PPPoEDiscovery: "PPPoE",
  PPPoESession: "PPPoE",
  MPLSUnicast: "MPLS",
  MPLSMulticast: "MPLS",
  NoNextHeader: "Payload",
};

function known(name: string): string | undefined {
  return name.startsWith("Unknown") ? undefined : (layerNames[name] ?? name);
}

const portLayers: Readonly<Record<"tcp" | "udp", Readonly<Record<number, string>>>> = {
  tcp: {
    53: "DNS",
    443: "TLS",
    502: "ModbusTCP",
    636: "TLS",
    989: "TLS",
    990: "TLS",
    992: "TLS",
    993: "TLS",
    994: "TLS",
    995: "TLS",
    5061: "TLS",
  },
  udp: {
    53: "DNS",
    67: "DHCPv4",
    68: "DHCPv4",
    123: "NTP",
    546: "DHCPv6",
    547: "DHCPv6",
    623: "RMCP",
    1812: "RADIUS",
    2152: "GTPv1U",
    3784: "BFD",
    4789: "VXLAN",
    5060: "SIP",
    6081: "Geneve",
    6343: "SFlow",
  },
};

const icmpv6Layers: Readonly<Record<number, string>> = {
  128: "ICMPv6Echo",
  129: "ICMPv6Echo",
  131: "MLDv1MulticastListenerReport",
  132: "MLDv1MulticastListenerDone",
  133: "ICMPv6RouterSolicitation",
  134: "ICMPv6RouterAdvertisement",
  135: "ICMPv6NeighborSolicitation",
  136: "ICMPv6NeighborAdvertisement",
  137: "ICMPv6Redirect",
  143: "MLDv2MulticastListenerReport",
};

const listenerQuery = 130;

/** Queries of both versions have the same type; only their lengths tell. */
function icmpv6Layer(type: number, payloadBytes: number): string {
  if (type === listenerQuery) return `MLDv${payloadBytes > 20 ? 2 : 1}MulticastListenerQuery`;
  return icmpv6Layers[type] ?? "Payload";
}
