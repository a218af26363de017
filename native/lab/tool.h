/* SPDX-License-Identifier: Apache-2.0 */
/* cts-lab: what a lab needs done in C: namespaces, pid 1, shims, and the built-in workloads. */
#ifndef CTS_LAB_TOOL_H
#define CTS_LAB_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- failure: one line on stderr, exit 1 (a usage error exits 2) ---- */
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);       /* appends strerror(errno) */
__attribute__((format(printf, 1, 2), noreturn)) void fail_usage(const char *format, ...);

/* ---- options: `--name value` pairs before `--` or the first other word ---- */
struct option_spec {
	const char *name;
	const char **value;   /* takes the word that follows */
	bool *flag;           /* or: takes none */
};
/* Returns the index of the first word that is no option; `--` is skipped. */
int parse_options(int argc, char **argv, const struct option_spec *specs);
long parse_number(const char *what, const char *text, long min, long max);

/* ---- files ---- */
void write_file(const char *path, const char *text);                   /* existing file: cgroup.procs, sysctls */
void replace_file(const char *path, const char *text);                 /* whole or not at all: temporary + rename */
char *read_file(const char *path, size_t *length);                     /* NUL-terminated, malloc'ed; NULL + errno */
unsigned long long process_start_time(pid_t pid);                      /* field 22 of /proc/<pid>/stat, 0 = gone */

/* ---- namespaces ---- */
void join_cgroup(const char *directory);
int open_namespace(const char *path);
int open_process_namespace(pid_t pid, const char *name);
void enter_namespace(int fd, int type, const char *what);
void set_loopback_up(void);
void mount_fresh(const char *type, const char *target, unsigned long flags, const char *data);
void make_mounts_slave(void);

/* ---- processes ---- */
int exit_code_of(int wait_status);                                     /* 128 + signal, as shells say it */
void reset_signals(void);

/* ---- client side ---- */
struct target {
	char host[256];
	char address[64];
	int port;
};
union socket_address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};
int text_family(const char *address); /* AF_UNSPEC: a name */
int parse_family(const char *text);    /* "4" or "6" */
socklen_t socket_address_of(const struct target *target, union socket_address *address);
/* A name is looked up for this family; with AF_UNSPEC its first address counts. */
void resolve_target(struct target *target, const char *host, const char *port, int family);
long long now_ms(void);
/* -1 + errno, ETIMEDOUT included. */
int connect_within(const struct target *target, int type, int timeout_ms);
/* Waits until readable; false at the deadline. */
bool wait_readable(int fd, long long deadline_ms);

struct http_reply {
	int status;
	char *body;       /* malloc'ed, NUL-terminated */
	size_t length;
	char error[160];
};
struct http_request {
	const char *host;
	const char *path;
	const char *headers;   /* whole lines with CRLF, or "" */
	long long deadline_ms;
};
/* One request on a connected socket; false: reply->error says why. */
bool http_exchange(int fd, const struct http_request *request, struct http_reply *reply);

/* ---- sub-commands: argv[0] is the sub-command's own name ---- */
int xdp_peer_command(int argc, char **argv);
int netns_command(int argc, char **argv);
int init_command(int argc, char **argv);
int run_command(int argc, char **argv);
int enter_command(int argc, char **argv);
int join_command(int argc, char **argv);
int prober_command(int argc, char **argv);
int echo_command(int argc, char **argv);
int client_command(int argc, char **argv);
int http_command(int argc, char **argv);
int tcp_command(int argc, char **argv);
int udp_command(int argc, char **argv);
int ping_command(int argc, char **argv);

#endif
