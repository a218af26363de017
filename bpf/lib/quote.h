/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "deliver.h"
#include "dsr.h"
#include "nat_error.h"

/* ICMP errors about connections to a Service quote the frontend that was dialled: a socket knows no backend. */

/* The frontend that a pod's connection or one from outside has dialled, by a packet of its forward direction. */
static __always_inline bool dialled_frontend(const struct packet *forward, int dir, bool is_outside,
					     struct nat_end *frontend)
{
	struct ct_entry *entry = ct_find(ct_map(forward), forward, dir, false);

	if (!entry || entry->node_port != is_outside)
		return false;
	if (entry->rev_nat_index)
		return reverse_nat_lookup(entry->rev_nat_index, forward->family, &frontend->address, &frontend->port);
	return is_outside && config.dsr_dispatch && dsr_frontend_of(forward, false, frontend);
}

/* The receiver's side of an error that endpoint_ingress() has let through (NEXT_QUOTE): what it quotes becomes the packet that
 * the pod has sent. 0 or a drop reason. */
static __always_inline int quote_dialled(struct __sk_buff *skb, struct packet *pkt)
{
	struct nat_end frontend = {};
	struct packet quoted = {};
	int ret = packet_parse(skb, pkt);

	pkt->src_identity = skb->cb[0];
	pkt->source = skb->cb[1];
	pkt->ct_state = CT_RELATED;
	pkt->report = 1;
	if (ret || !packet_parse_quoted(skb, pkt, &quoted) || !dialled_frontend(&quoted, CT_EGRESS, false, &frontend))
		return ret;
	return nat_rewrite_error(skb, pkt, &quoted, SIDE_DESTINATION, &frontend);
}

static __always_inline void error_is_for(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *pod)
{
	pkt->dst_identity = pod->sec_id;
	pkt->dst_endpoint = pod->lxc_id;
	EVENTS_OF(skb, pod);
}

/* Hands an ICMP error to the pod whose packet it quotes: policy has allowed that one's connection. */
static __always_inline int error_to_pod(struct __sk_buff *skb, struct packet *pkt, const struct endpoint_info *pod)
{
	int ret;

	error_is_for(skb, pkt, pod);
	ret = packet_forward_l2_l3(skb, pkt, pod->node_mac, pod->mac);
	return ret ? ret : EXIT_AT(pkt, bpf_redirect_peer(pod->ifindex, 0));
}

/* A step of every program that delivers to pods from an ingress hook. */
static __always_inline int quote_and_deliver(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *pod;
	int ret = quote_dialled(skb, pkt);

	if (ret)
		return ret;
	pod = endpoint_lookup(&pkt->daddr, pkt->family);
	*trace_point = TRACE_TO_LXC;
	return pod ? error_to_pod(skb, pkt, pod) : DROP_AT(pkt, DROP_UNROUTABLE);
}
