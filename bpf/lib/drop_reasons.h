/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Upstream's codes (release 1.20): negative as a verdict, positive in maps and events. Never renumbered. */
#define DROP_INVALID_SIP	 (-132)
#define DROP_POLICY		 (-133)
#define DROP_INVALID		 (-134)
#define DROP_CT_INVALID_HDR	 (-135)
#define DROP_FRAG_NEEDED	 (-136)
#define DROP_CT_UNKNOWN_PROTO	 (-137)
#define DROP_UNKNOWN_L3		 (-139)
#define DROP_WRITE_ERROR	 (-141)
#define DROP_NO_TUNNEL_KEY	 (-147)
#define DROP_UNKNOWN_TARGET	 (-150)
#define DROP_UNROUTABLE		 (-151)
#define DROP_CSUM_L3		 (-153)
#define DROP_CSUM_L4		 (-154)
#define DROP_CT_CREATE_FAILED	 (-155)
#define DROP_INVALID_EXTHDR	 (-156)
#define DROP_NO_SERVICE		 (-158)
#define DROP_UNSUPP_SERVICE_PROTO (-159)
#define DROP_NO_TUNNEL_ENDPOINT	 (-160)
#define DROP_NO_CONFIG		 (-165)
#define DROP_UNSUPPORTED_L2	 (-166)
#define DROP_NAT_NO_MAPPING	 (-167)
#define DROP_NAT_UNSUPP_PROTO	 (-168)
#define DROP_NO_FIB		 (-169)
#define DROP_ENCAP_PROHIBITED	 (-170)
#define DROP_INVALID_IDENTITY	 (-171)
#define DROP_IS_CLUSTER_IP	 (-174)
#define DROP_FRAG_NOT_FOUND	 (-175)
#define DROP_FORBIDDEN_ICMP6	 (-176)
#define DROP_NOT_IN_SRC_RANGE	 (-177)
#define DROP_POLICY_DENY	 (-181)
#define DROP_TTL_EXCEEDED	 (-196)
#define DROP_EP_NOT_READY	 (-203)

/* Metric reasons that are no drops of a packet. */
#define REASON_FORWARDED	   0
#define REASON_PLAINTEXT	   3
#define REASON_LB_NO_BACKEND_SLOT  5
#define REASON_LB_NO_BACKEND	   6
#define REASON_LB_REVNAT_UPDATE	   7
#define REASON_LB_REVNAT_STALE	   8
#define REASON_FRAG_PACKET	   9
#define REASON_FRAG_PACKET_UPDATE  10
