/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <linux/udp.h>

#include "fib.h"
#include "icmp_error.h"
#include "rewrite.h"

/* Frames before there is an skb: no helper knows of checksums here, and the driver has only the bytes. */

/* What a translation changes, as it stands in the frame; `zero` makes it a whole number of words for sums. */
struct xdp_ends {
	union ip_address saddr;
	union ip_address daddr;
	__be16 sport;
	__be16 dport;
	__u32 zero;
};

#define XDP_ADDRESSES_BYTES (2 * sizeof(union ip_address))

static __always_inline struct xdp_ends xdp_ends_of(const struct packet *pkt)
{
	return (struct xdp_ends){ pkt->saddr, pkt->daddr, pkt->sport, pkt->dport, 0 };
}

static __always_inline __u8 xdp_family(const struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	return (void *)(eth + 1) > (void *)(long)ctx->data_end ? 0 : family_of_protocol(eth->h_proto);
}

/* The bytes that the IP header claims to be there; 0 unless it is one without options, of a whole packet. */
static __always_inline __u32 xdp_parse_ip4(struct packet *pkt, const struct iphdr *ip4)
{
	if (*(const __u8 *)ip4 != 0x45 || ip4->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return 0;
	pkt->saddr.ip4 = ip4->saddr;
	pkt->daddr.ip4 = ip4->daddr;
	pkt->proto = ip4->protocol;
	pkt->hop_limit = ip4->ttl;
	return bpf_ntohs(ip4->tot_len);
}

/* Extension headers are protocols that this program does not take. */
static __always_inline __u32 xdp_parse_ip6(struct packet *pkt, const struct ipv6_header *ip6)
{
	if ((ip6->version_class_flow & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return 0;
	pkt->saddr = ip6->saddr;
	pkt->daddr = ip6->daddr;
	pkt->proto = ip6->nexthdr;
	pkt->hop_limit = ip6->hop_limit;
	return sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
}

/* Reads a packet of the plain form that nearly all have: TCP or UDP behind an IP header without options, whole, with hops
 * left. The bytes from the IP header on; 0 for everything else. */
static __always_inline __u32 xdp_parse(const struct xdp_md *ctx, struct packet *pkt)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + packet_l3_bytes(pkt);
	__u32 bytes, needed = packet_l3_bytes(pkt) - ETH_HLEN;

	/* UDP's header is shorter. */
	if ((void *)tcp + sizeof(struct udphdr) > end)
		return 0;
	bytes = packet_is_ip6(pkt) ? xdp_parse_ip6(pkt, data + ETH_HLEN) : xdp_parse_ip4(pkt, data + ETH_HLEN);
	if (bytes > end - data - ETH_HLEN || pkt->hop_limit <= 1)
		return 0;
	pkt->sport = tcp->source;
	pkt->dport = tcp->dest;
	if (pkt->proto == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return 0;
		needed += sizeof(*tcp);
		pkt->tcp_flags = ((__u8 *)tcp)[TCP_FLAGS_OFFSET];
	} else if (pkt->proto == IPPROTO_UDP) {
		needed += sizeof(struct udphdr);
	} else {
		return 0;
	}
	return bytes < needed ? 0 : bytes;
}

/* RFC 1624: a checksum after the words from `before` on became those from `after` on. */
static __always_inline __be16 xdp_changed_checksum(__be16 checksum, struct xdp_ends *before, struct xdp_ends *after,
						   __u32 bytes)
{
	return checksum_fold((__u32)bpf_csum_diff((void *)before, bytes, (void *)after, bytes, (__u16)~checksum));
}

static __always_inline void xdp_write_ip(void *header, struct packet *pkt, struct xdp_ends *before, struct xdp_ends *after)
{
	struct ipv6_header *ip6 = header;
	struct iphdr *ip4 = header;

	if (packet_is_ip6(pkt)) {
		ip6->saddr = pkt->saddr;
		ip6->daddr = pkt->daddr;
		ip6->hop_limit--;
		return;
	}
	ip4->check = xdp_changed_checksum(ip4->check, before, after, XDP_ADDRESSES_BYTES);
	ip4->saddr = pkt->saddr.ip4;
	ip4->daddr = pkt->daddr.ip4;
	ip4_decrement_ttl(ip4);
}

/* UDP: no checksum stays none, and one that becomes zero is written the other way (RFC 768). */
static __always_inline void xdp_fix_udp_checksum(struct udphdr *udp, struct xdp_ends *before, struct xdp_ends *after)
{
	__be16 checksum = udp->check;

	if (!checksum)
		return;
	checksum = xdp_changed_checksum(checksum, before, after, sizeof(*before));
	udp->check = checksum ? checksum : 0xffff;
}

/* Gives the frame the addresses and ports that `pkt` has, instead of `before`, and the MAC addresses of its next hop, and
 * takes one from its TTL or hop limit. False: untouched. */
static __always_inline bool xdp_rewrite(const struct xdp_md *ctx, struct packet *pkt, struct xdp_ends *before,
					const struct bpf_fib_lookup *fib)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + packet_l3_bytes(pkt);
	struct xdp_ends after = xdp_ends_of(pkt);
	struct ethhdr *eth = data;

	if (pkt->proto == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return false;
		tcp->check = xdp_changed_checksum(tcp->check, before, &after, sizeof(after));
	} else {
		if ((void *)tcp + sizeof(struct udphdr) > end)
			return false;
		xdp_fix_udp_checksum((void *)tcp, before, &after);
	}
	tcp->source = pkt->sport;
	tcp->dest = pkt->dport;
	xdp_write_ip(data + ETH_HLEN, pkt, before, &after);
	__builtin_memcpy(eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, fib->smac, ETH_ALEN);
	return true;
}

/* Asks where the packet goes next. Its verdict there, XDP_PASS where the kernel shall find out: no route, a neighbour that
 * is not known yet, too large for the path, or a device that takes no frames from here. */
static __always_inline int xdp_route(const struct xdp_md *ctx, const struct packet *pkt, __u32 wire_bytes,
				     struct bpf_fib_lookup *fib)
{
	struct cts_device *device;
	__u32 ifindex;

	*fib = fib_question(pkt, ctx->ingress_ifindex, wire_bytes);
	if (bpf_fib_lookup((void *)ctx, fib, sizeof(*fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	ifindex = fib->ifindex;
	if (ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	device = bpf_map_lookup_elem(&cts_devices, &ifindex);
	return device && device->has_xdp ? bpf_redirect(ifindex, 0) : XDP_PASS;
}
