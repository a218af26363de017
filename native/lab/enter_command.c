// SPDX-License-Identifier: Apache-2.0
/* Runs a command inside a container (or a node) with the caller's own terminal, and ends as the command ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

static pid_t child;

static void forward(int number)
{
	if (child > 0)
		kill(child, number);
}

/* The environment of the container's first process, so that an exec sees what the container sees. */
static void take_environment(pid_t target)
{
	char path[64];
	size_t length = 0;
	char *text;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)target);
	text = read_file(path, &length);
	if (!text)
		fail("read %s", path);
	for (char *entry = text; entry < text + length; entry += strlen(entry) + 1)
		if (strchr(entry, '=') && strncmp(entry, "TERM=", 5) != 0)
			putenv(entry);
}

static int await_child(void)
{
	int status = 0;

	/* Ctrl-C reaches the child by the terminal's process group; what is sent to us alone is passed on. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, forward);
	signal(SIGHUP, forward);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			fail("wait");
	return exit_code_of(status);
}

int enter_command(int argc, char **argv)
{
	const char *cgroup = NULL, *target_text = NULL, *directory = NULL;
	const struct option_spec specs[] = {
		{"cgroup", &cgroup, NULL}, {"target", &target_text, NULL}, {"workdir", &directory, NULL}, {NULL, NULL, NULL},
	};
	static const struct {
		const char *name;
		int type;
	} kinds[] = {{"cgroup", CLONE_NEWCGROUP}, {"net", CLONE_NEWNET}, {"uts", CLONE_NEWUTS},
		     {"ipc", CLONE_NEWIPC},       {"pid", CLONE_NEWPID}, {"mnt", CLONE_NEWNS}};
	const int first = parse_options(argc, argv, specs);
	int fds[6];
	pid_t target;

	if (!cgroup || !target_text || first >= argc)
		fail_usage("enter: --cgroup, --target and a command are needed");
	target = (pid_t)parse_number("--target", target_text, 1, 1 << 30);
	for (int i = 0; i < 6; i++)
		fds[i] = open_process_namespace(target, kinds[i].name);
	take_environment(target);
	join_cgroup(cgroup);
	for (int i = 0; i < 6; i++)
		enter_namespace(fds[i], kinds[i].type, kinds[i].name);
	if (chdir(directory ? directory : "/") < 0)
		fail("change to directory %s", directory);
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		reset_signals();
		execvp(argv[first], argv + first);
		dprintf(STDERR_FILENO, "cts-lab: run %s: %s\n", argv[first], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	return await_child();
}

/* Runs a command in a cgroup, detached: what is started this way is found by the sweep from its first instruction on. */
int join_command(int argc, char **argv)
{
	const char *cgroup = NULL;
	const struct option_spec specs[] = {{"cgroup", &cgroup, NULL}, {NULL, NULL, NULL}};
	const int first = parse_options(argc, argv, specs);

	if (!cgroup || first >= argc)
		fail_usage("join: --cgroup and a command are needed");
	join_cgroup(cgroup);
	setsid();
	execvp(argv[first], argv + first);
	fail("run %s", argv[first]);
}
