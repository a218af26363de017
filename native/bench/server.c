/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A client that went away in the middle is given up after this long, so that the next run finds the server free. */
#define STALE_CONNECTION_SECONDS 5

static int open_listener(const struct bench_options *options, enum bench_mode mode)
{
	union bench_address address = bench_at_port(&options->address, (uint16_t)(options->port + mode));
	int one = 1;
	int fd = socket(address.any.sa_family, mode == BENCH_UDP_RR ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (fd < 0)
		bench_die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		bench_die("SO_REUSEADDR");
	if (bind(fd, &address.any, bench_address_bytes(&address)))
		bench_die("bind");
	if (mode != BENCH_UDP_RR && listen(fd, 1024))
		bench_die("listen");
	return fd;
}

static void answer_once(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) == 1)
		send(fd, &byte, 1, 0);
}

static void answer_until_closed(int fd)
{
	char byte;

	bench_set_nodelay(fd);
	while (recv(fd, &byte, 1, 0) == 1) {
		if (send(fd, &byte, 1, 0) != 1)
			return;
	}
}

/* Tells the number of bytes that came, so that the client reports what arrived and not what it queued. */
static void drain_and_report(int fd)
{
	static char chunk[BENCH_STREAM_CHUNK_BYTES];
	uint64_t total = 0;
	ssize_t got;

	while ((got = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		total += (uint64_t)got;
	send(fd, &total, sizeof(total), 0);
}

static void __attribute__((noreturn)) serve_tcp(int listener, enum bench_mode mode)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			bench_die("accept");
		}
		bench_set_timeout(fd, STALE_CONNECTION_SECONDS);
		if (mode == BENCH_TCP_CRR)
			answer_once(fd);
		else if (mode == BENCH_TCP_RR)
			answer_until_closed(fd);
		else
			drain_and_report(fd);
		close(fd);
	}
}

static void __attribute__((noreturn)) serve_udp(int fd)
{
	char datagram[2048];

	for (;;) {
		union bench_address peer;
		socklen_t length = sizeof(peer);
		ssize_t got = recvfrom(fd, datagram, sizeof(datagram), 0, &peer.any, &length);

		if (got >= 0)
			sendto(fd, datagram, (size_t)got, 0, &peer.any, length);
	}
}

static void __attribute__((noreturn)) serve_mode(const struct bench_options *options, int fd, enum bench_mode mode)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(options->cpu);
	if (mode == BENCH_UDP_RR)
		serve_udp(fd);
	serve_tcp(fd, mode);
}

int bench_serve(const struct bench_options *options)
{
	int listeners[BENCH_MODES];

	if (options->seconds > 0)
		alarm((unsigned int)options->seconds + 1);
	for (int mode = 0; mode < BENCH_MODES; mode++)
		listeners[mode] = open_listener(options, (enum bench_mode)mode);
	for (int mode = 0; mode < BENCH_MODES; mode++) {
		pid_t child = fork();

		if (child < 0)
			bench_die("fork");
		if (child == 0)
			serve_mode(options, listeners[mode], (enum bench_mode)mode);
	}
	/* Whoever started the server waits for this line: every port is open now. */
	puts("ready");
	fflush(stdout);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return 1;
}
