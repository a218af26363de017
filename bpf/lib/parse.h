/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "fragment.h"
#include "packet.h"

/* Reads the IPv4 header and the ports. `pkt` must be zero but for what the caller knows. 0 or a drop reason. */
static __always_inline int packet_parse4(struct __sk_buff *skb, struct packet *pkt)
{
	struct iphdr *ip4;
	__u32 header_bytes;
	__be16 frag_off, id;
	int ret;

	ret = packet_pull(skb, ETH_HLEN + sizeof(*ip4));
	if (ret)
		return DROP_AT(pkt, ret);
	ip4 = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip4 + 1) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	header_bytes = ip4->ihl * 4;
	if (ip4->version != 4 || header_bytes < sizeof(*ip4))
		return DROP_AT(pkt, DROP_INVALID);
	pkt->saddr = ip4->saddr;
	pkt->daddr = ip4->daddr;
	pkt->proto = ip4->protocol;
	pkt->l4_offset = ETH_HLEN + header_bytes;
	frag_off = ip4->frag_off;
	id = ip4->id;
	if (!(frag_off & bpf_htons(IP_MF | IP_OFFSET))) {
		pkt->has_l4 = 1;
		return packet_parse_l4(skb, pkt);
	}
	return fragment_parse_l4(skb, pkt, frag_off, id);
}
