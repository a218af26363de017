// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx egress of the host side of every pod's veth: packets that the node's stack delivers (host processes, foreign
 * DNAT, the plain-stack fallback). What other programs deliver by redirect_peer does not pass here. */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/deliver.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int to_container4(struct __sk_buff *skb, struct packet *pkt)
{
	struct endpoint_info *ep;
	int ret;

	ret = packet_parse4(skb, pkt);
	if (ret)
		return ret;
	ep = endpoint_lookup4(pkt->daddr);
	if (!ep || ep->ifindex != skb->ifindex)
		return DROP_AT(pkt, DROP_UNROUTABLE);
	pkt->src_identity = identity_from_mark(skb->mark);
	if (!pkt->src_identity)
		pkt->src_identity = remote_identity(ipcache_lookup4(pkt->saddr));
	ret = endpoint_ingress4(skb, pkt, ep, false);
	return ret ? ret : EXIT_AT(pkt, VERDICT_PASS);
}

SEC("tc")
int cts_lxc_egress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS };
	int verdict;

	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		verdict = to_container4(skb, &pkt);
		break;
	case bpf_htons(ETH_P_ARP):
		verdict = EXIT_AT(&pkt, VERDICT_PASS);
		break;
	default:
		verdict = DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, TRACE_TO_LXC);
}
