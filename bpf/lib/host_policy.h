/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "identity.h"
#include "policy.h"

/* Policies of nodes (enable-host-firewall): the node is an endpoint, whose addresses are all of its own. What its processes
 * send is judged where it leaves them: at the node's devices and on the way to pods; what is for them where it goes to the
 * stack. Pods' packets that only pass through are not the node's. */

/* Until its policy is in place everything passes: the agent that brings it is one of the node's processes. */
static __always_inline bool host_policy_is_on(void)
{
	__u32 id = config.host_endpoint_id;

	return id && bpf_map_lookup_elem(&cts_policy_maps, &id);
}

/* Tunnels between nodes: what is in them is judged on its own. */
static __always_inline bool packet_is_tunnel(const struct packet *pkt, __u32 remote_identity)
{
	return pkt->proto == IPPROTO_UDP && pkt->dport == config.tunnel_port && identity_is_remote_node(remote_identity);
}

/* Conntrack and policy of the node for a packet of its own or for it: `dir` is CT_EGRESS or CT_INGRESS. 0 or a drop
 * reason. */
static __always_inline int host_policy_check(struct __sk_buff *skb, struct packet *pkt, __u32 remote_identity, int dir)
{
	struct ct_birth birth = {};
	int ret;

	if (!host_policy_is_on())
		return 0;
	ret = ct_lookup(skb, pkt, dir);
	if (ret || pkt->ct_state == CT_REPLY || pkt->ct_state == CT_RELATED)
		return ret;
	ret = policy_check_connection(skb, pkt, config.host_endpoint_id, remote_identity, dir == CT_EGRESS);
	if (ret < 0)
		return ret;
	if (pkt->ct_state == CT_NEW)
		return ct_create(pkt, skb->len, dir, &birth);
	if (ret != POLICY_AS_REMEMBERED)
		ct_remember_policy(pkt, dir);
	return 0;
}

/* For a packet that the node itself sends; sets both identities. 0 or a drop reason. */
static __always_inline int host_policy_egress(struct __sk_buff *skb, struct packet *pkt)
{
	pkt->src_identity = IDENTITY_HOST;
	pkt->source = config.host_endpoint_id;
	pkt->dst_identity = remote_identity(ipcache_lookup(&pkt->daddr, pkt->family), pkt->family);
	return packet_is_tunnel(pkt, pkt->dst_identity) ? 0 : host_policy_check(skb, pkt, pkt->dst_identity, CT_EGRESS);
}

/* For a packet on its way to the node's processes; sets both identities. 0 or a drop reason. */
static __always_inline int host_policy_ingress(struct __sk_buff *skb, struct packet *pkt)
{
	pkt->src_identity = remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
	pkt->dst_identity = IDENTITY_HOST;
	pkt->dst_endpoint = config.host_endpoint_id;
	return packet_is_tunnel(pkt, pkt->src_identity) ? 0 : host_policy_check(skb, pkt, pkt->src_identity, CT_INGRESS);
}

/* The same for a packet whose connection could not be read: only rules about all of a peer's packets, or about all of a
 * protocol's, allow it. */
static __always_inline int host_policy_unread(struct __sk_buff *skb, struct packet *pkt)
{
	int ret;

	pkt->src_identity = remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
	pkt->dst_identity = IDENTITY_HOST;
	pkt->dst_endpoint = config.host_endpoint_id;
	pkt->dport = 0;
	ret = policy_check_connection(skb, pkt, config.host_endpoint_id, pkt->src_identity, false);
	return ret < 0 ? ret : 0;
}
