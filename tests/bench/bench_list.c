/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator's question costs the others: lists and the whole state of
 * many assignments are read from a conn25d as fast as it gives them, while
 * GET /healthz asks it over and over. Prints "metric value unit" lines,
 * tab-separated; see tests/bench/README.md.
 *
 *   bench_list [ASSIGNMENTS]     default 1000000
 */

#include "conn25/table.h"
#include "tests/bench/daemon.h"

static void
print(const char *what, const char *metric, double value, const char *unit)
{
	(void)printf("list.%s.%s\t%.3f\t%s\n", what, metric, value, unit);
	(void)fflush(stdout);
}

static void
fill(const struct daemon *d, unsigned count)
{
	struct c25_want want = { .ttl_s = 3600 };
	struct c25_error err = { "" };
	struct c25_policy *policy;
	struct c25_assignment a;
	struct c25_table *table;
	struct c25_name name;
	char text[80];
	int full;

	if (c25_table_attach(d->run_dir, &table, &err) != 0 ||
	    c25_table_policy(table, &policy, &err) != 0)
		fatal("table: %s", err.text);
	want.name = &name;
	for (unsigned i = 0; i < count; i++) {
		int n = snprintf(text, sizeof(text), "host-%u.bulk.example",
		    i);

		want.destination = c25_addr_v4((uint8_t[]){ 10,
		    (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i });
		if (c25_name_from_text(&name, text, (size_t)n) != 0 ||
		    c25_table_reserve(table, policy, &want, &a, &full) != 0)
			fatal("%s: not reserved", text);
	}
	c25_policy_unref(policy);
	c25_table_detach(table);
}

static int
http_connect(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&sin,
	    sizeof(sin)) != 0)
		fatal("listen.admin: %s", strerror(errno));
	return fd;
}

static void
ask(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) !=
	    (ssize_t)strlen(text))
		fatal("asking: %s", strerror(errno));
}

static int
cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Read what `fd` was asked for to its end, and ask about the health
 * meanwhile. */
static void
measure(const char *what, int fd, uint16_t port, const struct daemon *d)
{
	static double waits_ms[1000000];
	static char piece[1 << 18];
	struct pollfd p[2] = { { fd, POLLIN, 0 },
	    { http_connect(port), POLLIN, 0 } };
	double begin = now_s(), cpu = daemon_cpu_s(d), asked = now_s();
	size_t n = 0, bytes = 0;
	ssize_t len = 1;

	ask(p[1].fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	while (len > 0) {
		if (poll(p, 2, 60000) < 1)
			fatal("%s: nothing comes", what);
		if (p[1].revents != 0) {
			if (recv(p[1].fd, piece, sizeof(piece), 0) <= 0)
				fatal("%s: /healthz ends", what);
			waits_ms[n] = (now_s() - asked) * 1e3;
			n += n < 999999;
			asked = now_s();
			ask(p[1].fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n"
			    "\r\n");
		}
		if (p[0].revents == 0)
			continue;
		len = recv(fd, piece, sizeof(piece), 0);
		bytes += len > 0 ? (size_t)len : 0;
	}
	if (n == 0)
		fatal("%s: was over before anything else was asked", what);
	qsort(waits_ms, n, sizeof(*waits_ms), cmp_double);
	print(what, "time", now_s() - begin, "s");
	print(what, "cpu", daemon_cpu_s(d) - cpu, "s");
	print(what, "bytes", (double)bytes / 1e6, "MB");
	print(what, "healthz.p50", waits_ms[n / 2], "ms");
	print(what, "healthz.p99", waits_ms[n - 1 - n / 100], "ms");
	print(what, "healthz.max", waits_ms[n - 1], "ms");
	(void)close(fd);
	(void)close(p[1].fd);
}

static void
measure_verb(const char *what, const char *line, uint16_t port,
    const struct daemon *d)
{
	int fd = daemon_connect(d, "control.sock", SOCK_STREAM);

	if (fd == -1)
		fatal("control.sock: %s", strerror(errno));
	ask(fd, line);
	measure(what, fd, port, d);
}

/* The largest that the process has been. */
static double
peak_mb(const struct daemon *d)
{
	char path[40], line[200];
	double kb = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)d->pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "RssAnon: %lf", &kb);
	if (f != NULL)
		(void)fclose(f);
	return kb / 1024;
}

int
main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) :
	    1000000;
	uint16_t port = free_port();
	struct daemon d;
	char config[900];
	double before;
	int fd;

	(void)snprintf(config, sizeof(config),
	    "\"pools\": { \"v4MagicIPPool\": [\"100.64.0.0/10\"], "
	    "\"v4TransitIPPool\": [\"10.64.0.0/10\"] },\n"
	    "\"apps\": [{ \"name\": \"bulk\", \"domains\": "
	    "[\"*.bulk.example\"], \"connectors\": [\"*\"] }],\n"
	    "\"listen\": { \"admin\": \"http://127.0.0.1:%u\" },\n"
	    "\"table\": { \"maxAssignments\": %u }", port, count + 1024);
	daemon_start(&d, "client", config, 0);
	fill(&d, count);
	before = peak_mb(&d);
	measure_verb("assignments", "CONN25CT1 list_assignments\n", port, &d);
	measure_verb("json", "CONN25CT1 list_assignments --json\n", port, &d);
	measure_verb("filtered", "CONN25CT1 list_assignments "
	    "domain=host-1.bulk.example\n", port, &d);
	print("assignments", "memory", peak_mb(&d) - before, "MB");
	measure_verb("dump_state", "CONN25CT1 dump_state\n", port, &d);
	fd = http_connect(port);
	ask(fd, "GET /v0/conn25/state HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\n\r\n");
	measure("state", fd, port, &d);
	print("state", "memory", peak_mb(&d) - before, "MB");
	daemon_stop(&d);
	return 0;
}
