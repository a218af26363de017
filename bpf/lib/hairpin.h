/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "deliver.h"

/* A Service may choose the very pod that dials it. The pod's stack takes a packet from its own address for a martian
 * and drops it, so it sees HAIRPIN_ADDRESS4 as its peer. One conntrack entry serves both directions; no policy stands
 * between a pod and itself. */

static __always_inline int hairpin_deliver4(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *ep)
{
	int ret = packet_forward_l2_l3(skb, pkt, ep->node_mac, ep->mac);

	if (ret)
		return ret;
	return EXIT_AT(pkt, bpf_redirect_peer(ep->ifindex, 0));
}

/* A packet that the pod sent to a Service and that has got the pod's own address. A redirect verdict or a drop
 * reason. */
static __always_inline int hairpin_forward4(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *ep,
					    __u16 rev_nat_index)
{
	int ret;

	pkt->orig_addr = pkt->saddr;
	pkt->saddr = HAIRPIN_ADDRESS4;
	ret = packet_rewrite4(skb, pkt, offsetof(struct iphdr, saddr), pkt->orig_addr, pkt->saddr,
			      offsetof(struct tcphdr, source), pkt->sport, pkt->sport);
	if (ret)
		return ret;
	ret = ct_lookup4(skb, pkt, CT_INGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state == CT_NEW || pkt->ct_rev_nat_index != rev_nat_index) {
		ret = ct_create4(pkt, skb->len, CT_INGRESS, rev_nat_index, false);
		if (ret)
			return ret;
	}
	return hairpin_deliver4(skb, pkt, ep);
}

/* The pod's answer to itself: from the frontend that it dialled. A redirect verdict or a drop reason. */
static __always_inline int hairpin_reply4(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *ep)
{
	__be32 own_address = pkt->saddr;
	int ret;

	ret = ct_lookup4(skb, pkt, CT_EGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state != CT_REPLY || !pkt->ct_rev_nat_index)
		return DROP_AT(pkt, DROP_UNROUTABLE);
	ret = service_reverse_nat4(skb, pkt, pkt->ct_rev_nat_index);
	if (ret)
		return ret;
	pkt->daddr = own_address;
	ret = packet_rewrite4(skb, pkt, offsetof(struct iphdr, daddr), HAIRPIN_ADDRESS4, pkt->daddr,
			      offsetof(struct tcphdr, dest), pkt->dport, pkt->dport);
	if (ret)
		return ret;
	return hairpin_deliver4(skb, pkt, ep);
}
