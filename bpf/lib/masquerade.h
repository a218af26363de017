/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "identity.h"
#include "nat.h"

/* Which packets of pods leave with the node's address: those for the world, but for what the network routes back to pods,
 * the user's list, and answers to whoever dialled the pod itself. */

static __always_inline bool destination_is_native(const struct packet *pkt)
{
	__be32 differs = 0, mask = 0;

	if (!packet_is_ip6(pkt))
		return config.native_ipv4_mask && (pkt->daddr.ip4 & config.native_ipv4_mask) == config.native_ipv4;
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++) {
		mask |= config.native_ipv6_mask[i];
		differs |= (pkt->daddr.words[i] & config.native_ipv6_mask[i]) ^ config.native_ipv6[i];
	}
	return mask && !differs;
}

static __always_inline bool destination_is_excluded(const struct packet *pkt)
{
	if (!config.ip_masq_agent)
		return false;
	if (packet_is_ip6(pkt)) {
		struct lpm_v6_key key = { .lpm = 128 };

		__builtin_memcpy(key.addr, &pkt->daddr, sizeof(key.addr));
		return bpf_map_lookup_elem(&cilium_ipmasq_v6, &key) != NULL;
	} else {
		struct lpm_v4_key key = { .lpm = 32, .addr = pkt->daddr.ip4 };

		return bpf_map_lookup_elem(&cilium_ipmasq_v4, &key) != NULL;
	}
}

/* Pods and nodes know each other by their own addresses. */
static __always_inline bool destination_is_in_cluster(const struct packet *pkt)
{
	struct remote_endpoint_info *remote;

	if (endpoint_lookup(&pkt->daddr, pkt->family))
		return true;
	remote = ipcache_lookup(&pkt->daddr, pkt->family);
	return remote && (remote->flag_has_tunnel_ep || remote->sec_identity == IDENTITY_HOST ||
			  identity_is_remote_node(remote->sec_identity) || identity_is_pod(remote->sec_identity));
}

static __always_inline bool masquerade_is_wanted(struct packet *pkt)
{
	if (!(packet_is_ip6(pkt) ? config.masquerade_ipv6 : config.masquerade_ipv4))
		return false;
	if (!endpoint_is_pod(endpoint_lookup(&pkt->saddr, pkt->family)))
		return false;
	if (destination_is_native(pkt) || destination_is_in_cluster(pkt) || destination_is_excluded(pkt))
		return false;
	return is_opening(pkt) || !ct_find(ct_map(pkt), pkt, CT_EGRESS, true);
}

/* The address of the device that the packet leaves by. */
static __always_inline bool masquerade_source(const struct __sk_buff *skb, const struct packet *pkt,
					      union ip_address *source)
{
	__u32 ifindex = skb->ifindex;
	struct cts_device *device = bpf_map_lookup_elem(&cts_devices, &ifindex);

	if (!device)
		return false;
	if (packet_is_ip6(pkt))
		__builtin_memcpy(source, device->ipv6, sizeof(*source));
	else
		*source = ip_from4(device->ipv4);
	return !ip_is_zero(source);
}
