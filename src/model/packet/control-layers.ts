import type { IpAddress } from "../../lib/ip.js";
import { be16, type Decoding, decoded, ip4At, undecodable } from "./decoding.js";
import type { Icmpv4Layer, Icmpv6Layer, IgmpLayer, VrrpLayer } from "./layers.js";

export function decodeIcmpv4(data: Uint8Array): Decoding<Icmpv4Layer> {
  if (data.length < 8) return undecodable("ICMP layer less then 8 bytes for ICMPv4 packet", true);
  return decoded({
    kind: "icmpv4",
    contents: data.subarray(0, 8),
    payload: data.subarray(8),
    type: data[0]!,
    code: data[1]!,
    checksum: be16(data, 2),
    id: be16(data, 4),
    sequence: be16(data, 6),
  });
}

export function decodeIcmpv6(data: Uint8Array): Decoding<Icmpv6Layer> {
  if (data.length < 4) return undecodable("ICMP layer less then 4 bytes for ICMPv6 packet", true);
  return decoded({
    kind: "icmpv6",
    contents: data.subarray(0, 4),
    payload: data.subarray(4),
    type: data[0]!,
    code: data[1]!,
    checksum: be16(data, 2),
  });
}

/** Versions 1 and 2, and what a message of version 3 has in common with them. */
export function decodeIgmp(data: Uint8Array): Decoding<IgmpLayer> {
  if (data.length < 8) return undecodable("IGMP Packet too small");
  return decoded({
    kind: "igmp",
    // Upstream's layer keeps neither header nor payload.
    contents: data.subarray(0, 0),
    payload: data.subarray(0, 0),
    type: data[0]!,
    maxResponseCode: data[1]!,
    checksum: be16(data, 2),
    group: ip4At(data, 4),
  });
}

export function decodeVrrp(data: Uint8Array): Decoding<VrrpLayer> {
  const type = (data[0] ?? 0) & 0x0f;
  const addressCount = data[3] ?? 0;
  if (data.length > 0 && type !== 1) return undecodable("Unrecognized VRRPv2 type field.");
  if (data.length > 3 && addressCount < 1) return undecodable("VRRPv2 number of IP addresses is not valid.");
  if (data.length < 8) return undecodable("Not a valid VRRP packet. Packet length is too small.", true);
  if (data.length < 8 + 4 * addressCount) return undecodable("VRRPv2 addresses are cut off", true);
  const addresses: IpAddress[] = [];
  for (let i = 0; i < addressCount; i++) addresses.push(ip4At(data, 8 + 4 * i));
  return decoded({
    kind: "vrrp",
    contents: data,
    payload: data.subarray(data.length),
    version: data[0]! >> 4,
    type,
    virtualRouterId: data[1]!,
    priority: data[2]!,
    authType: data[4]!,
    advertisementSeconds: data[5]!,
    checksum: be16(data, 6),
    addresses,
  });
}
