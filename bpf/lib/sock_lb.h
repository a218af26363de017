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
	struct lb4_service *frontend;
	struct lb4_backend *backend;
	__u8 proto = sock_proto(ctx);
	__be32 address = ctx->user_ip4;
	__be16 port = ctx->user_port;
	__u32 id;

	frontend = service_lookup4(address, port, proto, 0);
	if (!frontend)
		return SOCK_PROCEED;
	id = backend_select4(frontend, address, port, proto);
	if (!id) {
		SOCK_COUNT(REASON_LB_NO_BACKEND_SLOT);
		return sock_reject(-EHOSTUNREACH);
	}
	backend = backend_lookup4(id);
	if (!backend) {
		SOCK_COUNT(REASON_LB_NO_BACKEND);
		return sock_reject(-EHOSTUNREACH);
	}
	reverse.cookie = bpf_get_socket_cookie(ctx);
	reverse.address = backend->address;
	reverse.port = backend->port;
	origin.address = address;
	origin.port = port;
	origin.rev_nat_index = frontend->rev_nat_index;
	if (sock_remember4(&reverse, &origin)) {
		SOCK_COUNT(REASON_LB_REVNAT_UPDATE);
		return sock_reject(-ENOMEM);
	}
	ctx->user_ip4 = backend->address;
	ctx->user_port = backend->port;
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
	struct ipv4_revnat_entry *origin;
	struct lb4_service *frontend;

	origin = bpf_map_lookup_elem(&cilium_lb4_reverse_sk, &reverse);
	if (!origin)
		return;
	frontend = service_lookup4(origin->address, origin->port, sock_proto(ctx), 0);
	if (!frontend || frontend->rev_nat_index != origin->rev_nat_index) {
		bpf_map_delete_elem(&cilium_lb4_reverse_sk, &reverse);
		SOCK_COUNT(REASON_LB_REVNAT_STALE);
		return;
	}
	ctx->user_ip4 = origin->address;
	ctx->user_port = origin->port;
}
