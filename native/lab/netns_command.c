// SPDX-License-Identifier: Apache-2.0
/* `ip netns add|delete` for many names at once, safe to repeat after a run that was killed half-way. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

#define NETNS_DIR "/run/netns"

/* As iproute2 does: the folder is a shared mount, so that binds reach other mount namespaces. ip-netns(8) */
static void prepare_directory(void)
{
	if (mkdir(NETNS_DIR, 0755) < 0 && errno != EEXIST)
		fail("mkdir %s", NETNS_DIR);
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return;
	if (errno != EINVAL)
		fail("make %s shared", NETNS_DIR);
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0)
		fail("bind %s", NETNS_DIR);
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		fail("make %s shared", NETNS_DIR);
}

static void netns_path(char path[4096], const char *name)
{
	if (strchr(name, '/') || name[0] == '.' || name[0] == '\0')
		fail_usage("netns: bad name \"%s\"", name);
	if (snprintf(path, 4096, NETNS_DIR "/%s", name) >= 4096)
		fail_usage("netns: name too long");
}

static bool is_namespace(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

/* A namespace belongs to a thread until it is bound: made in a child, so that this process keeps its own. */
static void add_namespace(const char *name)
{
	char path[4096];
	int status;
	pid_t child;

	netns_path(path, name);
	if (is_namespace(path))
		return;
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		fail("create %s", path);
	close(fd);
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			fail("new network namespace for %s", name);
		set_loopback_up();
		if (mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) < 0)
			fail("bind %s", path);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0)
		fail_usage("netns: %s was not made", name);
}

static void remove_namespace(const char *name)
{
	char path[4096];

	netns_path(path, name);
	if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		fail("unmount %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		fail("remove %s", path);
}

int netns_command(int argc, char **argv)
{
	const bool adds = argc > 2 && strcmp(argv[1], "add") == 0;

	if (!adds && !(argc > 2 && strcmp(argv[1], "del") == 0))
		fail_usage("netns: usage: netns add|del NAME…");
	if (adds)
		prepare_directory();
	for (int i = 2; i < argc; i++) {
		if (adds)
			add_namespace(argv[i]);
		else
			remove_namespace(argv[i]);
	}
	return 0;
}
