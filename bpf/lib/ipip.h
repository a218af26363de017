/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "dsr.h"
#include "hash.h"
#include "icmp_error.h"
#include "nodeport.h"

/* Direct server return by IP in IP (RFC 2003, RFC 2473): the node that was dialled sends each packet on as it came, its
 * frontend in it, inside of one for the backend. The backend's node takes it out, asks the Service which port that backend
 * has, and answers as dsr.h says. Upstream's format; it comes from other load balancers, too. */

#define IPIP_TTL 64

/* ---- the node that was dialled ---- */

/* This node, or an address of the prefix that the settings name: routers and receive queues spread connections by it. */
static __always_inline void ipip_source(union ip_address *source, const struct packet *pkt)
{
	__u32 hash = hash_connection(&pkt->saddr, (__u32)pkt->dport << 16 | pkt->sport, pkt->proto);

	*source = (union ip_address){};
	if (!packet_is_ip6(pkt)) {
		source->ip4 = config.ipip_source_ipv4 | (hash & ~config.ipip_source_ipv4_mask);
		return;
	}
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++)
		source->words[i] = config.ipip_source_ipv6[i] | (hash & ~config.ipip_source_ipv6_mask[i]);
}

/* 0 is the kernel's own word for more than the field holds, of a packet that is yet to be cut. */
static __always_inline __be16 length_field(__u32 bytes)
{
	return bytes > 0xffff ? 0 : bpf_htons(bytes);
}

static __always_inline int ipip_write4(struct __sk_buff *skb, const union ip_address *source, const union ip_address *backend)
{
	struct iphdr ip4 = {
		.version = 4,
		.ihl = sizeof(ip4) / 4,
		.tot_len = length_field(skb->len - ETH_HLEN),
		.frag_off = bpf_htons(IP_DF),
		.ttl = IPIP_TTL,
		.protocol = IPPROTO_IPIP,
		.saddr = source->ip4,
		.daddr = backend->ip4,
	};

	ip4.check = checksum_fold(bpf_csum_diff(NULL, 0, (void *)&ip4, sizeof(ip4), 0));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip4, sizeof(ip4), 0);
}

static __always_inline int ipip_write6(struct __sk_buff *skb, const union ip_address *source, const union ip_address *backend)
{
	struct ipv6_header ip6 = {
		.version_class_flow = bpf_htonl(0x60000000),
		.payload_len = length_field(skb->len - ETH_HLEN - sizeof(ip6)),
		.nexthdr = IPPROTO_IPV6,
		.hop_limit = IPIP_TTL,
		.saddr = *source,
		.daddr = *backend,
	};

	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6), 0);
}

/* Wraps a packet for the backend; `pkt` is then about the outer header, but for its ports. 0 or a drop reason. */
static __always_inline int ipip_wrap(struct __sk_buff *skb, struct packet *pkt, const union ip_address *backend)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	union ip_address source;

	flags |= packet_is_ip6(pkt) ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	ipip_source(&source, pkt);
	if (bpf_skb_adjust_room(skb, dsr_bytes(pkt), BPF_ADJ_ROOM_MAC, flags) ||
	    (packet_is_ip6(pkt) ? ipip_write6(skb, &source, backend) : ipip_write4(skb, &source, backend)))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
	pkt->saddr = source;
	pkt->daddr = *backend;
	pkt->l4_offset += dsr_bytes(pkt);
	return 0;
}

/* A packet for a backend of another node, just given to it, goes there as it came. A verdict or a drop reason. */
static __always_inline int ipip_send(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	union ip_address backend = pkt->daddr;
	struct nat_end frontend = {};
	int ret;

	if (!reverse_nat_lookup(rev_nat_index, pkt->family, &frontend.address, &frontend.port))
		return DROP_AT(pkt, DROP_NO_SERVICE);
	ret = packet_rewrite(skb, pkt, SIDE_DESTINATION, &frontend.address, frontend.port);
	if (!ret)
		ret = packet_decrement_ttl(skb, pkt);
	if (!ret)
		ret = ipip_wrap(skb, pkt, &backend);
	return ret ? ret : nodeport_send(skb, pkt);
}

/* ---- the backend's node ---- */

/* A whole packet in one that is for this node or a pod of it; `pkt` holds what could be read. */
static __always_inline bool packet_is_wrapped(const struct packet *pkt)
{
	return config.dsr_dispatch == DSR_IN_PACKET && pkt->has_l4 && pkt->l4_offset == packet_l3_bytes(pkt) &&
	       pkt->proto == (packet_is_ip6(pkt) ? IPPROTO_IPV6 : IPPROTO_IPIP) && endpoint_lookup(&pkt->daddr, pkt->family);
}

/* Takes the outer header off, its destination goes along in skb->cb. 0 or a drop reason. */
static __always_inline int ipip_unwrap(struct __sk_buff *skb, struct packet *pkt)
{
	if (bpf_skb_adjust_room(skb, -(__s32)dsr_bytes(pkt), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return DROP_AT(pkt, DROP_WRITE_ERROR);
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++)
		skb->cb[i] = pkt->daddr.words[i];
	return 0;
}

static __always_inline void ipip_backend_address(const struct __sk_buff *skb, union ip_address *address)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++)
		address->words[i] = skb->cb[i];
}

/* What the look-up takes, in a word: whose backends, and how many there are. */
union ipip_search {
	struct {
		__u16 rev_nat_index;
		__u16 count;
		__u8 proto;
	};
	__u64 word;
};

/* Halvings of all slots that a frontend may have. */
#define IPIP_SEARCH_STEPS 16

/* The id of the frontend's backend with the address in skb->cb; 0: none. Slots are in the order of their backends' addresses
 * (chooseSlots() of the agent). A function that the verifier walks once, with a stack of its own. */
static __always_inline __u32 ipip_search(struct __sk_buff *skb, __u64 word, __u8 family)
{
	union ipip_search search = { .word = word };
	union ip_address address = {}, wanted;
	struct frontend frontend = { .address = &address, .proto = search.proto, .family = family };
	__u32 first = 1, last = search.count, middle;
	struct lb4_service *slot;
	struct backend backend;
	int order;

	if (!reverse_nat_lookup(search.rev_nat_index, family, &address, &frontend.port))
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < IPIP_SEARCH_STEPS && first <= last; i++) {
		middle = (first + last) / 2;
		slot = service_lookup(&frontend, middle);
		if (!slot || !backend_lookup(slot->backend_id, family, &backend))
			return 0;
		ipip_backend_address(skb, &wanted);
		order = ip_compare(&backend.address, &wanted);
		if (!order)
			return slot->backend_id;
		if (order < 0)
			first = middle + 1;
		else
			last = middle - 1;
	}
	return 0;
}

__attribute__((noinline)) __u32 ipip_search4(struct __sk_buff *skb, __u64 word)
{
	return ipip_search(skb, word, FAMILY_IPV4);
}

__attribute__((noinline)) __u32 ipip_search6(struct __sk_buff *skb, __u64 word)
{
	return ipip_search(skb, word, FAMILY_IPV6);
}

/* The backend that the sender has chosen: its address is in skb->cb. */
static __always_inline __u32 ipip_choose(struct __sk_buff *skb, const struct packet *pkt, __u8 scope,
					 const struct lb4_service *service)
{
	union ipip_search search = {
		.rev_nat_index = service->rev_nat_index,
		.count = *(const volatile __u16 *)&service->count,
		.proto = pkt->proto,
	};

	return packet_is_ip6(pkt) ? ipip_search6(skb, search.word) : ipip_search4(skb, search.word);
}

/* The Service that a packet dials which came wrapped; a node port of another node is one of this node's, too. NULL: none that
 * may be dialled. */
static __always_inline struct lb4_service *ipip_service(const struct packet *pkt, struct frontend *frontend)
{
	struct lb4_service *service = service_find(pkt, frontend, true);
	union ip_address here;

	if (!service && identity_is_remote_node(remote_identity(ipcache_lookup(&pkt->daddr, pkt->family), pkt->family))) {
		address_from_config(&here, pkt, false);
		frontend->address = &here;
		service = service_lookup(frontend, 0);
		frontend->address = &pkt->daddr;
	}
	return service && service->flags & SERVICE_F_ROUTABLE ? service : NULL;
}

/* The backend that the sender has chosen, for its port. 0 or a drop reason. */
static __always_inline int ipip_backend(struct __sk_buff *skb, struct packet *pkt, const struct frontend *frontend,
					const struct lb4_service *service, struct backend *backend)
{
	union ip_address chosen;
	struct ct_entry *entry;
	union ct_key key;
	int ret;

	if (!service_takes_source(service, &pkt->saddr, pkt->family))
		return DROP_AT(pkt, DROP_NOT_IN_SRC_RANGE);
	ret = service_backend(skb, pkt, frontend, service, false, ipip_choose, backend);
	ipip_backend_address(skb, &chosen);
	if (ret || ip_equal(&backend->address, &chosen))
		return ret;
	/* Another one than before. */
	service_ct_key(&key, pkt);
	entry = bpf_map_lookup_elem(ct_map(pkt), &key);
	if (!entry)
		return DROP_AT(pkt, DROP_NO_SERVICE);
	entry->backend_id = ipip_choose(skb, pkt, SCOPE_EXTERNAL, service);
	return backend_lookup(entry->backend_id, pkt->family, backend) ? 0 : DROP_AT(pkt, DROP_NO_SERVICE);
}
