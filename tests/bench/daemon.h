/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * daemon.h - a conn25d of the build directory as a process of a benchmark's
 * own, and what CPU time it takes.
 *
 * Example:
 *	struct daemon d;
 *
 *	daemon_start(&d, "connector", config, 1);	on the second core
 *	used = daemon_cpu_s(&d);
 *	daemon_stop(&d);
 *
 * Rules: what fails ends the benchmark with a message, and the daemons with
 * it. runDir and stateDir are added to the configuration.
 */
#ifndef CONN25_BENCH_DAEMON_H
#define CONN25_BENCH_DAEMON_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define fatal(...) do { \
	(void)fprintf(stderr, __VA_ARGS__); \
	(void)fputc('\n', stderr); \
	exit(1); \
} while (0)

struct daemon {
	char dir[64];
	char run_dir[80];
	pid_t pid;
};

static inline double
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline void
rest_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

/* Keep to one core, where there is more than one; they are the same for both
 * sides of a comparison then. */
static inline void
pin(pid_t pid, int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	(void)sched_setaffinity(pid, sizeof(set), &set);
}

/* A port of 127.0.0.1 that is free now. */
static inline uint16_t
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		fatal("no port: %s", strerror(errno));
	(void)close(fd);
	return ntohs(sin.sin_port);
}

/* A connection to a Unix socket in runDir, or -1. */
static inline int
daemon_connect(const struct daemon *d, const char *name, int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s",
	    d->run_dir, name);
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static inline void
daemon_config(const struct daemon *d, const char *config, char *file,
    size_t size)
{
	FILE *f;

	(void)snprintf(file, size, "%s/conn25.json", d->dir);
	f = fopen(file, "w");
	if (f == NULL || fprintf(f, "{ \"runDir\": \"%s\", \"stateDir\": "
	    "\"%s/state\",\n%s\n}\n", d->run_dir, d->dir, config) < 0 ||
	    fclose(f) != 0)
		fatal("%s: %s", file, strerror(errno));
}

static inline void
daemon_start(struct daemon *d, const char *name, const char *config,
    int core)
{
	static const char status[] = "CONN25CT1 status\n";
	const char *build = getenv("BUILD");
	char program[4096], file[100];
	int control = -1;

	(void)snprintf(d->dir, sizeof(d->dir), "/tmp/c25-%s-XXXXXX", name);
	if (mkdtemp(d->dir) == NULL)
		fatal("%s: %s", d->dir, strerror(errno));
	(void)snprintf(d->run_dir, sizeof(d->run_dir), "%s/run", d->dir);
	daemon_config(d, config, file, sizeof(file));
	(void)snprintf(program, sizeof(program), "%s/conn25d",
	    build != NULL ? build : ".");
	d->pid = fork();
	if (d->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execl(program, program, "-c", file, (char *)NULL);
		fatal("%s: %s", program, strerror(errno));
	}
	pin(d->pid, core);
	for (int i = 0; control == -1 && i < 1000; i++) {
		if (waitpid(d->pid, NULL, WNOHANG) != 0)
			fatal("%s: %s ended", name, program);
		rest_ms(10);
		control = daemon_connect(d, "control.sock", SOCK_STREAM);
	}
	if (control == -1 || send(control, status, sizeof(status) - 1,
	    MSG_NOSIGNAL) == -1 || recv(control, file, 1, 0) != 1)
		fatal("%s: %s does not start", name, program);
	(void)close(control);
}

/* Of all its threads. */
static inline double
daemon_cpu_s(const struct daemon *d)
{
	struct timespec ts;
	clockid_t id;

	if (clock_getcpuclockid(d->pid, &id) != 0 ||
	    clock_gettime(id, &ts) != 0)
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline void
daemon_stop(struct daemon *d)
{
	char command[100];
	int status;

	(void)kill(d->pid, SIGTERM);
	if (waitpid(d->pid, &status, 0) != d->pid || status != 0)
		fatal("conn25d ended with status %d", status);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", d->dir);
	if (system(command) != 0)
		fatal("%s", command);
}

/* A connector for 127.0.0.1. */
static inline void
daemon_connector(struct daemon *d, uint16_t port, int core)
{
	char config[400];

	(void)snprintf(config, sizeof(config),
	    "\"apps\": [{ \"name\": \"bulk\", "
	    "\"destinations\": [\"10.0.0.0/8\"] }],\n"
	    "\"listen\": { \"transitIP\": \"http://127.0.0.1:%u\" },\n"
	    "\"peers\": [{ \"name\": \"bench\", "
	    "\"addresses\": [\"127.0.0.1\"], \"apps\": [\"bulk\"] }]", port);
	daemon_start(d, "connector", config, core);
}

#endif
