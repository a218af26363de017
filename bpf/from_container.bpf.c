// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of the host side of every pod's veth: packets that a pod sends. */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/arp.h"
#include "lib/deliver.h"
#include "lib/encap.h"
#include "lib/hairpin.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Where a packet goes: to a pod or address of this node, to what the ipcache knows, or, both NULL, to the world. */
struct destination {
	struct endpoint_info *local;
	struct remote_endpoint_info *remote;
};

static __always_inline void destination_find4(struct packet *pkt, struct destination *to)
{
	to->remote = NULL;
	to->local = endpoint_lookup4(pkt->daddr);
	if (to->local) {
		pkt->dst_identity = endpoint_is_host(to->local) ? IDENTITY_HOST : to->local->sec_id;
		return;
	}
	to->remote = ipcache_lookup4(pkt->daddr);
	pkt->dst_identity = remote_identity(to->remote);
}

/* Conntrack and policy of the sender; `rev_nat_index` is not zero when the packet was just load-balanced. */
static __always_inline int endpoint_egress4(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	int ret;

	ret = ct_lookup4(skb, pkt, CT_EGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state == CT_REPLY || pkt->ct_state == CT_RELATED)
		return 0;
	ret = policy_check_connection(pkt, pkt->source, pkt->dst_identity, true);
	if (ret < 0)
		return ret;
	/* The same ports to the same backend, now over the Service and then direct or the other way round: the old entry
	 * would give the replies the wrong source. */
	if (pkt->ct_state == CT_NEW || pkt->ct_rev_nat_index != rev_nat_index)
		return ct_create4(pkt, skb->len, CT_EGRESS, rev_nat_index, false);
	if (ret != POLICY_AS_REMEMBERED)
		ct_remember_policy4(pkt, CT_EGRESS);
	return 0;
}

static __always_inline int from_container4(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *sender;
	struct destination to;
	__u16 rev_nat_index = 0;
	int ret;

	ret = packet_parse4(skb, pkt);
	if (ret)
		return ret;
	sender = endpoint_lookup4(pkt->saddr);
	if (!sender || sender->ifindex != skb->ifindex)
		return DROP_AT(pkt, DROP_INVALID_SIP);
	pkt->source = sender->lxc_id;
	pkt->src_identity = sender->sec_id;
	/* The receiving node believes the identity in the VNI. */
	if (pkt->proto == IPPROTO_UDP && pkt->dport == config.tunnel_port)
		return DROP_AT(pkt, DROP_ENCAP_PROHIBITED);

	*trace_point = TRACE_TO_LXC;
	if (pkt->daddr == HAIRPIN_ADDRESS4)
		return hairpin_reply4(skb, pkt, sender);
	destination_find4(pkt, &to);
	/* A pod's address is no Service's: most packets are spared the look-up. */
	if (!endpoint_is_pod(to.local) && !identity_is_pod(pkt->dst_identity)) {
		ret = service_translate4(skb, pkt, &rev_nat_index);
		if (ret)
			return ret;
		if (rev_nat_index && pkt->daddr == pkt->saddr)
			return hairpin_forward4(skb, pkt, sender, rev_nat_index);
		if (rev_nat_index)
			destination_find4(pkt, &to);
		else if (pkt->dst_identity == IDENTITY_WORLD && service_owns_address4(pkt->daddr))
			return DROP_AT(pkt, DROP_NO_SERVICE);
	}
	ret = endpoint_egress4(skb, pkt, rev_nat_index);
	if (ret)
		return ret;

	if (endpoint_is_pod(to.local))
		return deliver_to_endpoint4(skb, pkt, to.local, false);
	if (to.local) {
		*trace_point = TRACE_TO_HOST;
		return deliver_to_host4(skb, pkt);
	}
	if (remote_is_tunnelled(to.remote)) {
		*trace_point = TRACE_TO_OVERLAY;
		return encap_redirect4(skb, pkt, to.remote->tunnel_endpoint.ip4);
	}
	*trace_point = TRACE_TO_STACK;
	return EXIT_AT(pkt, VERDICT_PASS);
}

SEC("tc")
int cts_lxc_ingress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_EGRESS };
	__u8 trace_point = TRACE_NONE;
	int verdict;

	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		verdict = from_container4(skb, &pkt, &trace_point);
		break;
	case bpf_htons(ETH_P_ARP):
		verdict = arp_respond(skb, &pkt);
		break;
	default:
		verdict = DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, trace_point);
}
