// SPDX-License-Identifier: Apache-2.0
/* The client side's leaves: names, deadlines, connect. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* /etc/hosts only: a static binary has no resolver, and a lab has no DNS server. */
static bool find_in_hosts(const char *name, char address[64])
{
	char *text = read_file("/etc/hosts", NULL);
	bool found = false;

	for (char *line = text, *next; line && !found; line = next) {
		char *rest = line, *word;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		const char *first = strtok_r(line, " \t", &rest);
		while (first && !found && (word = strtok_r(NULL, " \t", &rest)))
			found = strcasecmp(word, name) == 0 && strlen(first) < 64 && strchr(first, '.');
		if (found)
			snprintf(address, 64, "%.63s", first);
	}
	free(text);
	return found;
}

void resolve_target(struct target *target, const char *host, const char *port)
{
	struct in_addr ignored;

	snprintf(target->host, sizeof(target->host), "%s", host);
	target->port = (int)parse_number("the port", port, 1, 65535);
	if (inet_pton(AF_INET, host, &ignored) == 1)
		snprintf(target->address, sizeof(target->address), "%s", host);
	else if (!find_in_hosts(host, target->address))
		fail_usage("no address for \"%s\" in /etc/hosts", host);
}

bool wait_readable(int fd, long long deadline_ms)
{
	for (;;) {
		struct pollfd waited = {.fd = fd, .events = POLLIN};
		const long long left = deadline_ms - now_ms();
		const int ready = left > 0 ? poll(&waited, 1, (int)left) : 0;

		if (ready > 0)
			return true;
		if (ready == 0 || errno != EINTR) {
			errno = ready == 0 ? ETIMEDOUT : errno;
			return false;
		}
	}
}

static int finish_connect(int fd, int timeout_ms)
{
	struct pollfd waited = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t length = sizeof(error);

	if (poll(&waited, 1, timeout_ms) <= 0)
		return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return errno;
	return error;
}

int connect_within(const struct target *target, int type, int timeout_ms)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)target->port)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -1;
	inet_pton(AF_INET, target->address, &address.sin_addr);
	error = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
	if (error == EINPROGRESS)
		error = finish_connect(fd, timeout_ms);
	if (error == 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}
