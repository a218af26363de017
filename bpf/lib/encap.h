/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "config.h"
#include "identity.h"
#include "packet.h"

/* To other nodes this node is "remote-node", the wire knows one world, and numbers of prefixes mean nothing there. */
static __always_inline __u32 identity_on_wire(__u32 identity)
{
	if (identity == IDENTITY_HOST || identity_is_remote_node(identity))
		return IDENTITY_REMOTE_NODE;
	return identity_is_world(identity) || identity & IDENTITY_SCOPE_MASK ? IDENTITY_WORLD : identity;
}

static __always_inline __u32 identity_from_wire(__u32 tunnel_id, __u8 family)
{
	return tunnel_id == IDENTITY_WORLD ? identity_of_world(family) : tunnel_id;
}

/* Sends the packet to another node through cilium_vxlan, the sender's identity in the VNI. A redirect verdict or a drop
 * reason. */
static __always_inline int encap_redirect(struct __sk_buff *skb, struct packet *pkt,
					  const struct remote_endpoint_info *remote)
{
	struct bpf_tunnel_key key = {
		.tunnel_id = identity_on_wire(pkt->src_identity),
		.tunnel_ttl = 64,
	};
	__u64 flags = BPF_F_ZERO_CSUM_TX;

	if (remote->flag_ipv6_tunnel_ep) {
		__builtin_memcpy(key.remote_ipv6, remote->tunnel_endpoint.ip6, sizeof(key.remote_ipv6));
		flags |= BPF_F_TUNINFO_IPV6;
	} else {
		if (!remote->tunnel_endpoint.ip4)
			return DROP_AT(pkt, DROP_NO_TUNNEL_ENDPOINT);
		key.remote_ipv4 = bpf_ntohl(remote->tunnel_endpoint.ip4);
	}
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return EXIT_AT(pkt, bpf_redirect(config.tunnel_ifindex, 0));
}
