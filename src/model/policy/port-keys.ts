import type { PortRange } from "./policy-rule.js";

/**
 * Protocol, port and prefix length of a policy entry in one number, which orders them: a node of the tree that the datapath
 * searches for the longest match. Its levels are the bits that count: 0 nothing, 8 the protocol, 8 + n the first n bits of the
 * port.
 */
export type PortKey = number;

export interface PortKeyParts {
  readonly protocol: number;
  readonly port: number;
  /** 0, or 8 to 24. */
  readonly bits: number;
}

export const PROTOCOL_BITS = 8;
export const FULL_BITS = 24;
const LENGTH_BITS = 5;

/** Nothing counts: every packet. */
export const anyPortKey: PortKey = 0;

export function createPortKey(protocol: number, port: number, bits: number): PortKey {
  return ((protocol << 16) | port) * 2 ** LENGTH_BITS + bits;
}

export function partsOfPortKey(key: PortKey): PortKeyParts {
  const value = key >>> LENGTH_BITS;
  return { protocol: value >>> 16, port: value & 0xffff, bits: key & ((1 << LENGTH_BITS) - 1) };
}

/** The node above (or the same one) of which only `bits` count. */
export function ancestorKey(key: PortKey, bits: number): PortKey {
  const value = key >>> LENGTH_BITS;
  const mask = bits === 0 ? 0 : -1 << (FULL_BITS - bits);
  return (value & mask & 0xff_ffff) * 2 ** LENGTH_BITS + bits;
}

/** First and last port below a node of a protocol. */
export function portsOfKey(key: PortKey): { readonly first: number; readonly last: number } {
  const { port, bits } = partsOfPortKey(key);
  return { first: port, last: port + 2 ** (FULL_BITS - bits) - 1 };
}

/** The fewest nodes that hold exactly a range. */
export function keysOfRange({ protocol, first, last }: PortRange): readonly PortKey[] {
  if (protocol === 0) return [anyPortKey];
  const keys: PortKey[] = [];
  for (let port = first; port <= last; ) {
    let hostBits = 0;
    while (hostBits < 16 && port % 2 ** (hostBits + 1) === 0 && port + 2 ** (hostBits + 1) - 1 <= last) hostBits++;
    keys.push(createPortKey(protocol, port, FULL_BITS - hostBits));
    port += 2 ** hostBits;
  }
  return keys;
}
