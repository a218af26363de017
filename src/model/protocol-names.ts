import { isReleaseSince, type UpstreamRelease } from "./upstream-release.js";

/** IP protocol numbers that upstream's tool knows by name (its `u8proto` table), and since when; others print as their number. */
const names: Readonly<Record<number, readonly [name: string, since: UpstreamRelease]>> = {
  0: ["ANY", "1.14"],
  1: ["ICMP", "1.14"],
  2: ["IGMP", "1.19"],
  4: ["IPIP", "1.20"],
  6: ["TCP", "1.14"],
  17: ["UDP", "1.14"],
  41: ["IPv6", "1.20"],
  47: ["GRE", "1.20"],
  50: ["ESP", "1.20"],
  51: ["AH", "1.20"],
  58: ["ICMPv6", "1.14"],
  112: ["VRRP", "1.19"],
  132: ["SCTP", "1.14"],
};

/** `TCP` for 6; the decimal number where there is no name. @param release whose names; by default the newest one's */
export function protocolName(protocol: number, release?: UpstreamRelease): string {
  const [name, since] = names[protocol] ?? [];
  const isKnown = since !== undefined && (release === undefined || isReleaseSince(release, since));
  return name !== undefined && isKnown ? name : String(protocol);
}

/** The number of `tcp`, `ICMPv6` or `6`; undefined for anything else. */
export function protocolNumber(text: string): number | undefined {
  if (/^\d{1,3}$/.test(text)) return Number(text) <= 255 ? Number(text) : undefined;
  const wanted = text.toLowerCase();
  const found = Object.entries(names).find(([, [name]]) => name.toLowerCase() === wanted);
  return found === undefined ? undefined : Number(found[0]);
}

/** The names that {@link protocolNumber} takes, lower case, for messages and completion. */
export const protocolWords: readonly string[] = Object.values(names).map(([name]) => name.toLowerCase());
