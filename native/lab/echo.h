/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTS_LAB_ECHO_H
#define CTS_LAB_ECHO_H

#include <stdbool.h>
#include <stddef.h>

struct echo_identity {
	const char *pod;
	const char *namespace;
	const char *node;
};

struct echo_connection {
	char peer[64];        /* address:port, [address]:port */
	char buffer[8192];    /* what has come and is not answered yet */
	size_t size;
};

/* Reads what is there and answers every whole request; false: the connection is over. */
bool echo_serve_connection(int fd, struct echo_connection *connection, const struct echo_identity *identity);

#endif
