// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Forces every shared structure into BTF; nothing of this object is ever loaded. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "lib/config.h"
#include "lib/layouts.h"

#define LAYOUT(name) struct name layout_##name = {}

LAYOUT(ipv4_ct_tuple);
LAYOUT(ipv6_ct_tuple);
LAYOUT(ct_entry);
LAYOUT(lb4_key);
LAYOUT(lb4_service);
LAYOUT(lb4_backend);
LAYOUT(lb4_reverse_nat);
LAYOUT(ipv4_revnat_tuple);
LAYOUT(ipv4_revnat_entry);
LAYOUT(lb6_key);
LAYOUT(lb6_service);
LAYOUT(lb6_backend);
LAYOUT(lb6_reverse_nat);
LAYOUT(ipv6_revnat_tuple);
LAYOUT(ipv6_revnat_entry);
LAYOUT(lb4_affinity_key);
LAYOUT(lb6_affinity_key);
LAYOUT(lb_affinity_val);
LAYOUT(lb_affinity_match);
LAYOUT(lb4_src_range_key);
LAYOUT(lb6_src_range_key);
LAYOUT(endpoint_key);
LAYOUT(endpoint_info);
LAYOUT(ipcache_key);
LAYOUT(remote_endpoint_info);
LAYOUT(policy_key);
LAYOUT(policy_entry);
LAYOUT(policy_stats_key);
LAYOUT(policy_stats_value);
LAYOUT(node_key);
LAYOUT(node_value);
LAYOUT(metrics_key);
LAYOUT(metrics_value);
LAYOUT(ipv4_frag_id);
LAYOUT(ipv4_frag_l4ports);
LAYOUT(ipv6_frag_id);
LAYOUT(drop_notify);
LAYOUT(trace_notify);
LAYOUT(policy_verdict_notify);
LAYOUT(trace_sock_notify);
LAYOUT(ipv4_nat_entry);
LAYOUT(ipv6_nat_entry);
LAYOUT(lpm_v4_key);
LAYOUT(lpm_v6_key);
LAYOUT(cts_device);
LAYOUT(cts_owner_key);
LAYOUT(cts_owner_value);
LAYOUT(datapath_config);

/* The ABI of upstream 1.20; a change here is a change of the pinned maps. */
_Static_assert(sizeof(struct ipv4_ct_tuple) == 14, "ipv4_ct_tuple");
_Static_assert(sizeof(struct ipv6_ct_tuple) == 38, "ipv6_ct_tuple");
_Static_assert(sizeof(struct ct_entry) == 56, "ct_entry");
_Static_assert(sizeof(struct lb4_key) == 12, "lb4_key");
_Static_assert(sizeof(struct lb4_service) == 12, "lb4_service");
_Static_assert(sizeof(struct lb4_backend) == 12, "lb4_backend");
_Static_assert(sizeof(struct lb4_reverse_nat) == 6, "lb4_reverse_nat");
_Static_assert(sizeof(struct ipv4_revnat_tuple) == 16, "ipv4_revnat_tuple");
_Static_assert(sizeof(struct ipv4_revnat_entry) == 8, "ipv4_revnat_entry");
_Static_assert(sizeof(struct lb6_key) == 24, "lb6_key");
_Static_assert(sizeof(struct lb6_service) == 12, "lb6_service");
_Static_assert(sizeof(struct lb6_backend) == 24, "lb6_backend");
_Static_assert(sizeof(struct lb6_reverse_nat) == 18, "lb6_reverse_nat");
_Static_assert(sizeof(struct ipv6_revnat_tuple) == 32, "ipv6_revnat_tuple");
_Static_assert(sizeof(struct ipv6_revnat_entry) == 20, "ipv6_revnat_entry");
_Static_assert(sizeof(struct ratelimit_key) == 8, "ratelimit_key");
_Static_assert(sizeof(struct ratelimit_value) == 16, "ratelimit_value");
_Static_assert(sizeof(struct lb4_affinity_key) == 16, "lb4_affinity_key");
_Static_assert(sizeof(struct lb6_affinity_key) == 24, "lb6_affinity_key");
_Static_assert(sizeof(struct lb_affinity_val) == 16, "lb_affinity_val");
_Static_assert(sizeof(struct lb_affinity_match) == 8, "lb_affinity_match");
_Static_assert(sizeof(struct lb4_src_range_key) == 12, "lb4_src_range_key");
_Static_assert(sizeof(struct lb6_src_range_key) == 24, "lb6_src_range_key");
_Static_assert(sizeof(struct ipv4_nat_entry) == 40, "ipv4_nat_entry");
_Static_assert(sizeof(struct ipv6_nat_entry) == 56, "ipv6_nat_entry");
_Static_assert(sizeof(struct endpoint_key) == 20, "endpoint_key");
_Static_assert(sizeof(struct endpoint_info) == 48, "endpoint_info");
_Static_assert(sizeof(struct ipcache_key) == 24, "ipcache_key");
_Static_assert(sizeof(struct remote_endpoint_info) == 24, "remote_endpoint_info");
_Static_assert(sizeof(struct policy_key) == 12, "policy_key");
_Static_assert(sizeof(struct policy_entry) == 12, "policy_entry");
_Static_assert(sizeof(struct policy_stats_key) == 12, "policy_stats_key");
_Static_assert(sizeof(struct policy_stats_value) == 16, "policy_stats_value");
_Static_assert(sizeof(struct metrics_key) == 8, "metrics_key");
_Static_assert(sizeof(struct metrics_value) == 16, "metrics_value");
_Static_assert(sizeof(struct ipv6_frag_id) == 40, "ipv6_frag_id");
_Static_assert(sizeof(struct drop_notify) == 48, "drop_notify");
_Static_assert(sizeof(struct trace_notify) == 56, "trace_notify");
_Static_assert(sizeof(struct policy_verdict_notify) == 40, "policy_verdict_notify");
_Static_assert(sizeof(struct trace_sock_notify) == 40, "trace_sock_notify");
