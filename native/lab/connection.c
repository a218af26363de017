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

int parse_family(const char *text)
{
	const long family = parse_number("--family", text, 4, 6);

	if (family == 5)
		fail_usage("--family is 4 or 6");
	return family == 4 ? AF_INET : AF_INET6;
}

int text_family(const char *address)
{
	struct in6_addr ignored;

	if (inet_pton(AF_INET, address, &ignored) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, address, &ignored) == 1 ? AF_INET6 : AF_UNSPEC;
}

static bool is_wanted(const char *address, int family)
{
	const int found = text_family(address);

	return found != AF_UNSPEC && (family == AF_UNSPEC || found == family);
}

/* /etc/hosts only: a static binary has no resolver, and a lab has no DNS server. */
static bool find_in_hosts(const char *name, int family, char address[64])
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
			found = strcasecmp(word, name) == 0 && strlen(first) < 64 && is_wanted(first, family);
		if (found)
			snprintf(address, 64, "%.63s", first);
	}
	free(text);
	return found;
}

void resolve_target(struct target *target, const char *host, const char *port, int family)
{
	snprintf(target->host, sizeof(target->host), "%s", host);
	target->port = (int)parse_number("the port", port, 1, 65535);
	if (text_family(host) != AF_UNSPEC)
		snprintf(target->address, sizeof(target->address), "%s", host);
	else if (!find_in_hosts(host, family, target->address))
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

socklen_t socket_address_of(const struct target *target, union socket_address *address)
{
	const uint16_t port = htons((uint16_t)target->port);

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, target->address, &address->ip4.sin_addr) == 1) {
		address->ip4.sin_family = AF_INET;
		address->ip4.sin_port = port;
		return sizeof(address->ip4);
	}
	inet_pton(AF_INET6, target->address, &address->ip6.sin6_addr);
	address->ip6.sin6_family = AF_INET6;
	address->ip6.sin6_port = port;
	return sizeof(address->ip6);
}

int connect_within(const struct target *target, int type, int timeout_ms)
{
	union socket_address address;
	const socklen_t length = socket_address_of(target, &address);
	int fd = socket(address.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -1;
	error = connect(fd, &address.any, length) == 0 ? 0 : errno;
	if (error == EINPROGRESS)
		error = finish_connect(fd, timeout_ms);
	if (error == 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}
