/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "packet.h"

#define TCP_FLAGS_OFFSET 13

/* Reads TCP's ports and flags in place; false when the packet has IP options or is not linear so far. */
static __always_inline bool packet_parse_tcp_linear(struct __sk_buff *skb, struct packet *pkt)
{
	struct tcphdr *tcp = (void *)(long)skb->data + packet_l3_bytes(pkt);

	if (pkt->l4_offset != packet_l3_bytes(pkt) || (void *)(tcp + 1) > (void *)(long)skb->data_end)
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
	} else if (packet_is_icmp(pkt)) {
		struct icmp_header header;

		if (bpf_skb_load_bytes(skb, pkt->l4_offset, &header, sizeof(header)))
			return DROP_AT(pkt, DROP_CT_INVALID_HDR);
		pkt->icmp_type = header.type;
		packet_note_echo(pkt, header.type, header.id);
	} else {
		return DROP_AT(pkt, DROP_CT_UNKNOWN_PROTO);
	}
	return 0;
}
