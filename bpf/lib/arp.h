/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "identity.h"
#include "packet.h"

#define ARPHRD_ETHER 1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY 2

/* RFC 826 for Ethernet and IPv4, after the Ethernet header. */
struct arp_ipv4 {
	__be16 hrd;
	__be16 pro;
	__u8 hln;
	__u8 pln;
	__be16 op;
	__u8 sha[ETH_ALEN];
	__be32 spa;
	__u8 tha[ETH_ALEN];
	__be32 tpa;
} __attribute__((packed));

/* Answers a pod's ARP request for any address but its own: everything is behind the host side of its veth. Replies and
 * probes pass to the stack. A verdict or a drop reason. */
static __always_inline int arp_respond(struct __sk_buff *skb, struct packet *pkt)
{
	struct {
		struct ethhdr eth;
		struct arp_ipv4 arp;
	} __attribute__((packed)) frame;
	struct endpoint_info *ep;
	union ip_address sender;
	__be32 requested;

	if (bpf_skb_load_bytes(skb, 0, &frame, sizeof(frame)))
		return DROP_AT(pkt, DROP_INVALID);
	if (frame.arp.hrd != bpf_htons(ARPHRD_ETHER) || frame.arp.pro != bpf_htons(ETH_P_IP) ||
	    frame.arp.op != bpf_htons(ARPOP_REQUEST) || frame.arp.spa == frame.arp.tpa)
		return EXIT_AT(pkt, VERDICT_PASS);
	sender = ip_from4(frame.arp.spa);
	ep = endpoint_lookup(&sender, FAMILY_IPV4);
	if (!ep || ep->ifindex != skb->ifindex)
		return DROP_AT(pkt, DROP_INVALID_SIP);
	requested = frame.arp.tpa;
	__builtin_memcpy(frame.eth.h_dest, frame.arp.sha, ETH_ALEN);
	__builtin_memcpy(frame.eth.h_source, ep->node_mac, ETH_ALEN);
	frame.arp.op = bpf_htons(ARPOP_REPLY);
	__builtin_memcpy(frame.arp.tha, frame.arp.sha, ETH_ALEN);
	frame.arp.tpa = frame.arp.spa;
	__builtin_memcpy(frame.arp.sha, ep->node_mac, ETH_ALEN);
	frame.arp.spa = requested;
	if (bpf_skb_store_bytes(skb, 0, &frame, sizeof(frame), 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return EXIT_AT(pkt, bpf_redirect(skb->ifindex, 0));
}
