/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "affinity.h"
#include "conntrack.h"
#include "hash.h"
#include "identity.h"
#include "load_balancer.h"
#include "rewrite.h"

/* Load balancing of packets: from pods, for what the socket LB did not see (raw sockets, pods outside the cgroup, switched
 * off), and from outside.
 *
 * service_translate() does all of it for a packet of a pod, service_translate_outside() for one from outside: the look-up
 * of the frontend, the choice of a backend or the memory of it (the service entry of conntrack), the new destination.
 * service_find(), service_backend() and packet_rewrite() are its steps, for programs that do something between them.
 * service_reverse_nat() gives a reply its frontend's address. */

static __always_inline bool proto_has_services(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP_;
}

/* Direct server return: a backend on another node answers the client itself. */
static __always_inline bool service_is_direct(const struct lb4_service *service)
{
	return config.dsr_dispatch && service->flags2 & SERVICE_F2_DSR;
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

static __always_inline int packet_read_address(struct __sk_buff *skb, __u8 family, int side, union ip_address *address)
{
	if (family == FAMILY_IPV6)
		return bpf_skb_load_bytes(skb,
					  ETH_HLEN + (side == SIDE_SOURCE ? offsetof(struct ipv6_header, saddr) :
									    offsetof(struct ipv6_header, daddr)),
					  address, sizeof(address->ip6));
	return bpf_skb_load_bytes(skb,
				  ETH_HLEN + (side == SIDE_SOURCE ? offsetof(struct iphdr, saddr) :
								    offsetof(struct iphdr, daddr)),
				  address, sizeof(address->ip4));
}

static __always_inline __u32 packet_affinity_find(struct __sk_buff *skb, const struct lb4_service *service, __u32 kind)
{
	struct client client = { .family = kind >> 8 };

	if (packet_read_address(skb, client.family, SIDE_SOURCE, &client.address))
		return 0;
	return affinity_find(service, &client, bpf_ktime_get_ns() / 1000000000ULL);
}

static __always_inline int packet_affinity_remember(struct __sk_buff *skb, const struct lb4_service *service, __u32 kind,
					       __u32 id)
{
	struct client client = { .family = kind >> 8 };

	if (!packet_read_address(skb, client.family, SIDE_SOURCE, &client.address))
		affinity_remember(service, &client, id, bpf_ktime_get_ns() / 1000000000ULL);
	return 0;
}

static __always_inline __u32 packet_maglev(struct __sk_buff *skb, const struct lb4_service *service, __u32 ports, __u32 kind)
{
	union ip_address source = {};
	__u8 family = kind >> 8;

	if (packet_read_address(skb, family, SIDE_SOURCE, &source))
		return 0;
	return backend_maglev(service, family, hash_connection(&source, ports, kind));
}

static __always_inline __u32 packet_random(struct __sk_buff *skb, const struct lb4_service *service, __u32 ports, __u32 kind)
{
	union ip_address address = {};
	struct frontend frontend = {
		.address = &address,
		.port = ports >> 16,
		.proto = kind,
		.family = kind >> 8,
		.scope = kind >> 16,
	};

	if (packet_read_address(skb, frontend.family, SIDE_DESTINATION, &address))
		return 0;
	return backend_random(&frontend, service);
}

/* What the choice needs of a frontend, in a word: the verifier takes no pointer into a map that programs do not write. */
union service_choice {
	struct {
		__u32 affinity_timeout;
		__u16 count;
		__u16 rev_nat_index;
	};
	__u64 word;
};

/* A backend's id for a new connection; 0: none. A function that the verifier walks once, and not once for all that is known
 * at each call: Linux 6.1 would walk a million instructions. It has a stack of its own, too, and so it reads the addresses
 * from the packet again. `ports` is the source's, and the destination's in the high half; `kind` is the protocol, the
 * family, the scope and the frontend's flags, a byte each. */
__attribute__((noinline)) __u32 packet_choose_backend(struct __sk_buff *skb, __u64 word, __u32 ports, __u32 kind)
{
	union service_choice choice = { .word = word };
	struct lb4_service service = {
		.affinity_timeout = choice.affinity_timeout,
		.count = choice.count,
		.rev_nat_index = choice.rev_nat_index,
	};
	bool has_affinity = kind >> 24 & SERVICE_F_AFFINITY;
	__u32 id = has_affinity ? packet_affinity_find(skb, &service, kind) : 0;

	if (id)
		return id;
	if (service_uses_maglev(&service))
		id = packet_maglev(skb, &service, ports, kind);
	if (!id)
		id = packet_random(skb, &service, ports, kind);
	if (id && has_affinity)
		packet_affinity_remember(skb, &service, kind, id);
	return id;
}

static __always_inline __u32 backend_choose(struct __sk_buff *skb, const struct packet *pkt, __u8 scope,
					    const struct lb4_service *service)
{
	union service_choice choice = {
		.affinity_timeout = service->affinity_timeout,
		.count = *(const volatile __u16 *)&service->count,
		.rev_nat_index = service->rev_nat_index,
	};
	__u32 kind = pkt->proto | pkt->family << 8 | scope << 16 | (__u32)service->flags << 24;

	return packet_choose_backend(skb, choice.word, (__u32)pkt->dport << 16 | pkt->sport, kind);
}

typedef __u32 (*backend_choice)(struct __sk_buff *skb, const struct packet *pkt, __u8 scope,
				const struct lb4_service *service);

/* The backend this connection already has, or a new one by `choose`, remembered in a service entry. 0 or a drop reason.
 * `is_outside` is a constant: what direct server return needs is not compiled in for pods, whose stack is full. */
static __always_inline int service_backend(struct __sk_buff *skb, struct packet *pkt, const struct frontend *frontend,
					   const struct lb4_service *service, bool is_outside, backend_choice choose,
					   struct backend *chosen)
{
	struct ct_entry *entry, fresh = {};
	void *map = ct_map(pkt);
	union ct_key key;
	__u32 id;

	service_ct_key(&key, pkt);
	entry = bpf_map_lookup_elem(map, &key);
	if (entry && entry->rev_nat_index == service->rev_nat_index && !ct_entry_is_reopened(entry, pkt)) {
		/* Before the backend is read: its address would wait on the stack. */
		ct_entry_touch(skb, entry, pkt, CT_SERVICE);
		chosen->is_forced = entry->need_dsr_info;
		if (backend_lookup(entry->backend_id, pkt->family, chosen))
			return 0;
	}
	id = choose(skb, pkt, frontend->scope, service);
	if (!backend_lookup(id, pkt->family, chosen))
		return DROP_AT(pkt, DROP_NO_SERVICE);
	ct_entry_init(&fresh, pkt, skb->len, CT_SERVICE);
	fresh.src_sec_id = 0;
	fresh.backend_id = id;
	fresh.rev_nat_index = service->rev_nat_index;
	/* A backend in the middle of a connection: whoever heard the frontend from its SYN was another one. */
	chosen->is_forced = is_outside && service_is_direct(service) && pkt->proto == IPPROTO_TCP && !is_opening(pkt);
	fresh.need_dsr_info = chosen->is_forced;
	if (bpf_map_update_elem(map, &key, &fresh, BPF_ANY))
		return DROP_AT(pkt, DROP_CT_CREATE_FAILED);
	return 0;
}

/* The frontend that a packet is for, or NULL. `frontend` is what was looked up. */
static __always_inline struct lb4_service *service_find(const struct packet *pkt, struct frontend *frontend,
							bool is_outside)
{
	frontend->address = &pkt->daddr;
	frontend->port = pkt->dport;
	frontend->proto = pkt->proto;
	frontend->family = pkt->family;
	frontend->scope = SCOPE_EXTERNAL;
	if (!proto_has_services(pkt->proto))
		return NULL;
	return is_outside ? service_lookup(frontend, 0) : service_lookup_inside(frontend);
}

/* What the socket LB has left alone (sock_spares()) is not taken on its way either. */
static __always_inline bool service_is_spared(const struct lb4_service *service, const struct packet *pkt)
{
	return config.pods_spare_external && (service->flags & SERVICE_F_EXTERNAL_IP) && pkt->dst_identity != IDENTITY_HOST;
}

/* Sends a packet of a pod for a frontend to a backend of it; *rev_nat_index is then not zero. 0 or a drop reason. */
static __always_inline int service_translate(struct __sk_buff *skb, struct packet *pkt, __u16 *rev_nat_index)
{
	struct frontend frontend;
	struct lb4_service *service = service_find(pkt, &frontend, false);
	struct backend backend;
	int ret;

	if (!service || service_is_spared(service, pkt))
		return 0;
	ret = service_backend(skb, pkt, &frontend, service, false, backend_choose, &backend);
	if (ret)
		return ret;
	*rev_nat_index = service->rev_nat_index;
	return packet_rewrite(skb, pkt, SIDE_DESTINATION, &backend.address, backend.port);
}

/* What a packet from outside was for. */
struct dialled {
	__u16 rev_nat_index;
	bool is_direct; /* direct server return, were the backend on another node */
	bool is_told;	/* and its node hears of the frontend in this packet: TCP's in the SYN alone, for the MTU's sake */
};

/* The same for a packet from outside: what is not for the outside is not found, whom the frontend does not take is dropped. */
static __always_inline int service_translate_outside(struct __sk_buff *skb, struct packet *pkt, struct dialled *dialled)
{
	struct frontend frontend;
	struct lb4_service *service = service_find(pkt, &frontend, true);
	struct backend backend;
	int ret;

	if (!service || !(service->flags & SERVICE_F_ROUTABLE))
		return 0;
	if (!service_takes_source(service, &pkt->saddr, pkt->family))
		return DROP_AT(pkt, DROP_NOT_IN_SRC_RANGE);
	ret = service_backend(skb, pkt, &frontend, service, true, backend_choose, &backend);
	if (ret)
		return ret;
	dialled->rev_nat_index = service->rev_nat_index;
	dialled->is_direct = service_is_direct(service);
	dialled->is_told = backend.is_forced || pkt->proto != IPPROTO_TCP || is_opening(pkt);
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
	struct frontend wildcard = { .address = &pkt->daddr, .family = pkt->family };

	return service_lookup(&wildcard, 0) != NULL;
}
