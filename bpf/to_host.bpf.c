// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of cilium_host (what our programs deliver to the node's stack) and of cilium_net (its peer, where
 * nothing should arrive: cilium_host's egress program redirects or drops every packet). */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/identity.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int to_host4(struct __sk_buff *skb, struct packet *pkt)
{
	int ret;

	ret = packet_parse4(skb, pkt);
	if (ret)
		return ret;
	if (!endpoint_is_host(endpoint_lookup4(pkt->daddr)))
		return DROP_AT(pkt, DROP_UNKNOWN_TARGET);
	return EXIT_AT(pkt, VERDICT_PASS);
}

SEC("tc")
int cts_host_ingress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS, .dst_identity = IDENTITY_HOST };
	int verdict;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		verdict = to_host4(skb, &pkt);
	else
		verdict = DROP_AT(&pkt, DROP_UNKNOWN_L3);
	return packet_exit(skb, &pkt, verdict, TRACE_NONE);
}
