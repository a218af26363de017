// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup hooks of the socket LB: a socket that dials a Service talks to its backend directly, no packet is rewritten. */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/sock_lb.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup/connect4")
int cts_sock4_connect(struct bpf_sock_addr *ctx)
{
	return sock_translate4(ctx);
}

SEC("cgroup/sendmsg4")
int cts_sock4_sendmsg(struct bpf_sock_addr *ctx)
{
	return sock_translate4(ctx);
}

SEC("cgroup/recvmsg4")
int cts_sock4_recvmsg(struct bpf_sock_addr *ctx)
{
	sock_reverse4(ctx);
	return SOCK_PROCEED;
}

SEC("cgroup/getpeername4")
int cts_sock4_getpeer(struct bpf_sock_addr *ctx)
{
	sock_reverse4(ctx);
	return SOCK_PROCEED;
}
