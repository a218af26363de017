/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "conntrack.h"
#include "notify.h"

/* Prefix of a fully given key: 40 static bits (identity, direction byte) + 8 protocol + 16 port. */
#define POLICY_FULL_PREFIX	64
#define POLICY_MAX_PRECEDENCE	0xffffffff

/* How an entry matched, upstream's numbers. */
#define POLICY_MATCH_NONE	0
#define POLICY_MATCH_L3_ONLY	1
#define POLICY_MATCH_L3_L4	2
#define POLICY_MATCH_L4_ONLY	3
#define POLICY_MATCH_ALL	4
#define POLICY_MATCH_L3_PROTO	5
#define POLICY_MATCH_PROTO_ONLY 6

/* Bits of an entry's prefix that stand for the protocol alone. */
#define POLICY_PROTO_PREFIX 8

static __always_inline __u8 policy_match_type(const struct policy_entry *entry, bool is_any)
{
	if (!entry->lpm_prefix_length)
		return is_any ? POLICY_MATCH_ALL : POLICY_MATCH_L3_ONLY;
	if (entry->lpm_prefix_length <= POLICY_PROTO_PREFIX)
		return is_any ? POLICY_MATCH_PROTO_ONLY : POLICY_MATCH_L3_PROTO;
	return is_any ? POLICY_MATCH_L4_ONLY : POLICY_MATCH_L3_L4;
}

/* Counts the decision of an entry, by the entry's own key as upstream does: what its prefix leaves out is zero. Not the
 * packets that pass because their connection remembers the decision. */
static __always_inline void policy_account(__u32 endpoint_id, const struct policy_key *asked, __u32 identity,
					   __u8 prefix_len, __u64 bytes)
{
	__u8 port_bits = prefix_len > POLICY_PROTO_PREFIX ? prefix_len - POLICY_PROTO_PREFIX : 0;
	struct policy_stats_value *value, initial = { .packets = 1, .bytes = bytes };
	struct policy_stats_key key = {
		.endpoint_id = endpoint_id,
		.prefix_len = prefix_len,
		.sec_label = identity,
		.egress = asked->egress,
		.protocol = prefix_len ? asked->protocol : 0,
		.dport = asked->dport & bpf_htons((__u16)(0xffff0000 >> port_bits)),
	};

	value = bpf_map_lookup_elem(&cilium_policystats, &key);
	if (value) {
		value->packets += 1;
		value->bytes += bytes;
	} else {
		bpf_map_update_elem(&cilium_policystats, &key, &initial, BPF_NOEXIST);
	}
}

/* The wildcard of an endpoint that no policy selects in this direction: no rule stands behind it. */
static __always_inline bool policy_is_unenforced(const struct policy_verdict *verdict)
{
	return !verdict->result && !verdict->audited && !verdict->cookie && verdict->match_type == POLICY_MATCH_ALL;
}

/* What the policy of an endpoint says of a packet and the identity at its other end: fills the verdict. The identity's own
 * entry and the one for any identity compete by precedence, then by prefix length (upstream 1.19+). */
static __always_inline void policy_decide(void *policy, __u32 bytes, __u32 endpoint_id, __u32 remote_identity,
					  union policy_question what, struct policy_verdict *verdict)
{
	struct policy_key key = {
		.prefixlen = POLICY_FULL_PREFIX,
		.sec_label = remote_identity,
		.egress = what.egress,
		.protocol = what.protocol,
		.dport = what.dport,
	};
	struct policy_entry *exact, *any, *entry;
	bool is_any = false;

	exact = bpf_map_lookup_elem(policy, &key);
	entry = exact;
	if (!exact || exact->precedence != POLICY_MAX_PRECEDENCE) {
		key.sec_label = 0;
		any = bpf_map_lookup_elem(policy, &key);
		if (any && (!exact || any->precedence > exact->precedence ||
			    (any->precedence == exact->precedence &&
			     any->lpm_prefix_length > exact->lpm_prefix_length))) {
			entry = any;
			is_any = true;
		}
	}
	verdict->result = DROP_POLICY;
	if (!entry)
		return;
	verdict->result = entry->deny ? DROP_POLICY_DENY : 0;
	verdict->cookie = entry->cookie;
	verdict->match_type = policy_match_type(entry, is_any);
	if (config.policy_accounting)
		policy_account(endpoint_id, &key, is_any ? 0 : remote_identity, entry->lpm_prefix_length, bytes);
}

/* Asks, counts and tells; `word` is a policy_question. 0 or a drop reason. A function that the verifier walks once and not at
 * each of its calls with all that is known there: the first packet of a connection pays a call for it. */
__attribute__((noinline)) int policy_judge(struct __sk_buff *skb, __u32 endpoint_id, __u32 remote_identity, __u64 word)
{
	union policy_question what = { .word = word };
	struct policy_verdict verdict = {};
	void *policy = bpf_map_lookup_elem(&cts_policy_maps, &endpoint_id);

	/* Not a policy's verdict: told as a drop, and not forwarded in audit mode. */
	if (!policy)
		return DROP_EP_NOT_READY;
	policy_decide(policy, skb->len, endpoint_id, remote_identity, what, &verdict);
	if (config.policy_audit_mode && verdict.result) {
		verdict.audited = 1;
		verdict.result = 0;
	}
	if (EVENT_WANTED(skb, EVENT_VERDICTS) && (verdict.result || what.is_new) && !policy_is_unenforced(&verdict))
		notify_policy_verdict(skb, endpoint_id, remote_identity, what, &verdict);
	return verdict.result;
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

/* For every packet of a connection's forward direction: what its entry was allowed is asked again only after a change of a
 * policy or of the peer's identity. POLICY_AS_REMEMBERED; 0: allowed, and the entry shall remember pkt->policy_stamp; or a
 * drop reason. The epoch is read before the policy: a change meanwhile leaves a stamp that fits no later epoch. */
static __always_inline int policy_check_connection(struct __sk_buff *skb, struct packet *pkt, __u32 endpoint_id,
						   __u32 remote_identity, bool egress)
{
	union policy_question what = {
		.dport = packet_is_icmp(pkt) ? bpf_htons(pkt->icmp_type) : pkt->dport,
		.protocol = pkt->proto,
		.egress = egress,
		.is_new = pkt->ct_state == CT_NEW,
		.is_ip6 = packet_is_ip6(pkt),
	};
	__u64 remembered = pkt->policy_stamp;
	int result;

	pkt->policy_stamp = policy_stamp(pkt, remote_identity);
	if (remembered && remembered == pkt->policy_stamp)
		return POLICY_AS_REMEMBERED;
	result = policy_judge(skb, endpoint_id, remote_identity, what.word);
	return result < 0 ? DROP_AT(pkt, result) : 0;
}
