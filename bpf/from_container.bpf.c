// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of the host side of every pod's veth: packets that a pod sends. */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/arp.h"
#include "lib/deliver.h"
#include "lib/encap.h"
#include "lib/hairpin.h"
#include "lib/ndp.h"
#include "lib/reject.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Where a packet goes: to a pod or address of this node, to what the ipcache knows, or, both NULL, to the world. */
struct destination {
	struct endpoint_info *local;
	struct remote_endpoint_info *remote;
};

static __always_inline void destination_find(struct packet *pkt, struct destination *to)
{
	to->remote = NULL;
	to->local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (to->local) {
		pkt->dst_identity = endpoint_is_host(to->local) ? IDENTITY_HOST : to->local->sec_id;
		return;
	}
	to->remote = ipcache_lookup(&pkt->daddr, pkt->family);
	pkt->dst_identity = remote_identity(to->remote, pkt->family);
}

/* Conntrack and policy of the sender; `rev_nat_index` is not zero when the packet was just load-balanced. */
static __always_inline int endpoint_egress(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	struct ct_birth birth = { .rev_nat_index = rev_nat_index };
	int ret;

	ret = ct_lookup(skb, pkt, CT_EGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state == CT_REPLY || pkt->ct_state == CT_RELATED)
		return 0;
	ret = policy_check_connection(skb, pkt, pkt->source, pkt->dst_identity, true);
	if (ret < 0)
		return ret;
	/* The same ports to the same backend, now over the Service and then direct or the other way round: the old entry
	 * would give the replies the wrong source. */
	if (pkt->ct_state == CT_NEW || pkt->ct_rev_nat_index != rev_nat_index)
		return ct_create(pkt, skb->len, CT_EGRESS, &birth);
	if (ret != POLICY_AS_REMEMBERED)
		ct_remember_policy(pkt, CT_EGRESS);
	return 0;
}

static __always_inline int from_container(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *sender;
	struct destination to;
	__u16 rev_nat_index = 0;
	int ret;

	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	if (packet_is_ip6(pkt) && (packet_is_nd(pkt) || packet_is_mld(pkt)))
		return ndp_handle(skb, pkt);
	sender = endpoint_lookup(&pkt->saddr, pkt->family);
	if (!sender || sender->ifindex != skb->ifindex)
		return DROP_AT(pkt, DROP_INVALID_SIP);
	pkt->source = sender->lxc_id;
	pkt->src_identity = sender->sec_id;
	/* The receiving node believes the identity in the VNI. */
	if (pkt->proto == IPPROTO_UDP && pkt->dport == config.tunnel_port)
		return DROP_AT(pkt, DROP_ENCAP_PROHIBITED);

	*trace_point = TRACE_TO_LXC;
	if (packet_is_hairpin_reply(pkt))
		return hairpin_reply(skb, pkt, sender);
	destination_find(pkt, &to);
	/* A pod's address is no Service's: most packets are spared the look-up. */
	if (!endpoint_is_pod(to.local) && !identity_is_pod(pkt->dst_identity)) {
		ret = service_translate(skb, pkt, &rev_nat_index);
		if (ret == DROP_NO_SERVICE && config.no_backend_reject)
			return reject_packet(skb, pkt);
		if (ret)
			return ret;
		if (rev_nat_index && ip_equal(&pkt->daddr, &pkt->saddr))
			return hairpin_forward(skb, pkt, sender, rev_nat_index);
		if (rev_nat_index)
			destination_find(pkt, &to);
		else if (identity_is_world(pkt->dst_identity) && service_owns_address(pkt))
			return DROP_AT(pkt, DROP_NO_SERVICE);
	}
	ret = endpoint_egress(skb, pkt, rev_nat_index);
	if (ret)
		return ret;

	if (endpoint_is_pod(to.local))
		return deliver_to_endpoint(skb, pkt, to.local, false);
	if (to.local) {
		*trace_point = TRACE_TO_HOST;
		return deliver_to_host(skb, pkt);
	}
	if (remote_is_tunnelled(to.remote)) {
		*trace_point = TRACE_TO_OVERLAY;
		return encap_redirect(skb, pkt, to.remote);
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

	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		pkt.family = FAMILY_IPV4;
		verdict = from_container(skb, &pkt, &trace_point);
		break;
	case FAMILY_IPV6:
		pkt.family = FAMILY_IPV6;
		verdict = from_container(skb, &pkt, &trace_point);
		break;
	default:
		verdict = skb->protocol == bpf_htons(ETH_P_ARP) ? arp_respond(skb, &pkt) :
								  DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, trace_point);
}
