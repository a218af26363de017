/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "nat.h"
#include "parse.h"
#include "service.h"

/* Direct server return: a packet from outside goes to the backend's node with the client's address, and with the frontend
 * in an option of the IP header. That node remembers the frontend in a conntrack entry of the connection (flag DSRInternal)
 * and answers the client from there: no answer comes back here. Upstream's formats, on the wire and in the map. */

/* Copied into fragments, class "control", number 26; in host order on the wire, as upstream has it. */
#define DSR_OPTION4_TYPE 0x9a
#define IPV4_MAX_WORDS	 15

struct dsr_option4 {
	__u8 type;
	__u8 bytes;
	__u16 port;
	__u32 address;
};

/* A destination option (RFC 8200 4.6) that others skip. */
#define DSR_OPTION6_TYPE 0x1b

struct dsr_option6 {
	__u8 nexthdr;
	__u8 length; /* in units of 8 bytes, the first not counted */
	__u8 type;
	__u8 bytes; /* behind this field */
	__be32 address[4];
	__be16 port;
	__u16 pad;
};

#define DSR_OPTION6_LENGTH ((sizeof(struct dsr_option6) - 8) / 8)
#define DSR_OPTION6_BYTES  (sizeof(struct dsr_option6) - 4)

/* What a packet grows by that tells its frontend. */
static __always_inline __u32 dsr_bytes(const struct packet *pkt)
{
	if (config.dsr_dispatch == DSR_IN_PACKET)
		return packet_is_ip6(pkt) ? sizeof(struct ipv6_header) : sizeof(struct iphdr);
	return packet_is_ip6(pkt) ? sizeof(struct dsr_option6) : sizeof(struct dsr_option4);
}

/* ---- the node that was dialled ---- */

/* Room behind the IP header, before what follows it. Segments of a large packet get it each. */
static __always_inline int dsr_make_room(struct __sk_buff *skb, struct packet *pkt, const void *option, __u32 bytes)
{
	if (bpf_skb_adjust_room(skb, bytes, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_store_bytes(skb, packet_l3_bytes(pkt), option, bytes, 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return 0;
}

static __always_inline int dsr_write_option4(struct __sk_buff *skb, struct packet *pkt, const struct nat_end *frontend)
{
	struct dsr_option4 option = {
		.type = DSR_OPTION4_TYPE,
		.bytes = sizeof(option),
		.port = bpf_ntohs(frontend->port),
		.address = bpf_ntohl(frontend->address.ip4),
	};
	struct iphdr *ip4 = (void *)(long)skb->data + ETH_HLEN;
	__be32 before, after;
	__s64 sum;
	int ret;

	if ((void *)(ip4 + 1) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	if (ip4->ihl + sizeof(option) / 4 > IPV4_MAX_WORDS)
		return DROP_AT(pkt, DROP_CT_INVALID_HDR);
	before = *(__be32 *)ip4;
	ip4->ihl += sizeof(option) / 4;
	ip4->tot_len = bpf_htons(bpf_ntohs(ip4->tot_len) + sizeof(option));
	after = *(__be32 *)ip4;
	sum = bpf_csum_diff(&before, sizeof(before), &after, sizeof(after), 0);
	sum = bpf_csum_diff(NULL, 0, (void *)&option, sizeof(option), sum);
	ret = dsr_make_room(skb, pkt, &option, sizeof(option));
	if (ret)
		return ret;
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), 0, sum, 0))
		return DROP_AT(pkt, DROP_CSUM_L3);
	return 0;
}

static __always_inline int dsr_write_option6(struct __sk_buff *skb, struct packet *pkt, const struct nat_end *frontend)
{
	struct dsr_option6 option = {
		.length = DSR_OPTION6_LENGTH,
		.type = DSR_OPTION6_TYPE,
		.bytes = DSR_OPTION6_BYTES,
		.port = frontend->port,
	};
	struct ipv6_header *ip6 = (void *)(long)skb->data + ETH_HLEN;

	if ((void *)(ip6 + 1) > (void *)(long)skb->data_end)
		return DROP_AT(pkt, DROP_INVALID);
	__builtin_memcpy(option.address, &frontend->address, sizeof(option.address));
	option.nexthdr = ip6->nexthdr;
	ip6->nexthdr = NEXTHDR_DESTINATION;
	ip6->payload_len = bpf_htons(bpf_ntohs(ip6->payload_len) + sizeof(option));
	return dsr_make_room(skb, pkt, &option, sizeof(option));
}

/* The bytes that fit beside the frontend where the packet and the frontend do not, else 0. */
static __always_inline __u32 dsr_exceeded_mtu(struct __sk_buff *skb, const struct packet *pkt)
{
	__u32 mtu = 0;

	if (bpf_check_mtu(skb, 0, &mtu, 0, 0) < 0 || packet_wire_bytes(skb, pkt) + dsr_bytes(pkt) <= mtu)
		return 0;
	return mtu - dsr_bytes(pkt);
}

/* Tells the backend's node which frontend was dialled. 0 or a drop reason. */
static __always_inline int dsr_tell(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	struct nat_end frontend = {};

	if (!reverse_nat_lookup(rev_nat_index, pkt->family, &frontend.address, &frontend.port))
		return DROP_AT(pkt, DROP_NO_SERVICE);
	return packet_is_ip6(pkt) ? dsr_write_option6(skb, pkt, &frontend) : dsr_write_option4(skb, pkt, &frontend);
}

/* ---- the backend's node ---- */

static __always_inline bool dsr_read_option4(struct __sk_buff *skb, const struct packet *pkt, struct nat_end *frontend)
{
	struct dsr_option4 option;

	if (pkt->l4_offset < ETH_HLEN + sizeof(struct iphdr) + sizeof(option) ||
	    bpf_skb_load_bytes(skb, packet_l3_bytes(pkt), &option, sizeof(option)) ||
	    option.type != DSR_OPTION4_TYPE || option.bytes != sizeof(option))
		return false;
	frontend->address = ip_from4(bpf_htonl(option.address));
	frontend->port = bpf_htons(option.port);
	return true;
}

static __always_inline bool dsr_read_option6(struct __sk_buff *skb, const struct packet *pkt, struct nat_end *frontend)
{
	struct dsr_option6 option;
	__u8 nexthdr;

	if (pkt->l4_offset < ETH_HLEN + sizeof(struct ipv6_header) + sizeof(option) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6_header, nexthdr), &nexthdr, sizeof(nexthdr)) ||
	    nexthdr != NEXTHDR_DESTINATION ||
	    bpf_skb_load_bytes(skb, packet_l3_bytes(pkt), &option, sizeof(option)) ||
	    option.length != DSR_OPTION6_LENGTH || option.type != DSR_OPTION6_TYPE || option.bytes != DSR_OPTION6_BYTES)
		return false;
	__builtin_memcpy(&frontend->address, option.address, sizeof(frontend->address));
	frontend->port = option.port;
	return true;
}

static __always_inline bool dsr_read_option(struct __sk_buff *skb, const struct packet *pkt, struct nat_end *frontend)
{
	return packet_is_ip6(pkt) ? dsr_read_option6(skb, pkt, frontend) : dsr_read_option4(skb, pkt, frontend);
}

static __always_inline void dsr_entry_frontend(const struct ct_entry *entry, const struct packet *pkt,
					       struct nat_end *frontend)
{
	__builtin_memcpy(&frontend->address, entry->nat_addr, sizeof(frontend->address));
	if (!packet_is_ip6(pkt))
		frontend->address = ip_from4(frontend->address.words[3]);
	frontend->port = entry->nat_port;
}

/* The entry of a connection whose frontend is another node's affair, by a packet of its client or (`is_reply`) of its
 * backend. */
static __always_inline struct ct_entry *dsr_find(const struct packet *pkt, bool is_reply)
{
	struct ct_entry *entry = ct_find(ct_map(pkt), pkt, is_reply ? CT_INGRESS : CT_EGRESS, is_reply);

	return entry && entry->dsr_internal ? entry : NULL;
}

static __always_inline bool dsr_frontend_of(const struct packet *pkt, bool is_reply, struct nat_end *frontend)
{
	struct ct_entry *entry = dsr_find(pkt, is_reply);

	if (entry)
		dsr_entry_frontend(entry, pkt, frontend);
	return entry;
}

static __always_inline int dsr_create(struct __sk_buff *skb, struct packet *pkt, const struct nat_end *frontend)
{
	struct ct_entry entry = { .dsr_internal = 1, .nat_port = frontend->port };
	union ct_key key;

	if (!frontend->port)
		return DROP_AT(pkt, DROP_INVALID);
	ct_key_of(&key, pkt, CT_EGRESS, false);
	ct_entry_init(&entry, pkt, skb->len, CT_EGRESS);
	if (packet_is_ip6(pkt))
		__builtin_memcpy(entry.nat_addr, &frontend->address, sizeof(entry.nat_addr));
	else
		__builtin_memcpy(entry.nat_addr + 12, &frontend->address.ip4, 4);
	if (bpf_map_update_elem(ct_map(pkt), &key, &entry, BPF_ANY))
		return DROP_AT(pkt, DROP_CT_CREATE_FAILED);
	return 0;
}

/* Remembers a frontend that was told; `entry` is what is remembered of the connection, NULL: nothing. 0 or a drop reason. */
static __always_inline int dsr_remember_frontend(struct __sk_buff *skb, struct packet *pkt, struct ct_entry *entry,
						 const struct nat_end *frontend)
{
	struct nat_end known = {};

	if (!entry || is_opening(pkt))
		return dsr_create(skb, pkt, frontend);
	dsr_entry_frontend(entry, pkt, &known);
	if (!ip_equal(&known.address, &frontend->address) || known.port != frontend->port)
		return dsr_create(skb, pkt, frontend);
	ct_entry_touch(skb, entry, pkt, CT_EGRESS);
	return 0;
}

/* Remembers the frontend that a packet for a backend of this node tells. TCP's packets after the SYN tell none: they belong
 * to a connection that is remembered, unless a SYN without an option began it anew. 0, a drop reason, or DSR_IS_DIRECT. */
#define DSR_IS_DIRECT 1

static __always_inline int dsr_remember(struct __sk_buff *skb, struct packet *pkt)
{
	struct nat_end told = {};
	struct ct_entry *entry;
	bool is_told;
	int ret;

	if (!proto_has_services(pkt->proto))
		return 0;
	is_told = dsr_read_option(skb, pkt, &told);
	if (!is_told && pkt->proto != IPPROTO_TCP)
		return 0;
	entry = dsr_find(pkt, false);
	if (!entry && !is_told)
		return 0;
	if (entry && !is_told && is_opening(pkt)) {
		entry->dsr_internal = 0;
		return 0;
	}
	if (entry && !is_told) {
		ct_entry_touch(skb, entry, pkt, CT_EGRESS);
		return DSR_IS_DIRECT;
	}
	ret = dsr_remember_frontend(skb, pkt, entry, &told);
	return ret ? ret : DSR_IS_DIRECT;
}

/* A backend's answer leaves from the frontend that its client dialled on another node. 0 or a drop reason. */
static __always_inline int dsr_answer(struct __sk_buff *skb, struct packet *pkt)
{
	struct ct_entry *entry = dsr_find(pkt, true);
	struct nat_end frontend;

	if (!entry)
		return DROP_AT(pkt, DROP_NAT_NO_MAPPING);
	dsr_entry_frontend(entry, pkt, &frontend);
	ct_entry_touch(skb, entry, pkt, CT_INGRESS);
	return nat_rewrite_source(skb, pkt, &frontend);
}
