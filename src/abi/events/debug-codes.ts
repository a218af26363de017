import { upstreamReasonText } from "../../model/upstream-reason-text.js";
import { isReleaseSince } from "../../model/upstream-release.js";
import { reasonText } from "../drop-reasons.js";
import type { Release } from "../release.js";

/** `DBG_*` as the datapath numbers them (bpf/lib/dbg.h), without the prefix. Upstream's tool differs from 66 on. */
const names = `UNSPEC GENERIC LOCAL_DELIVERY ENCAP LXC_FOUND POLICY_DENIED CT_LOOKUP CT_LOOKUP_REV CT_MATCH CT_CREATED
  CT_CREATED2 ICMP6_HANDLE ICMP6_REQUEST ICMP6_NS ICMP6_TIME_EXCEEDED CT_VERDICT DECAP PORT_MAP ERROR_RET TO_HOST
  TO_STACK PKT_HASH LB6_LOOKUP_FRONTEND LB6_LOOKUP_FRONTEND_FAIL LB6_LOOKUP_BACKEND_SLOT
  LB6_LOOKUP_BACKEND_SLOT_SUCCESS LB6_LOOKUP_BACKEND_SLOT_V2_FAIL LB6_LOOKUP_BACKEND_FAIL LB6_REVERSE_NAT_LOOKUP
  LB6_REVERSE_NAT LB4_LOOKUP_FRONTEND LB4_LOOKUP_FRONTEND_FAIL LB4_LOOKUP_BACKEND_SLOT LB4_LOOKUP_BACKEND_SLOT_SUCCESS
  LB4_LOOKUP_BACKEND_SLOT_V2_FAIL LB4_LOOKUP_BACKEND_FAIL LB4_REVERSE_NAT_LOOKUP LB4_REVERSE_NAT LB4_LOOPBACK_SNAT
  LB4_LOOPBACK_SNAT_REV CT_LOOKUP4 RR_BACKEND_SLOT_SEL REV_PROXY_LOOKUP REV_PROXY_FOUND REV_PROXY_UPDATE L4_POLICY
  NETDEV_IN_CLUSTER NETDEV_ENCAP4 CT_LOOKUP4_1 CT_LOOKUP4_2 CT_CREATED4 CT_LOOKUP6_1 CT_LOOKUP6_2 CT_CREATED6
  SKIP_PROXY L4_CREATE IP_ID_MAP_FAILED4 IP_ID_MAP_FAILED6 IP_ID_MAP_SUCCEED4 IP_ID_MAP_SUCCEED6 LB_STALE_CT
  INHERIT_IDENTITY SK_LOOKUP4 SK_LOOKUP6 SK_ASSIGN L7_LB SKIP_POLICY LB6_LOOPBACK_SNAT LB6_LOOPBACK_SNAT_REV`.split(
  /\s+/,
);

/** Code → first release that has it; others are in all. */
const since: Readonly<Record<number, Release>> = { 66: "1.15", 67: "1.19", 68: "1.19" };

/** `DBG_CT_VERDICT` for 15; undefined for a code that the release's datapath does not send. */
export function debugCodeName(code: number, release: Release): string | undefined {
  const name = names[code];
  return name === undefined || !isReleaseSince(release, since[code] ?? "1.14") ? undefined : `DBG_${name}`;
}

/** `DBG_CT_VERDICT` */
export const debugCtVerdict = 15;

/** `enum ct_status`; up to 1.15 there was a fifth, reopened, which upstream's monitor does not know. */
const conntrackStates = ["New", "Established", "Reply", "Related"] as const;

/** What a conntrack look-up came to, in upstream's words; for anything else upstream tries the text of a reason. */
export function conntrackVerdict(status: number, release: Release): string {
  const reason = status & 0xff;
  return conntrackStates[status] ?? upstreamReasonText(reason, reasonText(reason, release), 0);
}
