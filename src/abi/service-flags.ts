import { isReleaseSince } from "../model/upstream-release.js";
import type { Release } from "./release.js";

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

/** Upstream's word for the service's type. */
export function serviceType(flags: number): string {
  if ((flags & serviceFlag.externalIp) !== 0) return "ExternalIPs";
  if ((flags & serviceFlag.nodePort) !== 0) return "NodePort";
  if ((flags & serviceFlag.loadBalancer) !== 0) return "LoadBalancer";
  if ((flags & serviceFlag.hostPort) !== 0) return "HostPort";
  return (flags & serviceFlag.localRedirect) !== 0 ? "LocalRedirect" : "ClusterIP";
}

/** The release's words for a service's flags, in its order: `ClusterIP`, `Local`, `non-routable` … */
export function serviceFlagTexts(flags: number, release: Release): readonly string[] {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const type = serviceType(flags);
  const hasDeny = isReleaseSince(release, "1.17");
  const isDeny = hasDeny && has(serviceFlag.sourceRange) && has(serviceFlag.quarantined);
  const isHostLoopback = type === "HostPort" || !isReleaseSince(release, "1.18");
  const texts: readonly (string | false)[] = [
    type,
    has(serviceFlag.externalLocalScope) && "Local",
    has(serviceFlag.internalLocalScope) && "InternalLocal",
    has(serviceFlag.twoScopes) && "two-scopes",
    has(serviceFlag.sessionAffinity) && "sessionAffinity",
    !has(serviceFlag.routable) && "non-routable",
    has(serviceFlag.sourceRange) && "check source-range",
    isDeny && "deny",
    has(serviceFlag.nat46x64) && "46x64",
    has(serviceFlag.l7LoadBalancer) && "l7-load-balancer",
    has(serviceFlag.loopback) && (isHostLoopback ? "loopback" : "delegate-if-local"),
    hasDeny && !isDeny && has(serviceFlag.quarantined) && "quarantined",
    hasDeny && has(serviceFlag.dsr) && "dsr",
  ];
  return texts.filter((text) => text !== false);
}
