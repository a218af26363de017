/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "exit.h"
#include "packet.h"

#define AF_INET_  2
#define AF_INET6_ 10

/* What the node's routes are asked for a packet that came in by a device. `wire_bytes`, from the IP header on, are compared
 * with the route's MTU; without them it is the device's. */
static __always_inline struct bpf_fib_lookup fib_question(const struct packet *pkt, __u32 ifindex, __u32 wire_bytes)
{
	struct bpf_fib_lookup fib = {
		.family = packet_is_ip6(pkt) ? AF_INET6_ : AF_INET_,
		.l4_protocol = pkt->proto,
		.ifindex = ifindex,
		.tot_len = wire_bytes,
	};

	if (packet_is_ip6(pkt)) {
		__builtin_memcpy(fib.ipv6_src, &pkt->saddr, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, &pkt->daddr, sizeof(fib.ipv6_dst));
	} else {
		fib.ipv4_src = pkt->saddr.ip4;
		fib.ipv4_dst = pkt->daddr.ip4;
	}
	return fib;
}

/* What every path takes: RFC 791 3.1, RFC 8200 5. */
#define IPV4_MIN_MTU 576
#define IPV6_MIN_MTU 1280

static __always_inline bool packet_may_exceed(const struct __sk_buff *skb, __u8 family)
{
	return skb->len > ETH_HLEN + (family == FAMILY_IPV6 ? IPV6_MIN_MTU : IPV4_MIN_MTU);
}

/* The bytes that fit where the packet and so many more are too large for the route to `destination`, else 0. */
static __always_inline __u32 fib_exceeded_mtu(struct __sk_buff *skb, const struct packet *pkt,
					      const union ip_address *destination, __u32 more)
{
	__u32 bytes = packet_wire_bytes(skb, pkt) + more;
	struct bpf_fib_lookup fib = fib_question(pkt, skb->ifindex, bytes);

	if (packet_is_ip6(pkt))
		__builtin_memcpy(fib.ipv6_dst, destination, sizeof(fib.ipv6_dst));
	else
		fib.ipv4_dst = destination->ip4;
	if (bpf_fib_lookup(skb, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return 0;
	/* Before Linux 5.12 the answer is what was asked. */
	if (fib.mtu_result >= bytes || fib.mtu_result <= more)
		return packet_is_ip6(pkt) ? IPV6_MIN_MTU : IPV4_MIN_MTU;
	return fib.mtu_result - more;
}

/* Sends the packet where the node's routes say, past the rest of its stack: neighbours are resolved by the kernel. What it
 * would not forward (no route, too large, TTL at its end) is VERDICT_PASS: the stack says so to the sender. A redirect
 * verdict, VERDICT_PASS or a drop reason. */
static __always_inline int fib_redirect(struct __sk_buff *skb, struct packet *pkt)
{
	struct bpf_fib_lookup fib = fib_question(pkt, skb->ifindex, packet_wire_bytes(skb, pkt));
	struct bpf_redir_neigh next = {};
	int ret;

	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (ret != BPF_FIB_LKUP_RET_SUCCESS && ret != BPF_FIB_LKUP_RET_NO_NEIGH) {
		pkt->exit_error = ret;
		return EXIT_AT(pkt, VERDICT_PASS);
	}
	next.nh_family = fib.family;
	__builtin_memcpy(next.ipv6_nh, fib.ipv6_dst, sizeof(next.ipv6_nh));
	ret = packet_decrement_ttl(skb, pkt);
	if (ret)
		return ret == DROP_TTL_EXCEEDED ? EXIT_AT(pkt, VERDICT_PASS) : ret;
	return EXIT_AT(pkt, bpf_redirect_neigh(fib.ifindex, &next, sizeof(next), 0));
}
