/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "maps.h"
#include "metrics.h"
#include "notify.h"
#include "service.h"
#include "step.h"

/* ICMP errors about a packet, to whoever sent it (RFC 792, RFC 4443): its connect() fails at once, its traceroute sees the
 * node, its next packets are small enough. */

/* Which error. */
#define ICMP_ERROR_UNREACHABLE 1 /* the port, from the address that was dialled */
#define ICMP_ERROR_EXPIRED     2 /* TTL or hop limit, from the node */
#define ICMP_ERROR_TOO_BIG     3 /* for what lies ahead, from the node */

#define ICMP_PORT_UNREACHABLE	3
#define ICMP_FRAG_NEEDED	4
#define ICMPV6_DEST_UNREACHABLE 1
#define ICMPV6_PORT_UNREACHABLE 4
#define ICMPV6_PACKET_TOO_BIG	2
#define ICMPV6_TIME_EXCEEDED	3

/* RFC 1812 4.3.2.3: an IPv4 error is no longer than 576 bytes. RFC 4443 2.4: an IPv6 one no longer than 1280. */
#define ICMP_ERROR4_HEADERS   (sizeof(struct iphdr) + sizeof(struct icmp_error))
#define ICMP_ERROR6_HEADERS   (sizeof(struct ipv6_header) + sizeof(struct icmp_error))
#define ICMP_ERROR4_MAX_BYTES 576
#define ICMP_ERROR6_MAX_BYTES 1280
#define ICMP_ERROR_TTL	      64
#define ICMP_ERROR_TOS	      0xc0 /* RFC 1812 4.3.2.5: internetwork control */

struct icmp_error {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 mtu; /* "too big" only; IPv4: 16 bits of it (RFC 1191) */
};

/* Upstream's limit for each device: so many at once, and as many again every second. */
#define RATELIMIT_ICMP	     1
#define RATELIMIT_BURST	     100
#define RATELIMIT_PER_SECOND 100
#define NSEC_PER_SEC	     1000000000ULL

static __always_inline bool icmp_error_is_within_limit(const struct __sk_buff *skb)
{
	struct ratelimit_key key = { .usage = RATELIMIT_ICMP, .ifindex = skb->ifindex };
	struct ratelimit_value *bucket, full = { .last_topup = bpf_ktime_get_ns(), .tokens = RATELIMIT_BURST - 1 };
	__u32 usage = RATELIMIT_ICMP;
	__u64 *refused, first = 1;

	bucket = bpf_map_lookup_elem(&cilium_ratelimit, &key);
	if (!bucket || full.last_topup - bucket->last_topup >= NSEC_PER_SEC)
		return !bpf_map_update_elem(&cilium_ratelimit, &key, &full, BPF_ANY);
	if (bucket->tokens) {
		bucket->tokens--;
		return true;
	}
	refused = bpf_map_lookup_elem(&cilium_ratelimit_metrics, &usage);
	if (refused)
		*refused += 1;
	else
		bpf_map_update_elem(&cilium_ratelimit_metrics, &usage, &first, BPF_ANY);
	return false;
}

/* RFC 1122 3.2.2 and RFC 4443 2.4: no error about an error, a later fragment of IPv4, or what is not from one host. */
static __always_inline bool packet_may_be_answered(const struct packet *pkt)
{
	if (ip_is_zero(&pkt->saddr) || (!pkt->has_l4 && !packet_is_ip6(pkt)))
		return false;
	if (packet_is_ip6(pkt)) {
		if (pkt->saddr.ip6[0] == 0xff)
			return false;
		return !packet_is_icmp(pkt) || pkt->icmp_type >= ICMPV6_ECHO_REQUEST;
	}
	if (pkt->saddr.ip6[0] >= IPV4_FIRST_MULTICAST || pkt->saddr.ip6[0] == IPV4_LOOPBACK)
		return false;
	return !packet_is_icmp(pkt) || pkt->icmp_type == ICMP_ECHO || pkt->icmp_type == ICMP_ECHOREPLY;
}

static __always_inline __be16 checksum_fold(__u64 sum)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Adds up the words of the frame from `offset` on; what stands there is a whole number of them. */
static __always_inline __u64 checksum_words(const struct __sk_buff *skb, __u32 offset, int max_words, __u64 sum)
{
	void *at = (void *)(long)skb->data + offset, *end = (void *)(long)skb->data_end;

#pragma clang loop unroll(disable)
	for (int i = 0; i < max_words; i++, at += sizeof(__be32)) {
		if (at + sizeof(__be32) > end)
			break;
		sum += *(__be32 *)at;
	}
	return (sum & 0xffffffff) + (sum >> 32);
}

/* Keeps of the packet what may be quoted, `*bytes` from its IP header on, and makes room for other headers before it. The
 * frame goes back where it came from. 0 or a drop reason. */
static __always_inline int icmp_error_quote(struct __sk_buff *skb, __u32 header_bytes, __u32 max_bytes, __u32 *bytes)
{
	struct ethhdr eth;
	__u8 mac[ETH_ALEN];

	*bytes = skb->len - ETH_HLEN;
	if (*bytes > max_bytes - header_bytes)
		*bytes = max_bytes - header_bytes;
	*bytes &= ~3U;
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return DROP_INVALID;
	__builtin_memcpy(mac, eth.h_dest, ETH_ALEN);
	__builtin_memcpy(eth.h_dest, eth.h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, mac, ETH_ALEN);
	if (bpf_skb_change_tail(skb, ETH_HLEN + *bytes, 0) ||
	    bpf_skb_adjust_room(skb, header_bytes, BPF_ADJ_ROOM_MAC, 0) || bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
		return DROP_WRITE_ERROR;
	return 0;
}

/* Writes the ICMP header at `offset` with the checksum over it and what it quotes, beginning with `sum`. 0 or a drop
 * reason. */
static __always_inline int icmp_error_write(struct __sk_buff *skb, struct icmp_error icmp, __u32 offset, int max_words,
					    __u64 sum)
{
	if (bpf_skb_store_bytes(skb, offset, &icmp, sizeof(icmp), 0) || bpf_skb_pull_data(skb, skb->len))
		return DROP_WRITE_ERROR;
	icmp.checksum = checksum_fold(checksum_words(skb, offset, max_words, sum));
	return bpf_skb_store_bytes(skb, offset, &icmp, sizeof(icmp), 0) ? DROP_WRITE_ERROR : 0;
}

static __always_inline int icmp_error4(struct __sk_buff *skb, __u32 what, __u32 mtu, __be32 source)
{
	struct icmp_error icmp = { .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACHABLE };
	struct iphdr ip;
	__u32 bytes;
	int ret;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return DROP_INVALID;
	ret = icmp_error_quote(skb, ICMP_ERROR4_HEADERS, ICMP_ERROR4_MAX_BYTES, &bytes);
	if (ret)
		return ret;
	ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tos = ICMP_ERROR_TOS,
		.tot_len = bpf_htons(ICMP_ERROR4_HEADERS + bytes),
		.ttl = ICMP_ERROR_TTL,
		.protocol = IPPROTO_ICMP,
		.saddr = source ? source : ip.daddr,
		.daddr = ip.saddr,
	};
	ip.check = checksum_fold(bpf_csum_diff(NULL, 0, (void *)&ip, sizeof(ip), 0));
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0))
		return DROP_WRITE_ERROR;
	if (what == ICMP_ERROR_EXPIRED)
		icmp = (struct icmp_error){ .type = ICMP_TIME_EXCEEDED };
	if (what == ICMP_ERROR_TOO_BIG)
		icmp = (struct icmp_error){ .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED, .mtu = bpf_htonl(mtu) };
	return icmp_error_write(skb, icmp, ETH_HLEN + sizeof(ip), ICMP_ERROR4_MAX_BYTES / 4, 0);
}

static __always_inline int icmp_error6(struct __sk_buff *skb, __u32 what, __u32 mtu, const union ip_address *source)
{
	struct icmp_error icmp = { .type = ICMPV6_DEST_UNREACHABLE, .code = ICMPV6_PORT_UNREACHABLE };
	union ip_address dialled;
	struct ipv6_header ip;
	__u32 bytes;
	__s64 sum;
	int ret;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return DROP_INVALID;
	ret = icmp_error_quote(skb, ICMP_ERROR6_HEADERS, ICMP_ERROR6_MAX_BYTES, &bytes);
	if (ret)
		return ret;
	bytes += sizeof(icmp);
	dialled = ip.daddr;
	ip.daddr = ip.saddr;
	ip.saddr = ip_is_zero(source) ? dialled : *source;
	ip.version_class_flow = bpf_htonl(0x60000000);
	ip.payload_len = bpf_htons(bytes);
	ip.nexthdr = IPPROTO_ICMPV6_;
	ip.hop_limit = ICMP_ERROR_TTL;
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0))
		return DROP_WRITE_ERROR;
	sum = bpf_csum_diff(NULL, 0, (void *)&ip.saddr, 2 * sizeof(ip.saddr), 0);
	sum = (__u64)(__u32)sum + bpf_htonl(bytes) + bpf_htonl(IPPROTO_ICMPV6_);
	if (what == ICMP_ERROR_EXPIRED)
		icmp = (struct icmp_error){ .type = ICMPV6_TIME_EXCEEDED };
	if (what == ICMP_ERROR_TOO_BIG)
		icmp = (struct icmp_error){ .type = ICMPV6_PACKET_TOO_BIG, .mtu = bpf_htonl(mtu) };
	return icmp_error_write(skb, icmp, ETH_HLEN + sizeof(ip), ICMP_ERROR6_MAX_BYTES / 4, sum);
}

/* The address that an error comes from: inside of the cluster the pods' gateway, outside the node's. */
static __always_inline void address_from_config(union ip_address *address, const struct packet *pkt, bool is_inside)
{
	*address = (union ip_address){};
	if (!packet_is_ip6(pkt)) {
		address->ip4 = is_inside ? config.host_ipv4 : config.node_ipv4;
		return;
	}
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++)
		address->words[i] = is_inside ? config.host_ipv6[i] : config.node_ipv6[i];
}

/* The way to the step that answers, each program's own. */
#define NEXT_REPLY (STEP_NEXT + 254)

/* What a step leaves for the one that answers; `rev_nat_index` where a Service's backend has taken the frontend's place.
 * NEXT_REPLY. */
static __always_inline int icmp_error_order(struct __sk_buff *skb, __u32 what, __u32 mtu, __u16 rev_nat_index)
{
	skb->cb[0] = rev_nat_index;
	skb->cb[3] = what;
	skb->cb[2] = mtu;
	return NEXT_REPLY;
}

/* The packet is lost, which is counted and reported, and becomes the error that was ordered. 0 or a drop reason. */
static __always_inline int icmp_error_answer(struct __sk_buff *skb, struct packet *pkt, bool is_inside)
{
	__u32 what = skb->cb[3], mtu = skb->cb[2];
	union ip_address source = {}, frontend;
	int ret = DROP_AT(pkt, DROP_NO_SERVICE);
	__be16 port;

	if (what == ICMP_ERROR_EXPIRED)
		ret = DROP_AT(pkt, DROP_TTL_EXCEEDED);
	else if (what == ICMP_ERROR_TOO_BIG)
		ret = DROP_AT(pkt, DROP_FRAG_NEEDED);
	if (what != ICMP_ERROR_UNREACHABLE)
		address_from_config(&source, pkt, is_inside);
	if (!packet_may_be_answered(pkt) || !icmp_error_is_within_limit(skb))
		return ret;
	metrics_count(pkt->direction, -ret, skb->len, pkt->exit_line, pkt->exit_file);
	notify_drop(skb, pkt, -ret);
	/* It is the packet as it was sent that is quoted. */
	if (skb->cb[0] && reverse_nat_lookup(skb->cb[0], pkt->family, &frontend, &port)) {
		ret = packet_rewrite(skb, pkt, SIDE_DESTINATION, &frontend, port);
		if (ret)
			return ret;
	}
	ret = packet_is_ip6(pkt) ? icmp_error6(skb, what, mtu, &source) : icmp_error4(skb, what, mtu, source.ip4);
	return ret ? DROP_AT(pkt, ret) : 0;
}
