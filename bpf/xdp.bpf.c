// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* XDP of the node's own devices: packets of node-port connections that from_netdev has begun and that leave the node again,
 * translated and sent on before the kernel makes anything of them. Nothing is decided here. Whatever is not remembered, or
 * says something about its connection, passes as it came: from_netdev is next. */
#include "lib/dsr.h"
#include "lib/identity.h"
#include "lib/xdp_packet.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* The entries that the packet keeps alive. */
struct xdp_memory {
	struct ct_entry *service;    /* the backend that the frontend has given; NULL: an answer */
	struct ct_entry *connection; /* between client and backend; NULL: the backend's node has it */
};

/* An answer to a translated packet goes to the client, from the frontend that it has dialled. */
static __always_inline bool recall_answer(struct packet *pkt, const struct nat_end *client, struct xdp_memory *memory)
{
	struct ct_entry *entry;

	pkt->daddr = client->address;
	pkt->dport = client->port;
	/* A pod's or the node's own connection. */
	if (endpoint_lookup(&pkt->daddr, pkt->family))
		return false;
	entry = ct_find(ct_map(pkt), pkt, CT_INGRESS, true);
	if (!entry || !entry->rev_nat_index)
		return false;
	memory->connection = entry;
	return reverse_nat_lookup(entry->rev_nat_index, pkt->family, &pkt->saddr, &pkt->sport);
}

/* Direct server return: only where the backend's node has heard of the frontend and packets carry nothing of it. */
static __always_inline bool is_told_already(const struct packet *pkt, const struct ct_entry *entry)
{
	return config.dsr_dispatch == DSR_IN_OPTION && pkt->proto == IPPROTO_TCP && !entry->need_dsr_info;
}

/* The connection between client and backend, and the source that it has towards the backend. */
static __always_inline bool recall_source(struct packet *pkt, __u16 rev_nat_index, struct xdp_memory *memory)
{
	struct nat_end source = {};
	union ip_address own;

	memory->connection = ct_find(ct_map(pkt), pkt, CT_EGRESS, false);
	if (!memory->connection || memory->connection->rev_nat_index != rev_nat_index)
		return false;
	address_from_config(&own, pkt, false);
	if (!nat_source_known(pkt, &source) || !ip_equal(&source.address, &own))
		return false;
	pkt->saddr = source.address;
	pkt->sport = source.port;
	return true;
}

/* A packet of a client outside goes to the backend that its connection has. */
static __always_inline bool recall_dialled(struct packet *pkt, struct xdp_memory *memory)
{
	struct frontend frontend;
	struct lb4_service *service = service_find(pkt, &frontend, true);
	struct backend backend;
	struct ct_entry *entry;
	union ct_key key;

	if (!service || !(service->flags & SERVICE_F_ROUTABLE) || !service_takes_source(service, &pkt->saddr, pkt->family))
		return false;
	service_ct_key(&key, pkt);
	entry = bpf_map_lookup_elem(ct_map(pkt), &key);
	if (!entry || entry->rev_nat_index != service->rev_nat_index ||
	    !backend_lookup(entry->backend_id, pkt->family, &backend))
		return false;
	memory->service = entry;
	pkt->daddr = backend.address;
	pkt->dport = backend.port;
	if (endpoint_lookup(&pkt->daddr, pkt->family) || remote_is_tunnelled(ipcache_lookup(&pkt->daddr, pkt->family)))
		return false;
	return service_is_direct(service) ? is_told_already(pkt, entry) : recall_source(pkt, entry->rev_nat_index, memory);
}

/* True where all of the packet's way is known; `pkt` has the addresses and ports then that it leaves with. The order is
 * from_netdev's. */
static __always_inline bool recall(struct packet *pkt, struct xdp_memory *memory)
{
	struct endpoint_info *local = endpoint_lookup(&pkt->daddr, pkt->family);
	struct nat_end client = {};

	if (endpoint_is_pod(local) || (local && pkt->proto == IPPROTO_UDP && pkt->dport == config.tunnel_port))
		return false;
	if (local && nat_find_destination(pkt, &client))
		return recall_answer(pkt, &client, memory);
	return recall_dialled(pkt, memory);
}

/* Packets with flags that are told do not come this far. */
#define NO_FLAGS 0

static __always_inline void keep_alive(struct packet *pkt, const struct xdp_memory *memory, __u32 bytes)
{
	if (memory->service)
		ct_entry_account(memory->service, pkt, bytes, CT_SERVICE, NO_FLAGS);
	if (memory->connection)
		ct_entry_account(memory->connection, pkt, bytes, memory->service ? CT_EGRESS : CT_INGRESS, NO_FLAGS);
}

static __always_inline int xdp_ingress(struct xdp_md *ctx, struct packet *pkt)
{
	__u32 wire_bytes = xdp_parse(ctx, pkt), frame_bytes = ctx->data_end - ctx->data;
	struct xdp_memory memory = {};
	struct bpf_fib_lookup fib = {};
	struct xdp_ends before;
	int verdict;

	if (!wire_bytes || pkt->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST))
		return XDP_PASS;
	before = xdp_ends_of(pkt);
	if (!recall(pkt, &memory))
		return XDP_PASS;
	verdict = xdp_route(ctx, pkt, wire_bytes, &fib);
	if (verdict == XDP_PASS || !xdp_rewrite(ctx, pkt, &before, &fib))
		return XDP_PASS;
	keep_alive(pkt, &memory, frame_bytes);
	metrics_count(METRIC_INGRESS, REASON_FORWARDED, frame_bytes, __LINE__, THIS_SOURCE_FILE);
	return verdict;
}

#define XDP_INGRESS_OF_FAMILY(name, packet_family)                                                                     \
	__attribute__((noinline)) int name(struct xdp_md *ctx)                                                         \
	{                                                                                                              \
		struct packet pkt = { .family = packet_family };                                                       \
                                                                                                                       \
		return xdp_ingress(ctx, &pkt);                                                                         \
	}

XDP_INGRESS_OF_FAMILY(xdp_ingress4, FAMILY_IPV4)
XDP_INGRESS_OF_FAMILY(xdp_ingress6, FAMILY_IPV6)

SEC("xdp")
int cts_xdp_ingress(struct xdp_md *ctx)
{
	switch (xdp_family(ctx)) {
	case FAMILY_IPV4:
		return xdp_ingress4(ctx);
	case FAMILY_IPV6:
		return xdp_ingress6(ctx);
	default:
		return XDP_PASS;
	}
}
