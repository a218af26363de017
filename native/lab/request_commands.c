// SPDX-License-Identifier: Apache-2.0
/* http, tcp, udp: requests from inside a pod, once or many times, with a summary for tests. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define MAX_SOURCES 64

struct plan {
	int timeout_ms;
	int count;
	int interval_ms;
	bool is_summary;
	int family;
	const char *headers;
};

/* Who answered how often, and how long the longest silence was. */
struct tally {
	int sent, received;
	long long last_ms, longest_gap_ms;
	struct {
		char name[128];
		int count;
	} by[MAX_SOURCES];
	int sources;
};

static int parse_plan(int argc, char **argv, struct plan *plan)
{
	const char *timeout = "5000", *count = "1", *interval = "0", *family = NULL;
	const struct option_spec specs[] = {
		{"timeout-ms", &timeout, NULL},   {"count", &count, NULL},
		{"interval-ms", &interval, NULL}, {"summary", NULL, &plan->is_summary},
		{"family", &family, NULL},        {NULL, NULL, NULL},
	};
	const int first = parse_options(argc, argv, specs);

	if (family)
		plan->family = parse_family(family);
	plan->timeout_ms = (int)parse_number("--timeout-ms", timeout, 1, 3600000);
	plan->count = (int)parse_number("--count", count, 1, 1 << 30);
	plan->interval_ms = (int)parse_number("--interval-ms", interval, 0, 3600000);
	return first;
}

/* The first word of an answer of `echo` is the pod's name. */
static void note_answer(struct tally *tally, const char *answer)
{
	char name[128];
	const long long now = now_ms();
	int i = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(answer, " \r\n"), answer);
	while (i < tally->sources && strcmp(tally->by[i].name, name) != 0)
		i++;
	if (i == tally->sources && i < MAX_SOURCES) {
		memcpy(tally->by[i].name, name, sizeof(name));
		tally->sources++;
	}
	if (i < MAX_SOURCES)
		tally->by[i].count++;
	if (tally->received++ > 0 && now - tally->last_ms > tally->longest_gap_ms)
		tally->longest_gap_ms = now - tally->last_ms;
	tally->last_ms = now;
}

static void print_json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static int finish(const struct plan *plan, const struct tally *tally)
{
	if (plan->is_summary) {
		printf("{\"sent\":%d,\"received\":%d,\"longestGapMs\":%lld,\"by\":{", tally->sent, tally->received,
		       tally->longest_gap_ms);
		for (int i = 0; i < tally->sources; i++) {
			printf("%s", i ? "," : "");
			print_json_string(tally->by[i].name);
			printf(":%d", tally->by[i].count);
		}
		printf("}}\n");
	}
	return tally->received == tally->sent ? 0 : 1;
}

static void pause_between(const struct plan *plan, int round)
{
	const struct timespec pause = {.tv_sec = plan->interval_ms / 1000,
				       .tv_nsec = plan->interval_ms % 1000 * 1000000L};

	if (plan->interval_ms > 0 && round + 1 < plan->count)
		nanosleep(&pause, NULL);
}

static void complain(const struct plan *plan, const struct target *target, const char *what, const char *why)
{
	if (!plan->is_summary)
		fprintf(stderr, "cts-lab: %s %s:%d: %s\n", what, target->host, target->port, why);
}

/* `host`, `host:port`, `[address]:port`; cuts the text into its parts. */
static const char *split_port(char *host)
{
	char *end = host[0] == '[' ? strchr(host, ']') : NULL, *colon;

	if (!end) {
		colon = strchr(host, ':');
		if (colon)
			*colon = '\0';
		return colon ? colon + 1 : "80";
	}
	*end = '\0';
	memmove(host, host + 1, strlen(host));
	return end[1] == ':' ? end + 2 : "80";
}

static void parse_url(const char *url, int family, struct target *target, const char **path)
{
	char host[256];
	const char *rest = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
	const size_t length = strcspn(rest, "/");
	const char *port;

	if (strncmp(url, "https://", 8) == 0)
		fail_usage("http: TLS is not spoken here; use curl");
	if (length == 0 || length >= sizeof(host))
		fail_usage("http: bad URL \"%s\"", url);
	snprintf(host, sizeof(host), "%.*s", (int)length, rest);
	*path = rest[length] ? rest + length : "/";
	port = split_port(host);
	resolve_target(target, host, port, family);
}

int http_command(int argc, char **argv)
{
	struct plan plan = {0};
	struct tally tally = {0};
	struct target target;
	const char *path;
	const int first = parse_plan(argc, argv, &plan);

	if (first + 1 != argc)
		fail_usage("http: exactly one URL is needed");
	parse_url(argv[first], plan.family, &target, &path);
	for (int round = 0; round < plan.count; round++) {
		const struct http_request request = {
			.host = target.host, .path = path, .headers = "", .deadline_ms = now_ms() + plan.timeout_ms};
		struct http_reply reply = {0};
		const int fd = connect_within(&target, SOCK_STREAM, plan.timeout_ms);

		tally.sent++;
		if (fd < 0) {
			complain(&plan, &target, "connect to", strerror(errno));
		} else if (!http_exchange(fd, &request, &reply)) {
			complain(&plan, &target, "ask", reply.error);
		} else if (reply.status >= 400) {
			complain(&plan, &target, "refused with an error status by", reply.body);
		} else {
			note_answer(&tally, reply.body);
			if (!plan.is_summary)
				fwrite(reply.body, 1, reply.length, stdout);
		}
		free(reply.body);
		if (fd >= 0)
			close(fd);
		pause_between(&plan, round);
	}
	return finish(&plan, &tally);
}

/* Sends a line (or datagram) and waits for what comes back; false: nothing in time. */
static bool exchange_line(int fd, const struct plan *plan, const char *text, char answer[2048])
{
	const long long deadline = now_ms() + plan->timeout_ms;
	size_t size = 0;

	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return false;
	do {
		ssize_t got = -1;

		if (!wait_readable(fd, deadline) || (got = recv(fd, answer + size, 2047 - size, 0)) <= 0) {
			errno = got == 0 ? ECONNRESET : errno;
			return false;
		}
		size += (size_t)got;
		answer[size] = '\0';
	} while (!strchr(answer, '\n') && size < 2047);
	return true;
}

static int exchange_command(int argc, char **argv, int type)
{
	struct plan plan = {0};
	struct tally tally = {0};
	struct target target;
	char line[1024], answer[2048];
	const int first = parse_plan(argc, argv, &plan);
	int fd;

	if (argc - first < 2 || argc - first > 3)
		fail_usage("%s: HOST PORT [TEXT] are needed", argv[0]);
	resolve_target(&target, argv[first], argv[first + 1], plan.family);
	snprintf(line, sizeof(line), "%s\n", argc - first == 3 ? argv[first + 2] : "hello");
	fd = connect_within(&target, type, plan.timeout_ms);
	if (fd < 0) {
		complain(&plan, &target, "connect to", strerror(errno));
		tally.sent = 1;
		return finish(&plan, &tally);
	}
	for (int round = 0; round < plan.count; round++) {
		tally.sent++;
		if (exchange_line(fd, &plan, line, answer)) {
			note_answer(&tally, answer);
			if (!plan.is_summary)
				fputs(answer, stdout);
		} else {
			complain(&plan, &target, "no answer from", strerror(errno));
			if (type == SOCK_STREAM)
				break; /* the connection is lost, or answers would go to the wrong question */
		}
		pause_between(&plan, round);
	}
	return finish(&plan, &tally);
}

int tcp_command(int argc, char **argv)
{
	return exchange_command(argc, argv, SOCK_STREAM);
}

int udp_command(int argc, char **argv)
{
	return exchange_command(argc, argv, SOCK_DGRAM);
}
