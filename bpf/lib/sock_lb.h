/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "affinity.h"
#include "drop_reasons.h"
#include "identity.h"
#include "load_balancer.h"
#include "metrics.h"
#include "sock_trace.h"
#include "source_files.h"

#define SOCK_REJECT  0
#define SOCK_PROCEED 1

#define SOCK_METRIC_EGRESS 2

#define SOCK_COUNT(reason) metrics_count(SOCK_METRIC_EGRESS, reason, 0, __LINE__, THIS_SOURCE_FILE)

/* The other end of a socket, as the application gave it or shall see it. */
struct sock_peer {
	union ip_address address;
	__be16 port;
	__u8 proto;
	__u8 family;
};

static __always_inline __u8 sock_proto(__u32 protocol)
{
	return protocol == IPPROTO_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

static __always_inline int sock_reject(int error)
{
	bpf_set_retval(error);
	return SOCK_REJECT;
}

/* Of the node's own network namespace; false where it is not known. */
#define SOCK_IS_HOSTNS(ctx)                                                                                            \
	(config.host_netns_cookie && bpf_get_netns_cookie(ctx) == config.host_netns_cookie)

static __always_inline bool ip_is_loopback(const union ip_address *address, __u8 family)
{
	union ip_address one = { .words = { 0, 0, 0, bpf_htonl(1) } };

	if (family == FAMILY_IPV6)
		return ip_equal(address, &one);
	return (address->ip4 & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

/* Whose node an address is, for what listens on every address of a node. */
#define NODE_NONE   0
#define NODE_OWN    1
#define NODE_REMOTE 2

static __always_inline int sock_node_of(const struct sock_peer *peer, bool is_hostns)
{
	struct remote_endpoint_info *remote;

	/* A pod's loopback is the pod's own. */
	if (ip_is_loopback(&peer->address, peer->family))
		return is_hostns ? NODE_OWN : NODE_NONE;
	if (endpoint_is_host(endpoint_lookup(&peer->address, peer->family)))
		return NODE_OWN;
	remote = ipcache_lookup(&peer->address, peer->family);
	if (!remote)
		return NODE_NONE;
	if (remote->sec_identity == IDENTITY_HOST)
		return NODE_OWN;
	return identity_is_remote_node(remote->sec_identity) ? NODE_REMOTE : NODE_NONE;
}

/* What is bound to all addresses of a node: node ports of every node, host ports of this one. */
static __always_inline struct lb4_service *sock_find_node_wide(const struct sock_peer *peer, struct frontend *frontend,
							       const union ip_address *any, bool is_hostns)
{
	struct lb4_service *service;
	int node;

	frontend->address = any;
	service = service_lookup_inside(frontend);
	if (!service)
		return NULL;
	node = sock_node_of(peer, is_hostns);
	if (node == NODE_NONE)
		return NULL;
	if ((service->flags2 & SERVICE_F2_LOOPBACK) && !ip_is_loopback(&peer->address, peer->family))
		return NULL;
	/* Another node's host ports, and its own choice of backends. */
	if (node == NODE_REMOTE && ((service->flags & SERVICE_F_HOST_PORT) ||
				    ((service->flags & SERVICE_F_EXTERNAL_LOCAL) && frontend->scope == SCOPE_EXTERNAL)))
		return NULL;
	return service;
}

static __always_inline struct lb4_service *sock_find(const struct sock_peer *peer, struct frontend *frontend,
						     const union ip_address *any, bool is_hostns)
{
	struct lb4_service *service;

	frontend->address = &peer->address;
	frontend->port = peer->port;
	frontend->proto = peer->proto;
	frontend->family = peer->family;
	frontend->scope = SCOPE_EXTERNAL;
	service = service_lookup_inside(frontend);
	return service ? service : sock_find_node_wide(peer, frontend, any, is_hostns);
}

/* ---- the way back: a socket and its backend → the frontend that was dialled ---- */

/* A socket that sends to many backends in turn meets the same entries again: only what is new is written. */
static __always_inline int sock_remember(__u64 cookie, const struct sock_peer *backend, const struct sock_peer *dialled,
					 __u16 rev_nat_index)
{
	if (backend->family == FAMILY_IPV6) {
		struct ipv6_revnat_tuple key = { .cookie = cookie, .port = backend->port };
		struct ipv6_revnat_entry origin = { .port = dialled->port, .rev_nat_index = rev_nat_index }, *known;

		__builtin_memcpy(key.address, &backend->address, sizeof(key.address));
		__builtin_memcpy(origin.address, &dialled->address, sizeof(origin.address));
		known = bpf_map_lookup_elem(&cilium_lb6_reverse_sk, &key);
		if (known && !__builtin_memcmp(known, &origin, sizeof(origin)))
			return 0;
		return bpf_map_update_elem(&cilium_lb6_reverse_sk, &key, &origin, BPF_ANY);
	} else {
		struct ipv4_revnat_tuple key = { .cookie = cookie, .address = backend->address.ip4, .port = backend->port };
		struct ipv4_revnat_entry origin = {
			.address = dialled->address.ip4,
			.port = dialled->port,
			.rev_nat_index = rev_nat_index,
		};
		struct ipv4_revnat_entry *known = bpf_map_lookup_elem(&cilium_lb4_reverse_sk, &key);

		if (known && known->address == origin.address && known->port == origin.port &&
		    known->rev_nat_index == rev_nat_index)
			return 0;
		return bpf_map_update_elem(&cilium_lb4_reverse_sk, &key, &origin, BPF_ANY);
	}
}

/* False where this socket was not sent to this backend. */
static __always_inline bool sock_recall(__u64 cookie, const struct sock_peer *backend, struct sock_peer *dialled,
					__u16 *rev_nat_index)
{
	if (backend->family == FAMILY_IPV6) {
		struct ipv6_revnat_tuple key = { .cookie = cookie, .port = backend->port };
		struct ipv6_revnat_entry *origin;

		__builtin_memcpy(key.address, &backend->address, sizeof(key.address));
		origin = bpf_map_lookup_elem(&cilium_lb6_reverse_sk, &key);
		if (!origin)
			return false;
		__builtin_memcpy(&dialled->address, origin->address, sizeof(dialled->address));
		dialled->port = origin->port;
		*rev_nat_index = origin->rev_nat_index;
	} else {
		struct ipv4_revnat_tuple key = { .cookie = cookie, .address = backend->address.ip4, .port = backend->port };
		struct ipv4_revnat_entry *origin = bpf_map_lookup_elem(&cilium_lb4_reverse_sk, &key);

		if (!origin)
			return false;
		dialled->address = ip_from4(origin->address);
		dialled->port = origin->port;
		*rev_nat_index = origin->rev_nat_index;
	}
	return true;
}

static __always_inline void sock_forget(__u64 cookie, const struct sock_peer *backend)
{
	if (backend->family == FAMILY_IPV6) {
		struct ipv6_revnat_tuple key = { .cookie = cookie, .port = backend->port };

		__builtin_memcpy(key.address, &backend->address, sizeof(key.address));
		bpf_map_delete_elem(&cilium_lb6_reverse_sk, &key);
	} else {
		struct ipv4_revnat_tuple key = { .cookie = cookie, .address = backend->address.ip4, .port = backend->port };

		bpf_map_delete_elem(&cilium_lb4_reverse_sk, &key);
	}
}

/* ---- connect() and sendmsg(), recvmsg() and getpeername() ---- */

/* CVE-2020-8554: who may make Services must not get what others send to the world. An external address is translated here
 * where it is the node's own; all others go to the network, which brings the Service's to a node. So do host ports. */
static __always_inline bool sock_spares(const struct lb4_service *service, const struct sock_peer *peer, bool is_hostns)
{
	__u8 own_alone = config.sock_spares_external ? SERVICE_F_HOST_PORT | SERVICE_F_EXTERNAL_IP : SERVICE_F_HOST_PORT;

	return (service->flags & own_alone) && sock_node_of(peer, is_hostns) != NODE_OWN;
}

static __always_inline __u32 sock_choose(struct bpf_sock_addr *ctx, const struct frontend *frontend,
					 const struct lb4_service *service)
{
	struct client client = { .is_netns = true, .family = frontend->family };
	__u32 now, id;

	if (!(service->flags & SERVICE_F_AFFINITY))
		return backend_random(frontend, service);
	now = bpf_ktime_get_ns() / 1000000000ULL;
	client.address.halves[0] = bpf_get_netns_cookie(ctx);
	id = affinity_find(service, &client, now);
	if (id)
		return id;
	id = backend_random(frontend, service);
	if (id)
		affinity_remember(service, &client, id, now);
	return id;
}

/* Points the socket at a backend of the Service that it dials, and remembers the frontend for the way back (keyed by
 * socket cookie and backend). connect() and sendmsg() fail with EHOSTUNREACH when the Service has no backend. `peer` is
 * changed; what the caller does with it is up to the verdict. */
static __always_inline int sock_translate(struct bpf_sock_addr *ctx, struct sock_peer *peer)
{
	struct sock_peer dialled = *peer;
	union ip_address any = {};
	struct lb4_service *service;
	struct frontend frontend;
	struct backend backend;
	bool is_hostns = SOCK_IS_HOSTNS(ctx);
	__u64 cookie;
	__u32 id;

	if (config.sock_hostns_only && !is_hostns)
		return SOCK_PROCEED;
	service = sock_find(&dialled, &frontend, &any, is_hostns);
	if (!service)
		return SOCK_PROCEED;
	sock_trace(ctx, SOCK_TRACE_BEFORE_DIAL, &dialled.address, dialled.port, dialled.family);
	if (service->count && sock_spares(service, &dialled, is_hostns))
		return SOCK_PROCEED;
	id = sock_choose(ctx, &frontend, service);
	if (!id) {
		SOCK_COUNT(REASON_LB_NO_BACKEND_SLOT);
		return sock_reject(-EHOSTUNREACH);
	}
	if (!backend_lookup(id, peer->family, &backend)) {
		SOCK_COUNT(REASON_LB_NO_BACKEND);
		return sock_reject(-EHOSTUNREACH);
	}
	peer->address = backend.address;
	peer->port = backend.port;
	cookie = bpf_get_socket_cookie(ctx);
	if (sock_remember(cookie, peer, &dialled, service->rev_nat_index)) {
		SOCK_COUNT(REASON_LB_REVNAT_UPDATE);
		return sock_reject(-ENOMEM);
	}
	sock_trace(ctx, SOCK_TRACE_AFTER_DIAL, &peer->address, peer->port, peer->family);
	return SOCK_PROCEED;
}

/* Shows the application the address that it dialled: in recvmsg() and getpeername(). An entry whose Service is gone is
 * removed; the application then sees the backend. */
static __always_inline void sock_reverse(struct bpf_sock_addr *ctx, struct sock_peer *peer)
{
	struct sock_peer dialled = { .proto = peer->proto, .family = peer->family };
	__u64 cookie = bpf_get_socket_cookie(ctx);
	union ip_address any = {};
	struct lb4_service *service;
	struct frontend frontend;
	__u16 rev_nat_index = 0;

	if (!sock_recall(cookie, peer, &dialled, &rev_nat_index))
		return;
	service = sock_find(&dialled, &frontend, &any, SOCK_IS_HOSTNS(ctx));
	if (!service || service->rev_nat_index != rev_nat_index) {
		sock_forget(cookie, peer);
		SOCK_COUNT(REASON_LB_REVNAT_STALE);
		return;
	}
	sock_trace(ctx, SOCK_TRACE_BEFORE_ANSWER, &peer->address, peer->port, peer->family);
	*peer = dialled;
	sock_trace(ctx, SOCK_TRACE_AFTER_ANSWER, &peer->address, peer->port, peer->family);
}

/* Whether a socket of the node may be bound: not where a Service answers from outside, or it would lose its packets. */
static __always_inline int sock_check_bind(struct bpf_sock *ctx, const struct sock_peer *local)
{
	const __u8 reserved = SERVICE_F_NODE_PORT | SERVICE_F_EXTERNAL_IP | SERVICE_F_LOAD_BALANCER;
	struct lb4_service *service;
	union ip_address any = {};
	struct frontend frontend;

	if (!local->port || !SOCK_IS_HOSTNS(ctx))
		return SOCK_PROCEED;
	service = sock_find(local, &frontend, &any, true);
	return service && (service->flags & reserved) ? sock_reject(-EADDRINUSE) : SOCK_PROCEED;
}
