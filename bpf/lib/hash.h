/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "address.h"
#include "config.h"

#define HASH_ROTATE(value, bits) ((value) << (bits) | (value) >> (32 - (bits)))

/* Bob Jenkins' lookup3 for three words (public domain). */
static __always_inline __u32 hash_words(__u32 a, __u32 b, __u32 c, __u32 seed)
{
	seed += 0xdeadbeef + (3 << 2);
	a += seed;
	b += seed;
	c += seed;
	c = (c ^ b) - HASH_ROTATE(b, 14);
	a = (a ^ c) - HASH_ROTATE(c, 11);
	b = (b ^ a) - HASH_ROTATE(a, 25);
	c = (c ^ b) - HASH_ROTATE(b, 16);
	a = (a ^ c) - HASH_ROTATE(c, 4);
	b = (b ^ a) - HASH_ROTATE(a, 14);
	c = (c ^ b) - HASH_ROTATE(b, 24);
	return c;
}

/* Of a connection as its client sees it: the same on every node that the client's packets may reach. IPv4 leaves all but
 * the first word zero. */
static __always_inline __u32 hash_connection(const union ip_address *source, __u32 ports, __u8 proto)
{
	__u32 hash = hash_words(source->words[0], ports, proto, config.maglev_seed);

	return hash_words(source->words[1], source->words[2], source->words[3], hash);
}
