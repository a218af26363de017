// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx egress of cilium_host: packets that the node's stack routes to pods, here or on other nodes. */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/deliver.h"
#include "lib/encap.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* HOST for the node's own addresses; what the node forwards for others keeps its identity. */
static __always_inline __u32 sender_identity4(const struct packet *pkt)
{
	if (endpoint_is_host(endpoint_lookup4(pkt->saddr)))
		return IDENTITY_HOST;
	return remote_identity(ipcache_lookup4(pkt->saddr));
}

static __always_inline int from_host4(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct remote_endpoint_info *remote;
	struct endpoint_info *local;
	int ret;

	ret = packet_parse4(skb, pkt);
	if (ret)
		return ret;
	pkt->src_identity = sender_identity4(pkt);
	local = endpoint_lookup4(pkt->daddr);
	if (endpoint_is_pod(local)) {
		pkt->dst_identity = local->sec_id;
		ret = packet_forward_l2_l3(skb, pkt, local->node_mac, local->mac);
		if (ret)
			return ret;
		/* redirect_peer works from ingress hooks only: the veth's egress program does the rest. */
		skb->mark = mark_from_identity(pkt->src_identity);
		return EXIT_AT(pkt, bpf_redirect(local->ifindex, 0));
	}
	remote = ipcache_lookup4(pkt->daddr);
	if (remote_is_tunnelled(remote)) {
		*trace_point = TRACE_TO_OVERLAY;
		pkt->dst_identity = remote->sec_identity;
		pkt->report = 1;
		return encap_redirect4(skb, pkt, remote->tunnel_endpoint.ip4);
	}
	return DROP_AT(pkt, DROP_UNROUTABLE);
}

SEC("tc")
int cts_host_egress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_EGRESS };
	__u8 trace_point = TRACE_NONE;
	int verdict;

	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		verdict = from_host4(skb, &pkt, &trace_point);
		break;
	default:
		verdict = DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, trace_point);
}
