/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "address.h"
#include "maps.h"

/* Frontends and backends, for packets and sockets alike. */

struct frontend {
	const union ip_address *address;
	__be16 port;
	__u8 proto;
	__u8 family;
};

/* Slot 0 is the frontend itself. The values of both families are alike. */
static __always_inline struct lb4_service *service_lookup(const struct frontend *frontend, __u16 slot)
{
	if (frontend->family == FAMILY_IPV6) {
		struct lb6_key key = {
			.dport = frontend->port,
			.backend_slot = slot,
			.proto = frontend->proto,
		};

		__builtin_memcpy(key.address, frontend->address, sizeof(key.address));
		return bpf_map_lookup_elem(&cilium_lb6_services_v2, &key);
	} else {
		struct lb4_key key = {
			.address = frontend->address->ip4,
			.dport = frontend->port,
			.backend_slot = slot,
			.proto = frontend->proto,
		};

		return bpf_map_lookup_elem(&cilium_lb4_services_v2, &key);
	}
}

struct backend {
	union ip_address address;
	__be16 port;
	__u8 flags; /* its state */
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
static __always_inline __u32 backend_select(const struct frontend *frontend, const struct lb4_service *service)
{
	__u16 count = *(const volatile __u16 *)&service->count;
	struct lb4_service *slot;

	if (!count)
		return 0;
	slot = service_lookup(frontend, bpf_get_prandom_u32() % count + 1);
	return slot ? slot->backend_id : 0;
}
