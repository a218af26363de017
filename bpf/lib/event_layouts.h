/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <linux/types.h>

struct ip_union {
	union {
		__be32 ip4;
		__u8 ip6[16];
	};
};

/* ---- events: records of cts_events; packet bytes follow each struct ---- */

struct drop_notify {
	__u8 type;
	__u8 subtype; /* drop reason, positive */
	__u16 source; /* endpoint id */
	__u32 hash;
	__u32 len_orig;
	__u16 len_cap;
	__u8 version;
	__u8 ext_version;
	__u32 src_label;
	__u32 dst_label;
	__u32 dst_id;
	__u16 line;
	__u8 file;
	__s8 ext_error;
	__u32 ifindex;
	__u8 flags;
	__u8 pad2[3];
	__u64 ip_trace_id;
};

struct trace_notify {
	__u8 type;
	__u8 subtype; /* observation point */
	__u16 source;
	__u32 hash;
	__u32 len_orig;
	__u16 len_cap;
	__u8 version;
	__u8 ext_version;
	__u32 src_label;
	__u32 dst_label;
	__u16 dst_id;
	__u8 reason;
	__u8 flags;
	__u32 ifindex;
	union {
		__be32 orig_ip4;
		__u8 orig_ip6[16];
	};
	__u64 ip_trace_id;
};

struct policy_verdict_notify {
	__u8 type;
	__u8 subtype;
	__u16 source;
	__u32 hash;
	__u32 len_orig;
	__u16 len_cap;
	__u8 version;
	__u8 ext_version;
	__u32 remote_label;
	__s32 verdict;
	__u16 dst_port;
	__u8 proto;
	__u8 dir : 2, ipv6 : 1, match_type : 3, audited : 1, l3 : 1;
	__u8 auth_type;
	__u8 pad1[3];
	__u32 cookie;
	__u32 pad2;
};

struct trace_sock_notify {
	__u8 type;
	__u8 xlate_point;
	__u8 l4_proto;
	__u8 ipv6 : 1, pad : 7;
	__u16 dst_port;
	__u16 pad2;
	__u64 sock_cookie;
	__u64 cgroup_id;
	struct ip_union dst_ip;
};
