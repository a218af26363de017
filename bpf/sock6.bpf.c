// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The socket LB for sockets of IPv6. They may talk IPv4, with IPv4-mapped addresses (RFC 4291, 2.5.5.2). */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/sock_lb.h"

char _license[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool ip_is_v4_mapped(const union ip_address *address)
{
	return !address->halves[0] && address->words[2] == bpf_htonl(0xffff);
}

static __always_inline void sock6_read(const struct bpf_sock_addr *ctx, struct sock_peer *peer)
{
	peer->address.words[0] = ctx->user_ip6[0];
	peer->address.words[1] = ctx->user_ip6[1];
	peer->address.words[2] = ctx->user_ip6[2];
	peer->address.words[3] = ctx->user_ip6[3];
	peer->port = ctx->user_port;
	peer->proto = sock_proto(ctx->protocol);
	peer->family = FAMILY_IPV6;
}

static __always_inline void sock6_write(struct bpf_sock_addr *ctx, const struct sock_peer *peer)
{
	if (peer->family == FAMILY_IPV4) {
		ctx->user_ip6[3] = peer->address.ip4;
	} else {
		ctx->user_ip6[0] = peer->address.words[0];
		ctx->user_ip6[1] = peer->address.words[1];
		ctx->user_ip6[2] = peer->address.words[2];
		ctx->user_ip6[3] = peer->address.words[3];
	}
	ctx->user_port = peer->port;
}

/* The same end as IPv4 has it. */
static __always_inline void sock6_unmap(struct sock_peer *peer)
{
	peer->address = ip_from4(peer->address.words[3]);
	peer->family = FAMILY_IPV4;
}

static __always_inline int sock6_dial(struct bpf_sock_addr *ctx)
{
	struct sock_peer peer;
	int verdict = SOCK_PROCEED;

	sock6_read(ctx, &peer);
	if (ip_is_v4_mapped(&peer.address)) {
		sock6_unmap(&peer);
		verdict = sock_translate(ctx, &peer);
	} else if (config.enable_ipv6) {
		verdict = sock_translate(ctx, &peer);
	}
	if (verdict == SOCK_PROCEED)
		sock6_write(ctx, &peer);
	return verdict;
}

static __always_inline int sock6_answer(struct bpf_sock_addr *ctx)
{
	struct sock_peer peer;

	sock6_read(ctx, &peer);
	if (ip_is_v4_mapped(&peer.address)) {
		sock6_unmap(&peer);
		sock_reverse(ctx, &peer);
	} else if (config.enable_ipv6) {
		sock_reverse(ctx, &peer);
	}
	sock6_write(ctx, &peer);
	return SOCK_PROCEED;
}

SEC("cgroup/connect6")
int cts_sock6_connect(struct bpf_sock_addr *ctx)
{
	return sock6_dial(ctx);
}

SEC("cgroup/sendmsg6")
int cts_sock6_sendmsg(struct bpf_sock_addr *ctx)
{
	return sock6_dial(ctx);
}

SEC("cgroup/recvmsg6")
int cts_sock6_recvmsg(struct bpf_sock_addr *ctx)
{
	return sock6_answer(ctx);
}

SEC("cgroup/getpeername6")
int cts_sock6_getpeer(struct bpf_sock_addr *ctx)
{
	return sock6_answer(ctx);
}

/* A socket bound to :: takes IPv4 too, unless it was told not to: both families' Services are asked. */
SEC("cgroup/post_bind6")
int cts_sock6_post_bind(struct bpf_sock *ctx)
{
	struct sock_peer local = {
		.address.words = { ctx->src_ip6[0], ctx->src_ip6[1], ctx->src_ip6[2], ctx->src_ip6[3] },
		.port = bpf_htons(ctx->src_port),
		.proto = sock_proto(ctx->protocol),
		.family = FAMILY_IPV6,
	};
	bool is_mapped = ip_is_v4_mapped(&local.address);
	int verdict = SOCK_PROCEED;

	if (!is_mapped && config.enable_ipv6)
		verdict = sock_check_bind(ctx, &local);
	if (verdict != SOCK_PROCEED || !(is_mapped || ip_is_zero(&local.address)))
		return verdict;
	sock6_unmap(&local);
	return sock_check_bind(ctx, &local);
}
