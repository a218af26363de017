// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of the host side of every pod's veth: packets that a pod sends. */
#include "lib/step.h"
#include "lib/arp.h"
#include "lib/deliver.h"
#include "lib/encap.h"
#include "lib/hairpin.h"
#include "lib/icmp_error.h"
#include "lib/ndp.h"
#include "lib/nodeport.h"

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

/* What a pod answers to a client outside that has dialled a node port is another step's business. */
#define NEXT_FROM_BACKEND  STEP_NEXT
#define NEXT_BACKEND_ERROR (STEP_NEXT + 1)
#define NEXT_NETWORK	   (STEP_NEXT + 2)
#define NEXT_HAIRPIN	   (STEP_NEXT + 3)
#define NEXT_TRANSLATED	   (STEP_NEXT + 4)
#define NEXT_NEIGHBOUR	   (STEP_NEXT + 5) /* of IPv6 alone */

/* What the first step has learned goes along with the packet. */
static __always_inline int next_network(struct __sk_buff *skb, const struct packet *pkt)
{
	skb->cb[0] = pkt->src_identity;
	skb->cb[1] = pkt->dst_identity;
	skb->cb[2] = pkt->source | pkt->ct_state << 16 | pkt->report << 24;
	return NEXT_NETWORK;
}

/* Where the packet goes, now that its destination is known. */
static __always_inline int send_to(struct __sk_buff *skb, struct packet *pkt, struct destination to, __u16 rev_nat_index,
				   __u8 *trace_point)
{
	struct ct_birth birth = {};
	int ret;

	ret = endpoint_egress(skb, pkt, rev_nat_index);
	if (ret)
		return ret;
	/* Of how the sender's side came to its verdict. */
	VERIFIER_FORGET(pkt->policy_stamp, skb->hash);
	VERIFIER_FORGET(pkt->now_seconds, skb->hash);
	VERIFIER_FORGET(pkt->dst_identity, skb->hash);
	VERIFIER_FORGET(pkt->ct_state, skb->hash);
	if (pkt->ct_state == CT_REPLY && (pkt->ct_rev_nat_index || (config.dsr_dispatch && pkt->ct_node_port)))
		return NEXT_FROM_BACKEND;
	if (pkt->ct_state == CT_RELATED && !to.local && !identity_is_pod(pkt->dst_identity)) {
		next_network(skb, pkt);
		return NEXT_BACKEND_ERROR;
	}
	if (endpoint_is_pod(to.local))
		return deliver_to_endpoint(skb, pkt, to.local, &birth);
	if (to.local) {
		*trace_point = TRACE_TO_HOST;
		return deliver_to_host(skb, pkt);
	}
	/* Asked again: kept over all of the above it would take the stack that Linux 6.1 has not got. */
	to.remote = ipcache_lookup(&pkt->daddr, pkt->family);
	if (remote_is_tunnelled(to.remote)) {
		if (packet_exceeds(skb, pkt, config.route_mtu))
			return icmp_error_order(skb, ICMP_ERROR_TOO_BIG, config.route_mtu, rev_nat_index);
		ret = packet_decrement_ttl(skb, pkt);
		if (ret)
			return ret;
		*trace_point = TRACE_TO_OVERLAY;
		return encap_redirect(skb, pkt, to.remote);
	}
	if (config.host_routing)
		return next_network(skb, pkt);
	*trace_point = TRACE_TO_STACK;
	return EXIT_AT(pkt, VERDICT_PASS);
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
		return NEXT_NEIGHBOUR;
	sender = endpoint_lookup(&pkt->saddr, pkt->family);
	if (!sender || sender->ifindex != skb->ifindex)
		return DROP_AT(pkt, DROP_INVALID_SIP);
	pkt->source = sender->lxc_id;
	EVENTS_OF(skb, sender);
	pkt->src_identity = sender->sec_id;
	/* The receiving node believes the identity in the VNI. */
	if (pkt->proto == IPPROTO_UDP && pkt->dport == config.tunnel_port)
		return DROP_AT(pkt, DROP_ENCAP_PROHIBITED);

	*trace_point = TRACE_TO_LXC;
	if (packet_is_hairpin_reply(pkt))
		return NEXT_HAIRPIN;
	destination_find(pkt, &to);
	if (packet_expires(pkt) && !endpoint_is_host(to.local))
		return icmp_error_order(skb, ICMP_ERROR_EXPIRED, 0, 0);
	/* A pod's address is no Service's: most packets are spared the look-up. */
	if (!endpoint_is_pod(to.local) && !identity_is_pod(pkt->dst_identity)) {
		ret = service_translate(skb, pkt, &rev_nat_index);
		if (ret == DROP_NO_SERVICE && config.no_backend_reject)
			return icmp_error_order(skb, ICMP_ERROR_UNREACHABLE, 0, 0);
		if (ret)
			return ret;
		if (rev_nat_index) {
			skb->cb[0] = rev_nat_index;
			return ip_equal(&pkt->daddr, &pkt->saddr) ? NEXT_HAIRPIN : NEXT_TRANSLATED;
		}
		if (identity_is_world(pkt->dst_identity) && service_owns_address(pkt))
			return DROP_AT(pkt, DROP_NO_SERVICE);
	}
	VERIFIER_FORGET(pkt->proto, skb->hash);
	VERIFIER_FORGET(pkt->dst_identity, skb->hash);
	return send_to(skb, pkt, to, 0, trace_point);
}

/* A packet of a sender that the first step has proven. 0 or a drop reason. */
static __always_inline int parse_sent(struct __sk_buff *skb, struct packet *pkt, struct endpoint_info **sender)
{
	int ret = packet_parse(skb, pkt);

	if (ret)
		return ret;
	*sender = endpoint_lookup(&pkt->saddr, pkt->family);
	if (!*sender)
		return DROP_AT(pkt, DROP_INVALID_SIP);
	pkt->source = (*sender)->lxc_id;
	pkt->src_identity = (*sender)->sec_id;
	return 0;
}

/* A packet that the step before gave to a backend. */
static __always_inline int from_container_translated(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *sender;
	struct destination to;
	int ret = parse_sent(skb, pkt, &sender);

	if (ret)
		return ret;
	*trace_point = TRACE_TO_LXC;
	destination_find(pkt, &to);
	return send_to(skb, pkt, to, skb->cb[0], trace_point);
}

/* Packets for other nodes and the world leave past the stack where they may. */
static __always_inline int to_network(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	pkt->src_identity = skb->cb[0];
	pkt->dst_identity = skb->cb[1];
	pkt->source = skb->cb[2];
	pkt->ct_state = skb->cb[2] >> 16;
	pkt->report = skb->cb[2] >> 24;
	if (!ret)
		ret = fib_redirect(skb, pkt);
	*trace_point = ret > 0 ? TRACE_TO_NETWORK : TRACE_TO_STACK;
	return ret;
}

static __always_inline int to_neighbour(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	return ret ? ret : ndp_handle(skb, pkt);
}

/* Of a pod that reaches itself through a Service: what it sends has the backend's address already. */
static __always_inline int to_itself(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *sender;
	int ret = parse_sent(skb, pkt, &sender);

	if (ret)
		return ret;
	*trace_point = TRACE_TO_LXC;
	return packet_is_hairpin_reply(pkt) ? hairpin_reply(skb, pkt, sender) :
					      hairpin_forward(skb, pkt, sender, skb->cb[0]);
}

/* Straight into the pod that sent the packet: what its own node says of it is no policy's business. */
static __always_inline int to_sender(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *sender;
	int ret = parse_sent(skb, pkt, &sender);

	if (ret)
		return ret;
	ret = icmp_error_answer(skb, pkt, true);
	return ret ? ret : EXIT_AT(pkt, bpf_redirect_peer(skb->ifindex, 0));
}

static __always_inline int from_backend(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);
	__u32 mtu = 0;

	if (!ret && packet_may_exceed(skb, pkt->family))
		mtu = fib_exceeded_mtu(skb, pkt, &pkt->daddr, 0);
	if (mtu)
		return icmp_error_order(skb, ICMP_ERROR_TOO_BIG, mtu, 0);
	*trace_point = TRACE_TO_NETWORK;
	return ret ? ret : nodeport_from_backend(skb, pkt);
}

static __always_inline int backend_error(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	if (!ret)
		ret = nodeport_backend_error(skb, pkt);
	*trace_point = TRACE_TO_NETWORK;
	return ret == VERDICT_PASS && config.host_routing ? NEXT_NETWORK : ret;
}

STEP(lxc_packet, from_container, METRIC_EGRESS)
STEP_OF_FAMILY(lxc_neighbour6, to_neighbour, METRIC_EGRESS, FAMILY_IPV6)
STEP(lxc_translated, from_container_translated, METRIC_EGRESS)
STEP(lxc_hairpin, to_itself, METRIC_EGRESS)
STEP(lxc_icmp_error, to_sender, METRIC_EGRESS)
STEP(lxc_network, to_network, METRIC_EGRESS)
STEP(lxc_backend, from_backend, METRIC_EGRESS)
STEP(lxc_backend_error, backend_error, METRIC_EGRESS)
STEP(lxc_quote, quote_and_deliver, METRIC_INGRESS)

__attribute__((noinline)) int lxc_other(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_EGRESS };
	int verdict = skb->protocol == bpf_htons(ETH_P_ARP) ? arp_respond(skb, &pkt) : DROP_AT(&pkt, DROP_UNKNOWN_L3);

	return packet_exit(skb, &pkt, verdict, TRACE_NONE);
}

#define LXC_STEPS(version)                                                                                             \
	({                                                                                                             \
		int way = lxc_packet##version(skb);                                                                    \
                                                                                                                       \
		if (way == NEXT_TRANSLATED)                                                                            \
			way = lxc_translated##version(skb);                                                            \
		if (way == NEXT_FROM_BACKEND)                                                                          \
			way = lxc_backend##version(skb);                                                               \
		else if (way == NEXT_BACKEND_ERROR)                                                                    \
			way = lxc_backend_error##version(skb);                                                         \
		else if (way == NEXT_HAIRPIN)                                                                          \
			way = lxc_hairpin##version(skb);                                                               \
		if (way == NEXT_QUOTE)                                                                                 \
			way = lxc_quote##version(skb);                                                                 \
		if (way == NEXT_REPLY)                                                                                 \
			way = lxc_icmp_error##version(skb);                                                            \
		way == NEXT_NETWORK ? lxc_network##version(skb) : way;                                                 \
	})

SEC("tc")
int cts_lxc_ingress(struct __sk_buff *skb)
{
	int verdict;

	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		return LXC_STEPS(4);
	case FAMILY_IPV6:
		verdict = LXC_STEPS(6);
		return verdict == NEXT_NEIGHBOUR ? lxc_neighbour6(skb) : verdict;
	default:
		return lxc_other(skb);
	}
}
