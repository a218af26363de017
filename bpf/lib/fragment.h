/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "maps.h"
#include "metrics.h"
#include "packet.h"
#include "parse_l4.h"

/* Ports of a fragmented datagram: the first fragment stores them, later ones find them. */

struct fragment {
	__u8 is_fragment;
	__u8 is_first;
	__be32 id; /* IPv4: its 16 bits */
};

union fragment_key {
	struct ipv4_frag_id v4;
	struct ipv6_frag_id v6;
};

static __always_inline void fragment_key_set(union fragment_key *key, const struct packet *pkt,
					     const struct fragment *frag)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (packet_is_ip6(pkt)) {
		__builtin_memcpy(key->v6.saddr, &pkt->saddr, sizeof(key->v6.saddr));
		__builtin_memcpy(key->v6.daddr, &pkt->daddr, sizeof(key->v6.daddr));
		key->v6.id = frag->id;
		key->v6.proto = pkt->proto;
	} else {
		key->v4.saddr = pkt->saddr.ip4;
		key->v4.daddr = pkt->daddr.ip4;
		key->v4.id = frag->id;
		key->v4.proto = pkt->proto;
	}
}

static __always_inline int fragment_parse_l4(struct __sk_buff *skb, struct packet *pkt, const struct fragment *frag)
{
	void *map = packet_is_ip6(pkt) ? (void *)&cilium_ipv6_frag_datagrams : (void *)&cilium_ipv4_frag_datagrams;
	struct ipv4_frag_l4ports *found, ports;
	union fragment_key key;
	int ret;

	metrics_count(pkt->direction, REASON_FRAG_PACKET, skb->len, __LINE__, THIS_SOURCE_FILE);
	fragment_key_set(&key, pkt, frag);
	if (!frag->is_first) {
		found = bpf_map_lookup_elem(map, &key);
		if (!found)
			return DROP_AT(pkt, DROP_FRAG_NOT_FOUND);
		pkt->sport = found->sport;
		pkt->dport = found->dport;
		/* The map has no room for the type; only a request has its identifier there. */
		if (packet_is_icmp(pkt) && pkt->sport)
			pkt->icmp_type = packet_is_ip6(pkt) ? ICMPV6_ECHO_REQUEST : ICMP_ECHO;
		else if (packet_is_icmp(pkt) && packet_is_ip6(pkt))
			pkt->icmp_type = ICMPV6_ECHO_REPLY;
		return 0;
	}
	pkt->has_l4 = 1;
	ret = packet_parse_l4(skb, pkt);
	if (ret)
		return ret;
	ports.sport = pkt->sport;
	ports.dport = pkt->dport;
	if (bpf_map_update_elem(map, &key, &ports, BPF_ANY))
		metrics_count(pkt->direction, REASON_FRAG_PACKET_UPDATE, skb->len, __LINE__, THIS_SOURCE_FILE);
	return 0;
}
