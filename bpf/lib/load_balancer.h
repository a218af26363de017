/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "maps.h"

/* Frontends and backends, for packets and sockets alike. */

static __always_inline struct lb4_service *service_lookup4(__be32 address, __be16 port, __u8 proto, __u16 slot)
{
	struct lb4_key key = {
		.address = address,
		.dport = port,
		.backend_slot = slot,
		.proto = proto,
	};

	return bpf_map_lookup_elem(&cilium_lb4_services_v2, &key);
}

static __always_inline struct lb4_backend *backend_lookup4(__u32 id)
{
	return bpf_map_lookup_elem(&cilium_lb4_backends_v3, &id);
}

/* A backend's id by random choice; 0: none. Reads the count once: the agent may change it meanwhile, but fills slots
 * before it raises the count and lowers the count before it removes slots. */
static __always_inline __u32 backend_select4(const struct lb4_service *frontend, __be32 address, __be16 port,
					     __u8 proto)
{
	__u16 count = *(const volatile __u16 *)&frontend->count;
	struct lb4_service *slot;

	if (!count)
		return 0;
	slot = service_lookup4(address, port, proto, bpf_get_prandom_u32() % count + 1);
	return slot ? slot->backend_id : 0;
}
