/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "address.h"
#include "config.h"
#include "maps.h"

/* Frontends and backends, for packets and sockets alike. */

/* Flags of a frontend, upstream's: `flags`, and `flags2` for the high byte. */
#define SERVICE_F_EXTERNAL_IP	0x01
#define SERVICE_F_NODE_PORT	0x02
#define SERVICE_F_EXTERNAL_LOCAL 0x04
#define SERVICE_F_HOST_PORT	0x08
#define SERVICE_F_AFFINITY	0x10
#define SERVICE_F_LOAD_BALANCER 0x20
#define SERVICE_F_ROUTABLE	0x40 /* may be dialled from outside */
#define SERVICE_F_SOURCE_RANGE	0x80
#define SERVICE_F2_LOOPBACK	0x08 /* a host port for the node itself alone */
#define SERVICE_F2_TWO_SCOPES	0x20
#define SERVICE_F2_DENY		0x40 /* the source ranges are refused */
#define SERVICE_F2_DSR		0x80 /* the backend's node answers the client */

#define SCOPE_EXTERNAL 0
#define SCOPE_INTERNAL 1

/* The high byte of a frontend's first word; 0: as the node. */
#define ALGORITHM_MAGLEV 2

struct frontend {
	const union ip_address *address;
	__be16 port;
	__u8 proto;
	__u8 family;
	__u8 scope;
};

/* Slot 0 is the frontend itself. The values of both families are alike. */
static __always_inline struct lb4_service *service_lookup(const struct frontend *frontend, __u16 slot)
{
	if (frontend->family == FAMILY_IPV6) {
		struct lb6_key key = {
			.dport = frontend->port,
			.backend_slot = slot,
			.proto = frontend->proto,
			.scope = frontend->scope,
		};

		__builtin_memcpy(key.address, frontend->address, sizeof(key.address));
		return bpf_map_lookup_elem(&cilium_lb6_services_v2, &key);
	} else {
		struct lb4_key key = {
			.address = frontend->address->ip4,
			.dport = frontend->port,
			.backend_slot = slot,
			.proto = frontend->proto,
			.scope = frontend->scope,
		};

		return bpf_map_lookup_elem(&cilium_lb4_services_v2, &key);
	}
}

/* The frontend as pods and this node see it: where the traffic policies differ it has an entry of its own for them. */
static __always_inline struct lb4_service *service_lookup_inside(struct frontend *frontend)
{
	struct lb4_service *outside = service_lookup(frontend, 0), *inside;

	if (!outside || !(outside->flags2 & SERVICE_F2_TWO_SCOPES))
		return outside;
	frontend->scope = SCOPE_INTERNAL;
	inside = service_lookup(frontend, 0);
	if (inside)
		return inside;
	frontend->scope = SCOPE_EXTERNAL;
	return outside;
}

struct backend {
	union ip_address address;
	__be16 port;
	__u8 flags; /* its state */
	bool is_forced; /* its node shall hear of the frontend in every packet */
};

/* False where there is none. */
static __always_inline bool backend_lookup(__u32 id, __u8 family, struct backend *backend)
{
	if (family == FAMILY_IPV6) {
		struct lb6_backend *found = bpf_map_lookup_elem(&cilium_lb6_backends_v3, &id);

		if (!found)
			return false;
		__builtin_memcpy(&backend->address, found->address, sizeof(backend->address));
		backend->port = found->port;
		backend->flags = found->flags;
	} else {
		struct lb4_backend *found = bpf_map_lookup_elem(&cilium_lb4_backends_v3, &id);

		if (!found)
			return false;
		backend->address = ip_from4(found->address);
		backend->port = found->port;
		backend->flags = found->flags;
	}
	return true;
}

/* A backend's id by random choice; 0: none. Reads the count once: the agent may change it meanwhile, but fills slots
 * before it raises the count and lowers the count before it removes slots. */
static __always_inline __u32 backend_random(const struct frontend *frontend, const struct lb4_service *service)
{
	__u16 count = *(const volatile __u16 *)&service->count;
	struct lb4_service *slot;

	if (!count)
		return 0;
	slot = service_lookup(frontend, bpf_get_prandom_u32() % count + 1);
	return slot ? slot->backend_id : 0;
}

static __always_inline bool service_uses_maglev(const struct lb4_service *service)
{
	__u8 algorithm = service->affinity_timeout >> 24;

	return algorithm ? algorithm == ALGORITHM_MAGLEV : config.lb_maglev;
}

/* The backend that every node chooses for a connection; 0 where the service has no table. */
static __always_inline __u32 backend_maglev(const struct lb4_service *service, __u8 family, __u32 hash)
{
	__u16 id = service->rev_nat_index;
	__u64 index = (__u64)hash % config.maglev_slots;
	__u32 zero = 0;
	__u32 *slots;
	void *table;

	table = family == FAMILY_IPV6 ? bpf_map_lookup_elem(&cilium_lb6_maglev, &id) :
					bpf_map_lookup_elem(&cilium_lb4_maglev, &id);
	if (!table)
		return 0;
	slots = bpf_map_lookup_elem(table, &zero);
	/* What the verifier knows of a remainder is nothing, and of half a register not enough. */
	barrier_var(index);
	if (!slots || index >= config.maglev_slots)
		return 0;
	return slots[index];
}

/* Whether a client's address is one that the frontend takes. Those without ranges take all. */
static __always_inline bool service_takes_source(const struct lb4_service *service, const union ip_address *source,
						 __u8 family)
{
	bool is_listed;

	if (!(service->flags & SERVICE_F_SOURCE_RANGE))
		return true;
	if (family == FAMILY_IPV6) {
		struct lb6_src_range_key key = {
			.lpm_key = SOURCE_RANGE_STATIC_PREFIX + 128,
			.rev_nat_id = service->rev_nat_index,
		};

		__builtin_memcpy(key.addr, source, sizeof(key.addr));
		is_listed = bpf_map_lookup_elem(&cilium_lb6_source_range, &key);
	} else {
		struct lb4_src_range_key key = {
			.lpm_key = SOURCE_RANGE_STATIC_PREFIX + 32,
			.rev_nat_id = service->rev_nat_index,
			.addr = source->ip4,
		};

		is_listed = bpf_map_lookup_elem(&cilium_lb4_source_range, &key);
	}
	return is_listed != !!(service->flags2 & SERVICE_F2_DENY);
}
