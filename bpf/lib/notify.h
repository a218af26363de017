/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "config.h"
#include "maps.h"
#include "packet.h"

/* Upstream's message types and versions of release 1.20. */
#define NOTIFY_DROP	    1
#define NOTIFY_TRACE	    4
#define NOTIFY_POLICY_VERDICT 5
#define NOTIFY_DROP_VERSION  3
#define NOTIFY_POLICY_VERDICT_VERSION 1
#define NOTIFY_TRACE_VERSION 2

/* Observation points. */
#define TRACE_NONE	   255
#define TRACE_TO_LXC	   0
#define TRACE_TO_HOST	   2
#define TRACE_TO_STACK	   3
#define TRACE_TO_OVERLAY   4
#define TRACE_TO_NETWORK   11

/* Of drop and trace messages. */
#define NOTIFY_F_IPV6 1

#define CAPTURE_BYTES 128

struct drop_record {
	struct drop_notify header;
	__u8 payload[CAPTURE_BYTES];
};

struct policy_verdict_record {
	struct policy_verdict_notify header;
	__u8 payload[CAPTURE_BYTES];
};

struct trace_record {
	struct trace_notify header;
	__u8 payload[CAPTURE_BYTES];
};

/* Room for a record in the ring of a slot, or NULL where nobody wants it, or there is no room; then the loss is counted. */
static __always_inline void *event_reserve(__u32 slot, __u8 message_type, __u64 bytes)
{
	void *ring, *record = NULL;
	__u32 *types;
	__u64 *lost;

	types = bpf_map_lookup_elem(&cts_event_types, &slot);
	if (!types || !(*types & (1U << message_type)))
		return NULL;
	ring = bpf_map_lookup_elem(&cts_events, &slot);
	if (!ring)
		return NULL;
	record = bpf_ringbuf_reserve(ring, bytes, 0);
	if (!record) {
		lost = bpf_map_lookup_elem(&cts_events_lost, &slot);
		if (lost)
			*lost += 1;
	}
	return record;
}

/* Copies the packet's first bytes; returns how many. */
static __always_inline __u32 event_capture(struct __sk_buff *skb, __u8 *payload)
{
	__u32 bytes = skb->len;

	if (bytes > CAPTURE_BYTES)
		bytes = CAPTURE_BYTES;
	if (bytes == CAPTURE_BYTES)
		return bpf_skb_load_bytes(skb, 0, payload, CAPTURE_BYTES) ? 0 : CAPTURE_BYTES;
	/* Told to the verifier by a mask, and by "not less": before 6.8 it learned nothing from "not zero". */
	bytes &= CAPTURE_BYTES - 1;
	barrier_var(bytes);
	if (bytes < ETH_HLEN || bpf_skb_load_bytes(skb, 0, payload, bytes))
		return 0;
	return bytes;
}

/* Readers drain on a timer: waking one for each record costs a third of all new connections. */
#define EVENT_SUBMIT(record) bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP)

/* Every slot whose reader wants it gets a record of its own. */
#define FOR_EACH_EVENT_SLOT(slot) for (__u32 slot = 0; slot < CTS_EVENT_SLOTS; slot++)

/* What all messages about a packet begin with, and the packet's first bytes behind it. */
#define NOTIFY_BEGIN(record, skb, message_type, message_subtype, message_version)                                      \
	({                                                                                                             \
		__builtin_memset(&(record)->header, 0, sizeof((record)->header));                                      \
		(record)->header.type = message_type;                                                                  \
		(record)->header.subtype = message_subtype;                                                            \
		(record)->header.hash = bpf_get_hash_recalc(skb);                                                      \
		(record)->header.len_orig = (skb)->len;                                                                \
		(record)->header.len_cap = event_capture(skb, (record)->payload);                                      \
		(record)->header.version = message_version;                                                            \
	})

/* The same, and who sends to whom. */
#define NOTIFY_CAPTURE(record, skb, pkt, message_type, message_subtype, message_version)                               \
	({                                                                                                             \
		NOTIFY_BEGIN(record, skb, message_type, message_subtype, message_version);                             \
		(record)->header.source = (pkt)->source;                                                               \
		(record)->header.src_label = (pkt)->src_identity;                                                      \
		(record)->header.dst_label = (pkt)->dst_identity;                                                      \
		(record)->header.dst_id = (pkt)->dst_endpoint;                                                         \
		(record)->header.ifindex = (skb)->ifindex;                                                             \
		(record)->header.flags = (skb)->protocol == bpf_htons(ETH_P_IPV6) ? NOTIFY_F_IPV6 : 0;                 \
	})

static __always_inline void notify_drop(struct __sk_buff *skb, struct packet *pkt, __u8 reason)
{
	struct drop_record *record;

	if (!EVENT_WANTED(skb, EVENT_DROPS))
		return;
	FOR_EACH_EVENT_SLOT (slot) {
		record = event_reserve(slot, NOTIFY_DROP, sizeof(*record));
		if (!record)
			continue;
		NOTIFY_CAPTURE(record, skb, pkt, NOTIFY_DROP, reason, NOTIFY_DROP_VERSION);
		record->header.line = pkt->exit_line;
		record->header.file = pkt->exit_file;
		record->header.ext_error = pkt->exit_error;
		EVENT_SUBMIT(record);
	}
}

static __always_inline void notify_trace(struct __sk_buff *skb, struct packet *pkt, __u8 point)
{
	struct trace_record *record;

	if (!EVENT_WANTED(skb, EVENT_TRACES) || !(pkt->report || EVENT_WANTED(skb, EVENT_TRACE_EVERY)))
		return;
	FOR_EACH_EVENT_SLOT (slot) {
		record = event_reserve(slot, NOTIFY_TRACE, sizeof(*record));
		if (!record)
			continue;
		NOTIFY_CAPTURE(record, skb, pkt, NOTIFY_TRACE, point, NOTIFY_TRACE_VERSION);
		record->header.reason = pkt->ct_state;
		__builtin_memcpy(record->header.orig_ip6, &pkt->orig_addr, sizeof(record->header.orig_ip6));
		EVENT_SUBMIT(record);
	}
}

/* What is asked of a policy: one word, so that it can be handed to a function that the verifier walks by itself. */
union policy_question {
	struct {
		__be16 dport; /* ICMP: its type */
		__u8 protocol;
		__u8 egress;
		__u8 is_new; /* the first packet of a connection */
		__u8 is_ip6;
		__u16 pad;
	};
	__u64 word;
};

/* What the policy of one end said of a packet. */
struct policy_verdict {
	__s32 result; /* 0 or a drop reason */
	__u32 cookie; /* of the entry that decided */
	__u8 match_type;
	__u8 audited;
};

static __always_inline void notify_policy_verdict(struct __sk_buff *skb, __u32 endpoint_id, __u32 remote_identity,
						  union policy_question what, const struct policy_verdict *verdict)
{
	struct policy_verdict_record *record;

	FOR_EACH_EVENT_SLOT (slot) {
		record = event_reserve(slot, NOTIFY_POLICY_VERDICT, sizeof(*record));
		if (!record)
			continue;
		NOTIFY_BEGIN(record, skb, NOTIFY_POLICY_VERDICT, 0, NOTIFY_POLICY_VERDICT_VERSION);
		record->header.source = endpoint_id;
		record->header.remote_label = remote_identity;
		record->header.verdict = verdict->result;
		record->header.dst_port = bpf_ntohs(what.dport);
		record->header.proto = what.protocol;
		record->header.dir = what.egress ? METRIC_EGRESS : METRIC_INGRESS;
		record->header.ipv6 = what.is_ip6;
		record->header.match_type = verdict->match_type;
		record->header.audited = verdict->audited;
		record->header.cookie = verdict->cookie;
		EVENT_SUBMIT(record);
	}
}
