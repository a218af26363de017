/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <linux/types.h>

#include "event_layouts.h"

#include "layouts_lb.h"

/* Keys, values and events in the layout of upstream release 1.20. `layouts.bpf.c` forces them into BTF, from which the
 * TypeScript codecs are generated. "be" in a comment: network order; everything else is native. */

#define FAMILY_IPV4 1
#define FAMILY_IPV6 2

/* ---- conntrack: cilium_ct4_global (TCP), cilium_ct_any4_global (the rest) ---- */

/* OUT and IN entries are stored in reply orientation: daddr is the initiator. Ports are those of the original
 * direction. Service entries (TUPLE_F_SERVICE) have both addresses as dialled and both ports swapped. */
struct ipv4_ct_tuple {
	__be32 daddr;
	__be32 saddr;
	__be16 dport;
	__be16 sport;
	__u8 nexthdr;
	__u8 flags;
} __attribute__((packed));

struct ipv6_ct_tuple {
	__u8 daddr[16];
	__u8 saddr[16];
	__be16 dport;
	__be16 sport;
	__u8 nexthdr;
	__u8 flags;
} __attribute__((packed));

struct ct_entry {
	union {
		__u8 nat_addr[16]; /* dsr_internal: the frontend; IPv4: in the last 4 bytes */
		struct {
			__u64 reserved0; /* upstream: unused since 1.16; ours: policy_stamp() of what was allowed */
			__u64 backend_id; /* service entries */
		};
	};
	__u64 packets;
	__u64 bytes;
	__u32 lifetime; /* CLOCK_MONOTONIC seconds at which the entry expires */
	__u16 rx_closing : 1, tx_closing : 1, need_dsr_info : 1, lb_loopback : 1, seen_non_syn : 1, node_port : 1,
		proxy_redirect : 1, dsr_internal : 1, from_l7lb : 1, reserved2 : 1, from_tunnel : 1, reserved3 : 5;
	__u16 rev_nat_index; /* be */
	__be16 nat_port;
	__u8 tx_flags_seen;
	__u8 rx_flags_seen;
	__u32 src_sec_id;
	__u32 last_tx_report; /* seconds */
	__u32 last_rx_report; /* seconds */
};

/* ---- load balancer ---- */

struct lb4_key {
	__be32 address;
	__be16 dport;
	__u16 backend_slot; /* 0: the frontend itself */
	__u8 proto;
	__u8 scope;
	__u8 pad[2];
};

struct lb4_service {
	union {
		__u32 backend_id;
		__u32 affinity_timeout; /* frontend: bits 0-23 seconds, bits 24-31 algorithm */
		__u32 l7_lb_proxy_port;
	};
	__u16 count;
	__u16 rev_nat_index; /* be */
	__u8 flags;
	__u8 flags2;
	__u16 qcount;
};

struct lb4_backend {
	__be32 address;
	__be16 port;
	__u8 proto;
	__u8 flags; /* 0 active, 1 terminating, 2 quarantined, 3 maintenance */
	__u16 cluster_id;
	__u8 zone;
	__u8 pad;
};

struct lb4_reverse_nat {
	__be32 address;
	__be16 port;
} __attribute__((packed));

struct ipv4_revnat_tuple {
	__u64 cookie;
	__be32 address;
	__be16 port;
	__u16 pad;
};

struct ratelimit_key {
	__u32 usage;
	__u32 ifindex;
};

struct ratelimit_value {
	__u64 last_topup; /* CLOCK_MONOTONIC nanoseconds */
	__u64 tokens;
};

struct ipv4_revnat_entry {
	__be32 address;
	__be16 port;
	__u16 rev_nat_index; /* be */
};

struct lb6_key {
	__u8 address[16];
	__be16 dport;
	__u16 backend_slot;
	__u8 proto;
	__u8 scope;
	__u8 pad[2];
};

/* As lb4_service in every field: functions that need no key take that one for both families. */
struct lb6_service {
	union {
		__u32 backend_id;
		__u32 affinity_timeout;
		__u32 l7_lb_proxy_port;
	};
	__u16 count;
	__u16 rev_nat_index; /* be */
	__u8 flags;
	__u8 flags2;
	__u16 qcount;
};

struct lb6_backend {
	__u8 address[16];
	__be16 port;
	__u8 proto;
	__u8 flags;
	__u16 cluster_id;
	__u8 zone;
	__u8 pad;
};

struct lb6_reverse_nat {
	__u8 address[16];
	__be16 port;
} __attribute__((packed));

struct ipv6_revnat_tuple {
	__u64 cookie;
	__u8 address[16];
	__be16 port;
	__u16 pad;
	__u32 pad2; /* upstream: the compiler's padding, which no program may leave unset */
};

struct ipv6_revnat_entry {
	__u8 address[16];
	__be16 port;
	__u16 rev_nat_index; /* be */
};

/* ---- source NAT: cilium_snat_v4_external, cilium_snat_v6_external; keys as conntrack's, but nothing in them is swapped ---- */

struct ipv4_nat_entry {
	__u64 created; /* CLOCK_MONOTONIC seconds */
	__u64 needs_ct; /* 1: a connection of the node's own */
	__u64 pad1;
	__u64 pad2;
	union {
		__be32 to_saddr;
		__be32 to_daddr; /* of IN entries */
	};
	union {
		__be16 to_sport;
		__be16 to_dport;
	};
};

struct ipv6_nat_entry {
	__u64 created;
	__u64 needs_ct;
	__u64 pad1;
	__u64 pad2;
	union {
		__u8 to_saddr[16];
		__u8 to_daddr[16];
	};
	union {
		__be16 to_sport;
		__be16 to_dport;
	};
};

/* Prefixes that pods reach under their own addresses: cilium_ipmasq_v4, cilium_ipmasq_v6. */
struct lpm_v4_key {
	__u32 lpm; /* prefix bits */
	__be32 addr;
};

struct lpm_v6_key {
	__u32 lpm;
	__u8 addr[16];
};

/* ---- endpoints, identities, policy, nodes ---- */

struct endpoint_key {
	union {
		__be32 ip4;
		__u8 ip6[16];
	};
	__u8 family;
	__u8 key;
	__u16 cluster_id;
};

#define ENDPOINT_F_HOST 1

struct endpoint_info {
	__u32 ifindex;
	__u16 unused;
	__u16 lxc_id;
	__u32 flags;
	__u32 rt_info;
	__u8 mac[8];	  /* 6 octets, 2 zero */
	__u8 node_mac[8]; /* 6 octets, 2 zero */
	__u32 sec_id;
	__u32 parent_ifindex;
	__u32 event_options; /* in which EVENT_* it differs from its node; upstream has padding here */
	__u32 pad2;
};

struct ipcache_key {
	__u32 prefixlen; /* IPCACHE_STATIC_PREFIX + prefix bits */
	__u16 cluster_id;
	__u8 pad1;
	__u8 family;
	union {
		__be32 ip4;
		__u8 ip6[16];
	};
};

struct remote_endpoint_info {
	__u32 sec_identity;
	union {
		__be32 ip4;
		__u8 ip6[16];
	} tunnel_endpoint __attribute__((packed, aligned(4)));
	__u16 pad;
	__u8 key;
	__u8 flag_skip_tunnel : 1, flag_has_tunnel_ep : 1, flag_ipv6_tunnel_ep : 1, flag_remote_cluster : 1, pad2 : 4;
};

struct policy_key {
	__u32 prefixlen; /* POLICY_STATIC_PREFIX + 8 for the protocol + port bits */
	__u32 sec_label;
	__u8 egress : 1, pad : 7;
	__u8 protocol;
	__be16 dport;
};

struct policy_entry {
	__be16 proxy_port;
	__u8 deny : 1, reserved : 2, lpm_prefix_length : 5;
	__u8 auth_type : 7, has_explicit_auth_type : 1;
	__u32 precedence;
	__u32 cookie;
};

struct policy_stats_key {
	__u16 endpoint_id;
	__u8 pad1;
	__u8 prefix_len; /* of the entry: bits of protocol and port */
	__u32 sec_label;
	__u8 egress : 1, pad : 7;
	__u8 protocol;
	__be16 dport;
};

struct policy_stats_value {
	__u64 packets;
	__u64 bytes;
};

struct node_key {
	__u16 pad1;
	__u8 pad2;
	__u8 family;
	union {
		__be32 ip4;
		__u8 ip6[16];
	};
};

struct node_value {
	__u16 id;
	__u8 spi;
	__u8 pad;
};

/* ---- counters ---- */

struct metrics_key {
	__u8 reason;
	__u8 dir : 2, pad : 6;
	__u16 line;
	__u8 file;
	__u8 reserved[3];
};

struct metrics_value {
	__u64 count;
	__u64 bytes;
};

struct ipv4_frag_id {
	__be32 daddr;
	__be32 saddr;
	__be16 id;
	__u8 proto;
	__u8 pad;
};

struct ipv6_frag_id {
	__be32 id;
	__u8 proto;
	__u8 pad[3];
	__u8 saddr[16];
	__u8 daddr[16];
};

/* Of both families. */
struct ipv4_frag_l4ports {
	__be16 sport;
	__be16 dport;
};

/* ---- ours alone ---- */

/* What a device of the node is masqueraded with; zero: no address of the family. */
struct cts_device {
	__be32 ipv4;
	__u8 ipv6[16];
	__u32 has_xdp; /* 1: our XDP program is on it, so it sends what others' have taken, too */
};

#define CTS_OWNER_INSTALL 0
#define CTS_OWNER_MAP	  1
#define CTS_OWNER_PROGRAM 2
#define CTS_OWNER_LINK	  3
#define CTS_OWNER_DEVICE  4

/* One record for each thing in the kernel that this installation made: nothing else is ever changed or removed. */
struct cts_owner_key {
	__u8 kind; /* CTS_OWNER_* */
	__u8 pad[3];
	char name[60]; /* pin name, or device name; NUL-padded */
};

struct cts_owner_value {
	char install_id[36]; /* UUID text */
	__u32 object_id;     /* id of the map, program or link; ifindex of a device */
	__u32 version;	     /* of this record's layout */
	__u32 pad;
};
