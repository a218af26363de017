import { isReleaseSince } from "../model/upstream-release.js";
import type { Release } from "./release.js";

/** One reason of the metrics map and of drop events. */
export interface Reason {
  readonly code: number;
  /** Name in upstream's C source; empty where it has none any more. */
  readonly name: string;
  /** What upstream's tool prints. */
  readonly text: string;
  /** First supported release that has it; absent for all. */
  readonly since?: Release;
}

const reason = (code: number, name: string, text: string, since?: Release): Reason =>
  since === undefined ? { code, name, text } : { code, name, text, since };

/** Upstream's reasons, never renumbered: 0 forwarded, below 130 counted but not dropped, from 130 on dropped. */
export const reasons: readonly Reason[] = [
  reason(0, "REASON_FORWARDED", "Success"),
  reason(2, "", "Invalid packet"),
  reason(3, "REASON_PLAINTEXT", "Interface"),
  reason(4, "REASON_DECRYPT", "Interface Decrypted"),
  reason(5, "REASON_LB_NO_BACKEND_SLOT", "LB, sock cgroup: No backend slot entry found"),
  reason(6, "REASON_LB_NO_BACKEND", "LB, sock cgroup: No backend entry found"),
  reason(7, "REASON_LB_REVNAT_UPDATE", "LB, sock cgroup: Reverse entry update failed"),
  reason(8, "REASON_LB_REVNAT_STALE", "LB, sock cgroup: Reverse entry stale"),
  reason(9, "REASON_FRAG_PACKET", "Fragmented packet"),
  reason(10, "REASON_FRAG_PACKET_UPDATE", "Fragmented packet entry update failed"),
  reason(11, "", "Missed tail call to custom program"),
  reason(12, "REASON_DECRYPTING", "Interface Decrypting", "1.17"),
  reason(13, "REASON_ENCRYPTING", "Interface Encrypting", "1.17"),
  reason(14, "REASON_LB_REVNAT_DELETE", "LB: sock cgroup: Reverse entry delete succeeded", "1.18"),
  reason(15, "REASON_MTU_ERROR_MSG", "MTU error message", "1.19"),
  reason(130, "DROP_UNUSED1", "Invalid source mac"),
  reason(131, "DROP_UNUSED2", "Invalid destination mac"),
  reason(132, "DROP_INVALID_SIP", "Invalid source ip"),
  reason(133, "DROP_POLICY", "Policy denied"),
  reason(134, "DROP_INVALID", "Invalid packet"),
  reason(135, "DROP_CT_INVALID_HDR", "CT: Truncated or invalid header"),
  reason(136, "DROP_FRAG_NEEDED", "Fragmentation needed"),
  reason(137, "DROP_CT_UNKNOWN_PROTO", "CT: Unknown L4 protocol"),
  reason(138, "DROP_UNUSED4", "CT: Can't create entry from packet"),
  reason(139, "DROP_UNKNOWN_L3", "Unsupported L3 protocol"),
  reason(140, "DROP_MISSED_TAIL_CALL", "Missed tail call"),
  reason(141, "DROP_WRITE_ERROR", "Error writing to packet"),
  reason(142, "DROP_UNKNOWN_L4", "Unknown L4 protocol"),
  reason(143, "DROP_UNKNOWN_ICMP4_CODE", "Unknown ICMPv4 code"),
  reason(144, "DROP_UNKNOWN_ICMP4_TYPE", "Unknown ICMPv4 type"),
  reason(145, "DROP_UNKNOWN_ICMP6_CODE", "Unknown ICMPv6 code"),
  reason(146, "DROP_UNKNOWN_ICMP6_TYPE", "Unknown ICMPv6 type"),
  reason(147, "DROP_NO_TUNNEL_KEY", "Error retrieving tunnel key"),
  reason(148, "DROP_UNUSED5", "Error retrieving tunnel options"),
  reason(149, "DROP_UNUSED6", "Invalid Geneve option"),
  reason(150, "DROP_UNKNOWN_TARGET", "Unknown L3 target address"),
  reason(151, "DROP_UNROUTABLE", "Stale or unroutable IP"),
  reason(152, "DROP_UNUSED7", "No matching local container found"),
  reason(153, "DROP_CSUM_L3", "Error while correcting L3 checksum"),
  reason(154, "DROP_CSUM_L4", "Error while correcting L4 checksum"),
  reason(155, "DROP_CT_CREATE_FAILED", "CT: Map insertion failed"),
  reason(156, "DROP_INVALID_EXTHDR", "Invalid IPv6 extension header"),
  reason(157, "DROP_FRAG_NOSUPPORT", "IP fragmentation not supported"),
  reason(158, "DROP_NO_SERVICE", "Service backend not found"),
  reason(159, "DROP_UNSUPP_SERVICE_PROTO", ""),
  reason(160, "DROP_NO_TUNNEL_ENDPOINT", "No tunnel/encapsulation endpoint (datapath BUG!)"),
  reason(161, "DROP_NAT_46X64_DISABLED", "NAT 46/64 not enabled"),
  reason(162, "DROP_EDT_HORIZON", "Reached EDT rate-limiting drop horizon"),
  reason(163, "DROP_UNKNOWN_CT", "Unknown connection tracking state"),
  reason(164, "DROP_HOST_UNREACHABLE", "Local host is unreachable"),
  reason(165, "DROP_NO_CONFIG", "No configuration available to perform policy decision"),
  reason(166, "DROP_UNSUPPORTED_L2", "Unsupported L2 protocol"),
  reason(167, "DROP_NAT_NO_MAPPING", "No mapping for NAT masquerade"),
  reason(168, "DROP_NAT_UNSUPP_PROTO", "Unsupported protocol for NAT masquerade"),
  reason(169, "DROP_NO_FIB", "FIB lookup failed"),
  reason(170, "DROP_ENCAP_PROHIBITED", "Encapsulation traffic is prohibited"),
  reason(171, "DROP_INVALID_IDENTITY", "Invalid identity"),
  reason(172, "DROP_UNKNOWN_SENDER", "Unknown sender"),
  reason(173, "DROP_NAT_NOT_NEEDED", "NAT not needed"),
  reason(174, "DROP_IS_CLUSTER_IP", "Is a ClusterIP"),
  reason(175, "DROP_FRAG_NOT_FOUND", "First logical datagram fragment not found"),
  reason(176, "DROP_FORBIDDEN_ICMP6", "Forbidden ICMPv6 message"),
  reason(177, "DROP_NOT_IN_SRC_RANGE", "Denied by LB src range check"),
  reason(178, "DROP_PROXY_LOOKUP_FAILED", "Socket lookup failed"),
  reason(179, "DROP_PROXY_SET_FAILED", "Socket assign failed"),
  reason(180, "DROP_PROXY_UNKNOWN_PROTO", "Proxy redirection not supported for protocol"),
  reason(181, "DROP_POLICY_DENY", "Policy denied by denylist"),
  reason(182, "DROP_VLAN_FILTERED", "VLAN traffic disallowed by VLAN filter"),
  reason(183, "DROP_INVALID_VNI", "Incorrect VNI from VTEP"),
  reason(184, "DROP_INVALID_TC_BUFFER", "Failed to update or lookup TC buffer"),
  reason(185, "DROP_NO_SID", "No SID was found for the IP address"),
  reason(186, "DROP_UNUSED8", "SRv6 state was removed during tail call"),
  reason(187, "DROP_NAT46", "L3 translation from IPv4 to IPv6 failed (NAT46)"),
  reason(188, "DROP_NAT64", "L3 translation from IPv6 to IPv4 failed (NAT64)"),
  reason(189, "DROP_POLICY_AUTH_REQUIRED", "Authentication required"),
  reason(190, "DROP_CT_NO_MAP_FOUND", "No conntrack map found", "1.14"),
  reason(191, "DROP_SNAT_NO_MAP_FOUND", "No nat map found", "1.14"),
  reason(192, "DROP_INVALID_CLUSTER_ID", "Invalid ClusterID", "1.14"),
  reason(193, "DROP_DSR_ENCAP_UNSUPP_PROTO", "Unsupported packet protocol for DSR encapsulation", "1.14"),
  reason(194, "DROP_NO_EGRESS_GATEWAY", "No egress gateway found"),
  reason(195, "DROP_UNENCRYPTED_TRAFFIC", "Traffic is unencrypted", "1.15"),
  reason(196, "DROP_TTL_EXCEEDED", "TTL exceeded"),
  reason(197, "DROP_NO_NODE_ID", "No node ID found"),
  reason(198, "DROP_RATE_LIMITED", "Rate limited", "1.15"),
  reason(199, "DROP_IGMP_HANDLED", "IGMP handled", "1.15"),
  reason(200, "DROP_IGMP_SUBSCRIBED", "IGMP subscribed", "1.15"),
  reason(201, "DROP_MULTICAST_HANDLED", "Multicast handled", "1.15"),
  reason(202, "DROP_HOST_NOT_READY", "Host datapath not ready", "1.14"),
  reason(203, "DROP_EP_NOT_READY", "Endpoint policy program not available", "1.15"),
  reason(204, "DROP_NO_EGRESS_IP", "No Egress IP configured", "1.16"),
  reason(205, "DROP_PUNT_PROXY", "Punt to proxy", "1.18"),
  // Retired before it was ever sent, but not from the texts.
  reason(206, "", "No device", "1.20"),
  reason(207, "DROP_FRAG_NOT_FOUND_WORLD", "First logical datagram fragment not found from world", "1.20"),
];

const byCode: ReadonlyMap<number, Reason> = new Map(reasons.map((entry) => [entry.code, entry]));

export function findReason(code: number): Reason | undefined {
  return byCode.get(code);
}

/** Upstream's text for a reason; its number where the release has no text. */
export function reasonText(code: number, release: Release): string {
  const known = byCode.get(code);
  if (known === undefined || known.text === "" || !isReleaseSince(release, known.since ?? "1.14")) return String(code);
  return known.text;
}

/** Codes from here on are drops; they are the negated `DROP_*` numbers. */
export const firstDropReason = 130;

/** True for reasons with which a packet was dropped. 2 was `Invalid packet` once and still counts. */
export function isDropReason(code: number): boolean {
  return code >= firstDropReason || code === 2;
}
