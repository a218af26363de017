// SPDX-License-Identifier: Apache-2.0
/* Failure, options, files: what every sub-command needs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

void fail(const char *format, ...)
{
	const int number = errno;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "cts-lab: %s: %s\n", text, strerror(number));
	_exit(1);
}

void fail_usage(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "cts-lab: %s\n", text);
	_exit(2);
}

int parse_options(int argc, char **argv, const struct option_spec *specs)
{
	int i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		const struct option_spec *spec = specs;

		if (argv[i][2] == '\0')
			return i + 1;
		while (spec->name && strcmp(spec->name, argv[i] + 2) != 0)
			spec++;
		if (!spec->name)
			fail_usage("%s: unknown option %s", argv[0], argv[i]);
		if (spec->flag) {
			*spec->flag = true;
			continue;
		}
		if (i + 1 >= argc)
			fail_usage("%s: option %s needs a value", argv[0], argv[i]);
		*spec->value = argv[++i];
	}
	return i;
}

long parse_number(const char *what, const char *text, long min, long max)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < min || number > max)
		fail_usage("%s must be a number from %ld to %ld, not \"%s\"", what, min, max, text);
	return number;
}

static void write_all(int fd, const char *path, const char *text)
{
	const size_t length = strlen(text);

	if (write(fd, text, length) != (ssize_t)length)
		fail("write %s", path);
	close(fd);
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		fail("open %s", path);
	write_all(fd, path, text);
}

void replace_file(const char *path, const char *text)
{
	char temporary[4096];
	int fd;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >= sizeof(temporary))
		fail_usage("path too long: %s", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		fail("open %s", temporary);
	write_all(fd, temporary, text);
	if (rename(temporary, path) < 0)
		fail("rename %s", path);
}

char *read_file(const char *path, size_t *length)
{
	size_t size = 0, capacity = 4096;
	char *text = malloc(capacity);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	while (fd >= 0 && text && (got = read(fd, text + size, capacity - size - 1)) > 0) {
		size += (size_t)got;
		if (capacity - size < 2) {
			char *larger = realloc(text, capacity *= 2);

			if (!larger)
				break;
			text = larger;
		}
	}
	if (fd >= 0)
		close(fd);
	if (got != 0 || !text) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	if (length)
		*length = size;
	return text;
}

unsigned long long process_start_time(pid_t pid)
{
	char path[64];
	char *text, *field;
	unsigned long long start = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = read_file(path, NULL);
	/* Field 2, the command's name, may hold blanks and parentheses: count from the last one. proc(5) */
	field = text ? strrchr(text, ')') : NULL;
	for (int i = 2; field && i < 22; i++)
		field = strchr(field + 1, ' ');
	if (field)
		start = strtoull(field + 1, NULL, 10);
	free(text);
	return start;
}

int exit_code_of(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
