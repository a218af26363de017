/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "metrics.h"
#include "notify.h"

/* "Go on": the next program of the hook runs, then the stack. Foreign programs beside ours keep their say. */
#define VERDICT_PASS 0

/* The one way out of a program: counts the packet by reason, line and file, reports it, and returns what tc wants.
 * `verdict` is VERDICT_PASS, what a redirect helper returned (> 0), or a drop reason (< 0). */
static __always_inline int packet_exit(struct __sk_buff *skb, struct packet *pkt, int verdict, __u8 trace_point)
{
	if (verdict < 0) {
		metrics_count(pkt->direction, -verdict, skb->len, pkt->exit_line, pkt->exit_file);
		notify_drop(skb, pkt, -verdict);
		return TC_ACT_SHOT;
	}
	metrics_count(pkt->direction, REASON_FORWARDED, skb->len, pkt->exit_line, pkt->exit_file);
	if (trace_point != TRACE_NONE)
		notify_trace(skb, pkt, trace_point);
	return verdict == VERDICT_PASS ? TC_ACT_UNSPEC : verdict;
}
