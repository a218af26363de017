/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "deliver.h"

/* A Service may choose the very pod that dials it. The pod's stack takes a packet from its own address for a martian
 * and drops it, so it sees another address as its peer. One conntrack entry serves both directions; no policy stands
 * between a pod and itself. */

static __always_inline union ip_address hairpin_address(__u8 family)
{
	union ip_address address = {};

	if (family == FAMILY_IPV6) {
		for (int i = 0; i < 4; i++)
			address.words[i] = config.service_loopback_ipv6[i];
	} else {
		address.ip4 = config.service_loopback_ipv4;
	}
	return address;
}

static __always_inline bool packet_is_hairpin_reply(const struct packet *pkt)
{
	union ip_address address = hairpin_address(pkt->family);

	return ip_equal(&pkt->daddr, &address);
}

static __always_inline int hairpin_deliver(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *ep)
{
	int ret = packet_forward_l2_l3(skb, pkt, ep->node_mac, ep->mac);

	if (ret)
		return ret;
	return EXIT_AT(pkt, bpf_redirect_peer(ep->ifindex, 0));
}

/* A packet that the pod sent to a Service and that has got the pod's own address. A redirect verdict or a drop
 * reason. */
static __always_inline int hairpin_forward(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *ep,
					   __u16 rev_nat_index)
{
	struct ct_birth birth = { .rev_nat_index = rev_nat_index, .is_hairpin = true };
	union ip_address address = hairpin_address(pkt->family);
	int ret;

	pkt->orig_addr = pkt->saddr;
	ret = packet_rewrite(skb, pkt, SIDE_SOURCE, &address, pkt->sport);
	if (ret)
		return ret;
	ret = ct_lookup(skb, pkt, CT_INGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state == CT_NEW || pkt->ct_rev_nat_index != rev_nat_index) {
		ret = ct_create(pkt, skb->len, CT_INGRESS, &birth);
		if (ret)
			return ret;
	}
	return hairpin_deliver(skb, pkt, ep);
}

/* The pod's answer to itself: from the frontend that it dialled. A redirect verdict or a drop reason. */
static __always_inline int hairpin_reply(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *ep)
{
	union ip_address own_address = pkt->saddr;
	int ret;

	ret = ct_lookup(skb, pkt, CT_EGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state != CT_REPLY || !pkt->ct_rev_nat_index)
		return DROP_AT(pkt, DROP_UNROUTABLE);
	ret = service_reverse_nat(skb, pkt, pkt->ct_rev_nat_index);
	if (ret)
		return ret;
	ret = packet_rewrite(skb, pkt, SIDE_DESTINATION, &own_address, pkt->dport);
	if (ret)
		return ret;
	return hairpin_deliver(skb, pkt, ep);
}
