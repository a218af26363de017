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
	{"xdp-peer", xdp_peer_command, "xdp-peer DEVICE…: ready for a peer that runs XDP"},
	{"init", init_command, "init …: start a node's pid 1, which holds its namespaces"},
	{"run", run_command, "run … -- COMMAND: start a container or an agent behind a shim"},
	{"enter", enter_command, "enter … -- COMMAND: run a command inside a container"},
	{"join", join_command, "join --cgroup DIR -- COMMAND: run a command in a cgroup, detached"},
	{"prober", prober_command, "prober …: answer probe requests from stdin, in a node's network namespace"},
	{"echo", echo_command, "echo [--tcp PORT…] [--udp PORT…]: a server that tells its own name"},
	{"client", client_command, "client: wait for ever (a pod to run commands in)"},
	{"http", http_command, "http [--timeout-ms N] [--count N] [--interval-ms N] [--family 4|6] [--summary] URL"},
	{"tcp", tcp_command, "tcp [--timeout-ms N] [--count N] [--interval-ms N] [--family 4|6] [--summary] HOST PORT [TEXT]"},
	{"udp", udp_command, "udp [--timeout-ms N] [--count N] [--interval-ms N] [--family 4|6] [--summary] HOST PORT [TEXT]"},
	{"ping", ping_command, "ping [--timeout-ms N] [--count N] [--size BYTES] [--family 4|6] HOST"},
};

static const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static void print_usage(FILE *out)
{
	fprintf(out, "cts-lab: usage:\n");
	for (size_t i = 0; i < command_count; i++)
		fprintf(out, "  cts-lab %s\n", commands[i].usage);
}

int main(int argc, char **argv)
{
	/* Who reads along through a pipe sees each line when it is written. */
	setlinebuf(stdout);
	if (argc >= 2 && is_help(argv[1])) {
		print_usage(stdout);
		return 0;
	}
	for (size_t i = 0; argc >= 2 && i < command_count; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (argc >= 3 && is_help(argv[2])) {
			printf("usage: cts-lab %s\n", commands[i].usage);
			return 0;
		}
		return commands[i].run(argc - 1, argv + 1);
	}
	print_usage(stderr);
	return 2;
}
