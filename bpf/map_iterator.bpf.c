// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Copies every element of one map, key and value side by side, into the file that reads the iterator: src/kernel/map-iterator.ts.
 * Of per-CPU maps the value is the values of all possible CPUs, as a look-up returns them. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

struct seq_file;

/* The kernel's structures of these names (kernel/bpf/bpf_iter.c, map_iter.c): in its BTF, in no header. */
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

/* Sizes of the map that will be iterated: the verifier notes how far key and value are read, and the kernel attaches the
 * program only to maps whose keys and values are as long. */
const volatile __u32 key_bytes = 4;
const volatile __u32 value_bytes = 4;

SEC("iter/bpf_map_elem")
int cts_map_elements(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	void *key = ctx->key;
	void *value = ctx->value;

	if (!key || !value) /* the call behind the last element */
		return 0;
	/* What no longer fits makes the kernel take the whole record back and begin the next read with it. */
	bpf_seq_write(seq, key, key_bytes);
	bpf_seq_write(seq, value, value_bytes);
	return 0;
}
