import { be16, type Decoding, decoded, ip4At, macAt, undecodable } from "./decoding.js";
import type { ArpLayer, EthernetLayer, VlanLayer } from "./layers.js";

export const etherTypes = {
  ipv4: 0x0800,
  arp: 0x0806,
  /** Ethernet frames inside of a tunnel. */
  ethernet: 0x6558,
  vlan: 0x8100,
  ipv6: 0x86dd,
  serviceVlan: 0x88a8,
} as const;

const headerBytes = 14;
/** Below, the field is the length of an 802.3 frame. */
const firstEtherType = 0x0600;

export function decodeEthernet(data: Uint8Array): Decoding<EthernetLayer> {
  if (data.length < headerBytes) return undecodable("Ethernet packet too small");
  const field = be16(data, 12);
  const isLength = field < firstEtherType;
  const end = isLength ? Math.min(data.length, headerBytes + field) : data.length;
  const layer: EthernetLayer = {
    kind: "ethernet",
    contents: data.subarray(0, headerBytes),
    payload: data.subarray(headerBytes, end),
    destination: macAt(data, 0),
    source: macAt(data, 6),
    etherType: isLength ? 0 : field,
    length: isLength ? field : 0,
  };
  return decoded(layer, isLength && data.length < headerBytes + field);
}

export function decodeVlan(data: Uint8Array): Decoding<VlanLayer> {
  if (data.length < 4) return undecodable("802.1Q tag length too short", true);
  return decoded({
    kind: "vlan",
    contents: data.subarray(0, 4),
    payload: data.subarray(4),
    priority: data[0]! >> 5,
    isDropEligible: (data[0]! & 0x10) !== 0,
    vlanId: be16(data, 0) & 0x0fff,
    etherType: be16(data, 2),
  });
}

/** Hardware and protocol type and address lengths of IPv4 over Ethernet. */
const arpHead = Uint8Array.of(0, 1, 8, 0, 6, 4);

export function decodeArp(data: Uint8Array): Decoding<ArpLayer> {
  if (data.length < 28) return undecodable("ARP packet too small", true);
  if (arpHead.some((byte, index) => data[index] !== byte)) return undecodable("ARP not of IPv4 over Ethernet");
  return decoded({
    kind: "arp",
    contents: data.subarray(0, 28),
    payload: data.subarray(28),
    operation: be16(data, 6),
    senderMac: macAt(data, 8),
    sender: ip4At(data, 14),
    targetMac: macAt(data, 18),
    target: ip4At(data, 24),
  });
}
