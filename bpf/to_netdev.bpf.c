// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx egress of the node's own devices: what pods send to the world leaves with the node's address. */
#include "lib/step.h"
#include "lib/host_policy.h"
#include "lib/masquerade.h"
#include "lib/nat_error.h"
#include "lib/ndp.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int masquerade(struct __sk_buff *skb, struct packet *pkt)
{
	struct nat_end source = {};
	int ret;

	if (!packet_can_nat(pkt))
		return DROP_AT(pkt, DROP_NAT_UNSUPP_PROTO);
	if (!masquerade_source(skb, pkt, &source.address))
		return DROP_AT(pkt, DROP_NAT_NO_MAPPING);
	ret = nat_allocate(skb, pkt, &source);
	return ret ? ret : nat_rewrite_source(skb, pkt, &source);
}

/* The node's own traffic is not ours to count. What is rare is another step's business: ICMP errors, and connections of the
 * node's own that were translated. */
#define NEXT_STACK STEP_NEXT
#define NEXT_ERROR (STEP_NEXT + 1)
#define NEXT_OWN   (STEP_NEXT + 2)

/* Only what opens a connection can take the port of another one. */
static __always_inline bool own_connection_collides(const struct packet *pkt)
{
	return packet_can_nat(pkt) && (is_opening(pkt) || pkt->proto != IPPROTO_TCP) &&
	       endpoint_is_host(endpoint_lookup(&pkt->saddr, pkt->family)) && nat_source_collides(pkt);
}

/* A verdict, a drop reason or another step. */
static __always_inline int translate(struct __sk_buff *skb, struct packet *pkt)
{
	struct nat_end source;
	int ret;

	if (packet_can_nat(pkt) && nat_source_known(pkt, &source)) {
		if (source.needs_ct)
			return NEXT_OWN;
		ret = nat_rewrite_source(skb, pkt, &source);
	} else if (masquerade_is_wanted(pkt)) {
		ret = masquerade(skb, pkt);
	} else {
		return own_connection_collides(pkt) ? NEXT_OWN : NEXT_STACK;
	}
	if (ret)
		return ret;
	skb->mark = MARK_MAGIC_SNAT_DONE;
	return EXIT_AT(pkt, VERDICT_PASS);
}

static __always_inline int to_netdev(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	/* A pod's address shall not leave for being unreadable; the node's own packets are its own affair. */
	if (ret)
		return endpoint_is_pod(endpoint_lookup(&pkt->saddr, pkt->family)) ? ret : NEXT_STACK;
	if (packet_is_ip6(pkt) && (packet_is_nd(pkt) || packet_is_mld(pkt)))
		return NEXT_STACK;
	if (pkt->proto == IPPROTO_UDP && pkt->dport == config.tunnel_port)
		return NEXT_STACK;
	if (packet_is_icmp_error(pkt))
		return NEXT_ERROR;
	return translate(skb, pkt);
}

/* A connection that the node opens on a port that a translated one has: it steps aside. It lives in conntrack, too: nobody
 * else says when it ends. */
static __always_inline int to_netdev_own(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct nat_end source = { .needs_ct = 1 };
	struct ct_birth birth = {};
	int ret;

	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	pkt->src_identity = IDENTITY_HOST;
	source.address = pkt->saddr;
	ret = nat_source_known(pkt, &source) ? 0 : nat_allocate(skb, pkt, &source);
	if (ret)
		return ret;
	ret = ct_lookup(skb, pkt, CT_EGRESS);
	if (!ret && pkt->ct_state == CT_NEW)
		ret = ct_create(pkt, skb->len, CT_EGRESS, &birth);
	if (!ret)
		ret = nat_rewrite_source(skb, pkt, &source);
	return ret ? ret : EXIT_AT(pkt, VERDICT_PASS);
}

/* An error that a pod sends about a packet which reached it as an answer to a translated one. */
static __always_inline int to_netdev_error(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct packet quoted = {};
	struct nat_end source = {};
	struct ct_place sent;
	union ct_key key;
	int ret = packet_parse(skb, pkt);

	if (ret || !packet_parse_quoted(skb, pkt, &quoted))
		return NEXT_STACK;
	sent = (struct ct_place){ &quoted.saddr, &quoted.daddr, quoted.sport, quoted.dport, TUPLE_F_OUT };
	ct_key_set(&key, &quoted, &sent);
	if (!nat_find(pkt, &key, &source))
		return NEXT_STACK;
	ret = nat_rewrite_error(skb, pkt, &quoted, SIDE_DESTINATION, &source);
	return ret ? ret : EXIT_AT(pkt, VERDICT_PASS);
}

/* What the node itself sends, by its own policy. */
static __always_inline int to_netdev_host(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret;

	if (packet_parse(skb, pkt) || (packet_is_ip6(pkt) && (packet_is_nd(pkt) || packet_is_mld(pkt))))
		return NEXT_STACK;
	if (!endpoint_is_host(endpoint_lookup(&pkt->saddr, pkt->family)))
		return NEXT_STACK;
	ret = host_policy_egress(skb, pkt);
	return ret ? ret : NEXT_STACK;
}

STEP(netdev_leave_host, to_netdev_host, METRIC_EGRESS)
STEP(netdev_leave, to_netdev, METRIC_EGRESS)
STEP(netdev_leave_own, to_netdev_own, METRIC_EGRESS)
STEP(netdev_leave_error, to_netdev_error, METRIC_EGRESS)

#define NETDEV_LEAVE(version)                                                                                          \
	({                                                                                                             \
		int verdict = config.host_endpoint_id ? netdev_leave_host##version(skb) : NEXT_STACK;                  \
                                                                                                                       \
		if (verdict == NEXT_STACK)                                                                             \
			verdict = netdev_leave##version(skb);                                                          \
		if (verdict == NEXT_OWN)                                                                               \
			verdict = netdev_leave_own##version(skb);                                                      \
		else if (verdict == NEXT_ERROR)                                                                        \
			verdict = netdev_leave_error##version(skb);                                                    \
		verdict == NEXT_STACK ? TC_ACT_UNSPEC : verdict;                                                       \
	})

SEC("tc")
int cts_netdev_egress(struct __sk_buff *skb)
{
	if ((skb->mark & MARK_MAGIC_MASK) == MARK_MAGIC_SNAT_DONE)
		return TC_ACT_UNSPEC;
	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		return NETDEV_LEAVE(4);
	case FAMILY_IPV6:
		return NETDEV_LEAVE(6);
	default:
		return TC_ACT_UNSPEC;
	}
}
