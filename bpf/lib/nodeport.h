/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include "deliver.h"
#include "dsr.h"
#include "encap.h"
#include "fib.h"
#include "icmp_error.h"
#include "quote.h"
#include "step.h"

/* Services dialled from outside. A backend on this node gets the client's own address, its answers leave from the frontend.
 * One on another node gets an address of this node (SNAT), so that its answers come back here, or the client's own and word
 * of the frontend (DSR), so that it answers itself. */

/* Past the node's stack, which takes no packet from its own address that comes in from outside. */
static __always_inline int nodeport_send(struct __sk_buff *skb, struct packet *pkt)
{
	int ret;

	skb->mark = MARK_MAGIC_SNAT_DONE;
	ret = fib_redirect(skb, pkt);
	return ret == VERDICT_PASS ? DROP_AT(pkt, DROP_NO_FIB) : ret;
}

/* Remembers the connection from the client to the backend, and the frontend that it dialled. 0 or a drop reason. */
static __always_inline int nodeport_track(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	struct ct_birth birth = { .rev_nat_index = rev_nat_index, .node_port = true };
	int ret;

	ret = ct_lookup(skb, pkt, CT_EGRESS);
	if (ret)
		return ret;
	if (pkt->ct_state == CT_NEW || pkt->ct_rev_nat_index != rev_nat_index)
		return ct_create(pkt, skb->len, CT_EGRESS, &birth);
	return 0;
}

/* A backend in the node's own network: its answers find their frontend by a NAT entry of their own. */
static __always_inline int nodeport_answers_from(struct packet *pkt, const struct nat_end *frontend)
{
	struct ct_place answers = {
		.daddr = &pkt->saddr,
		.saddr = &pkt->daddr,
		.dport = pkt->sport,
		.sport = pkt->dport,
		.flags = TUPLE_F_OUT,
	};
	union ct_key key;

	ct_key_set(&key, pkt, &answers);
	if (nat_insert(pkt, &key, frontend, BPF_ANY))
		return DROP_AT(pkt, DROP_NAT_NO_MAPPING);
	return EXIT_AT(pkt, VERDICT_PASS);
}

static __always_inline int nodeport_to_host(struct packet *pkt, __u16 rev_nat_index)
{
	struct nat_end frontend = {};

	if (!reverse_nat_lookup(rev_nat_index, pkt->family, &frontend.address, &frontend.port))
		return DROP_AT(pkt, DROP_NAT_NO_MAPPING);
	return nodeport_answers_from(pkt, &frontend);
}

/* A packet for a backend of another node, which answers the client itself. A verdict or a drop reason. */
static __always_inline int nodeport_direct(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index, bool is_told)
{
	int ret = is_told ? dsr_tell(skb, pkt, rev_nat_index) : 0;

	return ret ? ret : nodeport_send(skb, pkt);
}

static __always_inline int nodeport_to_remote(struct __sk_buff *skb, struct packet *pkt)
{
	struct remote_endpoint_info *remote = ipcache_lookup(&pkt->daddr, pkt->family);
	bool is_tunnelled = remote_is_tunnelled(remote);
	struct nat_end source = {};
	int ret;

	address_from_config(&source.address, pkt, is_tunnelled);
	ret = nat_translate_source(skb, pkt, &source);
	if (ret)
		return ret;
	ct_forget_branches(skb, pkt);
	pkt->dst_identity = remote_identity(remote, pkt->family);
	/* A prefix's identity is this node's own affair. */
	if (pkt->src_identity & IDENTITY_SCOPE_MASK)
		pkt->src_identity = IDENTITY_WORLD;
	if (!is_tunnelled)
		return nodeport_send(skb, pkt);
	ret = packet_decrement_ttl(skb, pkt);
	return ret ? ret : encap_redirect(skb, pkt, remote);
}

/* A packet from outside, just given to a backend on this node. A verdict or a drop reason. */
static __always_inline int nodeport_to_pod(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	struct ct_birth birth = { .rev_nat_index = rev_nat_index, .node_port = true };
	struct endpoint_info *pod = endpoint_lookup(&pkt->daddr, pkt->family);

	pkt->src_identity = remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
	return pod ? deliver_to_endpoint(skb, pkt, pod, &birth) : DROP_AT(pkt, DROP_UNROUTABLE);
}

/* The same for a backend that is no pod of this node. */
static __always_inline int nodeport_to_other(struct __sk_buff *skb, struct packet *pkt, __u16 rev_nat_index)
{
	int ret;

	pkt->src_identity = remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
	ret = nodeport_track(skb, pkt, rev_nat_index);
	if (ret)
		return ret;
	ct_forget_branches(skb, pkt);
	return endpoint_lookup(&pkt->daddr, pkt->family) ? nodeport_to_host(pkt, rev_nat_index) :
							   nodeport_to_remote(skb, pkt);
}

/* What a pod sends as a backend to a client outside leaves from the frontend that was dialled. A verdict or a drop reason. */
static __always_inline int nodeport_from_backend(struct __sk_buff *skb, struct packet *pkt)
{
	struct ct_entry *entry = ct_find(ct_map(pkt), pkt, CT_EGRESS, true);
	int ret;

	if (!entry)
		return DROP_AT(pkt, DROP_NO_SERVICE);
	if (config.dsr_dispatch && !entry->rev_nat_index)
		ret = dsr_answer(skb, pkt);
	else
		ret = service_reverse_nat(skb, pkt, entry->rev_nat_index);
	return ret ? ret : nodeport_send(skb, pkt);
}

/* The same for an ICMP error, with what it quotes. VERDICT_PASS where it is about another connection. */
static __always_inline int nodeport_backend_error(struct __sk_buff *skb, struct packet *pkt)
{
	struct nat_end frontend = {};
	struct packet quoted = {};
	int ret;

	if (!packet_parse_quoted(skb, pkt, &quoted) || !dialled_frontend(&quoted, CT_INGRESS, true, &frontend))
		return EXIT_AT(pkt, VERDICT_PASS);
	ret = nat_rewrite_error(skb, pkt, &quoted, SIDE_DESTINATION, &frontend);
	return ret ? ret : nodeport_send(skb, pkt);
}

/* A packet for an address of this node that answers a translated one goes to the pod or client whose connection it is. A
 * verdict or a drop reason. */
static __always_inline int nodeport_answer(struct __sk_buff *skb, struct packet *pkt)
{
	struct nat_end destination = {};
	struct ct_birth birth = {};
	struct endpoint_info *local;
	int ret;

	if (!nat_find_destination(pkt, &destination))
		return EXIT_AT(pkt, VERDICT_PASS);
	ret = packet_rewrite(skb, pkt, SIDE_DESTINATION, &destination.address, destination.port);
	if (ret)
		return ret;
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (endpoint_is_pod(local))
		return deliver_to_endpoint(skb, pkt, local, &birth);
	if (local)
		return EXIT_AT(pkt, VERDICT_PASS);
	ret = ct_lookup(skb, pkt, CT_INGRESS);
	/* A backend that opens a connection to a client is not whom that has dialled. */
	if (!ret && (pkt->ct_state != CT_REPLY || !pkt->ct_rev_nat_index))
		ret = DROP_AT(pkt, DROP_NAT_NO_MAPPING);
	if (!ret)
		ret = service_reverse_nat(skb, pkt, pkt->ct_rev_nat_index);
	return ret ? ret : nodeport_send(skb, pkt);
}

/* The MTU where a packet is too large for the route to its backend or, as an answer, to its client; else 0. Asked for what is
 * larger than every path takes: it costs a look-up of the route. */
static __always_inline __u32 nodeport_exceeded_mtu(struct __sk_buff *skb, const struct packet *pkt, bool is_answer)
{
	struct nat_end destination = { .address = pkt->daddr };

	if (is_answer && !nat_find_destination(pkt, &destination))
		return 0;
	if (remote_is_tunnelled(ipcache_lookup(&destination.address, pkt->family)))
		return 0;
	return fib_exceeded_mtu(skb, pkt, &destination.address, 0);
}

/* An ICMP error about a packet that was translated here goes to whose packet that was, with what it quotes. A verdict or a drop
 * reason. */
static __always_inline int nodeport_answer_error(struct __sk_buff *skb, struct packet *pkt)
{
	struct nat_end origin = {};
	struct packet quoted = {};
	struct endpoint_info *local;
	int ret;

	if (!nat_find_quoted_origin(skb, pkt, &quoted, &origin))
		return EXIT_AT(pkt, VERDICT_PASS);
	ret = nat_rewrite_error(skb, pkt, &quoted, SIDE_SOURCE, &origin);
	if (ret)
		return ret;
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (endpoint_is_host(local))
		return EXIT_AT(pkt, VERDICT_PASS);
	if (dialled_frontend(&quoted, CT_EGRESS, !local, &origin))
		ret = nat_rewrite_error(skb, pkt, &quoted, SIDE_DESTINATION, &origin);
	if (ret)
		return ret;
	return local ? error_to_pod(skb, pkt, local) : nodeport_send(skb, pkt);
}

/* The backend that a client outside was given, by a packet of the frontend's answers. A function of its own for its stack. */
static __noinline bool answering_backend(const struct packet *answer, struct nat_end *end)
{
	struct ct_place place = {
		.daddr = &answer->saddr,
		.saddr = &answer->daddr,
		.dport = answer->dport,
		.sport = answer->sport,
		.flags = TUPLE_F_SERVICE,
	};
	struct backend backend;
	struct ct_entry *entry;
	union ct_key key;

	ct_key_set(&key, answer, &place);
	entry = bpf_map_lookup_elem(ct_map(answer), &key);
	if (!entry || !backend_lookup(entry->backend_id, answer->family, &backend))
		return false;
	end->address = backend.address;
	end->port = backend.port;
	return true;
}

/* The address of this node under which a backend knows its client, by a packet of its answers. A function of its own, too. */
static __noinline bool answered_client(const struct packet *answer, struct nat_end *end)
{
	struct ct_place sent = { &answer->saddr, &answer->daddr, answer->sport, answer->dport, TUPLE_F_OUT };
	union ct_key key;

	ct_key_set(&key, answer, &sent);
	return nat_find(answer, &key, end);
}

/* An ICMP error about what a frontend has answered a client outside goes to the backend that has sent it. One on another node
 * knows the client under an address of this node, unless it answers itself (DSR). */
static __always_inline int nodeport_client_error(struct __sk_buff *skb, struct packet *pkt)
{
	struct remote_endpoint_info *remote;
	struct packet quoted = {};
	struct nat_end end = {};
	struct endpoint_info *local;
	int ret;

	if (!packet_parse_quoted(skb, pkt, &quoted) || !ip_equal(&quoted.saddr, &pkt->daddr) ||
	    !answering_backend(&quoted, &end))
		return EXIT_AT(pkt, VERDICT_PASS);
	ret = nat_rewrite_error(skb, pkt, &quoted, SIDE_SOURCE, &end);
	if (ret)
		return ret;
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (local)
		return endpoint_is_host(local) ? EXIT_AT(pkt, VERDICT_PASS) : error_to_pod(skb, pkt, local);
	if (answered_client(&quoted, &end))
		ret = nat_rewrite_error(skb, pkt, &quoted, SIDE_DESTINATION, &end);
	else if (!config.dsr_dispatch)
		ret = DROP_AT(pkt, DROP_NAT_NO_MAPPING);
	if (ret)
		return ret;
	remote = ipcache_lookup(&pkt->daddr, pkt->family);
	return remote_is_tunnelled(remote) ? encap_redirect(skb, pkt, remote) : nodeport_send(skb, pkt);
}
