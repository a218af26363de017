// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx egress of cilium_host: packets that the node's stack routes to pods, here or on other nodes. */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/deliver.h"
#include "lib/encap.h"
#include "lib/ndp.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* HOST for the node's own addresses; what the node forwards for others keeps its identity. */
static __always_inline __u32 sender_identity(const struct packet *pkt)
{
	if (endpoint_is_host(endpoint_lookup(&pkt->saddr, pkt->family)))
		return IDENTITY_HOST;
	return remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
}

static __always_inline int from_host(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct remote_endpoint_info *remote;
	struct endpoint_info *local;
	int ret;

	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	/* The stack's reports of its multicast groups on this link: nobody's lost packets. */
	if (packet_is_ip6(pkt) && packet_is_mld(pkt))
		return EXIT_AT(pkt, VERDICT_PASS);
	pkt->src_identity = sender_identity(pkt);
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (endpoint_is_pod(local)) {
		pkt->dst_identity = local->sec_id;
		ret = packet_forward_l2_l3(skb, pkt, local->node_mac, local->mac);
		if (ret)
			return ret;
		/* redirect_peer works from ingress hooks only: the veth's egress program does the rest. */
		skb->mark = mark_from_identity(pkt->src_identity);
		return EXIT_AT(pkt, bpf_redirect(local->ifindex, 0));
	}
	remote = ipcache_lookup(&pkt->daddr, pkt->family);
	if (remote_is_tunnelled(remote)) {
		*trace_point = TRACE_TO_OVERLAY;
		pkt->dst_identity = remote->sec_identity;
		pkt->report = 1;
		return encap_redirect(skb, pkt, remote);
	}
	return DROP_AT(pkt, DROP_UNROUTABLE);
}

SEC("tc")
int cts_host_egress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_EGRESS };
	__u8 trace_point = TRACE_NONE;
	int verdict;

	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		pkt.family = FAMILY_IPV4;
		verdict = from_host(skb, &pkt, &trace_point);
		break;
	case FAMILY_IPV6:
		pkt.family = FAMILY_IPV6;
		verdict = from_host(skb, &pkt, &trace_point);
		break;
	default:
		verdict = DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, trace_point);
}
