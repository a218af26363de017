// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of cilium_vxlan: packets from other nodes, the sender's identity in the VNI. */
#include "lib/parse.h"
#include "lib/exit.h"
#include "lib/deliver.h"
#include "lib/encap.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline int from_overlay(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
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
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (!local)
		return DROP_AT(pkt, DROP_UNROUTABLE);
	/* The inner destination MAC is the sender's affair; the stack would call the packet somebody else's. */
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	if (endpoint_is_host(local)) {
		*trace_point = TRACE_TO_HOST;
		pkt->dst_identity = IDENTITY_HOST;
		return deliver_to_host(skb, pkt);
	}
	*trace_point = TRACE_TO_LXC;
	return deliver_to_endpoint(skb, pkt, local, true);
}

SEC("tc")
int cts_vxlan_ingress(struct __sk_buff *skb)
{
	struct packet pkt = { .direction = METRIC_INGRESS };
	__u8 trace_point = TRACE_NONE;
	int verdict;

	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		pkt.family = FAMILY_IPV4;
		verdict = from_overlay(skb, &pkt, &trace_point);
		break;
	case FAMILY_IPV6:
		pkt.family = FAMILY_IPV6;
		verdict = from_overlay(skb, &pkt, &trace_point);
		break;
	default:
		verdict = DROP_AT(&pkt, DROP_UNKNOWN_L3);
		break;
	}
	return packet_exit(skb, &pkt, verdict, trace_point);
}
