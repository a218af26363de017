/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "verifier.h"

/* Upstream's states. */
#define CT_NEW	       0
#define CT_ESTABLISHED 1
#define CT_REPLY       2
#define CT_RELATED     3

#define TUPLE_F_OUT	0
#define TUPLE_F_IN	1
#define TUPLE_F_SERVICE 4

/* Which side of the endpoint sees the packet, for ct_* functions. */
#define CT_EGRESS  0
#define CT_INGRESS 1
#define CT_SERVICE 2

/* CLOCK_MONOTONIC; asked once a packet, whose entries are up to four. */
static __always_inline __u32 now_seconds(struct packet *pkt)
{
	if (!pkt->now_seconds)
		pkt->now_seconds = bpf_ktime_get_ns() / 1000000000ULL;
	return pkt->now_seconds;
}

/* ---- one entry: flags, lifetime, reports ---- */

static __always_inline bool ct_entry_is_closed(const struct ct_entry *entry)
{
	return entry->rx_closing && entry->tx_closing;
}

static __always_inline __u32 ct_lifetime(const struct ct_entry *entry, __u8 proto, int dir)
{
	if (proto != IPPROTO_TCP)
		return dir == CT_SERVICE ? config.ct_service_any_seconds : config.ct_regular_any_seconds;
	if (ct_entry_is_closed(entry))
		return config.ct_tcp_fin_seconds;
	if (!entry->seen_non_syn)
		return config.ct_tcp_syn_seconds;
	return dir == CT_SERVICE ? config.ct_service_tcp_seconds : config.ct_regular_tcp_seconds;
}

static __always_inline void ct_entry_note_flags(struct ct_entry *entry, __u8 flags, int dir)
{
	if (!(flags & TCP_FLAG_SYN) && !entry->seen_non_syn)
		entry->seen_non_syn = 1;
	if (!(flags & (TCP_FLAG_FIN | TCP_FLAG_RST)))
		return;
	/* A reset before both SYNs were seen ends the attempt; a service entry sees one direction only. */
	if (dir == CT_SERVICE ||
	    ((flags & TCP_FLAG_RST) && !(entry->rx_flags_seen & entry->tx_flags_seen & TCP_FLAG_SYN))) {
		entry->rx_closing = 1;
		entry->tx_closing = 1;
	} else if (dir == CT_INGRESS) {
		entry->rx_closing = 1;
	} else {
		entry->tx_closing = 1;
	}
}

/* Accounts a packet to its entry. Writes only what changes, so that a busy entry's cache line stays shared; sets
 * pkt->report for the packet that ends the connection, for the first with one of `told_flags` and once an interval. */
static __always_inline void ct_entry_account(struct ct_entry *entry, struct packet *pkt, __u32 bytes, int dir,
					     __u8 told_flags)
{
	__u8 *seen = dir == CT_INGRESS ? &entry->rx_flags_seen : &entry->tx_flags_seen;
	__u32 *last_report = dir == CT_INGRESS ? &entry->last_rx_report : &entry->last_tx_report;
	__u32 now = now_seconds(pkt), expires;
	bool was_closed = ct_entry_is_closed(entry), is_news;
	__u8 fresh;

	if (pkt->proto == IPPROTO_TCP)
		ct_entry_note_flags(entry, pkt->tcp_flags, dir);
	expires = now + ct_lifetime(entry, pkt->proto, dir);
	if (entry->lifetime != expires)
		entry->lifetime = expires;
	if (config.ct_accounting) {
		__sync_fetch_and_add(&entry->packets, 1);
		__sync_fetch_and_add(&entry->bytes, bytes);
	}
	fresh = pkt->tcp_flags & ~*seen;
	if (fresh)
		*seen |= fresh;
	is_news = (fresh & told_flags) || (!was_closed && ct_entry_is_closed(entry)) ||
		  (*last_report && *last_report + config.trace_interval_seconds < now);
	if (is_news && dir != CT_SERVICE)
		pkt->report = 1;
	if (is_news || !*last_report)
		*last_report = now;
}

/* Without a branch, each of which doubles what the verifier walks behind it. */
static __always_inline void ct_entry_touch(struct __sk_buff *skb, struct ct_entry *entry, struct packet *pkt, int dir)
{
	ct_entry_account(entry, pkt, skb->len, dir, EVENT_TCP_FLAGS * !!EVENT_WANTED(skb, EVENT_TRACE_FLAGS));
}

static __always_inline void ct_entry_init(struct ct_entry *entry, struct packet *pkt, __u32 bytes, int dir)
{
	__u32 now = now_seconds(pkt);

	if (config.ct_accounting) {
		entry->packets = 1;
		entry->bytes = bytes;
	}
	entry->src_sec_id = pkt->src_identity;
	if (pkt->proto == IPPROTO_TCP && !(pkt->tcp_flags & TCP_FLAG_SYN))
		entry->seen_non_syn = 1;
	entry->lifetime = now + ct_lifetime(entry, pkt->proto, dir);
	if (dir == CT_INGRESS) {
		entry->rx_flags_seen = pkt->tcp_flags;
		entry->last_rx_report = now;
	} else {
		entry->tx_flags_seen = pkt->tcp_flags;
		entry->last_tx_report = now;
	}
}

static __always_inline bool is_opening(const struct packet *pkt)
{
	return pkt->proto == IPPROTO_TCP && (pkt->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

/* A SYN after a side has closed is a new connection on the same ports: of a reset only the sender's side is seen. */
static __always_inline bool ct_entry_is_reopened(const struct ct_entry *entry, const struct packet *pkt)
{
	return is_opening(pkt) && (entry->rx_closing || entry->tx_closing);
}

/* ---- the maps: TCP and the rest, of each family ---- */

union ct_key {
	struct ipv4_ct_tuple v4;
	struct ipv6_ct_tuple v6;
} __attribute__((aligned(8))); /* so that addresses are copied in words */

/* Where an entry is looked for. The addresses and ports go into the fields of these names. */
struct ct_place {
	const union ip_address *daddr;
	const union ip_address *saddr;
	__be16 dport;
	__be16 sport;
	__u8 flags; /* TUPLE_F_* */
};

static __always_inline void ct_key_set(union ct_key *key, const struct packet *pkt, const struct ct_place *place)
{
	if (packet_is_ip6(pkt)) {
		__builtin_memcpy(key->v6.daddr, place->daddr, sizeof(key->v6.daddr));
		__builtin_memcpy(key->v6.saddr, place->saddr, sizeof(key->v6.saddr));
		key->v6.dport = place->dport;
		key->v6.sport = place->sport;
		key->v6.nexthdr = pkt->proto;
		key->v6.flags = place->flags;
	} else {
		key->v4.daddr = place->daddr->ip4;
		key->v4.saddr = place->saddr->ip4;
		key->v4.dport = place->dport;
		key->v4.sport = place->sport;
		key->v4.nexthdr = pkt->proto;
		key->v4.flags = place->flags;
	}
}

/* The key of the packet's entry, taken for the forward direction or for a reply. One branch and not one a field: pointers
 * that depend on a branch are paths that the verifier never joins again. */
static __always_inline void ct_key_of(union ct_key *key, const struct packet *pkt, int dir, bool is_reply)
{
	__u8 flags = is_reply == (dir == CT_INGRESS) ? TUPLE_F_OUT : TUPLE_F_IN;

	if (is_reply) {
		struct ct_place place = { &pkt->daddr, &pkt->saddr, pkt->sport, pkt->dport, flags };

		ct_key_set(key, pkt, &place);
	} else {
		struct ct_place place = { &pkt->saddr, &pkt->daddr, pkt->dport, pkt->sport, flags };

		ct_key_set(key, pkt, &place);
	}
}

static __always_inline void *ct_map(const struct packet *pkt)
{
	if (packet_is_ip6(pkt))
		return pkt->proto == IPPROTO_TCP ? (void *)&cilium_ct6_global : (void *)&cilium_ct_any6_global;
	return pkt->proto == IPPROTO_TCP ? (void *)&cilium_ct4_global : (void *)&cilium_ct_any4_global;
}

static __always_inline struct ct_entry *ct_find(void *map, const struct packet *pkt, int dir, bool is_reply)
{
	union ct_key key;

	ct_key_of(&key, pkt, dir, is_reply);
	return bpf_map_lookup_elem(map, &key);
}

/* ---- ICMP errors ---- */

/* Reads the packet that an ICMP error quotes (RFC 792: its IP header and 8 bytes; RFC 4443: as much as fits). False where
 * it cannot be told: another version, or IPv6 with extension headers. */
static __always_inline bool packet_parse_quoted(struct __sk_buff *skb, const struct packet *pkt, struct packet *inner)
{
	__u32 offset = pkt->l4_offset + sizeof(struct icmp_header);
	struct icmp_header l4;

	inner->family = pkt->family;
	if (packet_is_ip6(pkt)) {
		struct ipv6_header ip6;

		if (bpf_skb_load_bytes(skb, offset, &ip6, sizeof(ip6)) || bpf_ntohl(ip6.version_class_flow) >> 28 != 6)
			return false;
		inner->saddr = ip6.saddr;
		inner->daddr = ip6.daddr;
		inner->proto = ip6.nexthdr;
		inner->l4_offset = offset + sizeof(ip6);
	} else {
		struct iphdr ip4;

		if (bpf_skb_load_bytes(skb, offset, &ip4, sizeof(ip4)) || ip4.version != 4 || ip4.ihl < 5)
			return false;
		inner->saddr.ip4 = ip4.saddr;
		inner->daddr.ip4 = ip4.daddr;
		inner->proto = ip4.protocol;
		inner->l4_offset = offset + ip4.ihl * 4;
	}
	if (bpf_skb_load_bytes(skb, inner->l4_offset, &l4, sizeof(l4)))
		return false;
	if (packet_is_icmp(inner)) {
		inner->icmp_type = l4.type;
		packet_note_echo(inner, l4.type, l4.id);
	} else {
		__builtin_memcpy(&inner->sport, &l4, sizeof(inner->sport));
		__builtin_memcpy(&inner->dport, (__u8 *)&l4 + 2, sizeof(inner->dport));
	}
	VERIFIER_FORGET(inner->proto, skb->hash);
	VERIFIER_FORGET(inner->sport, skb->hash);
	VERIFIER_FORGET(inner->dport, skb->hash);
	return true;
}

/* The connection of the packet that an ICMP error quotes. Seen from the same hook it runs the other way. CT_RELATED if it
 * is known, CT_NEW if not, or a drop reason. An error goes to whoever sent the quoted packet; to anybody else it is no
 * answer: the map holds all pods' connections, so quoting one's own would pass the policies of all others. */
static __always_inline int ct_lookup_related(struct __sk_buff *skb, struct packet *pkt, int dir)
{
	struct packet inner = {};
	void *map;

	if (!packet_parse_quoted(skb, pkt, &inner))
		return DROP_AT(pkt, DROP_CT_INVALID_HDR);
	if (!ip_equal(&inner.saddr, &pkt->daddr))
		return CT_NEW;
	dir = dir == CT_INGRESS ? CT_EGRESS : CT_INGRESS;
	map = ct_map(&inner);
	return ct_find(map, &inner, dir, false) || ct_find(map, &inner, dir, true) ? CT_RELATED : CT_NEW;
}

/* ---- a packet's connection ---- */

static __always_inline void ct_search(struct __sk_buff *skb, void *map, struct packet *pkt, int dir)
{
	bool is_first = is_opening(pkt), is_reply;
	struct ct_entry *entry;

	/* Servers listen on low ports: the likelier side first spares most packets a look-up that misses. A SYN is never a
	 * reply: else a server could dial back from the port that was dialled, past the client's policy. */
	is_reply = !is_first && bpf_ntohs(pkt->sport) < bpf_ntohs(pkt->dport);
	entry = ct_find(map, pkt, dir, is_reply);
	if (!entry && !is_first) {
		is_reply = !is_reply;
		entry = ct_find(map, pkt, dir, is_reply);
	}
	if (!entry || ct_entry_is_reopened(entry, pkt)) {
		pkt->ct_state = CT_NEW;
		pkt->report = 1;
		return;
	}
	pkt->ct_state = is_reply ? CT_REPLY : CT_ESTABLISHED;
	pkt->ct_rev_nat_index = entry->rev_nat_index;
	pkt->ct_node_port = config.dsr_dispatch && entry->node_port;
	pkt->policy_stamp = entry->reserved0;
	ct_entry_touch(skb, entry, pkt, dir);
}

static __always_inline void ct_forget_branches(struct __sk_buff *skb, struct packet *pkt)
{
	__u32 unknown = skb->hash;

	VERIFIER_FORGET(pkt->proto, unknown);
	VERIFIER_FORGET(pkt->tcp_flags, unknown);
	VERIFIER_FORGET(pkt->ct_state, unknown);
	VERIFIER_FORGET(pkt->report, unknown);
	VERIFIER_FORGET(pkt->ct_rev_nat_index, unknown);
	VERIFIER_FORGET(pkt->ct_node_port, unknown);
	VERIFIER_FORGET(pkt->now_seconds, unknown);
	VERIFIER_FORGET(pkt->policy_stamp, unknown);
}

/* Finds the packet's connection from the endpoint's egress or ingress side; sets pkt->ct_state and pkt->report, and what
 * its entry remembers. 0 or a drop reason. */
static __always_inline int ct_lookup(struct __sk_buff *skb, struct packet *pkt, int dir)
{
	int state;

	pkt->ct_rev_nat_index = 0;
	pkt->ct_node_port = 0;
	pkt->policy_stamp = 0;
	if (packet_is_icmp_error(pkt)) {
		state = ct_lookup_related(skb, pkt, dir);
		if (state < 0)
			return state;
		pkt->ct_state = state;
		pkt->report = 1;
		ct_forget_branches(skb, pkt);
		return 0;
	}
	/* By name, not by ct_map(): only where the map is known does the kernel inline its look-up. */
	if (packet_is_ip6(pkt)) {
		if (pkt->proto == IPPROTO_TCP)
			ct_search(skb, &cilium_ct6_global, pkt, dir);
		else
			ct_search(skb, &cilium_ct_any6_global, pkt, dir);
	} else {
		if (pkt->proto == IPPROTO_TCP)
			ct_search(skb, &cilium_ct4_global, pkt, dir);
		else
			ct_search(skb, &cilium_ct_any4_global, pkt, dir);
	}
	ct_forget_branches(skb, pkt);
	return 0;
}

/* What the entry of a new connection is born with beside what its first packet says. */
struct ct_birth {
	__u16 rev_nat_index;
	bool from_tunnel;
	bool is_hairpin;
	bool node_port; /* dialled from outside: answers leave from the frontend */
};

/* Creates the entry of a connection's first packet. 0 or a drop reason. */
static __always_inline int ct_create(struct packet *pkt, __u32 bytes, int dir, const struct ct_birth *birth)
{
	struct ct_entry entry = {};
	union ct_key key;

	ct_key_of(&key, pkt, dir, false);
	ct_entry_init(&entry, pkt, bytes, dir);
	entry.reserved0 = pkt->policy_stamp;
	entry.rev_nat_index = birth->rev_nat_index;
	entry.from_tunnel = birth->from_tunnel;
	entry.lb_loopback = birth->is_hairpin;
	entry.node_port = birth->node_port;
	if (bpf_map_update_elem(ct_map(pkt), &key, &entry, BPF_ANY))
		return DROP_AT(pkt, DROP_CT_CREATE_FAILED);
	return 0;
}

/* Lets the entry of an established connection remember what policy_check_connection() found. An older stamp may stay where
 * nothing can be remembered: it fits no later epoch. */
static __always_inline void ct_remember_policy(const struct packet *pkt, int dir)
{
	struct ct_entry *entry;

	if (!pkt->policy_stamp)
		return;
	entry = ct_find(ct_map(pkt), pkt, dir, false);
	if (entry)
		entry->reserved0 = pkt->policy_stamp;
}
