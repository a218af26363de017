// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx egress of cilium_host: packets that the node's stack routes to pods, here or on other nodes. */
#include "lib/step.h"
#include "lib/deliver.h"
#include "lib/encap.h"
#include "lib/host_policy.h"
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

#define NEXT_ROUTE STEP_NEXT

/* What the node itself sends, by its own policy. */
static __always_inline int from_host_own(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret;

	/* What cannot be read is dropped by the next step. */
	if (packet_parse(skb, pkt) || (packet_is_ip6(pkt) && (packet_is_nd(pkt) || packet_is_mld(pkt))))
		return NEXT_ROUTE;
	if (!endpoint_is_host(endpoint_lookup(&pkt->saddr, pkt->family)))
		return NEXT_ROUTE;
	ret = host_policy_egress(skb, pkt);
	return ret ? ret : NEXT_ROUTE;
}

STEP(host_own, from_host_own, METRIC_EGRESS)
STEP(host_route, from_host, METRIC_EGRESS)

__attribute__((noinline)) int host_other(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_EGRESS };

	return packet_exit(skb, &pkt, DROP_AT(&pkt, DROP_UNKNOWN_L3), TRACE_NONE);
}

#define HOST_LEAVE(version)                                                                                            \
	({                                                                                                             \
		int verdict = config.host_endpoint_id ? host_own##version(skb) : NEXT_ROUTE;                           \
                                                                                                                       \
		verdict == NEXT_ROUTE ? host_route##version(skb) : verdict;                                            \
	})

SEC("tc")
int cts_host_egress(struct __sk_buff *skb)
{
	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		return HOST_LEAVE(4);
	case FAMILY_IPV6:
		return HOST_LEAVE(6);
	default:
		return host_other(skb);
	}
}
