/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "exit.h"
#include "parse.h"

/* A program is one or more steps, and of each there is a function for IPv4 and one for IPv6. They are global functions: the
 * verifier looks at each of them once, apart from its callers, and each has the stack to itself. A step reads the packet,
 * decides and ends the packet's way, or says which step comes next. */

/* No verdict, no drop reason and no redirect's result: the packet's way goes on in another step. */
#define STEP_NEXT 256

/* An ICMP error has been let through to the pod that it is for: quote.h. Every program counts its own steps up to here. */
#define NEXT_QUOTE (STEP_NEXT + 255)

/* `body` is int (*)(struct __sk_buff *, struct packet *, __u8 *trace_point): a verdict, a drop reason, or STEP_NEXT and above. */
#define STEP_OF_FAMILY(name, body, way, packet_family)                                                                 \
	__attribute__((noinline)) int name(struct __sk_buff *skb)                                                      \
	{                                                                                                              \
		struct packet pkt = { .family = packet_family, .direction = way };                                     \
		__u8 trace_point = TRACE_NONE;                                                                         \
		int verdict = body(skb, &pkt, &trace_point);                                                           \
                                                                                                                       \
		return verdict >= STEP_NEXT ? verdict : packet_exit(skb, &pkt, verdict, trace_point);                  \
	}

/* Makes name4() and name6(). */
#define STEP(name, body, way)                                                                                          \
	STEP_OF_FAMILY(name##4, body, way, FAMILY_IPV4)                                                                \
	STEP_OF_FAMILY(name##6, body, way, FAMILY_IPV6)
