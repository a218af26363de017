/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic for the benchmarks, and what a process costs: one static binary, so that it runs in any namespace. The modes are netperf's, by name and
 * by what is on the wire; each has a server process and a port of its own, so that a server is a plain blocking loop and
 * costs as little as it can beside what is measured.
 */
#ifndef CTS_BENCH_H
#define CTS_BENCH_H

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum bench_mode {
	BENCH_TCP_CRR, /* connect, 1 byte there, 1 byte back, the server closes first */
	BENCH_TCP_RR,  /* 1 byte there, 1 byte back on one connection */
	BENCH_STREAM,  /* as many bytes as fit, one way */
	BENCH_UDP_RR,  /* 1 byte there, 1 byte back, a lost one is asked again */
	BENCH_MODES,
};

/* The server of mode M listens on the first port + M. */
static const char *const bench_mode_names[BENCH_MODES] = {"TCP_CRR", "TCP_RR", "STREAM", "UDP_RR"};

union bench_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct bench_options {
	union bench_address address; /* without a port */
	uint16_t port;		     /* server: the first one; client: the one to dial */
	enum bench_mode mode;
	double seconds; /* client: how long; server: 0 or how long at most */
	int cpu;	/* -1: wherever the scheduler likes */
	double rate;	/* flood: packets a second */
};

#define BENCH_STREAM_CHUNK_BYTES (128 * 1024)

int bench_serve(const struct bench_options *options);
int bench_drive(const struct bench_options *options);
int bench_latency(const struct bench_options *options);
int bench_flood(const struct bench_options *options);
/* Runs the command with its output in a file, or without a path into a pipe, and prints what it cost. */
int bench_run(const char *path, char **command);

/* Bounds every blocking call on the socket: a lost packet must not hang a run. */
void bench_set_timeout(int fd, int seconds);
void bench_set_nodelay(int fd);
void bench_pin(int cpu);
/* -1 when the text is no address. */
int bench_parse_address(const char *text, union bench_address *out);
union bench_address bench_at_port(const union bench_address *address, uint16_t port);
socklen_t bench_address_bytes(const union bench_address *address);
/* CLOCK_MONOTONIC */
double bench_now_seconds(void);

static inline void __attribute__((noreturn)) bench_die(const char *what)
{
	perror(what);
	exit(1);
}

#endif
