// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of cilium_host (what our programs deliver to the node's stack) and of cilium_net (its peer, where
 * nothing should arrive: cilium_host's egress program redirects or drops every packet). */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/identity.h"
#include "lib/ndp.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int to_host(struct __sk_buff *skb, struct packet *pkt)
{
	int ret;

	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	/* The stack's reports of its multicast groups on this link: nobody's lost packets. */
	if (packet_is_ip6(pkt) && packet_is_mld(pkt))
		return EXIT_AT(pkt, VERDICT_PASS);
	if (!endpoint_is_host(endpoint_lookup(&pkt->daddr, pkt->family)))
		return DROP_AT(pkt, DROP_UNKNOWN_TARGET);
	return EXIT_AT(pkt, VERDICT_PASS);
}

SEC("tc")
int cts_host_ingress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS, .dst_identity = IDENTITY_HOST };
	int verdict;

	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		pkt.family = FAMILY_IPV4;
		verdict = to_host(skb, &pkt);
		break;
	case FAMILY_IPV6:
		pkt.family = FAMILY_IPV6;
		verdict = to_host(skb, &pkt);
		break;
	default:
		verdict = DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, TRACE_NONE);
}
