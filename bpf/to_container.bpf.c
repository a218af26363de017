// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx egress of the host side of every pod's veth: packets that the node's stack delivers (host processes, foreign
 * DNAT, the plain-stack fallback). What other programs deliver by redirect_peer does not pass here. */
#include "lib/quote.h"
#include "lib/ndp.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int to_container(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct ct_birth birth = {};
	struct endpoint_info *ep;
	int ret;

	*trace_point = TRACE_TO_LXC;
	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	if (packet_is_ip6(pkt) && (packet_is_nd(pkt) || packet_is_mld(pkt)))
		return EXIT_AT(pkt, VERDICT_PASS);
	ep = endpoint_lookup(&pkt->daddr, pkt->family);
	if (!ep || ep->ifindex != skb->ifindex)
		return DROP_AT(pkt, DROP_UNROUTABLE);
	pkt->src_identity = identity_from_mark(skb->mark);
	if (!pkt->src_identity)
		pkt->src_identity = remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
	ret = endpoint_ingress(skb, pkt, ep, &birth);
	return ret ? ret : EXIT_AT(pkt, VERDICT_PASS);
}

/* An error from the node itself, or one that its stack has forwarded. */
static __always_inline int to_sender(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *ep;
	int ret = quote_dialled(skb, pkt);

	if (ret)
		return ret;
	ep = endpoint_lookup(&pkt->daddr, pkt->family);
	if (ep)
		error_is_for(skb, pkt, ep);
	*trace_point = TRACE_TO_LXC;
	return EXIT_AT(pkt, VERDICT_PASS);
}

STEP(lxc_arrive, to_container, METRIC_INGRESS)
STEP(lxc_quote, to_sender, METRIC_INGRESS)

__attribute__((noinline)) int lxc_other(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS };
	int verdict = skb->protocol == bpf_htons(ETH_P_ARP) ? EXIT_AT(&pkt, VERDICT_PASS) : DROP_AT(&pkt, DROP_UNKNOWN_L3);

	return packet_exit(skb, &pkt, verdict, TRACE_TO_LXC);
}

#define LXC_STEPS(version)                                                                                             \
	({                                                                                                             \
		int way = lxc_arrive##version(skb);                                                                    \
                                                                                                                       \
		way == NEXT_QUOTE ? lxc_quote##version(skb) : way;                                                     \
	})

SEC("tc")
int cts_lxc_egress(struct __sk_buff *skb)
{
	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		return LXC_STEPS(4);
	case FAMILY_IPV6:
		return LXC_STEPS(6);
	default:
		return lxc_other(skb);
	}
}
