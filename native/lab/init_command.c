// SPDX-License-Identifier: Apache-2.0
/*
 * A node: pid 1 of its own pid namespace, in the node's network namespace, with own mounts, host name, IPC and cgroup
 * root. It holds the namespaces and reaps what is orphaned; when it dies, the kernel kills everything inside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

struct node {
	const char *hostname;
	const char *netns;
	const char *cgroup;
	const char *run_dir;    /* becomes /run/cilium-ts inside */
	const char *keep;       /* a folder below /run that stays visible inside: the labs' own */
};

/* Opens what must survive the tmpfs that will cover /run. */
static int open_directory(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fail("open %s", path);
	return fd;
}

static void make_directories(const char *path)
{
	char part[4096];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			fail("mkdir %s", part);
		*slash = '/';
	}
	if (mkdir(part, 0755) < 0 && errno != EEXIST)
		fail("mkdir %s", part);
}

static void bind_directory(int fd, const char *target)
{
	char source[64];

	make_directories(target);
	snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
	if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0)
		fail("bind onto %s", target);
	if (mount(NULL, target, NULL, MS_REC | MS_SLAVE, NULL) < 0)
		fail("make %s slave", target);
	close(fd);
}

/* An own /run: locks and sockets of one node must not meet those of another or of the host. */
static void mount_run(const struct node *node)
{
	int netns = open_directory("/run/netns");
	int run_dir = open_directory(node->run_dir);
	int keep = open_directory(node->keep);

	mount_fresh("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	bind_directory(netns, "/run/netns");
	bind_directory(run_dir, "/run/cilium-ts");
	bind_directory(keep, node->keep);
}

static void set_up_node(const struct node *node)
{
	make_mounts_slave();
	/* proc first: the binds of mount_run() go through /proc/self/fd, and must see this pid namespace. */
	mount_fresh("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_run(node);
	/* A sysfs shows the devices of the network namespace that mounted it. */
	mount_fresh("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_fresh("bpf", "/sys/fs/bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700");
	mount_fresh("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (sethostname(node->hostname, strlen(node->hostname)) < 0)
		fail("set the host name");
	set_loopback_up();
	/* A node forwards for its pods; the kubelet expects it, too. */
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
}

static void detach_from_starter(void)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		fail("detach");
	close(null);
}

/* Never returns. */
static void reap_for_ever(void)
{
	sigset_t awaited;
	int number = 0;

	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	sigaddset(&awaited, SIGTERM);
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	do {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigwait(&awaited, &number);
	} while (number != SIGTERM);
	_exit(0);
}

static void run_init(const struct node *node, int report)
{
	const char done = 'k';

	/* Here, not in the starter: it still needs the /proc that shows the pids of its caller. */
	if (unshare(CLONE_NEWNS) < 0)
		fail("make the node's mount namespace");
	set_up_node(node);
	/* Whoever adopts this node tells a whole one by this name. */
	prctl(PR_SET_NAME, "cts-lab-init");
	if (write(report, &done, 1) != 1)
		fail("report");
	close(report);
	detach_from_starter();
	reap_for_ever();
}

int init_command(int argc, char **argv)
{
	struct node node = {0};
	const struct option_spec specs[] = {
		{"hostname", &node.hostname, NULL}, {"netns", &node.netns, NULL}, {"cgroup", &node.cgroup, NULL},
		{"run-dir", &node.run_dir, NULL},   {"keep", &node.keep, NULL},   {NULL, NULL, NULL},
	};
	int report[2];
	char done;
	pid_t child;

	parse_options(argc, argv, specs);
	if (!node.hostname || !node.netns || !node.cgroup || !node.run_dir || !node.keep)
		fail_usage("init: --hostname, --netns, --cgroup, --run-dir and --keep are all needed");
	/* The reader of the report may be killed first; the node goes on without it. */
	signal(SIGPIPE, SIG_IGN);
	join_cgroup(node.cgroup);
	enter_namespace(open_namespace(node.netns), CLONE_NEWNET, "network");
	if (unshare(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) < 0)
		fail("make the node's namespaces");
	if (pipe2(report, O_CLOEXEC) < 0)
		fail("pipe");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		close(report[0]);
		run_init(&node, report[1]);
	}
	close(report[1]);
	if (read(report[0], &done, 1) != 1)
		return 1; /* the child said why */
	printf("{\"pid\":%d,\"startTime\":\"%llu\"}\n", (int)child, process_start_time(child));
	return 0;
}
