/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "config.h"
#include "identity.h"
#include "packet.h"

/* Sends the packet to another node through cilium_vxlan, the sender's identity in the VNI. To other nodes this node is
 * "remote-node". A redirect verdict or a drop reason. */
static __always_inline int encap_redirect4(struct __sk_buff *skb, struct packet *pkt, __be32 tunnel_endpoint)
{
	struct bpf_tunnel_key key = {
		.tunnel_id = pkt->src_identity == IDENTITY_HOST ? IDENTITY_REMOTE_NODE : pkt->src_identity,
		.remote_ipv4 = bpf_ntohl(tunnel_endpoint),
		.tunnel_ttl = 64,
	};

	if (!tunnel_endpoint)
		return DROP_AT(pkt, DROP_NO_TUNNEL_ENDPOINT);
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return EXIT_AT(pkt, bpf_redirect(config.tunnel_ifindex, 0));
}
