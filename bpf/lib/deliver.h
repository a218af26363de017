/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "conntrack.h"
#include "identity.h"
#include "policy.h"
#include "service.h"
#include "step.h"

/* The ingress side of a local endpoint, shared by all who deliver to it: conntrack, policy, reverse NAT.
 * pkt->src_identity must be set. 0, a drop reason, or NEXT_QUOTE with what that step does not find out itself. */
static __always_inline int endpoint_ingress(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *ep,
					     const struct ct_birth *birth)
{
	int ret;

	pkt->direction = METRIC_INGRESS;
	pkt->dst_identity = ep->sec_id;
	pkt->dst_endpoint = ep->lxc_id;
	EVENTS_OF(skb, ep);
	ret = ct_lookup(skb, pkt, CT_INGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state == CT_RELATED) {
		skb->cb[0] = pkt->src_identity;
		skb->cb[1] = pkt->source;
		return NEXT_QUOTE;
	}
	if (pkt->ct_state == CT_REPLY)
		return pkt->ct_rev_nat_index ? service_reverse_nat(skb, pkt, pkt->ct_rev_nat_index) : 0;
	ret = policy_check_connection(skb, pkt, ep->lxc_id, pkt->src_identity, false);
	if (ret < 0)
		return ret;
	/* The same client on the same port, now over a node port and then direct or the other way round: the old entry would
	 * give the replies the wrong source. */
	if (pkt->ct_state == CT_NEW || pkt->ct_rev_nat_index != birth->rev_nat_index ||
	    (config.dsr_dispatch && pkt->ct_node_port != birth->node_port))
		return ct_create(pkt, skb->len, CT_INGRESS, birth);
	if (ret != POLICY_AS_REMEMBERED)
		ct_remember_policy(pkt, CT_INGRESS);
	return 0;
}

/* Hands the packet to a local endpoint from an ingress hook, past the host's stack and the veth's egress hook.
 * A redirect verdict, a drop reason or NEXT_QUOTE. */
static __always_inline int deliver_to_endpoint(struct __sk_buff *skb, struct packet *pkt,
						const struct endpoint_info *ep, const struct ct_birth *birth)
{
	int ret;

	ret = endpoint_ingress(skb, pkt, ep, birth);
	if (ret)
		return ret;
	ret = packet_forward_l2_l3(skb, pkt, ep->node_mac, ep->mac);
	if (ret)
		return ret;
	return EXIT_AT(pkt, bpf_redirect_peer(ep->ifindex, 0));
}

/* Hands the packet to this node's own stack, as if it had come in through cilium_host: its routes to pods point there,
 * so reverse-path filters agree. A redirect verdict or a drop reason. */
static __always_inline int deliver_to_host(struct __sk_buff *skb, struct packet *pkt)
{
	__u8 mac[ETH_ALEN];

	/* Byte by byte: memcpy would drop the volatile, and the compiler take the zeros of the declaration. */
	for (int i = 0; i < ETH_ALEN; i++)
		mac[i] = config.host_mac[i];
	if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_dest), mac, ETH_ALEN, 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return EXIT_AT(pkt, bpf_redirect(config.host_ifindex, BPF_F_INGRESS));
}
