/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "config.h"
#include "drop_reasons.h"
#include "layouts.h"
#include "source_files.h"

#define IPPROTO_ICMPV6_ 58
#define IPPROTO_SCTP_	132

#define TCP_DATA_OFFSET 12

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

/* RFC 792 and RFC 4443; <linux/icmp.h> pulls the C library in. */
#define ICMP_ECHOREPLY	     0
#define ICMP_DEST_UNREACH    3
#define ICMP_ECHO	     8
#define ICMP_TIME_EXCEEDED   11
#define ICMP_PARAMETERPROB   12
#define ICMPV6_ERROR_MAX     4 /* unreachable, too big, time exceeded, parameter problem */
#define ICMPV6_ECHO_REQUEST  128
#define ICMPV6_ECHO_REPLY    129

/* Both families' messages begin so; id and sequence are those of an echo. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 id;
	__be16 sequence;
};

/* RFC 8200; <linux/ipv6.h> pulls the C library in. */
struct ipv6_header {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	union ip_address saddr;
	union ip_address daddr;
} __attribute__((packed, aligned(4)));

#define IPV4_FIRST_MULTICAST 224 /* first byte; broadcast's is higher */
#define IPV4_LOOPBACK	     127

#define IP_DF	  0x4000
#define IP_MF	  0x2000
#define IP_OFFSET 0x1fff

/* Direction bits of the metrics map and of policy verdicts. */
#define METRIC_INGRESS 1
#define METRIC_EGRESS  2
#define METRIC_SERVICE 3

/* What is known of a packet: filled by packet_parse(), then by each step that learns more. On the stack of a program, so
 * every exit can count and report it. Its family is a constant where the program branched on the protocol: what the other
 * family needs is not compiled in. */
struct packet {
	union ip_address saddr;
	union ip_address daddr;
	union ip_address orig_addr; /* source before a translation, zero: none */
	__be16 sport;		    /* ICMP: the identifier of an echo request */
	__be16 dport;		    /* ICMP: the identifier of an echo reply */
	__u8 family;		    /* FAMILY_* */
	__u8 proto;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 has_l4; /* 1: the L4 header is in this packet (no later fragment) */
	__u8 hop_limit; /* or TTL */
	__u8 direction; /* METRIC_* */
	__u8 ct_state;
	__u8 report; /* this packet is worth a trace event */
	__u32 l4_offset;

	__u32 src_identity;
	__u32 dst_identity;
	__u16 source; /* endpoint whose program runs */
	__u16 dst_endpoint;
	__u16 ct_rev_nat_index; /* of its entry */
	__u16 exit_line;
	__u8 exit_file;
	__s8 exit_error;
	__u8 ct_node_port; /* of its entry */
	__u32 now_seconds;  /* 0: not asked yet */
	__u64 policy_stamp; /* of its entry; after policy_check_connection() what the entry shall remember */
};

/* What is told of packets. */
#define EVENT_DROPS	    0x01
#define EVENT_TRACES	    0x02
#define EVENT_VERDICTS	    0x04
#define EVENT_TRACE_EVERY   0x08 /* of every packet, not of a connection's first and last ones alone */
#define EVENT_TRACE_FLAGS   0x10 /* of the first packet with each of EVENT_TCP_FLAGS too */
#define EVENT_TCP_FLAGS	    (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST)

/* In which of them the endpoint on whose side the packet is differs from the node's settings. In the packet's scratch memory:
 * the verifier does not walk its values one by one, it takes no stack, and every step finds it there. */
#define EVENTS_CB 4

#define EVENT_WANTED(skb, option) ((config.event_options ^ (skb)->cb[EVENTS_CB]) & (option))

/* A program begins: no endpoint is known yet, and in the memory is what others left there. */
#define EVENTS_OF_NODE(skb) ((skb)->cb[EVENTS_CB] = 0)

/* The packet is on this endpoint's side now. */
#define EVENTS_OF(skb, endpoint) ((skb)->cb[EVENTS_CB] = (endpoint)->event_options)

/* Notes where a packet was decided; the value of the expression is `verdict`. */
#define EXIT_AT(pkt, verdict)                                                                                          \
	({                                                                                                             \
		(pkt)->exit_line = __LINE__;                                                                           \
		(pkt)->exit_file = THIS_SOURCE_FILE;                                                                   \
		(verdict);                                                                                             \
	})
#define DROP_AT(pkt, reason) EXIT_AT(pkt, reason)

/* FAMILY_* of an EtherType that this node serves, 0 for all others. */
static __always_inline __u8 family_of_protocol(__u32 protocol)
{
	if (protocol == bpf_htons(ETH_P_IP) && config.enable_ipv4)
		return FAMILY_IPV4;
	if (protocol == bpf_htons(ETH_P_IPV6) && config.enable_ipv6)
		return FAMILY_IPV6;
	return 0;
}

static __always_inline __u8 packet_family(const struct __sk_buff *skb)
{
	return family_of_protocol(skb->protocol);
}

static __always_inline bool packet_is_ip6(const struct packet *pkt)
{
	return pkt->family == FAMILY_IPV6;
}

/* Bytes up to the end of the IP header without options. */
static __always_inline __u32 packet_l3_bytes(const struct packet *pkt)
{
	return ETH_HLEN + (packet_is_ip6(pkt) ? sizeof(struct ipv6_header) : sizeof(struct iphdr));
}

static __always_inline bool packet_is_icmp(const struct packet *pkt)
{
	return pkt->proto == (packet_is_ip6(pkt) ? IPPROTO_ICMPV6_ : IPPROTO_ICMP);
}

static __always_inline bool packet_is_icmp_error(const struct packet *pkt)
{
	if (!packet_is_icmp(pkt))
		return false;
	if (packet_is_ip6(pkt))
		return pkt->icmp_type && pkt->icmp_type <= ICMPV6_ERROR_MAX;
	return pkt->icmp_type == ICMP_DEST_UNREACH || pkt->icmp_type == ICMP_TIME_EXCEEDED ||
	       pkt->icmp_type == ICMP_PARAMETERPROB;
}

/* An echo's identifier stands in for the port of whoever asked. */
static __always_inline void packet_note_echo(struct packet *pkt, __u8 type, __be16 id)
{
	if (type == (packet_is_ip6(pkt) ? ICMPV6_ECHO_REQUEST : ICMP_ECHO))
		pkt->sport = id;
	else if (type == (packet_is_ip6(pkt) ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY))
		pkt->dport = id;
}

/* Makes `bytes` bytes readable and writable directly; 0 or a drop reason. */
static __always_inline int packet_pull(struct __sk_buff *skb, __u32 bytes)
{
	if ((void *)(long)skb->data + bytes <= (void *)(long)skb->data_end)
		return 0;
	return bpf_skb_pull_data(skb, bytes) ? DROP_INVALID : 0;
}

/* No router sends it on. Groups on the link have no other hop limit, and are not sent on either. */
static __always_inline bool packet_expires(const struct packet *pkt)
{
	if (pkt->hop_limit > 1)
		return false;
	return packet_is_ip6(pkt) ? pkt->daddr.ip6[0] != 0xff : pkt->daddr.ip6[0] < IPV4_FIRST_MULTICAST;
}

/* Bytes from the IP header on of what will leave: of a packet that is yet to be cut those of each part. */
static __always_inline __u32 packet_wire_bytes(struct __sk_buff *skb, const struct packet *pkt)
{
	__u8 data_offset = 2 << 4; /* UDP's header, in units of 4 bytes */

	if (!skb->gso_size)
		return skb->len - ETH_HLEN;
	if (pkt->proto == IPPROTO_TCP)
		bpf_skb_load_bytes(skb, pkt->l4_offset + TCP_DATA_OFFSET, &data_offset, sizeof(data_offset));
	return pkt->l4_offset - ETH_HLEN + (data_offset >> 4) * 4 + skb->gso_size;
}

/* Too large for a path of this MTU, and nobody may cut it. */
static __always_inline bool packet_exceeds(struct __sk_buff *skb, const struct packet *pkt, __u32 mtu)
{
	__be16 fragment = 0;

	if (skb->len - ETH_HLEN <= mtu || packet_wire_bytes(skb, pkt) <= mtu)
		return false;
	if (packet_is_ip6(pkt))
		return true;
	bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, frag_off), &fragment, sizeof(fragment));
	return fragment & bpf_htons(IP_DF);
}

/* RFC 1624: the TTL is the high byte of its 16-bit word. */
static __always_inline void ip4_decrement_ttl(struct iphdr *ip4)
{
	__u32 sum = ip4->check + bpf_htons(0x0100);

	ip4->check = sum + (sum >= 0xffff);
	ip4->ttl--;
}

/* What the hop limit's 16-bit word loses, in ones' complement: of IPv4's TTL the header's checksum makes up for it. */
#define IPV6_HOP_CSUM ((__u16)~bpf_htons(1))

/* Takes one from the TTL or hop limit; 0 or a drop reason. */
static __always_inline int packet_decrement_ttl(struct __sk_buff *skb, struct packet *pkt)
{
	struct ipv6_header *ip6;
	struct iphdr *ip4;
	int ret;

	ret = packet_pull(skb, packet_l3_bytes(pkt));
	if (ret)
		return DROP_AT(pkt, ret);
	ip4 = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(long)skb->data + packet_l3_bytes(pkt) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	if (packet_is_ip6(pkt)) {
		ip6 = (void *)ip4;
		if (ip6->hop_limit <= 1)
			return DROP_AT(pkt, DROP_TTL_EXCEEDED);
		ip6->hop_limit--;
		bpf_csum_update(skb, IPV6_HOP_CSUM);
		return 0;
	}
	if (ip4->ttl <= 1)
		return DROP_AT(pkt, DROP_TTL_EXCEEDED);
	ip4_decrement_ttl(ip4);
	return 0;
}

/* Sets both MAC addresses and takes one from the TTL or hop limit; 0 or a drop reason. */
static __always_inline int packet_forward_l2_l3(struct __sk_buff *skb, struct packet *pkt, const __u8 *src_mac,
						const __u8 *dst_mac)
{
	struct ethhdr *eth;
	int ret;

	ret = packet_decrement_ttl(skb, pkt);
	if (ret)
		return ret;
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	__builtin_memcpy(eth->h_dest, dst_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, src_mac, ETH_ALEN);
	return 0;
}
