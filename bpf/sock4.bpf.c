// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup hooks of the socket LB: a socket that dials a Service talks to its backend directly, no packet is rewritten. */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/sock_lb.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline void sock4_read(const struct bpf_sock_addr *ctx, struct sock_peer *peer)
{
	peer->address = ip_from4(ctx->user_ip4);
	peer->port = ctx->user_port;
	peer->proto = sock_proto(ctx->protocol);
	peer->family = FAMILY_IPV4;
}

static __always_inline void sock4_write(struct bpf_sock_addr *ctx, const struct sock_peer *peer)
{
	ctx->user_ip4 = peer->address.ip4;
	ctx->user_port = peer->port;
}

static __always_inline int sock4_dial(struct bpf_sock_addr *ctx)
{
	struct sock_peer peer;
	int verdict;

	sock4_read(ctx, &peer);
	verdict = sock_translate(ctx, &peer);
	if (verdict == SOCK_PROCEED)
		sock4_write(ctx, &peer);
	return verdict;
}

static __always_inline int sock4_answer(struct bpf_sock_addr *ctx)
{
	struct sock_peer peer;

	sock4_read(ctx, &peer);
	sock_reverse(ctx, &peer);
	sock4_write(ctx, &peer);
	return SOCK_PROCEED;
}

SEC("cgroup/connect4")
int cts_sock4_connect(struct bpf_sock_addr *ctx)
{
	return sock4_dial(ctx);
}

SEC("cgroup/sendmsg4")
int cts_sock4_sendmsg(struct bpf_sock_addr *ctx)
{
	return sock4_dial(ctx);
}

SEC("cgroup/recvmsg4")
int cts_sock4_recvmsg(struct bpf_sock_addr *ctx)
{
	return sock4_answer(ctx);
}

SEC("cgroup/getpeername4")
int cts_sock4_getpeer(struct bpf_sock_addr *ctx)
{
	return sock4_answer(ctx);
}

SEC("cgroup/post_bind4")
int cts_sock4_post_bind(struct bpf_sock *ctx)
{
	struct sock_peer local = {
		.address = ip_from4(ctx->src_ip4),
		.port = bpf_htons(ctx->src_port),
		.proto = sock_proto(ctx->protocol),
		.family = FAMILY_IPV4,
	};

	return sock_check_bind(ctx, &local);
}
