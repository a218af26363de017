// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

/*
 * The first act of every process of a lab: whatever dies later, the sweep finds its processes by their cgroup.
 * A cgroup that is gone means that the lab is being taken down: nothing may start any more.
 */
void join_cgroup(const char *directory)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.procs", directory) >= sizeof(path))
		fail_usage("path too long: %s", directory);
	write_file(path, "0");
}

int open_namespace(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("open namespace %s", path);
	return fd;
}

int open_process_namespace(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	return open_namespace(path);
}

void enter_namespace(int fd, int type, const char *what)
{
	if (setns(fd, type) < 0)
		fail("enter the %s namespace", what);
	close(fd);
}

void set_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		fail("read flags of lo");
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		fail("set lo up");
	close(fd);
}

void mount_fresh(const char *type, const char *target, unsigned long flags, const char *data)
{
	if (mount(type, target, type, flags, data) < 0)
		fail("mount %s on %s", type, target);
}

/*
 * Slave, not private: network namespaces that the lab binds under /run/netns later must appear here, and those that it
 * removes must not be kept alive by a copy of their mount. mount_namespaces(7)
 */
void make_mounts_slave(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		fail("make mounts slave");
}
