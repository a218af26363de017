/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "load_balancer.h"

/* Session affinity: a client gets the backend that it had, for as long as the Service says and while the backend is one of
 * the Service's. */

#define AFFINITY_SECONDS_MASK 0xffffff

/* Who dials: an address, of packets; a network namespace, of sockets, whose address is not known yet. */
struct client {
	union ip_address address; /* or the namespace's cookie, in its first half */
	bool is_netns;
	__u8 family;
};

union affinity_key {
	struct lb4_affinity_key ip4;
	struct lb6_affinity_key ip6;
};

static __always_inline void affinity_key_set(union affinity_key *key, const struct client *client,
					     const struct lb4_service *service)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (client->family == FAMILY_IPV6) {
		__builtin_memcpy(key->ip6.client_ip, &client->address, sizeof(key->ip6.client_ip));
		key->ip6.rev_nat_id = service->rev_nat_index;
		key->ip6.netns_cookie = client->is_netns;
	} else {
		key->ip4.client_cookie = client->address.halves[0];
		key->ip4.rev_nat_id = service->rev_nat_index;
		key->ip4.netns_cookie = client->is_netns;
	}
}

static __always_inline void *affinity_map(__u8 family)
{
	return family == FAMILY_IPV6 ? (void *)&cilium_lb6_affinity : (void *)&cilium_lb4_affinity;
}

/* The backend that the client had, from now on for another while; 0: none, it is too long ago, or the Service has lost it. */
static __always_inline __u32 affinity_find(const struct lb4_service *service, const struct client *client, __u32 now)
{
	__u32 timeout = service->affinity_timeout & AFFINITY_SECONDS_MASK;
	struct lb_affinity_match match = { .rev_nat_id = service->rev_nat_index };
	struct lb_affinity_val *last;
	union affinity_key key;

	affinity_key_set(&key, client, service);
	last = bpf_map_lookup_elem(affinity_map(client->family), &key);
	if (!last || last->last_used + timeout <= now)
		return 0;
	match.backend_id = last->backend_id;
	if (!bpf_map_lookup_elem(&cilium_lb_affinity_match, &match))
		return 0;
	last->last_used = now;
	return match.backend_id;
}

/* What cannot be remembered is chosen anew next time. */
static __always_inline void affinity_remember(const struct lb4_service *service, const struct client *client,
					      __u32 backend_id, __u32 now)
{
	struct lb_affinity_val last = { .last_used = now, .backend_id = backend_id };
	union affinity_key key;

	affinity_key_set(&key, client, service);
	bpf_map_update_elem(affinity_map(client->family), &key, &last, BPF_ANY);
}
