/** Bits of `ct_entry`'s flag word, the same in all supported releases. */
export const ctFlag = {
  rxClosing: 1 << 0,
  txClosing: 1 << 1,
  nat64: 1 << 2,
  lbLoopback: 1 << 3,
  seenNonSyn: 1 << 4,
  nodePort: 1 << 5,
  proxyRedirect: 1 << 6,
  dsrInternal: 1 << 7,
  fromL7Lb: 1 << 8,
  fromTunnel: 1 << 10,
} as const;

/** Reserved by upstream: never printed, not as an unknown one either. */
const reservedBit = 1 << 9;

/** Upstream's names in bit order. */
const names: readonly (readonly [bit: number, name: string])[] = [
  [ctFlag.rxClosing, "RxClosing"],
  [ctFlag.txClosing, "TxClosing"],
  [ctFlag.nat64, "Nat64"],
  [ctFlag.lbLoopback, "LBLoopback"],
  [ctFlag.seenNonSyn, "SeenNonSyn"],
  [ctFlag.nodePort, "NodePort"],
  [ctFlag.proxyRedirect, "ProxyRedirect"],
  [ctFlag.dsrInternal, "DSRInternal"],
  [ctFlag.fromL7Lb, "FromL7LB"],
  [ctFlag.fromTunnel, "FromTunnel"],
];

/** Names of the bits that are set; unknown bits as `Unknown=0x…`, as upstream prints them. */
export function ctFlagNames(flags: number): readonly string[] {
  const known = names.reduce((mask, [bit]) => mask | bit, reservedBit);
  const unknown = flags & ~known;
  const set = names.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return unknown === 0 ? set : [...set, `Unknown=0x${unknown.toString(16).padStart(4, "0")}`];
}
