/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once
#include <linux/types.h>

/* Node-wide settings, written once before load: the verifier sees constants and removes the branches that they close.
 * The comment of each field becomes its description in src/abi/generated/. */
struct datapath_config {
	__u32 host_ifindex;		 /* ifindex of cilium_host */
	__u32 tunnel_ifindex;		 /* ifindex of cilium_vxlan */
	__u8 host_mac[8];		 /* MAC address of cilium_host, 6 octets */
	__be32 host_ipv4;		 /* address of cilium_host, the pods' gateway */
	__u32 ct_regular_tcp_seconds;	 /* lifetime of an established TCP connection */
	__u32 ct_regular_any_seconds;	 /* lifetime of a connection of another protocol */
	__u32 ct_service_tcp_seconds;	 /* lifetime of a TCP service entry */
	__u32 ct_service_any_seconds;	 /* lifetime of a service entry of another protocol */
	__u32 ct_tcp_syn_seconds;	 /* lifetime while only SYNs were seen */
	__u32 ct_tcp_fin_seconds;	 /* lifetime after both sides closed */
	__u32 trace_interval_seconds;	 /* an open connection is reported again after this time */
	__u8 event_options;		 /* EVENT_*: what is told of packets */
	__u8 ct_accounting;		 /* 1: count packets and bytes in every conntrack entry */
	__be16 tunnel_port;		 /* UDP port of cilium_vxlan */
	__be32 service_loopback_ipv4;	 /* what a pod sees as its peer when a Service sends it to itself */
	__be32 service_loopback_ipv6[4]; /* the same for IPv6 */
	__u8 enable_ipv4;		 /* 1: pods have IPv4 addresses */
	__u8 enable_ipv6;		 /* 1: pods have IPv6 addresses */
	__u8 policy_accounting;		 /* 1: count how often each policy entry decides */
	__u8 policy_audit_mode;		 /* 1: what policies deny is forwarded and told */
	__u8 lb_maglev;			 /* 1: services that do not say choose by their Maglev table */
	__u8 no_backend_reject;		 /* 1: a packet for a service without backends is answered with an ICMP error */
	__u8 sock_hostns_only;		 /* 1: the socket LB leaves pods alone */
	__u8 sock_spares_external;	 /* 1: the socket LB leaves external addresses alone that are not the node's own */
	__u8 pods_spare_external;	 /* 1: the same for packets of pods, whose sockets the socket LB serves */
	__u8 trace_sock;		 /* 1: a record of each translation of the socket LB */
	__u32 maglev_slots;		 /* of every Maglev table */
	__u32 maglev_seed;		 /* of the hash of connections */
	__u64 host_netns_cookie;	 /* of the node's own network namespace; 0: not known */
	__u8 native_routing;		 /* 1: packets for other nodes' pods travel as they are, 0: in the tunnel */
	__u8 host_routing;		 /* 1: packets of pods leave past the node's stack */
	__u8 masquerade_ipv4;		 /* 1: pods reach the world under the node's IPv4 address */
	__u8 masquerade_ipv6;		 /* 1: pods reach the world under the node's IPv6 address */
	__u8 ip_masq_agent;		 /* 1: except the prefixes of cilium_ipmasq_v4 and cilium_ipmasq_v6 */
	__u16 nat_first_port;		 /* lowest port of a translated connection */
	__u16 nat_last_port;		 /* highest port of a translated connection */
	__u32 route_mtu;		 /* of packets to pods of other nodes */
	__be32 node_ipv4;		 /* the node's own address towards other nodes */
	__be32 node_ipv6[4];		 /* the node's own address towards other nodes */
	__be32 host_ipv6[4];		 /* address of cilium_host, the pods' gateway */
	__be32 native_ipv4;		 /* destinations below are not masqueraded; mask 0: none */
	__be32 native_ipv4_mask;	 /* of native_ipv4 */
	__be32 native_ipv6[4];		 /* destinations below are not masqueraded; mask 0: none */
	__be32 native_ipv6_mask[4];	 /* of native_ipv6 */
	__u8 dsr_dispatch;		 /* how a frontend travels to its backend's node: 0 not at all, 1 in an option of IP, 2 as the packet in another one */
	__be32 ipip_source_ipv4;	 /* what such packets come from: this address or prefix */
	__be32 ipip_source_ipv4_mask;	 /* the bits below are the connection's */
	__be32 ipip_source_ipv6[4];	 /* the same for IPv6 */
	__be32 ipip_source_ipv6_mask[4]; /* of ipip_source_ipv6 */
	__u32 host_endpoint_id;		 /* whose policy is that of the node itself; 0: nodes have none */
	__u8 csum_ipv6;			 /* 1: the kernel knows CSUM_F_IPV6 */
};

volatile const struct datapath_config config = {};

/* config.dsr_dispatch */
#define DSR_IN_OPTION 1
#define DSR_IN_PACKET 2
