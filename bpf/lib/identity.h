/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "address.h"
#include "config.h"
#include "maps.h"

#define IDENTITY_UNKNOWN     0
#define IDENTITY_HOST	     1
#define IDENTITY_WORLD	     2
#define IDENTITY_REMOTE_NODE 6
#define IDENTITY_WORLD_IPV4  9 /* instead of WORLD where both families are served; not on the wire */
#define IDENTITY_WORLD_IPV6  10
#define IDENTITY_FIRST_POD   256	  /* upstream: IdentityUserFirst */
#define IDENTITY_SCOPE_MASK  0xff000000 /* not zero: of a CIDR or of a remote node, known to this node only */
#define IDENTITY_SCOPE_NODE  0x02000000

static __always_inline bool identity_is_pod(__u32 identity)
{
	return identity >= IDENTITY_FIRST_POD && !(identity & IDENTITY_SCOPE_MASK);
}

/* Any, or one that rules may name by its address. */
static __always_inline bool identity_is_remote_node(__u32 identity)
{
	return identity == IDENTITY_REMOTE_NODE || (identity & IDENTITY_SCOPE_MASK) == IDENTITY_SCOPE_NODE;
}

static __always_inline bool identity_is_world(__u32 identity)
{
	return identity == IDENTITY_WORLD || identity == IDENTITY_WORLD_IPV4 || identity == IDENTITY_WORLD_IPV6;
}

/* What lies outside is one identity, or with both families one for each. */
static __always_inline __u32 identity_of_world(__u8 family)
{
	if (!config.enable_ipv4 || !config.enable_ipv6)
		return IDENTITY_WORLD;
	return family == FAMILY_IPV6 ? IDENTITY_WORLD_IPV6 : IDENTITY_WORLD_IPV4;
}

/* skb->mark, upstream's encoding: identity bits 0-15 in mark 16-31, bits 16-23 in mark 0-7, magic in mark 8-11. */
#define MARK_MAGIC_MASK	    0x0f00
#define MARK_MAGIC_SNAT_DONE 0x0300
#define MARK_MAGIC_HOST	    0x0c00
#define MARK_MAGIC_IDENTITY 0x0f00

/* A number of this node's own does not fit: its reader asks the ipcache. */
static __always_inline __u32 mark_from_identity(__u32 identity)
{
	if (identity == IDENTITY_HOST)
		return MARK_MAGIC_HOST;
	if (identity & IDENTITY_SCOPE_MASK)
		return 0;
	return MARK_MAGIC_IDENTITY | identity << 16 | (identity >> 16 & 0xff);
}

/* IDENTITY_UNKNOWN when the mark carries none. */
static __always_inline __u32 identity_from_mark(__u32 mark)
{
	if ((mark & MARK_MAGIC_MASK) == MARK_MAGIC_HOST)
		return IDENTITY_HOST;
	if ((mark & MARK_MAGIC_MASK) == MARK_MAGIC_IDENTITY)
		return (mark & 0xff) << 16 | mark >> 16;
	return IDENTITY_UNKNOWN;
}

#define IPCACHE_STATIC_PREFIX 32

static __always_inline struct remote_endpoint_info *ipcache_lookup(const union ip_address *address, __u8 family)
{
	struct ipcache_key key = {
		.prefixlen = IPCACHE_STATIC_PREFIX + (family == FAMILY_IPV6 ? 128 : 32),
		.family = family,
	};

	__builtin_memcpy(key.ip6, address, sizeof(key.ip6));
	return bpf_map_lookup_elem(&cilium_ipcache_v2, &key);
}

/* What the ipcache says of an address it has, or NULL: all others are the world's. */
static __always_inline __u32 remote_identity(const struct remote_endpoint_info *remote, __u8 family)
{
	return remote ? remote->sec_identity : identity_of_world(family);
}

static __always_inline bool remote_is_tunnelled(const struct remote_endpoint_info *remote)
{
	return !config.native_routing && remote && remote->flag_has_tunnel_ep && !remote->flag_skip_tunnel;
}

static __always_inline struct endpoint_info *endpoint_lookup(const union ip_address *address, __u8 family)
{
	struct endpoint_key key = {
		.family = family,
	};

	__builtin_memcpy(key.ip6, address, sizeof(key.ip6));
	return bpf_map_lookup_elem(&cilium_lxc, &key);
}

/* An endpoint of this node is a pod, or one of the node's own addresses. */
static __always_inline bool endpoint_is_pod(const struct endpoint_info *ep)
{
	return ep && !(ep->flags & ENDPOINT_F_HOST);
}

static __always_inline bool endpoint_is_host(const struct endpoint_info *ep)
{
	return ep && (ep->flags & ENDPOINT_F_HOST);
}
