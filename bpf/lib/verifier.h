/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <linux/types.h>

/* The verifier walks every path. It joins two paths when what it knows of them is alike, and it knows each value that a
 * branch compared: after the ports of TCP, UDP, SCTP and ICMP were read there are four packets, not one, through the whole
 * rest of the program. This makes it forget a value (an XOR with something it never knew, twice): two instructions for
 * paths that meet again. `unknown` is any field of the context. */
#define VERIFIER_FORGET(value, unknown)                                                                                \
	({                                                                                                             \
		__u64 forgotten_ = (value);                                                                            \
		asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(forgotten_) : "r"((__u64)(unknown)));                       \
		(value) = forgotten_;                                                                                  \
	})
