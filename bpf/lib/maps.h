/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layouts.h"

/* Sizes are upstream's defaults; the agent sets them from its configuration before it creates a map.
 * LPM tries and hashes the datapath only reads carry BPF_F_RDONLY_PROG, as upstream's do since 1.19/1.20. */

#define DECLARE_MAP(map_name, map_type, key_type, value_type, entries, flags)                                          \
	struct {                                                                                                       \
		__uint(type, map_type);                                                                                \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
	} map_name SEC(".maps")

#define READ_ONLY_HASH (BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG)

DECLARE_MAP(cilium_ct4_global, BPF_MAP_TYPE_LRU_HASH, struct ipv4_ct_tuple, struct ct_entry, 524288, 0);
DECLARE_MAP(cilium_ct_any4_global, BPF_MAP_TYPE_LRU_HASH, struct ipv4_ct_tuple, struct ct_entry, 262144, 0);
DECLARE_MAP(cilium_ct6_global, BPF_MAP_TYPE_LRU_HASH, struct ipv6_ct_tuple, struct ct_entry, 524288, 0);
DECLARE_MAP(cilium_ct_any6_global, BPF_MAP_TYPE_LRU_HASH, struct ipv6_ct_tuple, struct ct_entry, 262144, 0);
DECLARE_MAP(cilium_lb4_services_v2, BPF_MAP_TYPE_HASH, struct lb4_key, struct lb4_service, 65536, READ_ONLY_HASH);
DECLARE_MAP(cilium_lb4_backends_v3, BPF_MAP_TYPE_HASH, __u32, struct lb4_backend, 65536, BPF_F_NO_PREALLOC);
DECLARE_MAP(cilium_lb4_reverse_nat, BPF_MAP_TYPE_HASH, __u16, struct lb4_reverse_nat, 65536, BPF_F_NO_PREALLOC);
DECLARE_MAP(cilium_lb4_reverse_sk, BPF_MAP_TYPE_LRU_HASH, struct ipv4_revnat_tuple, struct ipv4_revnat_entry, 262144,
	    0);
DECLARE_MAP(cilium_lb6_services_v2, BPF_MAP_TYPE_HASH, struct lb6_key, struct lb6_service, 65536, READ_ONLY_HASH);
DECLARE_MAP(cilium_lb6_backends_v3, BPF_MAP_TYPE_HASH, __u32, struct lb6_backend, 65536, BPF_F_NO_PREALLOC);
DECLARE_MAP(cilium_lb6_reverse_nat, BPF_MAP_TYPE_HASH, __u16, struct lb6_reverse_nat, 65536, BPF_F_NO_PREALLOC);
DECLARE_MAP(cilium_lb6_reverse_sk, BPF_MAP_TYPE_LRU_HASH, struct ipv6_revnat_tuple, struct ipv6_revnat_entry, 262144,
	    0);
DECLARE_MAP(cilium_lxc, BPF_MAP_TYPE_HASH, struct endpoint_key, struct endpoint_info, 65535, READ_ONLY_HASH);
DECLARE_MAP(cilium_ipcache_v2, BPF_MAP_TYPE_LPM_TRIE, struct ipcache_key, struct remote_endpoint_info, 512000,
	    READ_ONLY_HASH);
DECLARE_MAP(cilium_metrics, BPF_MAP_TYPE_PERCPU_HASH, struct metrics_key, struct metrics_value, 1024, BPF_F_NO_PREALLOC);
DECLARE_MAP(cilium_ipv4_frag_datagrams, BPF_MAP_TYPE_LRU_HASH, struct ipv4_frag_id, struct ipv4_frag_l4ports, 8192, 0);
DECLARE_MAP(cilium_ipv6_frag_datagrams, BPF_MAP_TYPE_LRU_HASH, struct ipv6_frag_id, struct ipv4_frag_l4ports, 8192, 0);
DECLARE_MAP(cilium_snat_v4_external, BPF_MAP_TYPE_LRU_HASH, struct ipv4_ct_tuple, struct ipv4_nat_entry, 524288, 0);
DECLARE_MAP(cilium_snat_v6_external, BPF_MAP_TYPE_LRU_HASH, struct ipv6_ct_tuple, struct ipv6_nat_entry, 524288, 0);
DECLARE_MAP(cilium_snat_v4_alloc_retries, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u32, 33, 0);
DECLARE_MAP(cilium_snat_v6_alloc_retries, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u32, 33, 0);
DECLARE_MAP(cilium_ipmasq_v4, BPF_MAP_TYPE_LPM_TRIE, struct lpm_v4_key, __u8, 16384, READ_ONLY_HASH);
DECLARE_MAP(cilium_ipmasq_v6, BPF_MAP_TYPE_LPM_TRIE, struct lpm_v6_key, __u8, 16384, READ_ONLY_HASH);
DECLARE_MAP(cilium_ratelimit, BPF_MAP_TYPE_LRU_HASH, struct ratelimit_key, struct ratelimit_value, 1024, 0);
DECLARE_MAP(cilium_ratelimit_metrics, BPF_MAP_TYPE_HASH, __u32, __u64, 64, BPF_F_NO_PREALLOC);
/* The node's own devices by ifindex. */
DECLARE_MAP(cts_devices, BPF_MAP_TYPE_HASH, __u32, struct cts_device, 512, READ_ONLY_HASH);
DECLARE_MAP(cts_owner, BPF_MAP_TYPE_HASH, struct cts_owner_key, struct cts_owner_value, 8192, BPF_F_NO_PREALLOC);

/* Endpoint id → that endpoint's pinned cilium_policy_v2_NNNNN: one program serves all endpoints. An array, because its slot is
 * exchanged in one step: who walks a bucket of a hash while an element is replaced may find neither. */
struct policy_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(key_size, sizeof(struct policy_key));
	__uint(value_size, sizeof(struct policy_entry));
	__uint(max_entries, 16384);
	__uint(map_flags, READ_ONLY_HASH);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 65536);
	__array(values, struct policy_map);
} cts_policy_maps SEC(".maps");

/* How often each entry of a policy decided. */
DECLARE_MAP(cilium_policystats, BPF_MAP_TYPE_LRU_PERCPU_HASH, struct policy_stats_key, struct policy_stats_value, 65536,
	    BPF_F_NO_COMMON_LRU);

/* Counts the changes of policy maps; odd while one is being made. */
DECLARE_MAP(cts_policy_epoch, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1, 0);

/* Slot 0 belongs to the agent, the others to sessions while the agent is down. An empty slot costs an event a look-up. */
#define CTS_EVENT_SLOTS	     4
#define CTS_EVENT_RING_BYTES (4 << 20)

struct event_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CTS_EVENT_RING_BYTES);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, CTS_EVENT_SLOTS);
	__array(values, struct event_ring);
} cts_events SEC(".maps");

/* Which types of messages (bit n: type n) the reader of each slot's ring wants: what nobody wants is not made. */
DECLARE_MAP(cts_event_types, BPF_MAP_TYPE_ARRAY, __u32, __u32, CTS_EVENT_SLOTS, 0);

/* Records that found a slot's ring full, by slot and CPU. */
DECLARE_MAP(cts_events_lost, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, CTS_EVENT_SLOTS, 0);

/* Session slot → CLOCK_MONOTONIC nanoseconds until which its holder has it; renewed while the holder lives. */
DECLARE_MAP(cts_event_leases, BPF_MAP_TYPE_HASH, __u32, __u64, CTS_EVENT_SLOTS, 0);

DECLARE_MAP(cilium_lb4_affinity, BPF_MAP_TYPE_LRU_HASH, struct lb4_affinity_key, struct lb_affinity_val, 65536, 0);
DECLARE_MAP(cilium_lb6_affinity, BPF_MAP_TYPE_LRU_HASH, struct lb6_affinity_key, struct lb_affinity_val, 65536, 0);
DECLARE_MAP(cilium_lb_affinity_match, BPF_MAP_TYPE_HASH, struct lb_affinity_match, __u8, 65536, READ_ONLY_HASH);
DECLARE_MAP(cilium_lb4_source_range, BPF_MAP_TYPE_LPM_TRIE, struct lb4_src_range_key, __u8, 65536, READ_ONLY_HASH);
DECLARE_MAP(cilium_lb6_source_range, BPF_MAP_TYPE_LPM_TRIE, struct lb6_src_range_key, __u8, 65536, READ_ONLY_HASH);

/* Service id → that service's table. The agent sets the number of slots, and the programs' constant, to its setting. */
#define MAGLEV_DEFAULT_SLOTS 16381

struct maglev_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, MAGLEV_DEFAULT_SLOTS * sizeof(__u32));
	__uint(max_entries, 1);
};

#define DECLARE_MAGLEV_MAP(map_name)                                                                                   \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);                                                               \
		__type(key, __u16);                                                                                    \
		__uint(max_entries, 65536);                                                                            \
		__uint(map_flags, READ_ONLY_HASH);                                                                     \
		__array(values, struct maglev_table);                                                                  \
	} map_name SEC(".maps")

DECLARE_MAGLEV_MAP(cilium_lb4_maglev);
DECLARE_MAGLEV_MAP(cilium_lb6_maglev);
