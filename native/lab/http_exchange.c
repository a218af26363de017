// SPDX-License-Identifier: Apache-2.0
/* One HTTP/1.1 GET, as small as probes and tests need it: status, body by length or to the end. RFC 9112 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#define REPLY_MAX (1024 * 1024)

static bool refuse(struct http_reply *reply, const char *what, int error)
{
	snprintf(reply->error, sizeof(reply->error), "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
	return false;
}

static bool send_request(int fd, const struct http_request *request)
{
	char text[2048];
	const int length = snprintf(text, sizeof(text),
				    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: cts-lab\r\nAccept: */*\r\n"
				    "Connection: close\r\n%s\r\n",
				    request->path, request->host, request->headers);

	if (length < 0 || (size_t)length >= sizeof(text)) {
		errno = EMSGSIZE;
		return false;
	}
	return send(fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}

/* Bytes that the reply has in all, once its head is known; -1: to the end of the connection. */
static long whole_length(const char *text, const char *body)
{
	for (const char *line = strstr(text, "\r\n"); line && line + 2 < body; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, "content-length:", 15) == 0)
			return (body - text) + strtol(line + 17, NULL, 10);
	}
	return -1;
}

bool http_exchange(int fd, const struct http_request *request, struct http_reply *reply)
{
	char *text = malloc(REPLY_MAX + 1);
	size_t size = 0;
	long whole = -1;

	memset(reply, 0, sizeof(*reply));
	if (!text || !send_request(fd, request)) {
		free(text);
		return refuse(reply, "send", errno);
	}
	text[0] = '\0';
	while (whole < 0 || size < (size_t)whole) {
		ssize_t got;

		if (!wait_readable(fd, request->deadline_ms) ||
		    (got = recv(fd, text + size, REPLY_MAX - size, 0)) < 0) {
			free(text);
			return refuse(reply, "receive", errno);
		}
		if (got == 0)
			break;
		size += (size_t)got;
		text[size] = '\0';
		const char *end = strstr(text, "\r\n\r\n");
		if (end && whole < 0)
			whole = whole_length(text, end + 4);
	}
	char *end = strstr(text, "\r\n\r\n");
	if (!end || sscanf(text, "HTTP/1.%*d %d", &reply->status) != 1) {
		free(text);
		return refuse(reply, size ? "the answer is no HTTP" : "closed without an answer", 0);
	}
	reply->length = size - (size_t)(end + 4 - text);
	memmove(text, end + 4, reply->length + 1);
	reply->body = text;
	return true;
}
