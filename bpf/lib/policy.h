/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "maps.h"
#include "packet.h"

/* Prefix of a fully given key: 40 static bits (identity, direction byte) + 8 protocol + 16 port. */
#define POLICY_FULL_PREFIX	64
#define POLICY_MAX_PRECEDENCE	0xffffffff

/* What the policy of `endpoint_id` says of this packet and the identity at its other end: 0 or a drop reason. The
 * identity's own entry and the one for any identity compete by precedence, then by prefix length (upstream 1.19+). */
static __always_inline int policy_check(struct packet *pkt, __u32 endpoint_id, __u32 remote_identity, bool egress)
{
	struct policy_key key = {
		.prefixlen = POLICY_FULL_PREFIX,
		.sec_label = remote_identity,
		.egress = egress,
		.protocol = pkt->proto,
		.dport = pkt->proto == IPPROTO_ICMP ? bpf_htons(pkt->icmp_type) : pkt->dport,
	};
	struct policy_entry *exact, *any, *entry;
	void *policy = bpf_map_lookup_elem(&cts_policy_maps, &endpoint_id);

	if (!policy)
		return DROP_AT(pkt, DROP_EP_NOT_READY);
	exact = bpf_map_lookup_elem(policy, &key);
	entry = exact;
	if (!exact || exact->precedence != POLICY_MAX_PRECEDENCE) {
		key.sec_label = 0;
		any = bpf_map_lookup_elem(policy, &key);
		if (any && (!exact || any->precedence > exact->precedence ||
			    (any->precedence == exact->precedence &&
			     any->lpm_prefix_length > exact->lpm_prefix_length)))
			entry = any;
	}
	if (!entry)
		return DROP_AT(pkt, DROP_POLICY);
	if (entry->deny)
		return DROP_AT(pkt, DROP_POLICY_DENY);
	return 0;
}
