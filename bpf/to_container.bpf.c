// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx egress of the host side of every pod's veth: packets that the node's stack delivers (host processes, foreign
 * DNAT, the plain-stack fallback). What other programs deliver by redirect_peer does not pass here. */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/deliver.h"
#include "lib/ndp.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int to_container(struct __sk_buff *skb, struct packet *pkt)
{
	struct ct_birth birth = {};
	struct endpoint_info *ep;
	int ret;

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

SEC("tc")
int cts_lxc_egress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS };
	int verdict;

	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		pkt.family = FAMILY_IPV4;
		verdict = to_container(skb, &pkt);
		break;
	case FAMILY_IPV6:
		pkt.family = FAMILY_IPV6;
		verdict = to_container(skb, &pkt);
		break;
	default:
		verdict = skb->protocol == bpf_htons(ETH_P_ARP) ? EXIT_AT(&pkt, VERDICT_PASS) :
								  DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, TRACE_TO_LXC);
}
