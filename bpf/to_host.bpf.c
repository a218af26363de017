// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of cilium_host (what our programs deliver to the node's stack) and of cilium_net (its peer, where
 * nothing should arrive: cilium_host's egress program redirects or drops every packet). */
#include "lib/step.h"
#include "lib/host_policy.h"
#include "lib/ndp.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int to_host(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret;

	pkt->dst_identity = IDENTITY_HOST;
	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	/* The stack's reports of its multicast groups on this link: nobody's lost packets. */
	if (packet_is_ip6(pkt) && packet_is_mld(pkt))
		return EXIT_AT(pkt, VERDICT_PASS);
	if (!endpoint_is_host(endpoint_lookup(&pkt->daddr, pkt->family)))
		return DROP_AT(pkt, DROP_UNKNOWN_TARGET);
	if (config.host_endpoint_id)
		ret = host_policy_ingress(skb, pkt);
	return ret ? ret : EXIT_AT(pkt, VERDICT_PASS);
}

STEP(host_arrive, to_host, METRIC_INGRESS)

__attribute__((noinline)) int host_other(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS, .dst_identity = IDENTITY_HOST };

	return packet_exit(skb, &pkt, DROP_AT(&pkt, DROP_UNKNOWN_L3), TRACE_NONE);
}

SEC("tc")
int cts_host_ingress(struct __sk_buff *skb)
{
	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		return host_arrive4(skb);
	case FAMILY_IPV6:
		return host_arrive6(skb);
	default:
		return host_other(skb);
	}
}
