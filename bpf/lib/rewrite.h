/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "packet.h"

#define TCP_CSUM_OFFSET	 16
#define UDP_CSUM_OFFSET	 6
#define ICMP_CSUM_OFFSET 2
#define ICMP_ID_OFFSET	 4
#define SCTP_NO_CSUM	 0 /* CRC32c over the packet without the IP header: addresses may change, ports may not */

#define SIDE_SOURCE	 0
#define SIDE_DESTINATION 1

/* Addresses go by value: a pointer into `pkt` that reaches a helper would keep all of it out of registers. */

static __always_inline __u32 l4_csum_offset(const struct packet *pkt)
{
	if (pkt->proto == IPPROTO_TCP)
		return TCP_CSUM_OFFSET;
	if (pkt->proto == IPPROTO_UDP)
		return UDP_CSUM_OFFSET;
	return packet_is_icmp(pkt) ? ICMP_CSUM_OFFSET : SCTP_NO_CSUM;
}

/* BPF_F_IPV6 of Linux 6.16, which older headers do not have: IPv6 has no header checksum that makes up for a new address, so that
 * of L4 does, and the sum that a device has made of the whole packet (CHECKSUM_COMPLETE) stays as it is. Without the flag it is
 * wrong then: the kernel sums the packet up again and logs it. Older kernels refuse the flag. */
#define CSUM_F_IPV6 (1ULL << 7)

/* Of bpf_l4_csum_replace() for an IPv6 address in the pseudo-header. */
static __always_inline __u64 csum_pseudo_ip6(void)
{
	return BPF_F_PSEUDO_HDR | (config.csum_ipv6 ? CSUM_F_IPV6 : 0);
}

/* The L4 checksum after a change of the address and of 16 bits of the L4 header. ICMPv4 has no pseudo-header. */
static __always_inline int packet_fix_l4_csum(struct __sk_buff *skb, struct packet *pkt, union ip_address old_addr,
					      union ip_address new_addr, __be16 old_port, __be16 new_port)
{
	__u64 zero_is_none = pkt->proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 csum = pkt->l4_offset + l4_csum_offset(pkt);
	__s64 diff;

	if (packet_is_ip6(pkt)) {
		diff = bpf_csum_diff(old_addr.words, sizeof(old_addr), new_addr.words, sizeof(new_addr), 0);
		if (bpf_l4_csum_replace(skb, csum, 0, diff, csum_pseudo_ip6() | zero_is_none))
			return DROP_AT(pkt, DROP_CSUM_L4);
	} else if (!packet_is_icmp(pkt)) {
		if (bpf_l4_csum_replace(skb, csum, old_addr.ip4, new_addr.ip4, BPF_F_PSEUDO_HDR | zero_is_none | 4))
			return DROP_AT(pkt, DROP_CSUM_L4);
	}
	if (bpf_l4_csum_replace(skb, csum, old_port, new_port, zero_is_none | 2))
		return DROP_AT(pkt, DROP_CSUM_L4);
	return 0;
}

/* The address of one side in the IP header, with IPv4's checksum. */
static __always_inline int packet_write_address(struct __sk_buff *skb, struct packet *pkt, int side,
						union ip_address old_addr, union ip_address new_addr)
{
	__u32 offset;

	if (packet_is_ip6(pkt)) {
		offset = side == SIDE_SOURCE ? offsetof(struct ipv6_header, saddr) : offsetof(struct ipv6_header, daddr);
		if (bpf_skb_store_bytes(skb, ETH_HLEN + offset, &new_addr, sizeof(new_addr), 0))
			return DROP_AT(pkt, DROP_WRITE_ERROR);
		return 0;
	}
	offset = side == SIDE_SOURCE ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), old_addr.ip4, new_addr.ip4, 4))
		return DROP_AT(pkt, DROP_CSUM_L3);
	if (bpf_skb_store_bytes(skb, ETH_HLEN + offset, &new_addr.ip4, sizeof(new_addr.ip4), 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return 0;
}

/* Gives one side of the packet another address and port (ICMP: echo identifier), in the frame with its checksums and in
 * `pkt`. A later fragment has no L4 header: its port is left to the first one. 0 or a drop reason. */
static __always_inline int packet_rewrite(struct __sk_buff *skb, struct packet *pkt, int side,
					  const union ip_address *address, __be16 port)
{
	union ip_address *own_addr = side == SIDE_SOURCE ? &pkt->saddr : &pkt->daddr;
	__be16 *own_port = side == SIDE_SOURCE ? &pkt->sport : &pkt->dport;
	__u32 port_offset = side == SIDE_SOURCE ? offsetof(struct tcphdr, source) : offsetof(struct tcphdr, dest);
	int ret;

	if (pkt->has_l4 && l4_csum_offset(pkt)) {
		ret = packet_fix_l4_csum(skb, pkt, *own_addr, *address, *own_port, port);
		if (ret)
			return ret;
		if (packet_is_icmp(pkt))
			port_offset = ICMP_ID_OFFSET;
		if (bpf_skb_store_bytes(skb, pkt->l4_offset + port_offset, &port, sizeof(port), 0))
			return DROP_AT(pkt, DROP_WRITE_ERROR);
	} else if (pkt->has_l4 && port != *own_port) {
		return DROP_AT(pkt, DROP_UNSUPP_SERVICE_PROTO);
	}
	ret = packet_write_address(skb, pkt, side, *own_addr, *address);
	if (ret)
		return ret;
	*own_addr = *address;
	*own_port = port;
	return 0;
}
