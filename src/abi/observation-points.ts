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

/** `unknown(<code>)` for codes that have no name. */
export function codeName(names: readonly string[], code: number): string {
  return names[code] ?? `unknown(${code})`;
}
