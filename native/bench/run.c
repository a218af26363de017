/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process costs that is run from here: a small program forks it, so that its peak memory is its own. */

static void exec_command(char **command, int out)
{
	if (dup2(out, STDOUT_FILENO) < 0)
		bench_die("dup2");
	signal(SIGPIPE, SIG_DFL);
	execvp(command[0], command);
	perror(command[0]);
	_exit(127);
}

/* Reads until the end; the time of the first byte, or 0 when there was none. */
static double drain(int in)
{
	static char buffer[256 * 1024];
	double first = 0;
	ssize_t got;

	while ((got = read(in, buffer, sizeof(buffer))) > 0) {
		if (first == 0)
			first = bench_now_seconds();
	}
	if (got < 0)
		bench_die("read");
	return first;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int bench_run(const char *path, char **command)
{
	double started = bench_now_seconds(), first = 0;
	int pipe_fds[2], out, status;
	struct rusage usage;
	pid_t child;

	if (path)
		out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	else
		out = pipe2(pipe_fds, O_CLOEXEC) ? -1 : pipe_fds[1];
	if (out < 0)
		bench_die(path ? path : "pipe");
	child = fork();
	if (child < 0)
		bench_die("fork");
	if (child == 0)
		exec_command(command, out);
	close(out);
	if (!path)
		first = drain(pipe_fds[0]);
	if (wait4(child, &status, 0, &usage) < 0)
		bench_die("wait4");
	printf("{\"status\":%d,\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"maxRssBytes\":%ld,\"firstByteSeconds\":%.6f}\n",
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), bench_now_seconds() - started,
	       seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss * 1024L,
	       first > 0 ? first - started : 0);
	return 0;
}
