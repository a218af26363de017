// SPDX-License-Identifier: Apache-2.0
/* Prepares devices for peers that run XDP: those see frames only, so no checksum may be left for them to compute, and a veth
 * takes what they send back (XDP_TX) only while it has a program itself (veth_xdp_flush() of the kernel looks for one). */
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

static void leave_no_checksums(const char *device)
{
	int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value feature = {.cmd = ETHTOOL_STXCSUM, .data = 0};
	struct ifreq request = {.ifr_data = (void *)&feature};

	if (snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device) >= (int)sizeof(request.ifr_name))
		fail_usage("xdp-peer: device name too long");
	if (socket_fd < 0 || ioctl(socket_fd, SIOCETHTOOL, &request) < 0)
		fail("set features of %s", device);
	close(socket_fd);
}

/* A program that lets everything pass. */
static int load_pass_program(void)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (unsigned long)instructions,
		.insn_cnt = 2,
		.license = (unsigned long)"Apache-2.0",
		.prog_name = "cts_lab_pass",
	};
	int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (program < 0)
		fail("load an XDP program");
	return program;
}

/* By netlink and not by a link: it stays with the device and goes with it. */
static void attach(const char *device, int program)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
		struct nlattr xdp;
		struct nlattr fd_head;
		__s32 fd;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_SETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(device)},
		.xdp = {.nla_len = sizeof(struct nlattr) * 2 + sizeof(__s32), .nla_type = IFLA_XDP | NLA_F_NESTED},
		.fd_head = {.nla_len = sizeof(struct nlattr) + sizeof(__s32), .nla_type = IFLA_XDP_FD},
		.fd = program,
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[256];
	} answer = {0};
	int socket_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (socket_fd < 0 || send(socket_fd, &request, sizeof(request), 0) < 0 || recv(socket_fd, &answer, sizeof(answer), 0) < 0)
		fail("attach an XDP program to %s", device);
	if (answer.error.error != 0)
		fail_usage("attach an XDP program to %s: %s", device, strerror(-answer.error.error));
	close(socket_fd);
}

int xdp_peer_command(int argc, char **argv)
{
	if (argc < 2)
		fail_usage("xdp-peer: which device?");
	int program = load_pass_program();
	for (int i = 1; i < argc; i++) {
		leave_no_checksums(argv[i]);
		attach(argv[i], program);
	}
	return 0;
}
