import { serviceFlag } from "../model/service-flag.js";
import { isReleaseSince } from "../model/upstream-release.js";
import type { Release } from "./release.js";

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
