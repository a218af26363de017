/** IP protocol numbers that upstream's tool knows by name (its `u8proto` table); others print as their number. */
const names: Readonly<Record<number, string>> = {
  0: "ANY",
  1: "ICMP",
  2: "IGMP",
  6: "TCP",
  17: "UDP",
  58: "ICMPv6",
  112: "VRRP",
  132: "SCTP",
};

/** `TCP` for 6; the decimal number where there is no name. */
export function protocolName(protocol: number): string {
  return names[protocol] ?? String(protocol);
}

/** The number of `tcp`, `ICMPv6` or `6`; undefined for anything else. */
export function protocolNumber(text: string): number | undefined {
  if (/^\d{1,3}$/.test(text)) return Number(text) <= 255 ? Number(text) : undefined;
  const wanted = text.toLowerCase();
  const found = Object.entries(names).find(([, name]) => name.toLowerCase() === wanted);
  return found === undefined ? undefined : Number(found[0]);
}

/** The names that {@link protocolNumber} takes, lower case, for messages and completion. */
export const protocolWords: readonly string[] = Object.values(names).map((name) => name.toLowerCase());
