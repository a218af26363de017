/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "drop_reasons.h"
#include "load_balancer.h"
#include "metrics.h"
#include "source_files.h"

#define SOCK_REJECT  0
#define SOCK_PROCEED 1

#define SOCK_METRIC_EGRESS 2

#define SOCK_COUNT(reason) metrics_count(SOCK_METRIC_EGRESS, reason, 0, __LINE__, THIS_SOURCE_FILE)

static __always_inline __u8 sock_proto(const struct bpf_sock_addr *ctx)
{
	return ctx->protocol == IPPROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

static __always_inline int sock_reject(int error)
{
	bpf_set_retval(error);
	return SOCK_REJECT;
}

/* Remembers the frontend for the way back. A socket that sends to many backends in turn meets the same entries again:
 * only what is new is written. */
static __always_inline int sock_remember4(const struct ipv4_revnat_tuple *reverse,
					  const struct ipv4_revnat_entry *origin)
{
	struct ipv4_revnat_entry *known = bpf_map_lookup_elem(&cilium_lb4_reverse_sk, reverse);

	if (known && known->address == origin->address && known->port == origin->port &&
	    known->rev_nat_index == origin->rev_nat_index)
		return 0;
	return bpf_map_update_elem(&cilium_lb4_reverse_sk, reverse, origin, BPF_ANY);
}

/* Points the socket at a backend of the Service that it dials, and remembers the frontend for the way back (keyed by
 * socket cookie and backend). connect() and sendmsg() fail with EHOSTUNREACH when the Service has no backend. */
static __always_inline int sock_translate4(struct bpf_sock_addr *ctx)
{
	struct ipv4_revnat_tuple reverse = {};
	struct ipv4_revnat_entry origin = {};
	union ip_address address = ip_from4(ctx->user_ip4);
	struct frontend frontend = { &address, ctx->user_port, sock_proto(ctx), FAMILY_IPV4 };
	struct lb4_service *service;
	struct backend backend;
	__u32 id;

	service = service_lookup(&frontend, 0);
	if (!service)
		return SOCK_PROCEED;
	id = backend_select(&frontend, service);
	if (!id) {
		SOCK_COUNT(REASON_LB_NO_BACKEND_SLOT);
		return sock_reject(-EHOSTUNREACH);
	}
	if (!backend_lookup(id, FAMILY_IPV4, &backend)) {
		SOCK_COUNT(REASON_LB_NO_BACKEND);
		return sock_reject(-EHOSTUNREACH);
	}
	reverse.cookie = bpf_get_socket_cookie(ctx);
	reverse.address = backend.address.ip4;
	reverse.port = backend.port;
	origin.address = address.ip4;
	origin.port = frontend.port;
	origin.rev_nat_index = service->rev_nat_index;
	if (sock_remember4(&reverse, &origin)) {
		SOCK_COUNT(REASON_LB_REVNAT_UPDATE);
		return sock_reject(-ENOMEM);
	}
	ctx->user_ip4 = backend.address.ip4;
	ctx->user_port = backend.port;
	return SOCK_PROCEED;
}

/* Shows the application the address that it dialled: in recvmsg() and getpeername(). An entry whose Service is gone is
 * removed; the application then sees the backend. */
static __always_inline void sock_reverse4(struct bpf_sock_addr *ctx)
{
	struct ipv4_revnat_tuple reverse = {
		.cookie = bpf_get_socket_cookie(ctx),
		.address = ctx->user_ip4,
		.port = ctx->user_port,
	};
	struct frontend frontend = { .proto = sock_proto(ctx), .family = FAMILY_IPV4 };
	struct ipv4_revnat_entry *origin;
	union ip_address dialled;
	struct lb4_service *service;

	origin = bpf_map_lookup_elem(&cilium_lb4_reverse_sk, &reverse);
	if (!origin)
		return;
	dialled = ip_from4(origin->address);
	frontend.address = &dialled;
	frontend.port = origin->port;
	service = service_lookup(&frontend, 0);
	if (!service || service->rev_nat_index != origin->rev_nat_index) {
		bpf_map_delete_elem(&cilium_lb4_reverse_sk, &reverse);
		SOCK_COUNT(REASON_LB_REVNAT_STALE);
		return;
	}
	ctx->user_ip4 = origin->address;
	ctx->user_port = origin->port;
}
