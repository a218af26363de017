// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* tcx ingress of the node's own devices: answers to translated connections, Services dialled from outside, and, where pods
 * are routed without a tunnel, packets for pods. Everything else is the stack's. */
#include "lib/nodeport.h"
#include "lib/ipip.h"
#include "lib/host_policy.h"
#include "lib/ndp.h"

char _license[] SEC("license") = "Dual BSD/GPL";

#define NEXT_STACK     STEP_NEXT
#define NEXT_DELIVER   (STEP_NEXT + 1)
#define NEXT_ANSWER    (STEP_NEXT + 2)
#define NEXT_ERROR     (STEP_NEXT + 3)
#define NEXT_TRANSLATE (STEP_NEXT + 4)
#define NEXT_REFUSE    (STEP_NEXT + 5)
#define NEXT_TO_POD    (STEP_NEXT + 6)
#define NEXT_TO_OTHER  (STEP_NEXT + 7)
#define NEXT_DIRECT    (STEP_NEXT + 8)
#define NEXT_ARRIVE    (STEP_NEXT + 9)
#define NEXT_HOST      (STEP_NEXT + 10)
#define NEXT_CLIENT    (STEP_NEXT + 11)
#define NEXT_WRAPPED   (STEP_NEXT + 12)
#define NEXT_UNWRAPPED (STEP_NEXT + 13)

/* What goes on to the stack from the node's own address is for the node's processes, and their policy's business. */
static __always_inline int way_to_stack(void)
{
	return config.host_endpoint_id ? NEXT_HOST : NEXT_STACK;
}

static __always_inline int stack_verdict(int verdict)
{
	return verdict == VERDICT_PASS && config.host_endpoint_id ? NEXT_HOST : verdict;
}

/* Nobody outside has an address of this node or of its pods. Pods of other nodes come by their own where they dial a node. */
static __always_inline bool client_is_forged(const struct packet *pkt)
{
	return endpoint_lookup(&pkt->saddr, pkt->family) != NULL;
}

/* Of who dials a pod: in the tunnel's mode other nodes' pods come through it, with the identity that their node vouches for. */
static __always_inline bool source_is_forged(const struct packet *pkt, const struct remote_endpoint_info *remote)
{
	return client_is_forged(pkt) || remote_is_tunnelled(remote);
}

/* The identity of who has sent the packet is what this node knows of its address. 0 or a drop reason. */
static __always_inline int parse_arrived(struct __sk_buff *skb, struct packet *pkt)
{
	int ret = packet_parse(skb, pkt);

	pkt->src_identity = remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
	return ret;
}

static __always_inline int netdev_deliver(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct remote_endpoint_info *remote;
	struct ct_birth birth = { .node_port = config.dsr_dispatch && skb->cb[0] };
	struct endpoint_info *ep;
	int ret;

	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	*trace_point = TRACE_TO_LXC;
	remote = ipcache_lookup(&pkt->saddr, pkt->family);
	if (source_is_forged(pkt, remote))
		return DROP_AT(pkt, DROP_INVALID_SIP);
	pkt->src_identity = remote_identity(remote, pkt->family);
	ep = endpoint_lookup(&pkt->daddr, pkt->family);
	return ep ? deliver_to_endpoint(skb, pkt, ep, &birth) : EXIT_AT(pkt, VERDICT_PASS);
}

/* What another node sends on to a backend of this one, with the frontend that was dialled there. */
static __always_inline int netdev_arrive(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct nat_end frontend = {};
	int ret;

	/* Linux 6.1 walks a step that nobody calls, too. */
	if (config.dsr_dispatch != DSR_IN_OPTION)
		return NEXT_STACK;
	ret = parse_arrived(skb, pkt);
	if (ret)
		return ret;
	/* Or a stranger made the backend's packets the answers to a pod that has asked nothing. */
	if (client_is_forged(pkt))
		return endpoint_is_pod(endpoint_lookup(&pkt->daddr, pkt->family)) ? DROP_AT(pkt, DROP_INVALID_SIP) :
										     way_to_stack();
	ret = dsr_remember(skb, pkt);
	if (ret < 0)
		return ret;
	if (endpoint_is_pod(endpoint_lookup(&pkt->daddr, pkt->family))) {
		skb->cb[0] = ret;
		return NEXT_DELIVER;
	}
	if (!ret || !dsr_frontend_of(pkt, false, &frontend))
		return way_to_stack();
	return stack_verdict(nodeport_answers_from(pkt, &frontend));
}

static __always_inline int netdev_unwrap(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	__be16 fragment = 0;
	int ret;

	if (config.dsr_dispatch != DSR_IN_PACKET)
		return NEXT_STACK;
	packet_parse(skb, pkt);
	if (!packet_is_ip6(pkt))
		bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, frag_off), &fragment, sizeof(fragment));
	/* The stack puts parts together. */
	if (fragment & bpf_htons(IP_MF | IP_OFFSET))
		return way_to_stack();
	ret = ipip_unwrap(skb, pkt);
	return ret ? ret : NEXT_UNWRAPPED;
}

/* What another node or load balancer has sent on to a backend of this one, as it was dialled. */
static __always_inline int netdev_unwrapped(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct backend backend = {};
	struct lb4_service *service;
	struct nat_end dialled = {};
	struct frontend frontend;
	int ret;

	if (config.dsr_dispatch != DSR_IN_PACKET)
		return NEXT_STACK;
	if (packet_parse(skb, pkt))
		return way_to_stack();
	service = ipip_service(pkt, &frontend);
	if (!service)
		return way_to_stack();
	if (client_is_forged(pkt))
		return DROP_AT(pkt, DROP_INVALID_SIP);
	pkt->src_identity = remote_identity(ipcache_lookup(&pkt->saddr, pkt->family), pkt->family);
	dialled.address = pkt->daddr;
	dialled.port = pkt->dport;
	ret = ipip_backend(skb, pkt, &frontend, service, &backend);
	if (!ret)
		ret = packet_rewrite(skb, pkt, SIDE_DESTINATION, &backend.address, backend.port);
	if (!ret)
		ret = dsr_remember_frontend(skb, pkt, dsr_find(pkt, false), &dialled);
	if (ret)
		return ret;
	skb->cb[0] = 1;
	if (endpoint_is_pod(endpoint_lookup(&pkt->daddr, pkt->family)))
		return NEXT_DELIVER;
	return stack_verdict(nodeport_answers_from(pkt, &dialled));
}

static __always_inline int netdev_answer(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = parse_arrived(skb, pkt);

	return ret ? ret : stack_verdict(nodeport_answer(skb, pkt));
}

static __always_inline int netdev_error(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = parse_arrived(skb, pkt);

	if (!ret)
		ret = nodeport_answer_error(skb, pkt);
	return ret == VERDICT_PASS ? NEXT_CLIENT : ret;
}

static __always_inline int netdev_client_error(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = parse_arrived(skb, pkt);

	return ret ? ret : stack_verdict(nodeport_client_error(skb, pkt));
}

/* For a frontend: the packet gets a backend here, and goes there in another step, or the verifier would walk each of the two
 * with all that it knows of the other. */
static __always_inline int netdev_translate(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *local;
	struct dialled dialled = {};
	int ret;

	ret = packet_parse(skb, pkt);
	if (!ret && client_is_forged(pkt))
		ret = DROP_AT(pkt, DROP_INVALID_SIP);
	if (!ret)
		ret = service_translate_outside(skb, pkt, &dialled);
	if (ret == DROP_NO_SERVICE && config.no_backend_reject)
		return icmp_error_order(skb, ICMP_ERROR_UNREACHABLE, 0, 0);
	if (ret)
		return ret;
	if (!dialled.rev_nat_index)
		return DROP_AT(pkt, DROP_IS_CLUSTER_IP);
	skb->cb[0] = dialled.rev_nat_index;
	skb->cb[1] = dialled.is_told;
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	if (endpoint_is_pod(local))
		return NEXT_TO_POD;
	return !local && dialled.is_direct ? NEXT_DIRECT : NEXT_TO_OTHER;
}

static __always_inline int netdev_to_pod(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	return ret ? ret : nodeport_to_pod(skb, pkt, skb->cb[0]);
}

static __always_inline int netdev_to_other(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	if (!ret && packet_exceeds(skb, pkt, config.route_mtu) &&
	    remote_is_tunnelled(ipcache_lookup(&pkt->daddr, pkt->family)))
		return icmp_error_order(skb, ICMP_ERROR_TOO_BIG, config.route_mtu, skb->cb[0]);
	return ret ? ret : stack_verdict(nodeport_to_other(skb, pkt, skb->cb[0]));
}

/* Whoever has sent what is too large for its way hears so. */
static __always_inline int netdev_fits(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	__u16 rev_nat_index = skb->cb[0];
	__u32 mtu;

	if (packet_parse(skb, pkt))
		return STEP_NEXT;
	mtu = nodeport_exceeded_mtu(skb, pkt, !rev_nat_index);
	return mtu ? icmp_error_order(skb, ICMP_ERROR_TOO_BIG, mtu, rev_nat_index) : STEP_NEXT;
}

/* For the node's own processes, by the node's policy, whether it can be read or not. */
static __always_inline int netdev_host(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	bool is_read = !packet_parse(skb, pkt);
	int ret;

	if (!endpoint_is_host(endpoint_lookup(&pkt->daddr, pkt->family)) || !host_policy_is_on())
		return NEXT_STACK;
	if (client_is_forged(pkt))
		return DROP_AT(pkt, DROP_INVALID_SIP);
	ret = is_read ? host_policy_ingress(skb, pkt) : host_policy_unread(skb, pkt);
	return ret ? ret : NEXT_STACK;
}

static __always_inline int netdev_direct(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	bool is_told = config.dsr_dispatch == DSR_IN_PACKET || skb->cb[1];
	__u32 mtu;
	int ret;

	if (!config.dsr_dispatch)
		return NEXT_STACK;
	ret = packet_parse(skb, pkt);
	if (ret)
		return ret;
	mtu = is_told ? dsr_exceeded_mtu(skb, pkt) : 0;
	if (!mtu && packet_may_exceed(skb, pkt->family))
		mtu = fib_exceeded_mtu(skb, pkt, &pkt->daddr, is_told ? dsr_bytes(pkt) : 0);
	if (mtu)
		return icmp_error_order(skb, ICMP_ERROR_TOO_BIG, mtu, skb->cb[0]);
	return config.dsr_dispatch == DSR_IN_PACKET ? ipip_send(skb, pkt, skb->cb[0]) :
						      nodeport_direct(skb, pkt, skb->cb[0], is_told);
}

/* An address of a Service without this port: the node would send it back to where it came from. */
static __always_inline int netdev_refuse(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	int ret = packet_parse(skb, pkt);

	return ret ? ret : DROP_AT(pkt, DROP_NO_SERVICE);
}

/* Back to where the packet came from, from the node. */
static __always_inline int netdev_reply(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct remote_endpoint_info *remote;
	int ret = packet_parse(skb, pkt);

	if (ret)
		return ret;
	remote = ipcache_lookup(&pkt->saddr, pkt->family);
	pkt->src_identity = remote_identity(remote, pkt->family);
	if (source_is_forged(pkt, remote))
		return DROP_AT(pkt, DROP_INVALID_SIP);
	ret = icmp_error_answer(skb, pkt, false);
	skb->mark = MARK_MAGIC_SNAT_DONE;
	return ret ? ret : EXIT_AT(pkt, bpf_redirect(skb->ifindex, 0));
}

static __always_inline int next_way(struct __sk_buff *skb, const struct packet *pkt, int way)
{
	return packet_expires(pkt) ? icmp_error_order(skb, ICMP_ERROR_EXPIRED, 0, 0) : way;
}

/* What is not the stack's is sent on, unless its hops are used up. */
static __always_inline int netdev_way(struct __sk_buff *skb, struct packet *pkt, __u8 *trace_point)
{
	struct endpoint_info *local;
	struct frontend frontend;

	/* What cannot be read is no answer and for no Service; of the rest the stack is the judge, and the node's policy. */
	if (packet_parse(skb, pkt))
		return packet_is_wrapped(pkt) ? NEXT_WRAPPED : way_to_stack();
	if (packet_is_ip6(pkt) && packet_is_nd(pkt))
		return NEXT_STACK;
	local = endpoint_lookup(&pkt->daddr, pkt->family);
	skb->cb[0] = 0;
	if (endpoint_is_pod(local))
		return next_way(skb, pkt, config.dsr_dispatch == DSR_IN_OPTION ? NEXT_ARRIVE : NEXT_DELIVER);
	if (local && pkt->proto == IPPROTO_UDP && pkt->dport == config.tunnel_port)
		return way_to_stack();
	if (packet_is_icmp_error(pkt) && (local || service_owns_address(pkt)))
		return NEXT_ERROR;
	if (local && nat_is_answer(pkt))
		return next_way(skb, pkt, NEXT_ANSWER);
	if (service_find(pkt, &frontend, true))
		return next_way(skb, pkt, NEXT_TRANSLATE);
	/* Or clang asks both pointers at once whether they are null, by an operation that the verifier forbids. */
	asm volatile("" : "+r"(local));
	if (local)
		return config.dsr_dispatch == DSR_IN_OPTION ? NEXT_ARRIVE : way_to_stack();
	return service_owns_address(pkt) ? NEXT_REFUSE : NEXT_STACK;
}

STEP(netdev_way, netdev_way, METRIC_INGRESS)
STEP(netdev_deliver, netdev_deliver, METRIC_INGRESS)
STEP(netdev_answer, netdev_answer, METRIC_INGRESS)
STEP(netdev_error, netdev_error, METRIC_INGRESS)
STEP(netdev_client_error, netdev_client_error, METRIC_INGRESS)
STEP(netdev_translate, netdev_translate, METRIC_INGRESS)
STEP(netdev_to_pod, netdev_to_pod, METRIC_INGRESS)
STEP(netdev_fits, netdev_fits, METRIC_INGRESS)
STEP(netdev_to_other, netdev_to_other, METRIC_INGRESS)
STEP(netdev_direct, netdev_direct, METRIC_INGRESS)
STEP(netdev_arrive, netdev_arrive, METRIC_INGRESS)
STEP(netdev_unwrap, netdev_unwrap, METRIC_INGRESS)
STEP(netdev_unwrapped, netdev_unwrapped, METRIC_INGRESS)
STEP(netdev_refuse, netdev_refuse, METRIC_INGRESS)
STEP(netdev_reply, netdev_reply, METRIC_INGRESS)
STEP(netdev_host, netdev_host, METRIC_INGRESS)
STEP(netdev_quote, quote_and_deliver, METRIC_INGRESS)

#define IF_FITS(version, step)                                                                                         \
	({                                                                                                             \
		int reply = packet_may_exceed(skb, FAMILY_IPV##version) ? netdev_fits##version(skb) : STEP_NEXT;       \
                                                                                                                       \
		reply == NEXT_REPLY ? reply : (step);                                                                  \
	})

#define NETDEV_FORWARD(version)                                                                                        \
	({                                                                                                             \
		int next = netdev_translate##version(skb);                                                             \
                                                                                                                       \
		if (next == NEXT_TO_POD)                                                                               \
			next = netdev_to_pod##version(skb);                                                            \
		else if (next == NEXT_TO_OTHER)                                                                        \
			next = IF_FITS(version, netdev_to_other##version(skb));                                        \
		else if (next == NEXT_DIRECT)                                                                          \
			next = netdev_direct##version(skb);                                                            \
		if (next == NEXT_REPLY)                                                                                \
			next = netdev_reply##version(skb);                                                             \
		next;                                                                                                  \
	})

/* The node's own traffic is not ours to count. */
#define NETDEV_STEP(version)                                                                                           \
	({                                                                                                             \
		int way = netdev_way##version(skb);                                                                    \
                                                                                                                       \
		switch (way) {                                                                                         \
		case NEXT_DELIVER:                                                                                     \
			way = netdev_deliver##version(skb);                                                            \
			break;                                                                                         \
		case NEXT_ARRIVE:                                                                                      \
			way = netdev_arrive##version(skb);                                                             \
			if (way == NEXT_DELIVER)                                                                       \
				way = netdev_deliver##version(skb);                                                    \
			break;                                                                                         \
		case NEXT_WRAPPED:                                                                                     \
			way = netdev_unwrap##version(skb);                                                             \
			if (way == NEXT_UNWRAPPED)                                                                     \
				way = netdev_unwrapped##version(skb);                                                  \
			if (way == NEXT_DELIVER)                                                                       \
				way = netdev_deliver##version(skb);                                                    \
			break;                                                                                         \
		case NEXT_ANSWER:                                                                                      \
			way = IF_FITS(version, netdev_answer##version(skb));                                           \
			if (way == NEXT_REPLY)                                                                         \
				way = netdev_reply##version(skb);                                                      \
			break;                                                                                         \
		case NEXT_ERROR:                                                                                       \
			way = netdev_error##version(skb);                                                              \
			if (way == NEXT_CLIENT)                                                                        \
				way = netdev_client_error##version(skb);                                               \
			break;                                                                                         \
		case NEXT_TRANSLATE:                                                                                   \
			way = NETDEV_FORWARD(version);                                                                 \
			break;                                                                                         \
		case NEXT_REPLY:                                                                                       \
			way = netdev_reply##version(skb);                                                              \
			break;                                                                                         \
		case NEXT_REFUSE:                                                                                      \
			way = netdev_refuse##version(skb);                                                             \
			break;                                                                                         \
		}                                                                                                      \
		if (way == NEXT_QUOTE)                                                                                 \
			way = netdev_quote##version(skb);                                                              \
		if (way == NEXT_HOST)                                                                                  \
			way = netdev_host##version(skb);                                                               \
		way == NEXT_STACK ? TC_ACT_UNSPEC : way;                                                               \
	})

SEC("tc")
int cts_netdev_ingress(struct __sk_buff *skb)
{
	EVENTS_OF_NODE(skb);
	switch (packet_family(skb)) {
	case FAMILY_IPV4:
		return NETDEV_STEP(4);
	case FAMILY_IPV6:
		return NETDEV_STEP(6);
	default:
		return TC_ACT_UNSPEC;
	}
}
