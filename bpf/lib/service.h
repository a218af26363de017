/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "conntrack.h"
#include "load_balancer.h"
#include "rewrite.h"

/* Load balancing of packets: for what the socket LB did not see (raw sockets, pods outside the cgroup, switched off). */

static __always_inline bool proto_has_services(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* The key of the entry that remembers a connection's backend: both addresses as dialled, both ports swapped. */
static __always_inline void service_ct_key(union ct_key *key, const struct packet *pkt)
{
	struct ct_place place = {
		.daddr = &pkt->daddr,
		.saddr = &pkt->saddr,
		.dport = pkt->sport,
		.sport = pkt->dport,
		.flags = TUPLE_F_SERVICE,
	};

	ct_key_set(key, pkt, &place);
}

/* The backend this connection already has, or a new one, remembered in a service entry. 0 or a drop reason. */
static __always_inline int service_backend(struct packet *pkt, __u32 bytes, const struct frontend *frontend,
					   const struct lb4_service *service, struct backend *chosen)
{
	struct ct_entry *entry, fresh = {};
	void *map = ct_map(pkt);
	union ct_key key;
	__u32 id;

	service_ct_key(&key, pkt);
	entry = bpf_map_lookup_elem(map, &key);
	if (entry && entry->rev_nat_index == service->rev_nat_index && !ct_entry_is_reopened(entry, pkt) &&
	    backend_lookup(entry->backend_id, pkt->family, chosen)) {
		ct_entry_touch(entry, pkt, bytes, CT_SERVICE);
		return 0;
	}
	id = backend_select(frontend, service);
	if (!backend_lookup(id, pkt->family, chosen))
		return DROP_AT(pkt, DROP_NO_SERVICE);
	ct_entry_init(&fresh, pkt, bytes, CT_SERVICE);
	fresh.src_sec_id = 0;
	fresh.backend_id = id;
	fresh.rev_nat_index = service->rev_nat_index;
	if (bpf_map_update_elem(map, &key, &fresh, BPF_ANY))
		return DROP_AT(pkt, DROP_CT_CREATE_FAILED);
	return 0;
}

/* Sends a packet for a frontend to a backend of it; *rev_nat_index is then not zero. 0 or a drop reason. */
static __always_inline int service_translate(struct __sk_buff *skb, struct packet *pkt, __u16 *rev_nat_index)
{
	struct frontend frontend = { &pkt->daddr, pkt->dport, pkt->proto, pkt->family };
	struct lb4_service *service;
	struct backend backend;
	int ret;

	if (!proto_has_services(pkt->proto))
		return 0;
	service = service_lookup(&frontend, 0);
	if (!service)
		return 0;
	ret = service_backend(pkt, skb->len, &frontend, service, &backend);
	if (ret)
		return ret;
	*rev_nat_index = service->rev_nat_index;
	return packet_rewrite(skb, pkt, SIDE_DESTINATION, &backend.address, backend.port);
}

/* The frontend behind a reverse NAT index; false where it is gone. */
static __always_inline bool reverse_nat_lookup(__u16 index, __u8 family, union ip_address *address, __be16 *port)
{
	if (family == FAMILY_IPV6) {
		struct lb6_reverse_nat *nat = bpf_map_lookup_elem(&cilium_lb6_reverse_nat, &index);

		if (!nat)
			return false;
		__builtin_memcpy(address, nat->address, sizeof(*address));
		*port = nat->port;
	} else {
		struct lb4_reverse_nat *nat = bpf_map_lookup_elem(&cilium_lb4_reverse_nat, &index);

		if (!nat)
			return false;
		*address = ip_from4(nat->address);
		*port = nat->port;
	}
	return true;
}

/* Gives a reply the address of the frontend that was dialled. 0 or a drop reason. */
static __always_inline int service_reverse_nat(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	union ip_address address;
	__be16 port;

	if (!reverse_nat_lookup(rev_nat_index, pkt->family, &address, &port))
		return 0;
	pkt->orig_addr = pkt->saddr;
	return packet_rewrite(skb, pkt, SIDE_SOURCE, &address, port);
}

/* Upstream's wildcard frontend (port 0, protocol 0): the address belongs to a Service, but this port does not. */
static __always_inline bool service_owns_address(const struct packet *pkt)
{
	struct frontend wildcard = { &pkt->daddr, 0, 0, pkt->family };

	return service_lookup(&wildcard, 0) != NULL;
}
