// SPDX-License-Identifier: Apache-2.0
/*
 * The built-in workload `echo`: tells its own name over UDP, TCP (line by line) and HTTP. A TCP port speaks HTTP when the
 * first bytes look like a request, lines otherwise, so that one port of a manifest serves every client.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.h"
#include "tool.h"

enum socket_kind { LISTENER, DATAGRAM, CONNECTION };

struct server_socket {
	enum socket_kind kind;
	int fd;
	struct echo_connection connection;
};

static void stop(int number)
{
	_exit(128 + number);
}

static struct server_socket *watch(int epoll, int fd, enum socket_kind kind)
{
	struct server_socket *socket = calloc(1, sizeof(*socket));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = socket};

	if (!socket)
		return NULL;
	socket->kind = kind;
	socket->fd = fd;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(socket);
		return NULL;
	}
	return socket;
}

static void forget(struct server_socket *socket)
{
	close(socket->fd);
	free(socket);
}

/* A socket a family: one for both would show IPv4 peers as IPv6 ones wherever sockets are listed. -1: the kernel has no IPv6. */
static int bind_port(int family, int type, uint16_t port)
{
	const int yes = 1, fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	union socket_address address = {.any.sa_family = (sa_family_t)family};
	const socklen_t length = family == AF_INET ? sizeof(address.ip4) : sizeof(address.ip6);

	if (fd < 0 && errno == EAFNOSUPPORT)
		return -1;
	if (family == AF_INET)
		address.ip4.sin_port = htons(port);
	else
		address.ip6.sin6_port = htons(port);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0) ||
	    bind(fd, &address.any, length) < 0)
		fail("bind %s port %d", type == SOCK_STREAM ? "TCP" : "UDP", port);
	return fd;
}

static void open_port(int epoll, const char *text, enum socket_kind kind, int family)
{
	const uint16_t port = (uint16_t)parse_number("the port", text, 1, 65535);
	const int fd = bind_port(family, kind == LISTENER ? SOCK_STREAM : SOCK_DGRAM, port);

	if (fd < 0)
		return;
	if (kind == LISTENER && listen(fd, 4096) < 0)
		fail("listen on port %s", text);
	if (!watch(epoll, fd, kind))
		fail("watch port %s", text);
}

static void open_ports(int epoll, const char *text, enum socket_kind kind)
{
	open_port(epoll, text, kind, AF_INET);
	open_port(epoll, text, kind, AF_INET6);
}

static void format_peer(const union socket_address *peer, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];

	if (peer->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &peer->ip4.sin_addr, address, sizeof(address));
		snprintf(text, size, "%s:%d", address, ntohs(peer->ip4.sin_port));
	} else {
		inet_ntop(AF_INET6, &peer->ip6.sin6_addr, address, sizeof(address));
		snprintf(text, size, "[%s]:%d", address, ntohs(peer->ip6.sin6_port));
	}
}

static void accept_all(int epoll, struct server_socket *listener)
{
	for (;;) {
		union socket_address peer;
		socklen_t length = sizeof(peer);
		const int fd =
			accept4(listener->fd, &peer.any, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct server_socket *socket = fd < 0 ? NULL : watch(epoll, fd, CONNECTION);

		if (fd < 0)
			return;
		if (!socket) {
			close(fd);
			continue;
		}
		format_peer(&peer, socket->connection.peer, sizeof(socket->connection.peer));
	}
}

static void answer_datagrams(struct server_socket *server, const struct echo_identity *identity)
{
	for (;;) {
		union socket_address peer;
		socklen_t length = sizeof(peer);
		char text[1024], reply[1400];
		const ssize_t got =
			recvfrom(server->fd, text, sizeof(text) - 1, 0, &peer.any, &length);
		int size;

		if (got < 0)
			return;
		text[got] = '\0';
		text[strcspn(text, "\r\n")] = '\0';
		size = snprintf(reply, sizeof(reply), "%s %s\n", identity->pod, text);
		sendto(server->fd, reply, (size_t)size, MSG_NOSIGNAL, &peer.any, length);
	}
}

static void serve(int epoll, const struct echo_identity *identity)
{
	struct epoll_event events[64];

	for (;;) {
		const int count = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < count; i++) {
			struct server_socket *socket = events[i].data.ptr;

			if (socket->kind == LISTENER)
				accept_all(epoll, socket);
			else if (socket->kind == DATAGRAM)
				answer_datagrams(socket, identity);
			else if (!echo_serve_connection(socket->fd, &socket->connection, identity))
				forget(socket);
		}
	}
}

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

int echo_command(int argc, char **argv)
{
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	char hostname[65] = "unknown";
	struct echo_identity identity;
	int ports = 0;

	if (epoll < 0)
		fail("epoll");
	gethostname(hostname, sizeof(hostname) - 1);
	identity.pod = environment("POD_NAME", hostname);
	identity.namespace = environment("POD_NAMESPACE", "");
	identity.node = environment("NODE_NAME", "");
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	for (int i = 1; i + 1 < argc; i += 2, ports++) {
		if (strcmp(argv[i], "--tcp") != 0 && strcmp(argv[i], "--udp") != 0)
			fail_usage("echo: unknown option %s", argv[i]);
		open_ports(epoll, argv[i + 1], argv[i][2] == 't' ? LISTENER : DATAGRAM);
	}
	if (ports == 0) {
		open_ports(epoll, "8080", LISTENER);
		open_ports(epoll, "9090", LISTENER);
		open_ports(epoll, "9091", DATAGRAM);
	}
	serve(epoll, &identity);
	return 0;
}
