// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of cilium_vxlan: packets from other nodes, the sender's identity in the VNI. */
#include "lib/step.h"
#include "lib/deliver.h"
#include "lib/encap.h"
#include "lib/nodeport.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* What answers a connection that came in from outside and left through the tunnel is another step's business. */
#define NEXT_ANSWER STEP_NEXT
#define NEXT_ERROR  (STEP_NEXT + 1)

static __always_inline int from_overlay(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct ct_birth birth = { .from_tunnel = true };
	struct bpf_tunnel_key key = {};
	struct endpoint_info *local;
	int ret;

	/* The kernel wants to be told the underlay's family: another one is EPROTO. */
	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) &&
	    bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6))
		return DROP_AT(pkt, DROP_NO_TUNNEL_KEY);
	/* This node's own identity never comes in from another one. */
	if (key.tunnel_id == IDENTITY_UNKNOWN || key.tunnel_id == IDENTITY_HOST)
		return DROP_AT(pkt, DROP_INVALID_IDENTITY);
	pkt->src_identity = identity_from_wire(key.tunnel_id, pkt->family);
	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	/* The sender says that it is a node; rules here may name it by its address. */
	if (pkt->src_identity == IDENTITY_REMOTE_NODE) {
		struct remote_endpoint_info *node = ipcache_lookup(&pkt->saddr, pkt->family);

		if (node && identity_is_remote_node(node->sec_identity))
			pkt->src_identity = node->sec_identity;
	}
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (!local)
		return DROP_AT(pkt, DROP_UNROUTABLE);
	/* The inner destination MAC is the sender's affair; the stack would call the packet somebody else's. */
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	if (endpoint_is_host(local)) {
		if (packet_is_icmp_error(pkt))
			return NEXT_ERROR;
		if (nat_is_answer(pkt))
			return packet_expires(pkt) ? icmp_error_order(skb, ICMP_ERROR_EXPIRED, 0, 0) : NEXT_ANSWER;
		*trace_point = TRACE_TO_HOST;
		pkt->dst_identity = IDENTITY_HOST;
		return deliver_to_host(skb, pkt);
	}
	if (packet_expires(pkt))
		return icmp_error_order(skb, ICMP_ERROR_EXPIRED, 0, 0);
	*trace_point = TRACE_TO_LXC;
	return deliver_to_endpoint(skb, pkt, local, &birth);
}

/* What its sender's node vouches for. */
static __always_inline void identity_from_tunnel(struct __sk_buff *skb, struct packet *pkt)
{
	struct bpf_tunnel_key key = {};

	/* The kernel wants to be told the underlay's family: another one is EPROTO. */
	if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) ||
	    !bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6))
		pkt->src_identity = identity_from_wire(key.tunnel_id, pkt->family);
}

static __always_inline int overlay_answer(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	*trace_point = TRACE_TO_NETWORK;
	identity_from_tunnel(skb, pkt);
	return ret ? ret : nodeport_answer(skb, pkt);
}

/* An answer that is too large for the way to its client. */
static __always_inline int overlay_fits(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	__u32 mtu = packet_parse(skb, pkt) ? 0 : nodeport_exceeded_mtu(skb, pkt, true);

	return mtu ? icmp_error_order(skb, ICMP_ERROR_TOO_BIG, mtu, 0) : NEXT_ANSWER;
}

/* An error about a packet that this node itself has sent is for its stack. */
static __always_inline int overlay_error(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	identity_from_tunnel(skb, pkt);
	if (!ret)
		ret = nodeport_answer_error(skb, pkt);
	return ret == VERDICT_PASS ? deliver_to_host(skb, pkt) : ret;
}

/* Back through the tunnel, from the pods' gateway on this node. */
static __always_inline int overlay_reply(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct remote_endpoint_info *sender;
	int ret = packet_parse(skb, pkt);

	if (ret)
		return ret;
	identity_from_tunnel(skb, pkt);
	sender = ipcache_lookup(&pkt->saddr, pkt->family);
	if (!remote_is_tunnelled(sender))
		return DROP_AT(pkt, skb->cb[3] == ICMP_ERROR_TOO_BIG ? DROP_FRAG_NEEDED : DROP_TTL_EXCEEDED);
	ret = icmp_error_answer(skb, pkt, true);
	pkt->src_identity = IDENTITY_HOST;
	return ret ? ret : encap_redirect(skb, pkt, sender);
}

__attribute__((noinline)) int overlay_unknown(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS };

	return packet_exit(skb, &pkt, DROP_AT(&pkt, DROP_UNKNOWN_L3), TRACE_NONE);
}

STEP(overlay_packet, from_overlay, METRIC_INGRESS)
STEP(overlay_fits, overlay_fits, METRIC_INGRESS)
STEP(overlay_answer, overlay_answer, METRIC_INGRESS)
STEP(overlay_error, overlay_error, METRIC_INGRESS)
STEP(overlay_reply, overlay_reply, METRIC_INGRESS)
STEP(overlay_quote, quote_and_deliver, METRIC_INGRESS)

#define OVERLAY_STEPS(version)                                                                                         \
	({                                                                                                             \
		int way = overlay_packet##version(skb);                                                                \
                                                                                                                       \
		if (way == NEXT_ANSWER && packet_may_exceed(skb, FAMILY_IPV##version))                                 \
			way = overlay_fits##version(skb);                                                              \
		if (way == NEXT_ANSWER)                                                                                \
			way = overlay_answer##version(skb);                                                            \
		else if (way == NEXT_ERROR)                                                                            \
			way = overlay_error##version(skb);                                                             \
		else if (way == NEXT_REPLY)                                                                            \
			way = overlay_reply##version(skb);                                                             \
		way == NEXT_QUOTE ? overlay_quote##version(skb) : way;                                                                                                   \
	})

SEC("tc")
int cts_vxlan_ingress(struct __sk_buff *skb)
{
	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		return OVERLAY_STEPS(4);
	case FAMILY_IPV6:
		return OVERLAY_STEPS(6);
	default:
		return overlay_unknown(skb);
	}
}
