// SPDX-License-Identifier: Apache-2.0
/*
 * Answers probe requests from the node's network namespace, as a kubelet would. One process a node, so that a probe costs
 * a fork of this small process instead of a process start. A request is a line of tab-separated fields:
 *   <id> http <address> <port> <timeout ms> <path> <host> [<header> …]      ->  <id> ok|fail <why>
 *   <id> tcp  <address> <port> <timeout ms>
 * It ends when its input does: with its supervisor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#define MAX_FIELDS 32

static void answer(const char *id, bool is_ok, const char *why)
{
	char line[512];
	const int length = snprintf(line, sizeof(line), "%s\t%s\t%s\n", id, is_ok ? "ok" : "fail", why);

	/* One write below PIPE_BUF: answers of several probes never mix. pipe(7) */
	if (length > 0 && write(STDOUT_FILENO, line, (size_t)length) < 0)
		_exit(1);
}

static void probe_http(char **field, int count, int fd, long long deadline_ms)
{
	char headers[1024] = "", why[256];
	struct http_request request = {
		.path = field[5], .host = field[6], .headers = headers, .deadline_ms = deadline_ms};
	struct http_reply reply = {0};

	for (int i = 7; i < count; i++) {
		const size_t used = strlen(headers);

		snprintf(headers + used, sizeof(headers) - used, "%s\r\n", field[i]);
	}
	if (!http_exchange(fd, &request, &reply)) {
		answer(field[0], false, reply.error);
		return;
	}
	/* The kubelet takes 200 up to 399 for success. */
	snprintf(why, sizeof(why), "HTTP status %d", reply.status);
	answer(field[0], reply.status >= 200 && reply.status < 400, why);
}

static void probe(char **field, int count)
{
	const bool is_http = count >= 7 && strcmp(field[1], "http") == 0;
	struct target target;
	long long deadline_ms;
	int timeout_ms, fd;

	if (!is_http && !(count >= 5 && strcmp(field[1], "tcp") == 0))
		fail_usage("prober: bad request");
	timeout_ms = (int)parse_number("the timeout", field[4], 1, 3600000);
	deadline_ms = now_ms() + timeout_ms;
	resolve_target(&target, field[2], field[3], AF_UNSPEC);
	fd = connect_within(&target, SOCK_STREAM, timeout_ms);
	if (fd < 0)
		answer(field[0], false, strerror(errno));
	else if (is_http)
		probe_http(field, count, fd, deadline_ms);
	else
		answer(field[0], true, "connected");
}

static int split(char *line, char **field)
{
	int count = 0;

	line[strcspn(line, "\n")] = '\0';
	for (char *rest = line, *word; count < MAX_FIELDS && (word = strsep(&rest, "\t"));)
		field[count++] = word;
	return count;
}

int prober_command(int argc, char **argv)
{
	const char *netns = NULL, *cgroup = NULL;
	const struct option_spec specs[] = {{"netns", &netns, NULL}, {"cgroup", &cgroup, NULL}, {NULL, NULL, NULL}};
	char *line = NULL, *field[MAX_FIELDS];
	size_t capacity = 0;

	parse_options(argc, argv, specs);
	if (!netns || !cgroup)
		fail_usage("prober: --netns and --cgroup are needed");
	join_cgroup(cgroup);
	enter_namespace(open_namespace(netns), CLONE_NEWNET, "network");
	signal(SIGCHLD, SIG_IGN); /* nobody waits for the single probes */
	while (getline(&line, &capacity, stdin) > 0) {
		const int count = split(line, field);
		const pid_t child = fork();

		if (child == 0) {
			probe(field, count);
			_exit(0);
		}
		if (child < 0 && count > 0)
			answer(field[0], false, strerror(errno));
	}
	return 0;
}
