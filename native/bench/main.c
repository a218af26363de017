/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

void bench_set_timeout(int fd, int seconds)
{
	struct timeval limit = {.tv_sec = seconds};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		bench_die("setsockopt timeout");
}

void bench_set_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		bench_die("setsockopt TCP_NODELAY");
}

void bench_pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_die("sched_setaffinity");
}

int bench_parse_address(const char *text, union bench_address *out)
{
	memset(out, 0, sizeof(*out));
	out->any.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (out->any.sa_family == AF_INET6)
		return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1 ? 0 : -1;
	return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1 ? 0 : -1;
}

union bench_address bench_at_port(const union bench_address *address, uint16_t port)
{
	union bench_address at = *address;

	if (at.any.sa_family == AF_INET6)
		at.v6.sin6_port = htons(port);
	else
		at.v4.sin_port = htons(port);
	return at;
}

socklen_t bench_address_bytes(const union bench_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

double bench_now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int usage(void)
{
	fputs("usage: cts-bench server --port FIRST [--bind ADDRESS] [--cpu N] [--seconds MAX]\n"
	      "       cts-bench client --mode TCP_CRR|TCP_RR|STREAM|UDP_RR --host ADDRESS --port N --seconds S [--cpu N]\n"
	      "       cts-bench flood --host ADDRESS --port FIRST --rate N --seconds S [--cpu N]   (a SYN of a new flow each)\n"
	      "       cts-bench latency --seconds S [--cpu N]\n"
	      "       cts-bench run FILE COMMAND…          (its output goes into the file)\n"
	      "       cts-bench first-byte COMMAND…        (its output goes nowhere)\n",
	      stderr);
	return 2;
}

static int parse_mode(const char *name, enum bench_mode *mode)
{
	for (int i = 0; i < BENCH_MODES; i++) {
		if (strcmp(name, bench_mode_names[i]) == 0) {
			*mode = (enum bench_mode)i;
			return 0;
		}
	}
	return -1;
}

static int parse_number(const char *text, double low, double high, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end == text || *end || *out < low || *out > high ? -1 : 0;
}

static int parse_option(int letter, const char *text, struct bench_options *options)
{
	double number = 0;

	switch (letter) {
	case 'p':
		if (parse_number(text, 1, 65535, &number))
			return -1;
		options->port = (uint16_t)number;
		return 0;
	case 'a':
		return bench_parse_address(text, &options->address);
	case 'm':
		return parse_mode(text, &options->mode);
	case 's':
		return parse_number(text, 0.05, 86400, &options->seconds);
	case 'c':
		if (parse_number(text, 0, 1023, &number))
			return -1;
		options->cpu = (int)number;
		return 0;
	case 'r':
		return parse_number(text, 1, 1e6, &options->rate);
	default:
		return -1;
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"port", required_argument, NULL, 'p'},	   {"bind", required_argument, NULL, 'a'},
		{"host", required_argument, NULL, 'a'},	   {"mode", required_argument, NULL, 'm'},
		{"seconds", required_argument, NULL, 's'}, {"cpu", required_argument, NULL, 'c'},
		{"rate", required_argument, NULL, 'r'},	   {NULL, 0, NULL, 0},
	};
	struct bench_options options = {.address.any.sa_family = AF_INET, .mode = BENCH_MODES, .cpu = -1};
	int letter;

	if (argc < 2)
		return usage();
	if (strcmp(argv[1], "run") == 0 && argc > 3)
		return bench_run(argv[2], argv + 3);
	if (strcmp(argv[1], "first-byte") == 0 && argc > 2)
		return bench_run(NULL, argv + 2);
	while ((letter = getopt_long(argc - 1, argv + 1, "", names, NULL)) != -1) {
		if (parse_option(letter, optarg, &options))
			return usage();
	}
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(argv[1], "server") == 0 && options.port > 0 && options.port <= 65535 - BENCH_MODES)
		return bench_serve(&options);
	if (strcmp(argv[1], "client") == 0 && options.port > 0 && options.mode != BENCH_MODES && options.seconds > 0)
		return bench_drive(&options);
	if (strcmp(argv[1], "flood") == 0 && options.port > 0 && options.rate > 0 && options.seconds > 0)
		return bench_flood(&options);
	if (strcmp(argv[1], "latency") == 0 && options.seconds > 0)
		return bench_latency(&options);
	return usage();
}
