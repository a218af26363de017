// SPDX-License-Identifier: Apache-2.0
/*
 * Starts a container, or with --host an agent, behind a shim that outlives whoever started it:
 *
 *   starter ──> (fork, gone) ──> shim in the node's pid namespace ──> the command, pid 1 of its own pid namespace
 *
 * The process between starter and shim makes the shim an orphan inside of the node, so that the node's pid 1 reaps it: the
 * end of a pid namespace waits for every zombie in it, and nobody outside can be trusted to reap. pid_namespaces(7)
 * The starter answers `{"pid":…,"startTime":…,"shimPid":…}` once the command runs, in pids of its own namespace, which the
 * kernel translates with the credentials of a message (unix(7), SCM_CREDENTIALS), and ends. The shim waits for the
 * command and writes how it ended into a file, so that a supervisor that starts later still learns it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

struct container {
	const char *cgroup;
	const char *netns;       /* of the pod; without: the node's */
	const char *hostname;
	const char *hosts;       /* bound over /etc/hosts */
	const char *log;
	const char *pid_file;
	const char *exit_file;
	const char *directory;
	bool is_host;            /* share the node's namespaces */
	char **command;
};

/* Opened before the first namespace is entered: /proc of the starter shows the pids that it was told. */
struct namespaces {
	int pid, net, mnt, uts, ipc, cgroup;
};

struct message {
	char text[256];
	pid_t sender;
};

/* Shared by the shim and its child: the command never ran. Then whoever asked for it writes why, and not the shim. */
static volatile bool *start_failed;

__attribute__((format(printf, 2, 3), noreturn)) static void report_failure(int channel, const char *format, ...)
{
	const int number = errno;
	char text[200], line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "!%s: %s", text, strerror(number));
	*start_failed = true;
	send(channel, line, strlen(line), MSG_NOSIGNAL);
	_exit(127);
}

static struct namespaces open_namespaces(const struct container *container, pid_t node_init)
{
	struct namespaces ns = {.pid = open_process_namespace(node_init, "pid"), .mnt = -1, .uts = -1, .ipc = -1};

	ns.net = container->netns ? open_namespace(container->netns) : open_process_namespace(node_init, "net");
	ns.cgroup = open_process_namespace(node_init, "cgroup");
	if (container->is_host) {
		ns.mnt = open_process_namespace(node_init, "mnt");
		ns.uts = open_process_namespace(node_init, "uts");
		ns.ipc = open_process_namespace(node_init, "ipc");
	}
	return ns;
}

static void enter_or_report(int channel, int fd, int type, const char *what)
{
	if (setns(fd, type) < 0)
		report_failure(channel, "enter the %s namespace", what);
}

static void set_up_own_mounts(const struct container *container, int channel)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		report_failure(channel, "mount /proc and /sys of the container");
	if (container->hosts && mount(container->hosts, "/etc/hosts", NULL, MS_BIND, NULL) < 0)
		report_failure(channel, "bind %s over /etc/hosts", container->hosts);
}

/* The container's own process, from its birth to exec. */
__attribute__((noreturn)) static void become_command(const struct container *container,
						     const struct namespaces *ns, int channel)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* no container without its shim */
	setsid();
	enter_or_report(channel, ns->net, CLONE_NEWNET, "network");
	enter_or_report(channel, ns->cgroup, CLONE_NEWCGROUP, "cgroup");
	if (container->is_host) {
		enter_or_report(channel, ns->uts, CLONE_NEWUTS, "uts");
		enter_or_report(channel, ns->ipc, CLONE_NEWIPC, "ipc");
		enter_or_report(channel, ns->mnt, CLONE_NEWNS, "mount");
	} else {
		if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
			report_failure(channel, "make the container's namespaces");
		set_up_own_mounts(container, channel);
		if (sethostname(container->hostname, strlen(container->hostname)) < 0)
			report_failure(channel, "set the host name");
	}
	if (chdir(container->directory ? container->directory : "/") < 0)
		report_failure(channel, "change to directory %s", container->directory);
	reset_signals();
	send(channel, "+", 1, MSG_NOSIGNAL);
	execvp(container->command[0], container->command);
	report_failure(channel, "run %s", container->command[0]);
}

static void write_exit_file(const char *path, int status)
{
	char text[160];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, sizeof(text), "{\"exitCode\":%d,\"signal\":%d,\"finishedAtMs\":%lld}\n", exit_code_of(status),
		 WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		 (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	replace_file(path, text);
}

__attribute__((noreturn)) static void become_shim(const struct container *container, const struct namespaces *ns,
						  int channel)
{
	int status = 0;
	pid_t child;

	prctl(PR_SET_NAME, "cts-lab-shim");
	setsid();
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	send(channel, "s", 1, MSG_NOSIGNAL);
	if (!container->is_host && unshare(CLONE_NEWPID) < 0)
		report_failure(channel, "make the pid namespace");
	child = fork();
	if (child < 0)
		report_failure(channel, "fork");
	if (child == 0)
		become_command(container, ns, channel);
	close(channel);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* The folder is gone when the pod has been removed meanwhile: then nobody asks. */
	if (!*start_failed)
		write_exit_file(container->exit_file, status);
	_exit(0);
}

static bool receive(int channel, struct message *message)
{
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec part = {.iov_base = message->text, .iov_len = sizeof(message->text) - 1};
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(channel, &header, 0);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	if (length <= 0)
		return false;
	message->text[length] = '\0';
	if (cmsg && cmsg->cmsg_type == SCM_CREDENTIALS) {
		struct ucred credentials;

		memcpy(&credentials, CMSG_DATA(cmsg), sizeof(credentials));
		message->sender = credentials.pid;
	}
	return true;
}

/* Until the shim has written its exit file and ended: its end of the pipe closes with it. */
static void await_shim_end(int shim_alive)
{
	char ignored;

	while (read(shim_alive, &ignored, 1) < 0 && errno == EINTR)
		;
}

/* Returns when the command runs; writes who it is. */
static int await_start(const struct container *container, int channel, int shim_alive)
{
	struct message message = {0};
	pid_t shim = 0, command = 0;
	char text[160];

	while (receive(channel, &message)) {
		if (message.text[0] == 's')
			shim = message.sender;
		if (message.text[0] == '+')
			command = message.sender;
		if (message.text[0] == '!') {
			fprintf(stderr, "cts-lab: %s\n", message.text + 1);
			await_shim_end(shim_alive);
			return 3; /* the command itself cannot be started; 1: the lab's own set-up failed */
		}
	}
	if (command == 0) {
		fprintf(stderr, "cts-lab: the shim was killed before the command ran\n");
		return 1;
	}
	snprintf(text, sizeof(text), "{\"pid\":%d,\"startTime\":\"%llu\",\"shimPid\":%d}\n", (int)command,
		 process_start_time(command), (int)shim);
	replace_file(container->pid_file, text);
	printf("%s", text);
	return 0;
}

static void redirect_output(const char *log)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (null < 0 || fd < 0)
		fail("open %s", log);
	if (dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		fail("redirect output");
}

int run_command(int argc, char **argv)
{
	struct container container = {0};
	const char *node_init = NULL;
	const struct option_spec specs[] = {
		{"cgroup", &container.cgroup, NULL},       {"netns", &container.netns, NULL},
		{"hostname", &container.hostname, NULL},   {"hosts", &container.hosts, NULL},
		{"log", &container.log, NULL},             {"pid-file", &container.pid_file, NULL},
		{"exit-file", &container.exit_file, NULL}, {"workdir", &container.directory, NULL},
		{"node-init", &node_init, NULL},           {"host", NULL, &container.is_host},
		{NULL, NULL, NULL},
	};
	const int first = parse_options(argc, argv, specs);
	const int yes = 1;
	struct namespaces ns;
	int channel[2], shim_alive[2];
	pid_t between;

	container.command = argv + first;
	if (!container.cgroup || !node_init || !container.log || !container.pid_file || !container.exit_file ||
	    first >= argc || (!container.is_host && (!container.hostname || !container.netns)))
		fail_usage("run: an option or the command is missing");
	ns = open_namespaces(&container, (pid_t)parse_number("--node-init", node_init, 1, 1 << 30));
	join_cgroup(container.cgroup);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0 ||
	    setsockopt(channel[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0 ||
	    pipe2(shim_alive, O_CLOEXEC) < 0)
		fail("make the report channel");
	start_failed = mmap(NULL, sizeof(*start_failed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (start_failed == MAP_FAILED)
		fail("share memory with the shim");
	if (setns(ns.pid, CLONE_NEWPID) < 0)
		fail("enter the node's pid namespace");
	between = fork();
	if (between < 0)
		fail("fork");
	if (between == 0) {
		const pid_t shim = fork();

		if (shim != 0)
			_exit(shim < 0 ? 1 : 0);
		close(channel[0]);
		close(shim_alive[0]);
		redirect_output(container.log);
		become_shim(&container, &ns, channel[1]);
	}
	waitpid(between, NULL, 0);
	close(channel[1]);
	close(shim_alive[1]);
	return await_start(&container, channel[0], shim_alive[0]);
}
