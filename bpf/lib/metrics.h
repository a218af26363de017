/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "maps.h"

/* Counts a packet in cilium_metrics by reason, direction, line and file. `reason` is positive. */
static __always_inline void metrics_count(__u8 direction, __u8 reason, __u64 bytes, __u16 line, __u8 file)
{
	struct metrics_key key = {
		.reason = reason,
		.dir = direction,
		.line = line,
		.file = file,
	};
	struct metrics_value *value, initial = { .count = 1, .bytes = bytes };

	value = bpf_map_lookup_elem(&cilium_metrics, &key);
	if (value) {
		value->count += 1;
		value->bytes += bytes;
	} else {
		bpf_map_update_elem(&cilium_metrics, &key, &initial, BPF_ANY);
	}
}
