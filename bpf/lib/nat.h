/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "conntrack.h"
#include "rewrite.h"

/* Source NAT: a connection that leaves with an address of this node has two entries, one by the packets as they were (OUT:
 * the new source) and one by the answers as they come (IN: the old destination). Upstream's layouts. */

/* Upstream's SNAT_COLLISION_RETRIES, and one place for "none was free": the histogram has 33. */
#define NAT_RETRIES 32

/* An address with a port, or an ICMP echo's identifier. */
struct nat_end {
	union ip_address address;
	__be16 port;
	__u8 needs_ct; /* as the entry says where it was found */
};

/* `created` and `needs_ct` are at the same place in both. */
union nat_entry {
	struct ipv4_nat_entry v4;
	struct ipv6_nat_entry v6;
};

static __always_inline void *nat_map(const struct packet *pkt)
{
	return packet_is_ip6(pkt) ? (void *)&cilium_snat_v6_external : (void *)&cilium_snat_v4_external;
}

/* The packet's own key: addresses and ports as they stand in it. */
static __always_inline void nat_key_of(union ct_key *key, const struct packet *pkt, __u8 flags)
{
	struct ct_place place = {
		.daddr = &pkt->daddr,
		.saddr = &pkt->saddr,
		.dport = pkt->dport,
		.sport = pkt->sport,
		.flags = flags,
	};

	ct_key_set(key, pkt, &place);
}

/* The key of the answers to a packet that leaves from `source`. */
static __always_inline void nat_reply_key(union ct_key *key, const struct packet *pkt, const struct nat_end *source)
{
	struct ct_place place = {
		.daddr = &source->address,
		.saddr = &pkt->daddr,
		.dport = source->port,
		.sport = pkt->dport,
		.flags = TUPLE_F_IN,
	};

	ct_key_set(key, pkt, &place);
}

static __always_inline bool nat_find(const struct packet *pkt, const union ct_key *key, struct nat_end *end)
{
	if (packet_is_ip6(pkt)) {
		struct ipv6_nat_entry *entry = bpf_map_lookup_elem(&cilium_snat_v6_external, key);

		if (!entry)
			return false;
		__builtin_memcpy(&end->address, entry->to_saddr, sizeof(end->address));
		end->port = entry->to_sport;
		end->needs_ct = entry->needs_ct;
	} else {
		struct ipv4_nat_entry *entry = bpf_map_lookup_elem(&cilium_snat_v4_external, key);

		if (!entry)
			return false;
		end->address = ip_from4(entry->to_saddr);
		end->port = entry->to_sport;
		end->needs_ct = entry->needs_ct;
	}
	return true;
}

/* What the packet's connection leaves with. */
static __always_inline bool nat_find_source(const struct packet *pkt, struct nat_end *source)
{
	union ct_key key;

	nat_key_of(&key, pkt, TUPLE_F_OUT);
	return nat_find(pkt, &key, source);
}

/* Whom a packet is for that came to an address of this node. */
static __always_inline bool nat_find_destination(const struct packet *pkt, struct nat_end *destination)
{
	union ct_key key;

	nat_key_of(&key, pkt, TUPLE_F_IN);
	return nat_find(pkt, &key, destination);
}

/* Of ICMP only echoes have something that stands for a port: what asks leaves with another source, what answers comes back. */
static __always_inline bool packet_has_port(const struct packet *pkt, __u8 echo4, __u8 echo6)
{
	if (packet_is_icmp(pkt))
		return pkt->icmp_type == (packet_is_ip6(pkt) ? echo6 : echo4);
	return pkt->proto == IPPROTO_TCP || pkt->proto == IPPROTO_UDP || pkt->proto == IPPROTO_SCTP_;
}

static __always_inline bool packet_can_nat(const struct packet *pkt)
{
	return packet_has_port(pkt, ICMP_ECHO, ICMPV6_ECHO_REQUEST);
}

static __always_inline bool nat_is_answer(const struct packet *pkt)
{
	struct nat_end destination;

	return packet_has_port(pkt, ICMP_ECHOREPLY, ICMPV6_ECHO_REPLY) && nat_find_destination(pkt, &destination);
}

static __always_inline int nat_insert(struct packet *pkt, const union ct_key *key, const struct nat_end *end, __u64 flags)
{
	union nat_entry entry;

	/* The padding, too: the kernel takes no byte that was not set. */
	__builtin_memset(&entry, 0, sizeof(entry));
	entry.v4.created = now_seconds(pkt);
	entry.v4.needs_ct = end->needs_ct;
	if (packet_is_ip6(pkt)) {
		__builtin_memcpy(entry.v6.to_saddr, &end->address, sizeof(entry.v6.to_saddr));
		entry.v6.to_sport = end->port;
	} else {
		entry.v4.to_saddr = end->address.ip4;
		entry.v4.to_sport = end->port;
	}
	return bpf_map_update_elem(nat_map(pkt), key, &entry, flags);
}

/* True where the node's own stack would take the answers: it has a socket there. The range of translated ports and
 * ip_local_port_range overlap by default (upstream's too, which puts all of the node's own connections into the map to
 * notice; here they are asked for when a port is chosen, and a later one of the node's steps aside: nat_source_collides()). */
static __always_inline bool nat_port_is_the_hosts(struct __sk_buff *skb, const struct packet *pkt,
						  const struct nat_end *source)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 bytes;

	if (packet_is_ip6(pkt)) {
		__builtin_memcpy(tuple.ipv6.saddr, &pkt->daddr, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &source->address, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = pkt->dport;
		tuple.ipv6.dport = source->port;
		bytes = sizeof(tuple.ipv6);
	} else {
		tuple.ipv4.saddr = pkt->daddr.ip4;
		tuple.ipv4.daddr = source->address.ip4;
		tuple.ipv4.sport = pkt->dport;
		tuple.ipv4.dport = source->port;
		bytes = sizeof(tuple.ipv4);
	}
	if (pkt->proto == IPPROTO_TCP)
		socket = bpf_skc_lookup_tcp(skb, &tuple, bytes, BPF_F_CURRENT_NETNS, 0);
	else if (pkt->proto == IPPROTO_UDP)
		socket = bpf_sk_lookup_udp(skb, &tuple, bytes, BPF_F_CURRENT_NETNS, 0);
	else
		return false;
	if (!socket)
		return false;
	bpf_sk_release(socket);
	return true;
}

/* Which port a connection of the node's own would take away from a translated one. */
static __always_inline bool nat_source_collides(const struct packet *pkt)
{
	struct nat_end own = { .address = pkt->saddr, .port = pkt->sport }, other;
	union ct_key key;

	nat_reply_key(&key, pkt, &own);
	return nat_find(pkt, &key, &other);
}

static __always_inline void nat_count_retries(const struct packet *pkt, __u32 tries)
{
	__u32 *count;

	count = packet_is_ip6(pkt) ? bpf_map_lookup_elem(&cilium_snat_v6_alloc_retries, &tries) :
				     bpf_map_lookup_elem(&cilium_snat_v4_alloc_retries, &tries);
	if (count)
		*count += 1;
}

static __always_inline bool nat_port_in_range(__u16 port)
{
	return port >= config.nat_first_port && port <= config.nat_last_port;
}

static __always_inline __u16 nat_port_at(__u32 offset)
{
	return config.nat_first_port + offset % (config.nat_last_port - config.nat_first_port + 1);
}

/* A port of source->address that no other connection to this destination has: the packet's own one where it is free, else
 * a random one and those after it. 0 or a drop reason. */
static __always_inline int nat_allocate(struct __sk_buff *skb, struct packet *pkt, struct nat_end *source)
{
	struct nat_end origin = { .address = pkt->saddr, .port = pkt->sport, .needs_ct = source->needs_ct };
	__u32 start = bpf_get_prandom_u32();
	/* SCTP's checksum covers the ports, and no helper computes it. */
	bool keeps_port = pkt->proto == IPPROTO_SCTP_;
	union ct_key key, forward;
	bool is_free;
	__u32 tries;

	source->port = pkt->sport;
	if (!keeps_port && !packet_is_icmp(pkt) && !nat_port_in_range(bpf_ntohs(pkt->sport)))
		source->port = bpf_htons(nat_port_at(start));
#pragma clang loop unroll(disable)
	for (tries = 0; tries < NAT_RETRIES; tries++) {
		nat_reply_key(&key, pkt, source);
		if (!nat_port_is_the_hosts(skb, pkt, source) && !nat_insert(pkt, &key, &origin, BPF_NOEXIST))
			break;
		if (keeps_port)
			tries = NAT_RETRIES;
		source->port = bpf_htons(nat_port_at(start + tries));
		VERIFIER_FORGET(pkt->proto, start);
		VERIFIER_FORGET(source->port, start);
		VERIFIER_FORGET(pkt->now_seconds, start);
	}
	VERIFIER_FORGET(pkt->proto, start);
	is_free = tries < NAT_RETRIES;
	if (!is_free)
		tries = NAT_RETRIES;
	VERIFIER_FORGET(tries, start);
	nat_count_retries(pkt, tries);
	if (!is_free)
		return DROP_AT(pkt, DROP_NAT_NO_MAPPING);
	nat_key_of(&forward, pkt, TUPLE_F_OUT);
	if (!nat_insert(pkt, &forward, source, BPF_ANY))
		return 0;
	bpf_map_delete_elem(nat_map(pkt), &key);
	return DROP_AT(pkt, DROP_NAT_NO_MAPPING);
}

/* The answers' entry may have been evicted while the other one stayed: then they would find nobody. */
static __always_inline bool nat_restore_reply(struct packet *pkt, const struct nat_end *source)
{
	struct nat_end origin = { .address = pkt->saddr, .port = pkt->sport, .needs_ct = source->needs_ct }, found;
	union ct_key key;

	nat_reply_key(&key, pkt, source);
	if (nat_find(pkt, &key, &found))
		return ip_equal(&found.address, &origin.address) && found.port == origin.port;
	return !nat_insert(pkt, &key, &origin, BPF_NOEXIST);
}

/* What the packet's connection leaves with, if it was translated before; its answers find their way back then. */
static __always_inline bool nat_source_known(struct packet *pkt, struct nat_end *source)
{
	if (!nat_find_source(pkt, source))
		return false;
	return (pkt->proto == IPPROTO_TCP && !is_opening(pkt)) || nat_restore_reply(pkt, source);
}

static __always_inline int nat_rewrite_source(struct __sk_buff *skb, struct packet *pkt, const struct nat_end *source)
{
	pkt->orig_addr = pkt->saddr;
	return packet_rewrite(skb, pkt, SIDE_SOURCE, &source->address, source->port);
}

/* Sends the packet out as source->address and a port that is its connection's, known or allocated now. 0 or a drop
 * reason. */
static __always_inline int nat_translate_source(struct __sk_buff *skb, struct packet *pkt, struct nat_end *source)
{
	struct nat_end known;
	int ret;

	if (!packet_can_nat(pkt))
		return DROP_AT(pkt, DROP_NAT_UNSUPP_PROTO);
	if (nat_source_known(pkt, &known) && ip_equal(&known.address, &source->address)) {
		*source = known;
	} else {
		ret = nat_allocate(skb, pkt, source);
		if (ret)
			return ret;
	}
	return nat_rewrite_source(skb, pkt, source);
}
