/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bench.h"

#include <time.h>

/* How long somebody who wants to run on a CPU waits for it: wakes every millisecond and notes by how much too late. */

#define PERIOD_NS 1000000

static int compare(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double wait_once(struct timespec *due)
{
	struct timespec now;

	due->tv_nsec += PERIOD_NS;
	if (due->tv_nsec >= 1000000000) {
		due->tv_nsec -= 1000000000;
		due->tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - due->tv_sec) + (double)(now.tv_nsec - due->tv_nsec) / 1e9;
}

int bench_latency(const struct bench_options *options)
{
	const double until = bench_now_seconds() + options->seconds;
	const size_t room = (size_t)(options->seconds * 1e9 / PERIOD_NS) + 1;
	double *late = calloc(room, sizeof(*late));
	size_t samples = 0;
	struct timespec due;

	if (!late)
		bench_die("calloc");
	bench_pin(options->cpu);
	while (samples < room && bench_now_seconds() < until) {
		/* From now on, not from when it was due: a long wait counts once. */
		clock_gettime(CLOCK_MONOTONIC, &due);
		late[samples++] = wait_once(&due);
	}
	qsort(late, samples, sizeof(*late), compare);
	printf("{\"samples\":%zu,\"p99Seconds\":%.6f,\"longestSeconds\":%.6f}\n", samples, late[samples * 99 / 100],
	       late[samples - 1]);
	free(late);
	return 0;
}
