// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{"netns", netns_command, "netns add|del NAME…: network namespaces under /run/netns"},
	{"init", init_command, "init …: start a node's pid 1, which holds its namespaces"},
	{"run", run_command, "run … -- COMMAND: start a container or an agent behind a shim"},
	{"enter", enter_command, "enter … -- COMMAND: run a command inside a container"},
	{"join", join_command, "join --cgroup DIR -- COMMAND: run a command in a cgroup, detached"},
	{"prober", prober_command, "prober …: answer probe requests from stdin, in a node's network namespace"},
	{"echo", echo_command, "echo [--tcp PORT…] [--udp PORT…]: a server that tells its own name"},
	{"client", client_command, "client: wait for ever (a pod to run commands in)"},
	{"http", http_command, "http [--timeout-ms N] [--count N] [--interval-ms N] [--summary] URL"},
	{"tcp", tcp_command, "tcp [--timeout-ms N] [--count N] [--interval-ms N] [--summary] HOST PORT [TEXT]"},
	{"udp", udp_command, "udp [--timeout-ms N] [--count N] [--interval-ms N] [--summary] HOST PORT [TEXT]"},
};

int main(int argc, char **argv)
{
	const size_t count = sizeof(commands) / sizeof(commands[0]);

	if (argc >= 2) {
		for (size_t i = 0; i < count; i++)
			if (strcmp(argv[1], commands[i].name) == 0)
				return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "cts-lab: usage:\n");
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "  cts-lab %s\n", commands[i].usage);
	return 2;
}
