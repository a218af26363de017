/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "maps.h"
#include "metrics.h"
#include "packet.h"

/* Ports of a fragmented datagram: the first fragment stores them, later ones find them. */

static __always_inline int fragment_parse_l4(struct __sk_buff *skb, struct packet *pkt, __be16 frag_off, __be16 id)
{
	struct ipv4_frag_id key = {
		.daddr = pkt->daddr,
		.saddr = pkt->saddr,
		.id = id,
		.proto = pkt->proto,
	};
	struct ipv4_frag_l4ports *found, ports;
	int ret;

	metrics_count(pkt->direction, REASON_FRAG_PACKET, skb->len, __LINE__, THIS_SOURCE_FILE);
	if (frag_off & bpf_htons(IP_OFFSET)) {
		found = bpf_map_lookup_elem(&cilium_ipv4_frag_datagrams, &key);
		if (!found)
			return DROP_AT(pkt, DROP_FRAG_NOT_FOUND);
		pkt->sport = found->sport;
		pkt->dport = found->dport;
		/* The map has no room for the type; only a request has its identifier there. */
		if (pkt->proto == IPPROTO_ICMP && pkt->sport)
			pkt->icmp_type = ICMP_ECHO;
		return 0;
	}
	pkt->has_l4 = 1;
	ret = packet_parse_l4(skb, pkt);
	if (ret)
		return ret;
	ports.sport = pkt->sport;
	ports.dport = pkt->dport;
	if (bpf_map_update_elem(&cilium_ipv4_frag_datagrams, &key, &ports, BPF_ANY))
		metrics_count(pkt->direction, REASON_FRAG_PACKET_UPDATE, skb->len, __LINE__, THIS_SOURCE_FILE);
	return 0;
}
