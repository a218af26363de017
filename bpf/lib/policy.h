/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "conntrack.h"

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
		.dport = packet_is_icmp(pkt) ? bpf_htons(pkt->icmp_type) : pkt->dport,
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

/* What an entry remembers of a verdict: the epoch of the policies and the peer's identity. 0: nothing may be remembered,
 * because a policy is being changed, or because the entry of ICMP is not of one type alone. */
static __always_inline __u64 policy_stamp(const struct packet *pkt, __u32 remote_identity)
{
	__u32 zero = 0, epoch, *changes = bpf_map_lookup_elem(&cts_policy_epoch, &zero);

	if (!changes)
		return 0;
	epoch = *(const volatile __u32 *)changes;
	/* Without a branch: each one doubles what the verifier walks behind it. */
	return ((__u64)epoch << 32 | remote_identity) * (!(epoch & 1) & !packet_is_icmp(pkt));
}

#define POLICY_AS_REMEMBERED 1

/* As policy_check(), for every packet of a connection's forward direction: what its entry was allowed is asked again only
 * after a change of a policy or of the peer's identity. POLICY_AS_REMEMBERED; 0: allowed, and the entry shall remember
 * pkt->policy_stamp; or a drop reason. The epoch is read before the policy: a change meanwhile leaves a stamp that fits no
 * later epoch. */
static __always_inline int policy_check_connection(struct packet *pkt, __u32 endpoint_id, __u32 remote_identity,
						   bool egress)
{
	__u64 remembered = pkt->policy_stamp;

	pkt->policy_stamp = policy_stamp(pkt, remote_identity);
	if (remembered && remembered == pkt->policy_stamp)
		return POLICY_AS_REMEMBERED;
	return policy_check(pkt, endpoint_id, remote_identity, egress);
}
