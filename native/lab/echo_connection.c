// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.h"

/* Set by /fail and /recover: lets a test make its pod's probes fail. One process, one event loop. */
static bool is_failing;

/* Answers are smaller than a socket buffer; a client that does not read is cut off instead of holding up the others. */
static bool send_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		const ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
		struct pollfd waited = {.fd = fd, .events = POLLOUT};

		if (sent < 0 && errno == EAGAIN && poll(&waited, 1, 100) > 0)
			continue;
		if (sent < 0)
			return false;
		text += sent;
		length -= (size_t)sent;
	}
	return true;
}

static bool send_response(int fd, int status, const char *type, const char *body, bool keeps)
{
	char text[4096];
	const int length = snprintf(text, sizeof(text),
				    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s",
				    status, status < 400 ? "OK" : "Error", type, strlen(body),
				    keeps ? "keep-alive" : "close", body);

	return length > 0 && (size_t)length < sizeof(text) && send_all(fd, text, (size_t)length) && keeps;
}

static bool answer_request(int fd, const struct echo_connection *connection, const struct echo_identity *identity,
			   const char *path, bool keeps)
{
	char body[2048];

	if (strcmp(path, "/fail") == 0 || strcmp(path, "/recover") == 0)
		is_failing = path[1] == 'f';
	if (strncmp(path, "/exit/", 6) == 0)
		_exit(atoi(path + 6));
	if (strcmp(path, "/healthz") == 0) {
		snprintf(body, sizeof(body), "%s %s\n", identity->pod, is_failing ? "failing" : "ok");
		return send_response(fd, is_failing ? 503 : 200, "text/plain", body, keeps);
	}
	if (strncmp(path, "/status/", 8) == 0) {
		const int status = atoi(path + 8);

		snprintf(body, sizeof(body), "%s status %d\n", identity->pod, status);
		return send_response(fd, status >= 200 && status <= 599 ? status : 400, "text/plain", body, keeps);
	}
	if (strcmp(path, "/json") == 0) {
		snprintf(body, sizeof(body),
			 "{\"pod\":\"%s\",\"namespace\":\"%s\",\"node\":\"%s\",\"client\":\"%s\"}\n", identity->pod,
			 identity->namespace, identity->node, connection->peer);
		return send_response(fd, 200, "application/json", body, keeps);
	}
	snprintf(body, sizeof(body), "%s on %s, asked by %s\n", identity->pod, identity->node, connection->peer);
	return send_response(fd, 200, "text/plain", body, keeps);
}

static bool looks_like_http(const struct echo_connection *connection)
{
	static const char *const methods[] = {"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS "};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strncmp(connection->buffer, methods[i], strlen(methods[i])) == 0)
			return true;
	return false;
}

static bool has_token(const char *head, const char *end, const char *token)
{
	const char *found = strcasestr(head, token);

	return found && found < end;
}

static void consume(struct echo_connection *connection, size_t length)
{
	connection->size -= length;
	memmove(connection->buffer, connection->buffer + length, connection->size + 1);
}

/* One whole request or line out of the buffer; *more says whether there was one. */
static bool answer_next(int fd, struct echo_connection *connection, const struct echo_identity *identity, bool *more)
{
	char *buffer = connection->buffer, *end;
	char path[1024] = "/";

	if (looks_like_http(connection)) {
		end = strstr(buffer, "\r\n\r\n");
		*more = end != NULL;
		if (!end)
			return true;
		const char *body_length = strcasestr(buffer, "\r\ncontent-length:");
		const size_t head = (size_t)(end + 4 - buffer);
		const size_t body = body_length && body_length < end ? (size_t)strtoul(body_length + 17, NULL, 10) : 0;
		if (body > sizeof(connection->buffer) - 1 - head)
			return send_response(fd, 413, "text/plain", "too large\n", false);
		*more = connection->size >= head + body;
		if (!*more)
			return true;
		sscanf(buffer, "%*s %1023s", path);
		const bool keeps = !has_token(buffer, end, "connection: close") && !has_token(buffer, end, "HTTP/1.0");
		const bool goes_on = answer_request(fd, connection, identity, path, keeps);
		consume(connection, head + body);
		return goes_on;
	}
	end = memchr(buffer, '\n', connection->size);
	*more = end != NULL;
	if (!end)
		return true;
	char reply[sizeof(connection->buffer) + 512];
	const int length = snprintf(reply, sizeof(reply), "%s %.*s\n", identity->pod,
				    (int)strcspn(buffer, "\r\n"), buffer);
	consume(connection, (size_t)(end + 1 - buffer));
	return send_all(fd, reply, (size_t)length);
}

bool echo_serve_connection(int fd, struct echo_connection *connection, const struct echo_identity *identity)
{
	const size_t room = sizeof(connection->buffer) - 1 - connection->size;
	const ssize_t got = room ? recv(fd, connection->buffer + connection->size, room, 0) : 0;
	bool more = true;

	if (got < 0)
		return errno == EAGAIN;
	if (got == 0)
		return false; /* the end, or a line longer than the buffer */
	connection->size += (size_t)got;
	connection->buffer[connection->size] = '\0';
	while (more && connection->size > 0)
		if (!answer_next(fd, connection, identity, &more))
			return false;
	return true;
}
