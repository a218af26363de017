/** The words of gopacket, with which upstream's monitor prints packets, for EtherTypes and IP protocols. */

const etherTypeNames: ReadonlyMap<number, string> = new Map([
  [0, "LLC"],
  [0x0712, "MDP"],
  [0x0800, "IPv4"],
  [0x0806, "ARP"],
  [0x2000, "CiscoDiscovery"],
  [0x6558, "TransparentEthernetBridging"],
  [0x8100, "Dot1Q"],
  [0x86dd, "IPv6"],
  [0x880b, "PPP"],
  [0x8847, "MPLSUnicast"],
  [0x8848, "MPLSMulticast"],
  [0x8863, "PPPoEDiscovery"],
  [0x8864, "PPPoESession"],
  [0x888e, "EAPOL"],
  [0x88a8, "Dot1Q"],
  [0x88be, "ERSPAN Type II"],
  [0x88cc, "LinkLayerDiscovery"],
  [0x9000, "EthernetCTP"],
]);

const ipProtocolNames: Readonly<Record<number, string>> = {
  0: "IPv6HopByHop",
  1: "ICMPv4",
  2: "IGMP",
  4: "IPv4",
  6: "TCP",
  17: "UDP",
  27: "RUDP",
  41: "IPv6",
  43: "IPv6Routing",
  44: "IPv6Fragment",
  47: "GRE",
  50: "IPSecESP",
  51: "IPSecAH",
  58: "ICMPv6",
  59: "NoNextHeader",
  60: "IPv6Destination",
  89: "OSPF",
  94: "IPv4",
  97: "EtherIP",
  112: "VRRP",
  132: "SCTP",
  136: "UDPLite",
  137: "MPLS",
};

export function etherTypeName(etherType: number): string {
  return etherTypeNames.get(etherType) ?? "UnknownEthernetType";
}

export function ipProtocolName(protocol: number): string {
  return ipProtocolNames[protocol] ?? "UnknownIPProtocol";
}
