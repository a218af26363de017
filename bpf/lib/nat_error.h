/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "nat.h"

/* ICMP errors about translated packets: what they quote is translated as well, or nobody would know what they are about
 * (RFC 5508). */

/* Bytes from the ICMP header's start to the quoted packet. */
#define ICMP_QUOTE_OFFSET sizeof(struct icmp_header)

/* The ICMP checksum after a change of the quoted packet, and for IPv6 of the address in the pseudo-header as well. IPv4's own
 * header checksum makes up for the address in it. */
static __always_inline int nat_fix_error_csum(struct __sk_buff *skb, struct packet *pkt, union ip_address old_addr,
					      union ip_address new_addr, bool is_outer_too)
{
	__u32 csum = pkt->l4_offset + ICMP_CSUM_OFFSET;
	__s64 diff;

	if (!packet_is_ip6(pkt))
		return 0;
	diff = bpf_csum_diff(old_addr.words, sizeof(old_addr), new_addr.words, sizeof(new_addr), 0);
	if (bpf_l4_csum_replace(skb, csum, 0, diff, 0) ||
	    (is_outer_too && bpf_l4_csum_replace(skb, csum, 0, diff, csum_pseudo_ip6())))
		return DROP_AT(pkt, DROP_CSUM_L4);
	return 0;
}

static __always_inline int nat_write_quoted(struct __sk_buff *skb, struct packet *pkt, const struct packet *quoted, int side,
					    union ip_address old_addr, const struct nat_end *to)
{
	__u32 quote = pkt->l4_offset + ICMP_QUOTE_OFFSET, offset;

	if (packet_is_ip6(pkt)) {
		offset = side == SIDE_SOURCE ? offsetof(struct ipv6_header, saddr) : offsetof(struct ipv6_header, daddr);
		if (bpf_skb_store_bytes(skb, quote + offset, &to->address, sizeof(to->address), 0))
			return DROP_AT(pkt, DROP_WRITE_ERROR);
	} else {
		offset = side == SIDE_SOURCE ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
		if (bpf_l3_csum_replace(skb, quote + offsetof(struct iphdr, check), old_addr.ip4, to->address.ip4, 4) ||
		    bpf_skb_store_bytes(skb, quote + offset, &to->address.ip4, sizeof(to->address.ip4), 0))
			return DROP_AT(pkt, DROP_WRITE_ERROR);
	}
	offset = side == SIDE_SOURCE ? offsetof(struct tcphdr, source) : offsetof(struct tcphdr, dest);
	if (packet_is_icmp(quoted))
		offset = ICMP_ID_OFFSET;
	if (bpf_skb_store_bytes(skb, quoted->l4_offset + offset, &to->port, sizeof(to->port), 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return 0;
}

/* Gives `side` of the quoted packet another address and port, and the error itself that address where it has the old one on
 * its other side: an error goes to whoever sent what it quotes, and may come from whoever should have got it. */
static __noinline int nat_rewrite_error(struct __sk_buff *skb, struct packet *pkt, struct packet *quoted, int side,
					const struct nat_end *to)
{
	union ip_address *inner = side == SIDE_SOURCE ? &quoted->saddr : &quoted->daddr;
	union ip_address *outer = side == SIDE_SOURCE ? &pkt->daddr : &pkt->saddr;
	__be16 *port = side == SIDE_SOURCE ? &quoted->sport : &quoted->dport;
	bool is_outer_too = ip_equal(inner, outer);
	int ret;

	ret = nat_fix_error_csum(skb, pkt, *inner, to->address, is_outer_too);
	if (ret)
		return ret;
	if (bpf_l4_csum_replace(skb, pkt->l4_offset + ICMP_CSUM_OFFSET, *port, to->port, 2))
		return DROP_AT(pkt, DROP_CSUM_L4);
	ret = nat_write_quoted(skb, pkt, quoted, side, *inner, to);
	if (ret)
		return ret;
	*inner = to->address;
	*port = to->port;
	if (!is_outer_too)
		return 0;
	ret = packet_write_address(skb, pkt, side == SIDE_SOURCE ? SIDE_DESTINATION : SIDE_SOURCE, *outer, to->address);
	*outer = to->address;
	return ret;
}

/* An error that came to an address of this node about a packet that left with a translated source. True with the
 * connection's own end in `origin`. */
static __always_inline bool nat_find_quoted_origin(struct __sk_buff *skb, const struct packet *pkt, struct packet *quoted,
						   struct nat_end *origin)
{
	struct nat_end source;
	union ct_key key;

	if (!packet_parse_quoted(skb, pkt, quoted) || !packet_can_nat(quoted) || !ip_equal(&quoted->saddr, &pkt->daddr))
		return false;
	source.address = quoted->saddr;
	source.port = quoted->sport;
	nat_reply_key(&key, quoted, &source);
	return nat_find(quoted, &key, origin);
}
