/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "packet.h"

/* "Port unreachable" (RFC 792, RFC 4443) for a packet that a pod or somebody outside sent, from the address that it
 * dialled: its connect() fails at once, TCP's too. */

#define ICMP_PORT_UNREACHABLE	3
#define ICMPV6_DEST_UNREACHABLE 1
#define ICMPV6_PORT_UNREACHABLE 4

/* What an error quotes of IPv4: the header without options and 8 bytes. Of IPv6 as much behind the header. */
#define REJECT_QUOTED_L4 8
#define REJECT_TTL	 64

struct reject_icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 unused;
};

#define REJECT4_ICMP  (ETH_HLEN + sizeof(struct iphdr))
#define REJECT4_BYTES (REJECT4_ICMP + sizeof(struct reject_icmp) + sizeof(struct iphdr) + REJECT_QUOTED_L4)
#define REJECT6_ICMP  (ETH_HLEN + sizeof(struct ipv6_header))
#define REJECT6_BYTES (REJECT6_ICMP + sizeof(struct reject_icmp) + sizeof(struct ipv6_header) + REJECT_QUOTED_L4)

static __always_inline __be16 checksum_fold(__s64 sum)
{
	__u32 folded = (__u32)sum;

	folded = (folded & 0xffff) + (folded >> 16);
	folded = (folded & 0xffff) + (folded >> 16);
	return (__be16)~folded;
}

/* The packet's own header and 8 bytes move behind the room for an IP header and an ICMP error, and the frame turns back.
 * Piece by piece: all of it at once would not fit on the stack. 0 or a drop reason. */
static __always_inline int reject_quote(struct __sk_buff *skb, __u32 header_bytes)
{
	__u8 quoted[sizeof(struct ipv6_header) + REJECT_QUOTED_L4];
	struct ethhdr eth;
	__u8 mac[ETH_ALEN];
	__u32 bytes = header_bytes + REJECT_QUOTED_L4;
	__u32 behind = ETH_HLEN + header_bytes + sizeof(struct reject_icmp);

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) || bpf_skb_load_bytes(skb, ETH_HLEN, quoted, bytes))
		return DROP_INVALID;
	__builtin_memcpy(mac, eth.h_dest, ETH_ALEN);
	__builtin_memcpy(eth.h_dest, eth.h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, mac, ETH_ALEN);
	if (bpf_skb_change_tail(skb, behind + bytes, 0) || bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) ||
	    bpf_skb_store_bytes(skb, behind, quoted, bytes, 0))
		return DROP_WRITE_ERROR;
	return 0;
}

/* Writes the ICMP header with the checksum over it and what it quotes, beginning with `sum`. 0 or a drop reason. */
static __always_inline int reject_icmp(struct __sk_buff *skb, __u32 offset, __u32 bytes, __u8 type, __u8 code, __s64 sum)
{
	struct reject_icmp icmp = { .type = type, .code = code };
	void *data, *end;

	if (bpf_skb_store_bytes(skb, offset, &icmp, sizeof(icmp), 0) || bpf_skb_pull_data(skb, offset + bytes))
		return DROP_WRITE_ERROR;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + offset + bytes > end)
		return DROP_INVALID;
	icmp.checksum = checksum_fold(bpf_csum_diff(NULL, 0, data + offset, bytes, sum));
	return bpf_skb_store_bytes(skb, offset, &icmp, sizeof(icmp), 0) ? DROP_WRITE_ERROR : 0;
}

static __always_inline int reject4(struct __sk_buff *skb)
{
	struct iphdr ip = {};
	__be32 address;
	int ret;

	ret = reject_quote(skb, sizeof(ip));
	if (ret)
		return ret;
	if (bpf_skb_load_bytes(skb, REJECT4_ICMP + sizeof(struct reject_icmp), &ip, sizeof(ip)))
		return DROP_INVALID;
	address = ip.daddr;
	ip.daddr = ip.saddr;
	ip.saddr = address;
	ip.version = 4;
	ip.ihl = 5;
	ip.tos = 0;
	ip.tot_len = bpf_htons(REJECT4_BYTES - ETH_HLEN);
	ip.id = 0;
	ip.frag_off = 0;
	ip.ttl = REJECT_TTL;
	ip.protocol = IPPROTO_ICMP;
	ip.check = 0;
	ip.check = checksum_fold(bpf_csum_diff(NULL, 0, (void *)&ip, sizeof(ip), 0));
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0))
		return DROP_WRITE_ERROR;
	ret = reject_icmp(skb, REJECT4_ICMP, REJECT4_BYTES - REJECT4_ICMP, ICMP_DEST_UNREACH, ICMP_PORT_UNREACHABLE, 0);
	return ret ? ret : bpf_redirect(skb->ifindex, 0);
}

static __always_inline int reject6(struct __sk_buff *skb)
{
	union ip_address source;
	struct ipv6_header ip;
	__be32 pseudo[2] = { bpf_htonl(REJECT6_BYTES - REJECT6_ICMP), bpf_htonl(IPPROTO_ICMPV6_) };
	__s64 sum;
	int ret;

	ret = reject_quote(skb, sizeof(ip));
	if (ret)
		return ret;
	if (bpf_skb_load_bytes(skb, REJECT6_ICMP + sizeof(struct reject_icmp), &ip, sizeof(ip)))
		return DROP_INVALID;
	source = ip.saddr;
	ip.saddr = ip.daddr;
	ip.daddr = source;
	ip.version_class_flow = bpf_htonl(0x60000000);
	ip.payload_len = bpf_htons(REJECT6_BYTES - REJECT6_ICMP);
	ip.nexthdr = IPPROTO_ICMPV6_;
	ip.hop_limit = REJECT_TTL;
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0))
		return DROP_WRITE_ERROR;
	sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), 0);
	sum = bpf_csum_diff(NULL, 0, (void *)&ip.saddr, 2 * sizeof(ip.saddr), sum);
	ret = reject_icmp(skb, REJECT6_ICMP, REJECT6_BYTES - REJECT6_ICMP, ICMPV6_DEST_UNREACHABLE,
			  ICMPV6_PORT_UNREACHABLE, sum);
	return ret ? ret : bpf_redirect(skb->ifindex, 0);
}

/* A function of its own for its stack: the headers that it writes would not fit beside its caller's. */
__noinline int reject_send(struct __sk_buff *skb, __u32 is_ip6)
{
	return is_ip6 ? reject6(skb) : reject4(skb);
}

/* Answers a packet that nobody takes. A redirect verdict or a drop reason. */
static __always_inline int reject_packet(struct __sk_buff *skb, struct packet *pkt)
{
	return EXIT_AT(pkt, reject_send(skb, packet_is_ip6(pkt)));
}
