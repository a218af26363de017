// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <unistd.h>

#include "tool.h"

/* A pid 1 ignores every signal that it has no handler for: pid_namespaces(7). */
static void stop(int number)
{
	_exit(128 + number);
}

int client_command(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	for (;;)
		pause();
}
