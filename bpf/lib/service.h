/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "conntrack.h"
#include "load_balancer.h"

/* Load balancing of packets: for what the socket LB did not see (raw sockets, pods outside the cgroup, switched off). */

#define TCP_CSUM_OFFSET 16
#define UDP_CSUM_OFFSET 6

static __always_inline bool proto_has_services(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* Replaces an IPv4 address of the IP header and a port of the L4 header, checksums included. `address_offset` is that
 * in the IP header, `port_offset` that in the L4 header. 0 or a drop reason. */
static __always_inline int packet_rewrite4(struct __sk_buff *skb, struct packet *pkt, __u32 address_offset,
					   __be32 old_address, __be32 new_address, __u32 port_offset, __be16 old_port,
					   __be16 new_port)
{
	__u32 csum = pkt->l4_offset + (pkt->proto == IPPROTO_TCP ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET);
	__u64 zero_is_none = pkt->proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (pkt->has_l4) {
		if (bpf_l4_csum_replace(skb, csum, old_address, new_address, BPF_F_PSEUDO_HDR | zero_is_none | 4) ||
		    bpf_l4_csum_replace(skb, csum, old_port, new_port, zero_is_none | 2))
			return DROP_AT(pkt, DROP_CSUM_L4);
		if (bpf_skb_store_bytes(skb, pkt->l4_offset + port_offset, &new_port, 2, 0))
			return DROP_AT(pkt, DROP_WRITE_ERROR);
	}
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), old_address, new_address, 4))
		return DROP_AT(pkt, DROP_CSUM_L3);
	if (bpf_skb_store_bytes(skb, ETH_HLEN + address_offset, &new_address, 4, 0))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	return 0;
}

/* The backend this connection already has, or a new one, remembered in a service entry. 0 or a drop reason. */
static __always_inline int service_backend4(struct packet *pkt, __u32 bytes, const struct lb4_service *frontend,
					    struct lb4_backend **chosen)
{
	void *map = ct_map4(pkt->proto);
	struct ipv4_ct_tuple tuple = {
		.daddr = pkt->daddr,
		.saddr = pkt->saddr,
		.dport = pkt->sport,
		.sport = pkt->dport,
		.nexthdr = pkt->proto,
		.flags = TUPLE_F_SERVICE,
	};
	struct ct_entry *entry, fresh = {};
	struct lb4_backend *backend;
	__u32 id;

	entry = bpf_map_lookup_elem(map, &tuple);
	if (entry && entry->rev_nat_index == frontend->rev_nat_index && !ct_entry_is_reopened(entry, pkt)) {
		backend = backend_lookup4(entry->backend_id);
		if (backend) {
			ct_entry_touch(entry, pkt, bytes, CT_SERVICE);
			*chosen = backend;
			return 0;
		}
	}
	id = backend_select4(frontend, pkt->daddr, pkt->dport, pkt->proto);
	backend = backend_lookup4(id);
	if (!backend)
		return DROP_AT(pkt, DROP_NO_SERVICE);
	ct_entry_init(&fresh, pkt, bytes, CT_SERVICE);
	fresh.src_sec_id = 0;
	fresh.backend_id = id;
	fresh.rev_nat_index = frontend->rev_nat_index;
	if (bpf_map_update_elem(map, &tuple, &fresh, BPF_ANY))
		return DROP_AT(pkt, DROP_CT_CREATE_FAILED);
	*chosen = backend;
	return 0;
}

/* Sends a packet for a frontend to a backend of it; *rev_nat_index is then not zero. 0 or a drop reason. */
static __always_inline int service_translate4(struct __sk_buff *skb, struct packet *pkt, __u16 *rev_nat_index)
{
	struct lb4_service *frontend;
	struct lb4_backend *backend;
	__be32 old_address = pkt->daddr;
	__be16 old_port = pkt->dport;
	int ret;

	if (!proto_has_services(pkt->proto))
		return 0;
	frontend = service_lookup4(pkt->daddr, pkt->dport, pkt->proto, 0);
	if (!frontend)
		return 0;
	ret = service_backend4(pkt, skb->len, frontend, &backend);
	if (ret)
		return ret;
	*rev_nat_index = frontend->rev_nat_index;
	pkt->daddr = backend->address;
	pkt->dport = backend->port;
	return packet_rewrite4(skb, pkt, offsetof(struct iphdr, daddr), old_address, pkt->daddr,
			       offsetof(struct tcphdr, dest), old_port, pkt->dport);
}

/* Gives a reply the address of the frontend that was dialled. 0 or a drop reason. */
static __always_inline int service_reverse_nat4(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	struct lb4_reverse_nat *nat;
	__be32 old_address = pkt->saddr;
	__be16 old_port = pkt->sport;

	nat = bpf_map_lookup_elem(&cilium_lb4_reverse_nat, &rev_nat_index);
	if (!nat)
		return 0;
	pkt->orig_addr = pkt->saddr;
	pkt->saddr = nat->address;
	pkt->sport = nat->port;
	return packet_rewrite4(skb, pkt, offsetof(struct iphdr, saddr), old_address, pkt->saddr,
			       offsetof(struct tcphdr, source), old_port, pkt->sport);
}

/* Upstream's wildcard frontend (port 0, protocol 0): the address belongs to a Service, but this port does not. */
static __always_inline bool service_owns_address4(__be32 address)
{
	return service_lookup4(address, 0, 0, 0) != NULL;
}
