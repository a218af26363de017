/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "fragment.h"
#include "packet.h"
#include "parse_l4.h"
#include "verifier.h"

/* Reads the IPv4 header; the L4 header's offset and protocol are known then. `frag` tells of fragmentation. */
static __always_inline int packet_parse_ip4(struct __sk_buff *skb, struct packet *pkt, struct fragment *frag)
{
	struct iphdr *ip4;
	__u32 header_bytes;

	ip4 = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip4 + 1) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	header_bytes = ip4->ihl * 4;
	if (ip4->version != 4 || header_bytes < sizeof(*ip4))
		return DROP_AT(pkt, DROP_INVALID);
	pkt->saddr.ip4 = ip4->saddr;
	pkt->daddr.ip4 = ip4->daddr;
	pkt->proto = ip4->protocol;
	pkt->hop_limit = ip4->ttl;
	pkt->l4_offset = ETH_HLEN + header_bytes;
	frag->is_fragment = (ip4->frag_off & bpf_htons(IP_MF | IP_OFFSET)) != 0;
	frag->is_first = !(ip4->frag_off & bpf_htons(IP_OFFSET));
	frag->id = ip4->id;
	return 0;
}

/* RFC 8200 4.1: the extension headers that may stand before L4. */
#define NEXTHDR_HOP_BY_HOP   0
#define NEXTHDR_ROUTING	     43
#define NEXTHDR_FRAGMENT     44
#define NEXTHDR_AUTH	     51
#define NEXTHDR_DESTINATION  60
#define IPV6_MAX_EXTENSIONS  4
#define FRAGMENT_OFFSET_MASK 0xfff8
#define FRAGMENT_MORE	     1

struct ipv6_extension {
	__u8 nexthdr;
	__u8 length;		 /* in units of 8 bytes, the first not counted; AH: of 4 bytes, two not counted */
	__be16 fragment_offset; /* of a fragment header: offset and "more" */
	__be32 fragment_id;
};

static __always_inline bool is_extension(__u8 nexthdr)
{
	return nexthdr == NEXTHDR_HOP_BY_HOP || nexthdr == NEXTHDR_ROUTING || nexthdr == NEXTHDR_FRAGMENT ||
	       nexthdr == NEXTHDR_AUTH || nexthdr == NEXTHDR_DESTINATION;
}

static __always_inline int packet_skip_extensions(struct __sk_buff *skb, struct packet *pkt, struct fragment *frag)
{
	struct ipv6_extension extension;

	for (int i = 0; i < IPV6_MAX_EXTENSIONS; i++) {
		if (bpf_skb_load_bytes(skb, pkt->l4_offset, &extension, sizeof(extension)))
			return DROP_AT(pkt, DROP_INVALID_EXTHDR);
		if (pkt->proto == NEXTHDR_FRAGMENT) {
			frag->is_fragment = (extension.fragment_offset &
					     bpf_htons(FRAGMENT_OFFSET_MASK | FRAGMENT_MORE)) != 0;
			frag->is_first = !(extension.fragment_offset & bpf_htons(FRAGMENT_OFFSET_MASK));
			frag->id = extension.fragment_id;
			pkt->l4_offset += sizeof(extension);
		} else if (pkt->proto == NEXTHDR_AUTH) {
			pkt->l4_offset += (extension.length + 2) * 4;
		} else {
			pkt->l4_offset += (extension.length + 1) * 8;
		}
		pkt->proto = extension.nexthdr;
		/* What follows a later fragment's header is payload. */
		if (!is_extension(pkt->proto) || (frag->is_fragment && !frag->is_first))
			return 0;
	}
	return DROP_AT(pkt, DROP_INVALID_EXTHDR);
}

static __always_inline int packet_parse_ip6(struct __sk_buff *skb, struct packet *pkt, struct fragment *frag)
{
	struct ipv6_header *ip6;

	ip6 = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip6 + 1) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	if ((ip6->version_class_flow & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return DROP_AT(pkt, DROP_INVALID);
	__builtin_memcpy(&pkt->saddr, &ip6->saddr, sizeof(pkt->saddr));
	__builtin_memcpy(&pkt->daddr, &ip6->daddr, sizeof(pkt->daddr));
	pkt->proto = ip6->nexthdr;
	pkt->hop_limit = ip6->hop_limit;
	pkt->l4_offset = ETH_HLEN + sizeof(*ip6);
	return is_extension(pkt->proto) ? packet_skip_extensions(skb, pkt, frag) : 0;
}

static __always_inline void packet_forget_branches(struct __sk_buff *skb, struct packet *pkt)
{
	__u32 unknown = skb->hash;

	VERIFIER_FORGET(pkt->proto, unknown);
	VERIFIER_FORGET(pkt->tcp_flags, unknown);
	VERIFIER_FORGET(pkt->icmp_type, unknown);
	VERIFIER_FORGET(pkt->has_l4, unknown);
	VERIFIER_FORGET(pkt->sport, unknown);
	VERIFIER_FORGET(pkt->dport, unknown);
}

/* Reads the IP header of pkt->family and the ports. `pkt` must be zero but for what the caller knows. 0 or a drop
 * reason. */
static __always_inline int packet_parse(struct __sk_buff *skb, struct packet *pkt)
{
	struct fragment frag = {};
	int ret;

	ret = packet_pull(skb, packet_l3_bytes(pkt));
	if (ret)
		return DROP_AT(pkt, ret);
	ret = packet_is_ip6(pkt) ? packet_parse_ip6(skb, pkt, &frag) : packet_parse_ip4(skb, pkt, &frag);
	if (ret)
		return ret;
	/* As many lengths as there are rows of extension headers. */
	VERIFIER_FORGET(pkt->l4_offset, skb->hash);
	VERIFIER_FORGET(pkt->proto, skb->hash);
	if (frag.is_fragment) {
		ret = fragment_parse_l4(skb, pkt, &frag);
	} else {
		pkt->has_l4 = 1;
		ret = packet_parse_l4(skb, pkt);
	}
	packet_forget_branches(skb, pkt);
	return ret;
}
