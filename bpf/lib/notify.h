/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "config.h"
#include "maps.h"
#include "packet.h"

/* Upstream's message types and versions of release 1.20. */
#define NOTIFY_DROP	    1
#define NOTIFY_TRACE	    4
#define NOTIFY_DROP_VERSION  3
#define NOTIFY_TRACE_VERSION 2

/* Observation points. */
#define TRACE_NONE	   255
#define TRACE_TO_LXC	   0
#define TRACE_TO_HOST	   2
#define TRACE_TO_STACK	   3
#define TRACE_TO_OVERLAY   4

/* Of drop and trace messages. */
#define NOTIFY_F_IPV6 1

#define CAPTURE_BYTES 128

/* Slot of the agent; sessions get theirs from the same array. */
#define EVENT_SLOT_AGENT 0

struct drop_record {
	struct drop_notify header;
	__u8 payload[CAPTURE_BYTES];
};

struct trace_record {
	struct trace_notify header;
	__u8 payload[CAPTURE_BYTES];
};

/* Room for a record, or NULL; then the loss is counted. */
static __always_inline void *event_reserve(__u64 bytes)
{
	__u32 slot = EVENT_SLOT_AGENT;
	void *ring, *record = NULL;
	__u64 *lost;

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

/* What all messages about a packet begin with, and the packet's first bytes behind it. */
#define NOTIFY_CAPTURE(record, skb, pkt, message_type, message_subtype, message_version)                               \
	({                                                                                                             \
		__builtin_memset(&(record)->header, 0, sizeof((record)->header));                                      \
		(record)->header.type = message_type;                                                                  \
		(record)->header.subtype = message_subtype;                                                            \
		(record)->header.source = (pkt)->source;                                                               \
		(record)->header.hash = bpf_get_hash_recalc(skb);                                                      \
		(record)->header.len_orig = (skb)->len;                                                                \
		(record)->header.len_cap = event_capture(skb, (record)->payload);                                      \
		(record)->header.version = message_version;                                                            \
		(record)->header.src_label = (pkt)->src_identity;                                                      \
		(record)->header.dst_label = (pkt)->dst_identity;                                                      \
		(record)->header.dst_id = (pkt)->dst_endpoint;                                                         \
		(record)->header.ifindex = (skb)->ifindex;                                                             \
		(record)->header.flags = (skb)->protocol == bpf_htons(ETH_P_IPV6) ? NOTIFY_F_IPV6 : 0;                 \
	})

static __always_inline void notify_drop(struct __sk_buff *skb, struct packet *pkt, __u8 reason)
{
	struct drop_record *record;

	if (!config.drop_events)
		return;
	record = event_reserve(sizeof(*record));
	if (!record)
		return;
	NOTIFY_CAPTURE(record, skb, pkt, NOTIFY_DROP, reason, NOTIFY_DROP_VERSION);
	record->header.line = pkt->exit_line;
	record->header.file = pkt->exit_file;
	record->header.ext_error = pkt->exit_error;
	EVENT_SUBMIT(record);
}

static __always_inline void notify_trace(struct __sk_buff *skb, struct packet *pkt, __u8 point)
{
	struct trace_record *record;

	if (!config.trace_events || !(pkt->report || !config.trace_aggregation))
		return;
	record = event_reserve(sizeof(*record));
	if (!record)
		return;
	NOTIFY_CAPTURE(record, skb, pkt, NOTIFY_TRACE, point, NOTIFY_TRACE_VERSION);
	record->header.reason = pkt->ct_state;
	__builtin_memcpy(record->header.orig_ip6, &pkt->orig_addr, sizeof(record->header.orig_ip6));
	EVENT_SUBMIT(record);
}
