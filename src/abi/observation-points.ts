import { isReleaseSince } from "../model/upstream-release.js";
import type { Release } from "./release.js";

/** Where in the datapath a trace event was sent (`trace_notify.subtype`), by code. */
export const observationPoints = [
  "to-endpoint",
  "to-proxy",
  "to-host",
  "to-stack",
  "to-overlay",
  "from-endpoint",
  "from-proxy",
  "from-host",
  "from-stack",
  "from-overlay",
  "from-network",
  "to-network",
  "from-crypto",
  "to-crypto",
] as const;

/** Why a trace event was sent, by the low seven bits of its reason: mostly the conntrack state. */
export const traceReasons = [
  "new",
  "established",
  "reply",
  "related",
  "reopened",
  "unknown",
  "srv6-encap",
  "srv6-decap",
  "encrypt-overlay",
] as const;

/** Bit of the trace reason that says the packet was encrypted. */
export const traceReasonEncrypted = 0x80;

/** How a policy entry matched (`policy_verdict_notify.match_type`), by code. */
export const policyMatchTypes = ["none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only"] as const;

/** Socket load balancer trace points (`trace_sock_notify.xlate_point`), by code. */
export const xlatePoints = ["unknown", "pre-xlate-fwd", "post-xlate-fwd", "pre-xlate-rev", "post-xlate-rev"] as const;

/** First releases of what not all have. */
const pointSince: Readonly<Record<number, Release>> = { 12: "1.17", 13: "1.17" };
const reasonSince: Readonly<Record<number, Release>> = { 6: "1.15", 7: "1.15", 8: "1.16" };

/** The observation point's name, its number where the release has none, as upstream prints it. */
export function observationPointName(code: number, release: Release): string {
  const name = isReleaseSince(release, pointSince[code] ?? "1.14") ? observationPoints[code] : undefined;
  return name ?? String(code);
}

/** The trace reason's name; where the release has none, its number with the encryption bit, as upstream prints it. */
export function traceReasonText(reason: number, release: Release): string {
  const code = reason & ~traceReasonEncrypted;
  const name = isReleaseSince(release, reasonSince[code] ?? "1.14") ? traceReasons[code] : undefined;
  return name ?? String(reason);
}
