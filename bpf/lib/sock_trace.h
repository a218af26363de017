/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "notify.h"

#define NOTIFY_TRACE_SOCK 7

/* Upstream's points of a translation. */
#define SOCK_TRACE_BEFORE_DIAL	 1
#define SOCK_TRACE_AFTER_DIAL	 2
#define SOCK_TRACE_BEFORE_ANSWER 3
#define SOCK_TRACE_AFTER_ANSWER	 4

#define SOCK_TRACE_TCP 1
#define SOCK_TRACE_UDP 2

/* Tells of a translation, if the settings say so. */
static __always_inline void sock_trace(struct bpf_sock_addr *ctx, __u8 point, const union ip_address *address,
				       __be16 port, __u8 family)
{
	struct trace_sock_notify *record;

	if (!config.trace_sock)
		return;
	FOR_EACH_EVENT_SLOT (slot) {
		record = event_reserve(slot, NOTIFY_TRACE_SOCK, sizeof(*record));
		if (!record)
			continue;
		__builtin_memset(record, 0, sizeof(*record));
		record->type = NOTIFY_TRACE_SOCK;
		record->xlate_point = point;
		record->l4_proto = ctx->protocol == IPPROTO_TCP ? SOCK_TRACE_TCP : SOCK_TRACE_UDP;
		record->ipv6 = family == FAMILY_IPV6;
		record->dst_port = bpf_ntohs(port);
		record->sock_cookie = bpf_get_socket_cookie(ctx);
		record->cgroup_id = bpf_get_current_cgroup_id();
		__builtin_memcpy(record->dst_ip.ip6, address, sizeof(record->dst_ip.ip6));
		EVENT_SUBMIT(record);
	}
}
