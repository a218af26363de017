/** Bits of a service entry's flags (`flags | flags2 << 8`). */
export const serviceFlag = {
  externalIp: 1 << 0,
  nodePort: 1 << 1,
  externalLocalScope: 1 << 2,
  hostPort: 1 << 3,
  sessionAffinity: 1 << 4,
  loadBalancer: 1 << 5,
  routable: 1 << 6,
  sourceRange: 1 << 7,
  localRedirect: 1 << 8,
  nat46x64: 1 << 9,
  l7LoadBalancer: 1 << 10,
  /** HostPort bound to loopback; for other types, since 1.18, left to an L7 proxy unless the backend is local. */
  loopback: 1 << 11,
  internalLocalScope: 1 << 12,
  twoScopes: 1 << 13,
  /** Since 1.17: in a backend slot quarantined, in a master that its source ranges deny. */
  quarantined: 1 << 14,
  /** Since 1.17. */
  dsr: 1 << 15,
} as const;
