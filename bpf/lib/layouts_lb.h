/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <linux/types.h>

/* Keys and values of session affinity and source ranges; see layouts.h. */

struct lb4_affinity_key {
	union {
		__u32 client_ip; /* be */
		__u64 client_cookie;
	};
	__u16 rev_nat_id; /* be */
	__u8 netns_cookie : 1, reserved : 7;
	__u8 pad1;
	__u32 pad2;
};

struct lb6_affinity_key {
	union {
		__u8 client_ip[16];
		__u64 client_cookie;
	};
	__u16 rev_nat_id; /* be */
	__u8 netns_cookie : 1, reserved : 7;
	__u8 pad1;
	__u32 pad2;
};

struct lb_affinity_val {
	__u64 last_used; /* CLOCK_MONOTONIC seconds */
	__u32 backend_id;
	__u32 pad;
};

/* Backends that keep the clients that they had. */
struct lb_affinity_match {
	__u32 backend_id;
	__u16 rev_nat_id; /* be */
	__u16 pad;
};

/* Service id and padding: always compared. */
#define SOURCE_RANGE_STATIC_PREFIX 32

struct lb4_src_range_key {
	__u32 lpm_key;	  /* SOURCE_RANGE_STATIC_PREFIX + prefix bits */
	__u16 rev_nat_id; /* be */
	__u16 pad;
	__u32 addr; /* be */
};

struct lb6_src_range_key {
	__u32 lpm_key;
	__u16 rev_nat_id; /* be */
	__u16 pad;
	__u8 addr[16];
};
