/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <stdbool.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>

/* An address of either family; whoever holds it knows which. IPv4 is in the first word and the others are zero, as in the
 * keys of cilium_lxc and cilium_ipcache_v2, so that comparing and copying need not ask. */
union ip_address {
	__u64 halves[2]; /* first: an empty initializer clears the first member */
	__be32 words[4];
	__u8 ip6[16];
	__be32 ip4;
};

static __always_inline union ip_address ip_from4(__be32 ip4)
{
	union ip_address address = {};

	address.ip4 = ip4;
	return address;
}

static __always_inline bool ip_equal(const union ip_address *a, const union ip_address *b)
{
	return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

/* In the order of their bytes, as the agent sorts them: less than 0, 0, more than 0. */
static __always_inline int ip_compare(const union ip_address *a, const union ip_address *b)
{
	__u64 left = bpf_be64_to_cpu(a->halves[0]), right = bpf_be64_to_cpu(b->halves[0]);

	if (left == right) {
		left = bpf_be64_to_cpu(a->halves[1]);
		right = bpf_be64_to_cpu(b->halves[1]);
	}
	return left < right ? -1 : left > right;
}

static __always_inline bool ip_is_zero(const union ip_address *address)
{
	return !(address->halves[0] | address->halves[1]);
}

/* RFC 4291 2.5.6 */
static __always_inline bool ip6_is_link_local(const union ip_address *address)
{
	return (address->words[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* RFC 4291 2.7: multicast that no router forwards. */
static __always_inline bool ip6_is_link_multicast(const union ip_address *address)
{
	return (address->words[0] & bpf_htonl(0xff0f0000)) == bpf_htonl(0xff020000);
}
