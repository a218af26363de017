/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <linux/types.h>

/* Ids of the files that can drop or forward a packet, for the metrics map and drop events.
 * Upstream's ids end at 117; ours start at 200 so that a reader never confuses the two. Never renumbered. */
#define CTS_FILE_FROM_CONTAINER	200 /* from_container.bpf.c */
#define CTS_FILE_TO_CONTAINER	201 /* to_container.bpf.c */
#define CTS_FILE_FROM_OVERLAY	202 /* from_overlay.bpf.c */
#define CTS_FILE_FROM_HOST	203 /* from_host.bpf.c */
#define CTS_FILE_TO_HOST	204 /* to_host.bpf.c */
#define CTS_FILE_SOCK4		205 /* sock4.bpf.c */
#define CTS_FILE_FROM_NETDEV	206 /* from_netdev.bpf.c */
#define CTS_FILE_TO_NETDEV	207 /* to_netdev.bpf.c */
#define CTS_FILE_XDP		208 /* xdp.bpf.c */
#define CTS_FILE_PACKET		210 /* packet.h */
#define CTS_FILE_FRAGMENT	211 /* fragment.h */
#define CTS_FILE_CONNTRACK	212 /* conntrack.h */
#define CTS_FILE_SERVICE	213 /* service.h */
#define CTS_FILE_POLICY		214 /* policy.h */
#define CTS_FILE_ENCAP		215 /* encap.h */
#define CTS_FILE_DELIVER	216 /* deliver.h */
#define CTS_FILE_ARP		217 /* arp.h */
#define CTS_FILE_SOCK_LB	218 /* sock_lb.h */
#define CTS_FILE_PARSE		219 /* parse.h */
#define CTS_FILE_HAIRPIN	220 /* hairpin.h */
#define CTS_FILE_PARSE_L4	221 /* parse_l4.h */
#define CTS_FILE_REWRITE	222 /* rewrite.h */
#define CTS_FILE_NDP		223 /* ndp.h */
#define CTS_FILE_SOCK6		230 /* sock6.bpf.c */
#define CTS_FILE_ICMP_ERROR	231 /* icmp_error.h */
#define CTS_FILE_NAT		232 /* nat.h */
#define CTS_FILE_FIB		233 /* fib.h */
#define CTS_FILE_NODEPORT	234 /* nodeport.h */
#define CTS_FILE_MASQUERADE	235 /* masquerade.h */
#define CTS_FILE_NAT_ERROR	236 /* nat_error.h */
#define CTS_FILE_DSR		237 /* dsr.h */
#define CTS_FILE_IPIP		238 /* ipip.h */
#define CTS_FILE_QUOTE		239 /* quote.h */

/* clang folds the comparisons of two literals: no string reaches the object. */
static __always_inline __u8 source_file_id(const char *name)
{
#define CTS_FILE_MATCH(literal, id)                                                                                    \
	if (!__builtin_strcmp(name, literal))                                                                          \
		return id;
	CTS_FILE_MATCH("from_container.bpf.c", CTS_FILE_FROM_CONTAINER)
	CTS_FILE_MATCH("to_container.bpf.c", CTS_FILE_TO_CONTAINER)
	CTS_FILE_MATCH("from_overlay.bpf.c", CTS_FILE_FROM_OVERLAY)
	CTS_FILE_MATCH("from_host.bpf.c", CTS_FILE_FROM_HOST)
	CTS_FILE_MATCH("to_host.bpf.c", CTS_FILE_TO_HOST)
	CTS_FILE_MATCH("sock4.bpf.c", CTS_FILE_SOCK4)
	CTS_FILE_MATCH("packet.h", CTS_FILE_PACKET)
	CTS_FILE_MATCH("fragment.h", CTS_FILE_FRAGMENT)
	CTS_FILE_MATCH("conntrack.h", CTS_FILE_CONNTRACK)
	CTS_FILE_MATCH("service.h", CTS_FILE_SERVICE)
	CTS_FILE_MATCH("policy.h", CTS_FILE_POLICY)
	CTS_FILE_MATCH("encap.h", CTS_FILE_ENCAP)
	CTS_FILE_MATCH("deliver.h", CTS_FILE_DELIVER)
	CTS_FILE_MATCH("arp.h", CTS_FILE_ARP)
	CTS_FILE_MATCH("sock_lb.h", CTS_FILE_SOCK_LB)
	CTS_FILE_MATCH("parse.h", CTS_FILE_PARSE)
	CTS_FILE_MATCH("hairpin.h", CTS_FILE_HAIRPIN)
	CTS_FILE_MATCH("parse_l4.h", CTS_FILE_PARSE_L4)
	CTS_FILE_MATCH("rewrite.h", CTS_FILE_REWRITE)
	CTS_FILE_MATCH("ndp.h", CTS_FILE_NDP)
	CTS_FILE_MATCH("sock6.bpf.c", CTS_FILE_SOCK6)
	CTS_FILE_MATCH("icmp_error.h", CTS_FILE_ICMP_ERROR)
	CTS_FILE_MATCH("from_netdev.bpf.c", CTS_FILE_FROM_NETDEV)
	CTS_FILE_MATCH("to_netdev.bpf.c", CTS_FILE_TO_NETDEV)
	CTS_FILE_MATCH("xdp.bpf.c", CTS_FILE_XDP)
	CTS_FILE_MATCH("nat.h", CTS_FILE_NAT)
	CTS_FILE_MATCH("fib.h", CTS_FILE_FIB)
	CTS_FILE_MATCH("nodeport.h", CTS_FILE_NODEPORT)
	CTS_FILE_MATCH("masquerade.h", CTS_FILE_MASQUERADE)
	CTS_FILE_MATCH("nat_error.h", CTS_FILE_NAT_ERROR)
	CTS_FILE_MATCH("dsr.h", CTS_FILE_DSR)
	CTS_FILE_MATCH("ipip.h", CTS_FILE_IPIP)
	CTS_FILE_MATCH("quote.h", CTS_FILE_QUOTE)
#undef CTS_FILE_MATCH
	return 0;
}

#define THIS_SOURCE_FILE source_file_id(__FILE_NAME__)
