// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Finds the keys of a large and nearly empty hash map in steps that can be interrupted: src/kernel/bucket-walk.ts.
 *
 * Batch calls, next-key calls and map iterators all go over empty buckets in one stretch, tens of milliseconds for some
 * million of them. This program looks at a few hundred buckets a run; a test run with a repeat count makes many such steps,
 * and the kernel lets others run between two of them (bpf_test_timer_continue of net/bpf/test_run.c).
 *
 * It reads kernel memory as it lies, without the buckets' locks: what it finds are candidates, and the reader looks each
 * one up. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

#define HEADS_BYTES 4096
#define KEYS_BYTES 65536
#define MOST_HEADS (HEADS_BYTES / 8)
#define LONGEST_CHAIN 128

/* What is used of kernel/bpf/hashtab.c; libbpf puts in where it lies in the running kernel. */
struct hlist_nulls_node {
	struct hlist_nulls_node *next;
} __attribute__((preserve_access_index));

struct hlist_nulls_head {
	struct hlist_nulls_node *first;
} __attribute__((preserve_access_index));

struct bucket {
	struct hlist_nulls_head head;
} __attribute__((preserve_access_index));

struct htab_elem {
	struct hlist_nulls_node hash_node;
	char key[];
} __attribute__((preserve_access_index));

struct bpf_htab {
	struct bucket *buckets;
	__u32 n_buckets;
} __attribute__((preserve_access_index));

/* Stands for the map that is walked, whatever the sizes of its keys and values. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__uint(value_size, KEYS_BYTES);
	__uint(max_entries, 1);
} found_keys SEC(".maps");

const volatile __u32 key_bytes = 4;

/* The reader sets keys and is_full to 0 when it has taken the keys. */
struct {
	__u32 buckets; /* of the map; 0 before the first step */
	__u32 next; /* bucket to look at */
	__u32 keys; /* in found_keys */
	__u32 is_full; /* no room for the keys of the next bucket */
	__u32 cut_chains; /* buckets with more elements than a step can follow */
	__u32 pad;
	__u64 table;
	__u8 heads[HEADS_BYTES];
} walk;

/* Elements of a bucket form a list that ends in an odd number with the bucket's own number in it. */
static __always_inline int is_end(__u64 node)
{
	return node & 1;
}

/* Which of the heads that were read has elements; count when none has. */
__noinline int first_used(__u32 count)
{
	__u32 bucket_bytes = bpf_core_type_size(struct bucket);
	__u32 at = bpf_core_field_offset(struct bucket, head);
	__u32 i;

	for (i = 0; i < MOST_HEADS && i < count && at <= HEADS_BYTES - sizeof(__u64); i++, at += bucket_bytes) {
		if (!is_end(*(__u64 *)(walk.heads + at)))
			return i;
	}
	return count;
}

/* Appends the keys of one bucket. 0, or 1 when the step has to be made again. */
__noinline int copy_keys(__u32 bucket, __u64 node)
{
	__u32 zero = 0, keys = walk.keys, i;
	__u8 *room = bpf_map_lookup_elem(&found_keys, &zero);

	if (!room)
		return 1;
	for (i = 0; i < LONGEST_CHAIN && !is_end(node); i++) {
		__u32 at = keys * key_bytes;

		if (at > KEYS_BYTES - key_bytes) {
			walk.is_full = 1;
			return 1;
		}
		bpf_probe_read_kernel(room + at, key_bytes, (void *)(node + bpf_core_field_offset(struct htab_elem, key)));
		if (bpf_probe_read_kernel(&node, sizeof(node), (void *)node) < 0)
			return 1;
		keys++;
	}
	if (!is_end(node))
		walk.cut_chains++;
	else if (node >> 1 != bucket)
		return 1; /* an element moved to another bucket while we stood on it */
	walk.keys = keys;
	return 0;
}

SEC("tc")
int cts_walk_buckets(struct __sk_buff *skb)
{
	struct bpf_htab *table = (struct bpf_htab *)&target;
	__u32 bucket_bytes = bpf_core_type_size(struct bucket);
	__u32 count, bytes, used;
	__u64 node;

	if (!walk.buckets) {
		walk.table = (__u64)table->buckets; /* read back below as a number, with which one may calculate */
		walk.buckets = table->n_buckets;
	}
	if (walk.is_full || walk.next >= walk.buckets)
		return 0;
	count = HEADS_BYTES / bucket_bytes;
	if (count > walk.buckets - walk.next)
		count = walk.buckets - walk.next;
	bytes = count * bucket_bytes;
	if (bytes > HEADS_BYTES) /* never; for the verifier */
		return 0;
	if (bpf_probe_read_kernel(walk.heads, bytes, (void *)(walk.table + (__u64)walk.next * bucket_bytes)) < 0)
		return 0;
	used = first_used(count);
	if (used >= count) {
		walk.next += count;
		return 0;
	}
	node = used * bucket_bytes + bpf_core_field_offset(struct bucket, head);
	if (node > HEADS_BYTES - sizeof(node))
		return 0;
	if (!copy_keys(walk.next + used, *(__u64 *)(walk.heads + node)))
		walk.next += used + 1;
	else
		walk.next += used;
	return 0;
}
