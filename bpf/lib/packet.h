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

#include "drop_reasons.h"
#include "layouts.h"
#include "source_files.h"

#define IPPROTO_SCTP_ 132

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

/* RFC 792; <linux/icmp.h> pulls the C library in. */
#define ICMP_ECHOREPLY	   0
#define ICMP_DEST_UNREACH  3
#define ICMP_ECHO	   8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 id;
	__be16 sequence;
};

#define IP_MF	  0x2000
#define IP_OFFSET 0x1fff

/* Direction bits of the metrics map and of policy verdicts. */
#define METRIC_INGRESS 1
#define METRIC_EGRESS  2
#define METRIC_SERVICE 3

/* What is known of a packet: filled by packet_parse4(), then by each step that learns more. On the stack of a program,
 * so every exit can count and report it. */
struct packet {
	__be32 saddr;
	__be32 daddr;
	__be16 sport; /* ICMP: the identifier of an echo request */
	__be16 dport; /* ICMP: the identifier of an echo reply */
	__u8 proto;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 has_l4; /* 1: the L4 header is in this packet (no later fragment) */
	__u32 l4_offset;

	__u32 src_identity;
	__u32 dst_identity;
	__u16 source; /* endpoint whose program runs */
	__u16 dst_endpoint;
	__be32 orig_addr; /* source before a translation, 0: none */
	__u8 direction;	  /* METRIC_* */
	__u8 ct_state;
	__u8 report; /* this packet is worth a trace event */
	__u16 ct_rev_nat_index; /* of its entry */
	__u32 now_seconds;	/* 0: not asked yet */
	__u64 policy_stamp;	/* of its entry; after policy_check_connection() what the entry shall remember */

	__u16 exit_line;
	__u8 exit_file;
	__s8 exit_error;
};

/* Notes where a packet was decided; the value of the expression is `verdict`. */
#define EXIT_AT(pkt, verdict)                                                                                          \
	({                                                                                                             \
		(pkt)->exit_line = __LINE__;                                                                           \
		(pkt)->exit_file = THIS_SOURCE_FILE;                                                                   \
		(verdict);                                                                                             \
	})
#define DROP_AT(pkt, reason) EXIT_AT(pkt, reason)

static __always_inline bool icmp_type_is_error(__u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/* Makes `bytes` bytes readable and writable directly; 0 or a drop reason. */
static __always_inline int packet_pull(struct __sk_buff *skb, __u32 bytes)
{
	if ((void *)(long)skb->data + bytes <= (void *)(long)skb->data_end)
		return 0;
	return bpf_skb_pull_data(skb, bytes) ? DROP_INVALID : 0;
}

#define TCP_FLAGS_OFFSET 13

/* Reads TCP's ports and flags in place; false when the packet has IP options or is not linear so far. */
static __always_inline bool packet_parse_tcp_linear(struct __sk_buff *skb, struct packet *pkt)
{
	struct tcphdr *tcp = (void *)(long)skb->data + ETH_HLEN + sizeof(struct iphdr);

	if (pkt->l4_offset != ETH_HLEN + sizeof(struct iphdr) || (void *)(tcp + 1) > (void *)(long)skb->data_end)
		return false;
	pkt->sport = tcp->source;
	pkt->dport = tcp->dest;
	pkt->tcp_flags = ((__u8 *)tcp)[TCP_FLAGS_OFFSET];
	return true;
}

/* Ports, TCP flags, ICMP identifier at pkt->l4_offset. */
static __always_inline int packet_parse_l4(struct __sk_buff *skb, struct packet *pkt)
{
	if (pkt->proto == IPPROTO_TCP) {
		__u8 header[TCP_FLAGS_OFFSET + 1];

		if (packet_parse_tcp_linear(skb, pkt))
			return 0;
		if (bpf_skb_load_bytes(skb, pkt->l4_offset, header, sizeof(header)))
			return DROP_AT(pkt, DROP_CT_INVALID_HDR);
		__builtin_memcpy(&pkt->sport, header, 2);
		__builtin_memcpy(&pkt->dport, header + 2, 2);
		pkt->tcp_flags = header[TCP_FLAGS_OFFSET];
	} else if (pkt->proto == IPPROTO_UDP || pkt->proto == IPPROTO_SCTP_) {
		__be16 ports[2];

		if (bpf_skb_load_bytes(skb, pkt->l4_offset, ports, sizeof(ports)))
			return DROP_AT(pkt, DROP_CT_INVALID_HDR);
		pkt->sport = ports[0];
		pkt->dport = ports[1];
	} else if (pkt->proto == IPPROTO_ICMP) {
		struct icmp_header header;

		if (bpf_skb_load_bytes(skb, pkt->l4_offset, &header, sizeof(header)))
			return DROP_AT(pkt, DROP_CT_INVALID_HDR);
		pkt->icmp_type = header.type;
		if (header.type == ICMP_ECHO)
			pkt->sport = header.id;
		else if (header.type == ICMP_ECHOREPLY)
			pkt->dport = header.id;
	} else {
		return DROP_AT(pkt, DROP_CT_UNKNOWN_PROTO);
	}
	return 0;
}

/* Sets both MAC addresses and takes one from the TTL; 0 or a drop reason. */
static __always_inline int packet_forward_l2_l3(struct __sk_buff *skb, struct packet *pkt, const __u8 *src_mac,
						const __u8 *dst_mac)
{
	struct ethhdr *eth;
	struct iphdr *ip4;
	__u32 sum;
	int ret;

	ret = packet_pull(skb, ETH_HLEN + sizeof(*ip4));
	if (ret)
		return DROP_AT(pkt, ret);
	eth = (void *)(long)skb->data;
	ip4 = (void *)(eth + 1);
	if ((void *)(ip4 + 1) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	if (ip4->ttl <= 1)
		return DROP_AT(pkt, DROP_TTL_EXCEEDED);
	/* RFC 1624: the TTL is the high byte of its 16-bit word. */
	sum = ip4->check + bpf_htons(0x0100);
	ip4->check = sum + (sum >= 0xffff);
	ip4->ttl--;
	__builtin_memcpy(eth->h_dest, dst_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, src_mac, ETH_ALEN);
	return 0;
}
