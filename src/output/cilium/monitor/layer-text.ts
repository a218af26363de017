import type { IpAddress } from "../../../lib/ip.js";
import { etherTypeName, ipProtocolName } from "../../../model/packet/gopacket-names.js";
import type {
  GeneveOption,
  Ipv4Layer,
  Ipv6HopByHop,
  Ipv6Layer,
  Ipv6Option,
  LayerKind,
  LayerOf,
  PacketLayer,
  TcpLayer,
  VrrpLayer,
} from "../../../model/packet/layers.js";
import { goDuration, goIp } from "./go-text.js";
import { icmpTypeCode } from "./icmp-names.js";
import type { PortNames, PortProtocol } from "./port-names.js";
import { hasMultipath, tcpOptionText } from "./tcp-option-text.js";

/** The kinds that upstream's monitor prints. */
export type PrintedKind = Exclude<LayerKind, "vlan" | "arp" | "ipv6-extension">;

/** What the names of ports and the words for options depend on. */
export interface LayerTextContext {
  readonly ports: PortNames;
  /** Whether the release's gopacket knows multipath TCP: since 1.17. */
  readonly knowsMultipath: boolean;
}

type Fields = readonly (readonly [name: string, value: string | number | boolean])[];
type FieldsOf = {
  readonly [Kind in PrintedKind]: (layer: LayerOf<Kind>, context: LayerTextContext) => Fields;
};

/** A header as gopacket's `LayerString` prints it: `UDP⇥{Contents=[..8..] Payload=[] SrcPort=53(domain) …}`. */
export function layerText(layer: PacketLayer, context: LayerTextContext): string {
  if (!isPrinted(layer)) return "Unknown layer";
  const fieldsOf = fields[layer.kind] as (layer: PacketLayer, context: LayerTextContext) => Fields;
  return `${names[layer.kind]}\t${struct([...layerBytes(layer), ...fieldsOf(layer, context)])}`;
}

function isPrinted(layer: PacketLayer): layer is LayerOf<PrintedKind> {
  return Object.hasOwn(names, layer.kind);
}

const names: Readonly<Record<PrintedKind, string>> = {
  ethernet: "Ethernet",
  ipv4: "IPv4",
  ipv6: "IPv6",
  tcp: "TCP",
  udp: "UDP",
  sctp: "SCTP",
  icmpv4: "ICMPv4",
  icmpv6: "ICMPv6",
  igmp: "IGMP",
  vrrp: "VRRP",
  vxlan: "VXLAN",
  geneve: "Geneve",
};

const fields: FieldsOf = {
  ethernet: (of) => [
    ["SrcMAC", of.source],
    ["DstMAC", of.destination],
    ["EthernetType", etherTypeName(of.etherType)],
    ["Length", of.length],
  ],
  ipv4: ipv4Fields,
  ipv6: ipv6Fields,
  tcp: tcpFields,
  udp: (of, { ports }) => [...portFields("udp", of, ports), ["Length", of.length], ["Checksum", of.checksum]],
  sctp: (of, { ports }) => [
    ...portFields("sctp", of, ports),
    ["VerificationTag", of.verificationTag],
    ["Checksum", of.checksum],
  ],
  icmpv4: (of) => [
    ["TypeCode", icmpTypeCode(of)],
    ["Checksum", of.checksum],
    ["Id", of.id],
    ["Seq", of.sequence],
  ],
  icmpv6: (of) => [
    ["TypeCode", icmpTypeCode(of)],
    ["Checksum", of.checksum],
    ["TypeBytes", "[]"],
  ],
  igmp: (of) => [
    ["Type", igmpTypeName(of.type)],
    ["MaxResponseTime", goDuration(100 * igmpTenths(of.maxResponseCode))],
    ["Checksum", of.checksum],
    ["GroupAddress", goIp(of.group)],
    ["Version", 0],
  ],
  vrrp: vrrpFields,
  vxlan: (of) => [
    ["ValidIDFlag", of.hasVni],
    ["VNI", of.vni],
    ["GBPExtension", of.hasGroupPolicy],
    ["GBPDontLearn", of.isDontLearn],
    ["GBPApplied", of.isPolicyApplied],
    ["GBPGroupPolicyID", of.groupPolicyId],
  ],
  geneve: (of) => [
    ["Version", of.version],
    ["OptionsLength", of.optionsLengthBytes],
    ["OAMPacket", of.isControl],
    ["CriticalOption", of.hasCriticalOptions],
    ["Protocol", etherTypeName(of.protocol)],
    ["VNI", of.vni],
    ["Options", list(of.options.map(geneveOptionText))],
  ],
};

function layerBytes(layer: { readonly contents: Uint8Array; readonly payload: Uint8Array }): Fields {
  return [
    ["Contents", byteList(layer.contents)],
    ["Payload", byteList(layer.payload)],
  ];
}

const ipv4Flags = ["MF", "DF", "Evil"] as const;

function ipv4Fields(of: Ipv4Layer): Fields {
  const flags = ipv4Flags.filter((_, bit) => (of.flags & (1 << bit)) !== 0).reverse();
  const options = of.options.map(({ type, data }) => `IPv4Option(${type}:[${data.join(" ")}])`);
  return [
    ["Version", of.version],
    ["IHL", of.headerWords],
    ["TOS", of.tos],
    ["Length", of.length],
    ["Id", of.id],
    ["Flags", flags.join("|")],
    ["FragOffset", of.fragmentOffset],
    ["TTL", of.ttl],
    ["Protocol", ipProtocolName(of.protocol)],
    ["Checksum", of.checksum],
    ...addressFields(of),
    ["Options", list(options)],
    ["Padding", byteList(of.padding)],
  ];
}

function ipv6Fields(of: Ipv6Layer): Fields {
  return [
    ["Version", of.version],
    ["TrafficClass", of.trafficClass],
    ["FlowLabel", of.flowLabel],
    ["Length", of.length],
    ["NextHeader", ipProtocolName(of.nextHeader)],
    ["HopLimit", of.hopLimit],
    ...addressFields(of),
    ["HopByHop", of.hopByHop === undefined ? "nil" : hopByHopText(of.hopByHop)],
  ];
}

function addressFields(of: { readonly source: IpAddress; readonly destination: IpAddress }): Fields {
  return [
    ["SrcIP", goIp(of.source)],
    ["DstIP", goIp(of.destination)],
  ];
}

/** With the blank that gopacket leaves before an embedded structure's fields. */
function hopByHopText(of: Ipv6HopByHop): string {
  const fields: Fields = [
    ...layerBytes(of),
    ["NextHeader", ipProtocolName(of.nextHeader)],
    ["HeaderLength", of.headerLength],
    ["ActualLength", of.lengthBytes],
    ["Options", list(of.options.map(ipv6OptionText))],
  ];
  return struct(fields).replace("{", "{ ");
}

function ipv6OptionText({ type, length, lengthBytes, data }: Ipv6Option): string {
  return struct([
    ["OptionType", type],
    ["OptionLength", length],
    ["ActualLength", lengthBytes],
    ["OptionData", byteList(data)],
    ["OptionAlignment", "[0 0]"],
  ]);
}

function portFields(
  protocol: PortProtocol,
  of: { readonly sourcePort: number; readonly destinationPort: number },
  ports: PortNames,
): Fields {
  return [
    ["SrcPort", ports.text(protocol, of.sourcePort)],
    ["DstPort", ports.text(protocol, of.destinationPort)],
  ];
}

const tcpFlagNames = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;

function tcpFields(of: TcpLayer, { ports, knowsMultipath }: LayerTextContext): Fields {
  return [
    ...portFields("tcp", of, ports),
    ["Seq", of.sequence],
    ["Ack", of.acknowledgement],
    ["DataOffset", of.headerWords],
    ...tcpFlagNames.map((name, bit) => [name, (of.flags & (1 << bit)) !== 0] as const),
    ["NS", of.hasNonce],
    ["Window", of.window],
    ["Checksum", of.checksum],
    ["Urgent", of.urgent],
    ["Options", list(of.options.map((option) => tcpOptionText(option, knowsMultipath)))],
    ["Padding", byteList(of.padding)],
    ...(knowsMultipath ? ([["Multipath", hasMultipath(of.options)]] as const) : []),
  ];
}

const igmpTypes: Readonly<Record<number, string>> = {
  17: "IGMP Membership Query",
  18: "IGMPv1 Membership Report",
  22: "IGMPv2 Membership Report",
  23: "Leave Group",
  34: "IGMPv3 Membership Report",
};

export function igmpTypeName(type: number): string {
  return igmpTypes[type] ?? "";
}

/** From 128 on gopacket computes in eight bits, of which next to nothing is left. */
function igmpTenths(code: number): number {
  return code < 128 ? code : (((code & 0x70) | 0x10) << ((code & 0x0f) + 3)) & 0xff;
}

/** The only type that is decoded is 1. */
export function vrrpTypeName(type: number): string {
  return type === 1 ? "VRRPv2 Advertisement" : "";
}

const vrrpAuthTypes = ["No Authentication", "Reserved", "Reserved"] as const;

function vrrpFields(of: VrrpLayer): Fields {
  return [
    ["Version", of.version],
    ["Type", vrrpTypeName(of.type)],
    ["VirtualRtrID", of.virtualRouterId],
    ["Priority", of.priority],
    ["CountIPAddr", of.addresses.length],
    ["AuthType", vrrpAuthTypes[of.authType] ?? ""],
    ["AdverInt", of.advertisementSeconds],
    ["Checksum", of.checksum],
    ["IPAddress", list(of.addresses.map(goIp))],
  ];
}

function geneveOptionText(option: GeneveOption): string {
  return struct([
    ["Class", option.class],
    ["Type", option.type],
    ["Flags", option.flags],
    ["Length", option.lengthBytes],
    ["Data", byteList(option.data)],
  ]);
}

function struct(values: Fields): string {
  return `{${values.map(([name, value]) => `${name}=${value}`).join(" ")}}`;
}

/** More than four elements are only counted. */
function list(elements: readonly (string | number)[]): string {
  return elements.length > 4 ? `[..${elements.length}..]` : `[${elements.join(", ")}]`;
}

function byteList(bytes: Uint8Array): string {
  return bytes.length > 4 ? `[..${bytes.length}..]` : `[${bytes.join(", ")}]`;
}
