import { randomBytes } from "node:crypto";

/** A random MAC address: unicast, locally administered (IEEE 802, bits 0 and 1 of the first octet). */
export function randomMacAddress(): string {
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
