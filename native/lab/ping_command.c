// SPDX-License-Identifier: Apache-2.0
/* ping: ICMP echo of both families over raw sockets. A lab's machine need not have iputils, and its ping no option for this. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#define MAX_PACKET 65536

/* Both families' echo messages have this shape. RFC 792, RFC 4443 section 4.1 */
struct echo_message {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
};

static uint16_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (size % 2)
		sum += (uint32_t)bytes[size - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static bool send_echo(int fd, int family, uint16_t sequence, size_t size)
{
	static uint8_t packet[MAX_PACKET];
	struct echo_message *message = (struct echo_message *)packet;

	memset(packet, 'x', size);
	*message = (struct echo_message){.type = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
					 .id = htons((uint16_t)getpid()),
					 .sequence = htons(sequence)};
	if (family == AF_INET) /* the kernel does it for IPv6: it knows the pseudo header */
		message->checksum = checksum(packet, size);
	return send(fd, packet, size, 0) == (ssize_t)size;
}

/* Until the answer to this request; other packets of the host come by on a raw socket, too. */
static bool await_answer(int fd, int family, uint16_t sequence, long long deadline)
{
	static uint8_t packet[MAX_PACKET];

	while (wait_readable(fd, deadline)) {
		const ssize_t got = recv(fd, packet, sizeof(packet), 0);
		const size_t skip = family == AF_INET ? (size_t)(packet[0] & 15) * 4 : 0;
		struct echo_message message;

		if (got < 0)
			return false;
		if ((size_t)got < skip + sizeof(message))
			continue;
		memcpy(&message, packet + skip, sizeof(message));
		if (message.type == (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
		    message.id == htons((uint16_t)getpid()) && message.sequence == htons(sequence))
			return true;
	}
	return false;
}

static int open_socket(const struct target *target, int family)
{
	const int discover = IP_PMTUDISC_DO;
	union socket_address address;
	const socklen_t length = socket_address_of(target, &address);
	const int fd = family == AF_INET ? socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)
					 : socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);

	/* No fragments: a message that is too big comes back as an error. */
	if (fd < 0 ||
	    (family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover))
			       : setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover))) < 0 ||
	    connect(fd, &address.any, length) < 0)
		fail("ping %s", target->host);
	return fd;
}

int ping_command(int argc, char **argv)
{
	const char *timeout = "1000", *count = "1", *size = "64", *family = NULL;
	const struct option_spec specs[] = {{"timeout-ms", &timeout, NULL}, {"count", &count, NULL},
					    {"size", &size, NULL},          {"family", &family, NULL},
					    {NULL, NULL, NULL}};
	const int first = parse_options(argc, argv, specs);
	const long rounds = parse_number("--count", count, 1, 65535);
	const long timeout_ms = parse_number("--timeout-ms", timeout, 1, 3600000);
	const size_t bytes = (size_t)parse_number("--size", size, 8, 65000);
	struct target target;
	int fd, found, answers = 0;

	if (first + 1 != argc)
		fail_usage("ping: exactly one HOST is needed");
	resolve_target(&target, argv[first], "1", family ? parse_family(family) : AF_UNSPEC);
	found = text_family(target.address);
	fd = open_socket(&target, found);
	for (long round = 1; round <= rounds; round++) {
		if (send_echo(fd, found, (uint16_t)round, bytes) &&
		    await_answer(fd, found, (uint16_t)round, now_ms() + timeout_ms))
			answers++;
		else
			fprintf(stderr, "cts-lab: ping %s: %s\n", target.host, strerror(errno));
	}
	printf("%d of %ld answers from %s\n", answers, rounds, target.address);
	return answers == rounds ? 0 : 1;
}
