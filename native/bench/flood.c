/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* The first packet of one TCP connection after the other, each from other ports and none going on: their checksum is wrong, so
 * that whoever gets them drops them, as if the sender's address were nobody's. */

#define BURST 32
#define FIRST_SOURCE_PORT 1024
#define WRONG_CHECKSUM 0xdead

struct burst {
	struct tcphdr headers[BURST];
	struct iovec parts[BURST];
	struct mmsghdr messages[BURST];
};

static void burst_open(struct burst *burst)
{
	memset(burst, 0, sizeof(*burst));
	for (int i = 0; i < BURST; i++) {
		burst->headers[i] = (struct tcphdr){.doff = 5, .syn = 1, .window = 0xffff, .check = WRONG_CHECKSUM};
		burst->parts[i] = (struct iovec){&burst->headers[i], sizeof(burst->headers[i])};
		burst->messages[i].msg_hdr = (struct msghdr){.msg_iov = &burst->parts[i], .msg_iovlen = 1};
	}
}

/* Flow after flow: all source ports, then the next destination port. */
static void burst_aim(struct burst *burst, uint64_t flow, uint16_t first_port)
{
	const uint64_t ports = 65536 - FIRST_SOURCE_PORT;

	for (int i = 0; i < BURST; i++, flow++) {
		burst->headers[i].source = htons((uint16_t)(FIRST_SOURCE_PORT + flow % ports));
		burst->headers[i].dest = htons((uint16_t)(first_port + flow / ports));
		burst->headers[i].seq = htonl((uint32_t)flow);
	}
}

static void wait_until(double seconds)
{
	struct timespec due = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

int bench_flood(const struct bench_options *options)
{
	union bench_address target = bench_at_port(&options->address, 0);
	int fd = socket(target.any.sa_family, SOCK_RAW, IPPROTO_TCP), least = 1;
	double start = bench_now_seconds(), now = start;
	static struct burst burst;
	uint64_t packets = 0;

	if (fd < 0 || connect(fd, &target.any, bench_address_bytes(&target)))
		bench_die("raw socket");
	/* What comes back is nobody's. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	bench_pin(options->cpu);
	burst_open(&burst);
	while (now - start < options->seconds) {
		int sent;

		wait_until(start + (double)packets / options->rate);
		burst_aim(&burst, packets, options->port);
		sent = sendmmsg(fd, burst.messages, BURST, 0);
		if (sent < 0 && errno != ENOBUFS)
			bench_die("send");
		if (sent > 0)
			packets += (uint64_t)sent;
		now = bench_now_seconds();
	}
	printf("{\"packets\":%llu,\"seconds\":%.6f}\n", (unsigned long long)packets, now - start);
	return 0;
}
