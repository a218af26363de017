import { IpAddress } from "../../lib/ip.js";
import type { PacketLayer } from "./layers.js";

/** What came of reading one header. */
export type Decoding<Layer extends PacketLayer = PacketLayer> =
  | {
      readonly layer: Layer;
      /** The header says that there is more than was captured. */
      readonly isTruncated: boolean;
    }
  | {
      readonly layer?: undefined;
      readonly isTruncated: boolean;
      /** In the words of gopacket, which upstream's monitor prints. */
      readonly error: string;
    };

export function decoded<Layer extends PacketLayer>(layer: Layer, isTruncated = false): Decoding<Layer> {
  return { layer, isTruncated };
}

export function undecodable(error: string, isTruncated = false): Decoding<never> {
  return { error, isTruncated };
}

/** The 16-bit number at `offset`. Callers have checked that it is there, here and below. */
export function be16(data: Uint8Array, offset: number): number {
  return (data[offset]! << 8) | data[offset + 1]!;
}

export function be24(data: Uint8Array, offset: number): number {
  return (be16(data, offset) << 8) | data[offset + 2]!;
}

export function be32(data: Uint8Array, offset: number): number {
  return ((be16(data, offset) << 16) | be16(data, offset + 2)) >>> 0;
}

export function ip4At(data: Uint8Array, offset: number): IpAddress {
  return IpAddress.ofV4(be32(data, offset));
}

export function ip6At(data: Uint8Array, offset: number): IpAddress {
  return IpAddress.ofV6(be32(data, offset), be32(data, offset + 4), be32(data, offset + 8), be32(data, offset + 12));
}

const hexBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** `aa:bb:cc:dd:ee:ff` */
export function macAt(data: Uint8Array, offset: number): string {
  let text = hexBytes[data[offset]!]!;
  for (let i = 1; i < 6; i++) text += `:${hexBytes[data[offset + i]!]!}`;
  return text;
}
