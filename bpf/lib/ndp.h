/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "identity.h"
#include "packet.h"

/* RFC 4861 */
#define ND_ROUTER_SOLICIT     133
#define ND_ROUTER_ADVERT      134
#define ND_NEIGHBOUR_SOLICIT  135
#define ND_NEIGHBOUR_ADVERT   136
#define ND_REDIRECT	      137
#define MLD_REPORT	      131
#define MLD_DONE	      132
#define MLD2_REPORT	      143
#define ND_TARGET_LINK_OPTION 2
#define ND_HOP_LIMIT	      255
/* From a router, solicited, replaces what was known. */
#define ND_ADVERT_FLAGS bpf_htonl(0xe0000000)

/* A neighbour solicitation, and as an answer the advertisement with the link-layer address behind it. */
struct nd_message {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 flags;
	union ip_address target;
	__u8 option_type;
	__u8 option_length; /* in units of 8 bytes */
	__u8 mac[ETH_ALEN];
};

/* What neighbours say to each other, and no router forwards. */
static __always_inline bool packet_is_nd(const struct packet *pkt)
{
	return pkt->proto == IPPROTO_ICMPV6_ && pkt->icmp_type >= ND_ROUTER_SOLICIT && pkt->icmp_type <= ND_REDIRECT;
}

/* RFC 2710, RFC 3810: a host's reports of the groups it listens to. */
static __always_inline bool packet_is_mld(const struct packet *pkt)
{
	return pkt->proto == IPPROTO_ICMPV6_ && ip6_is_link_multicast(&pkt->daddr) &&
	       (pkt->icmp_type == MLD_REPORT || pkt->icmp_type == MLD_DONE || pkt->icmp_type == MLD2_REPORT);
}

/* RFC 4443 2.3: over the addresses, the length, the protocol and the message. */
static __always_inline __be16 nd_checksum(const struct ipv6_header *ip6, struct nd_message *message)
{
	__u32 pseudo_tail[2] = { bpf_htonl(sizeof(*message)), bpf_htonl(IPPROTO_ICMPV6_) };
	__s64 sum;

	sum = bpf_csum_diff(NULL, 0, (void *)&ip6->saddr, 2 * sizeof(ip6->saddr), 0);
	sum = bpf_csum_diff(NULL, 0, pseudo_tail, sizeof(pseudo_tail), sum);
	sum = bpf_csum_diff(NULL, 0, (void *)message, sizeof(*message), sum);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Answers a pod's solicitation for any address but its own: everything is behind the host side of its veth. A probe of a
 * neighbour that is known already may come from a link-local address, and carries the address that it asks about. */
static __always_inline int ndp_respond(struct __sk_buff *skb, struct packet *pkt)
{
	struct {
		struct ipv6_header ip6;
		struct nd_message message;
	} frame;
	struct ethhdr eth;
	struct endpoint_info *ep;
	__u8 mac[ETH_ALEN];

	if (pkt->l4_offset != ETH_HLEN + sizeof(struct ipv6_header) ||
	    bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &frame, sizeof(frame.ip6) + offsetof(struct nd_message, option_type)))
		return DROP_AT(pkt, DROP_INVALID);
	ep = endpoint_lookup(&pkt->saddr, FAMILY_IPV6);
	if (ep && ep->ifindex == skb->ifindex)
		__builtin_memcpy(mac, ep->node_mac, ETH_ALEN);
	else if (ip6_is_link_local(&pkt->saddr) && !(eth.h_dest[0] & 1))
		__builtin_memcpy(mac, eth.h_dest, ETH_ALEN);
	else
		return EXIT_AT(pkt, VERDICT_PASS);
	if (ip_equal(&frame.message.target, &pkt->saddr))
		return EXIT_AT(pkt, VERDICT_PASS);
	if (bpf_skb_change_tail(skb, ETH_HLEN + sizeof(frame), 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	__builtin_memcpy(eth.h_dest, eth.h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, mac, ETH_ALEN);
	frame.ip6.daddr = frame.ip6.saddr;
	frame.ip6.saddr = frame.message.target;
	frame.ip6.payload_len = bpf_htons(sizeof(frame.message));
	frame.ip6.hop_limit = ND_HOP_LIMIT;
	frame.message.type = ND_NEIGHBOUR_ADVERT;
	frame.message.code = 0;
	frame.message.checksum = 0;
	frame.message.flags = ND_ADVERT_FLAGS;
	frame.message.option_type = ND_TARGET_LINK_OPTION;
	frame.message.option_length = 1;
	__builtin_memcpy(frame.message.mac, mac, ETH_ALEN);
	frame.message.checksum = nd_checksum(&frame.ip6, &frame.message);
	if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &frame, sizeof(frame), 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return EXIT_AT(pkt, bpf_redirect(skb->ifindex, 0));
}

/* A pod's packet to its neighbours: solicitations are answered, advertisements and what else stays on the link are the
 * stack's business. A pod is no router. */
static __always_inline int ndp_handle(struct __sk_buff *skb, struct packet *pkt)
{
	if (pkt->icmp_type == ND_NEIGHBOUR_SOLICIT)
		return ndp_respond(skb, pkt);
	if (pkt->icmp_type == ND_ROUTER_ADVERT || pkt->icmp_type == ND_REDIRECT)
		return DROP_AT(pkt, DROP_FORBIDDEN_ICMP6);
	return EXIT_AT(pkt, VERDICT_PASS);
}
