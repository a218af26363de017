/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALL_TIMEOUT_SECONDS 2
/* More than this and the figure means nothing: the run ends as failed. */
#define MAX_ERRORS 50

struct tally {
	uint64_t transactions;
	uint64_t bytes;
	uint64_t errors;
	double seconds;
};

/* CPU time of all cores, processes and interrupts alike: what was sent and what it woke, wherever that ran. A guest may
 * count no cycles, but it knows this. proc_stat(5), in clock ticks. */
static double busy_seconds(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	FILE *stat = fopen("/proc/stat", "r");

	if (!stat || fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait, &irq,
			    &softirq) != 7)
		bench_die("/proc/stat");
	fclose(stat);
	return (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}

/* CPU time of this process, what it does in the kernel included: half of a connection, and no time that others took. */
static double own_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int open_connected(const struct bench_options *options, int type)
{
	union bench_address address = bench_at_port(&options->address, options->port);
	int fd = socket(address.any.sa_family, type, 0);

	if (fd < 0)
		bench_die("socket");
	bench_set_timeout(fd, CALL_TIMEOUT_SECONDS);
	if (connect(fd, &address.any, bench_address_bytes(&address))) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int ask_once(int fd)
{
	char byte = 'x';

	return send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1 ? 0 : -1;
}

static int connect_ask_close(const struct bench_options *options)
{
	char byte;
	int fd = open_connected(options, SOCK_STREAM);
	int failed;

	if (fd < 0)
		return -1;
	/* The server closes first, so the side that picks ports keeps no TIME_WAIT and never runs out of them. */
	failed = ask_once(fd) || recv(fd, &byte, 1, 0) != 0;
	close(fd);
	return failed ? -1 : 0;
}

static void drive_crr(const struct bench_options *options, struct tally *tally)
{
	double start = bench_now_seconds();

	do {
		if (connect_ask_close(options) == 0)
			tally->transactions++;
		else if (++tally->errors > MAX_ERRORS)
			bench_die("TCP_CRR");
		tally->seconds = bench_now_seconds() - start;
	} while (tally->seconds < options->seconds);
	tally->bytes = 2 * tally->transactions;
}

static void drive_rr(const struct bench_options *options, struct tally *tally)
{
	int is_udp = options->mode == BENCH_UDP_RR;
	int fd = open_connected(options, is_udp ? SOCK_DGRAM : SOCK_STREAM);
	double start;

	if (fd < 0)
		bench_die("connect");
	if (!is_udp)
		bench_set_nodelay(fd);
	start = bench_now_seconds();
	do {
		if (ask_once(fd) == 0)
			tally->transactions++;
		else if (!is_udp || ++tally->errors > MAX_ERRORS)
			bench_die(bench_mode_names[options->mode]);
		tally->seconds = bench_now_seconds() - start;
	} while (tally->seconds < options->seconds);
	tally->bytes = 2 * tally->transactions;
	close(fd);
}

static void drive_stream(const struct bench_options *options, struct tally *tally)
{
	static char chunk[BENCH_STREAM_CHUNK_BYTES];
	int fd = open_connected(options, SOCK_STREAM);
	double start = bench_now_seconds();

	if (fd < 0)
		bench_die("connect");
	do {
		if (send(fd, chunk, sizeof(chunk), 0) <= 0)
			bench_die("send");
	} while (bench_now_seconds() - start < options->seconds);
	/* The count comes when the last byte has arrived: the time ends with it. */
	if (shutdown(fd, SHUT_WR) || recv(fd, &tally->bytes, sizeof(tally->bytes), MSG_WAITALL) != sizeof(tally->bytes))
		bench_die("count of the server");
	tally->seconds = bench_now_seconds() - start;
	close(fd);
}

int bench_drive(const struct bench_options *options)
{
	struct tally tally = {0};
	double busy, own;

	bench_pin(options->cpu);
	/* Whatever hangs: the run ends. */
	alarm((unsigned int)options->seconds + 5 * CALL_TIMEOUT_SECONDS);
	busy = busy_seconds();
	own = own_seconds();
	if (options->mode == BENCH_TCP_CRR)
		drive_crr(options, &tally);
	else if (options->mode == BENCH_STREAM)
		drive_stream(options, &tally);
	else
		drive_rr(options, &tally);
	own = own_seconds() - own;
	busy = busy_seconds() - busy;
	printf("{\"mode\":\"%s\",\"transactions\":%llu,\"bytes\":%llu,\"errors\":%llu,\"seconds\":%.6f,"
	       "\"cpuSeconds\":%.2f,\"clientCpuSeconds\":%.6f}\n",
	       bench_mode_names[options->mode], (unsigned long long)tally.transactions, (unsigned long long)tally.bytes,
	       (unsigned long long)tally.errors, tally.seconds, busy, own);
	return 0;
}
