/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How soon a connector has a new assignment, and how many a second it can be
 * given: a conn25d as client and one as connector on loopback, and this
 * program in the place of Unbound's module, at their table and doorbell.
 * Prints "metric value unit" lines, tab-separated; see tests/bench/README.md.
 *
 *   bench_push [ASSIGNMENTS [SAMPLES]]     default 1000000 3000
 */

#include "conn25/doorbell.h"
#include "conn25/table.h"
#include "sidecar/mapping.h"
#include "tests/bench/daemon.h"

#define ROUNDS 5

static struct c25_table *table;
static struct c25_policy *policy;
static int bell;

static void
print(const char *metric, double value, const char *unit)
{
	(void)printf("push.%s\t%.3f\t%s\n", metric, value, unit);
	(void)fflush(stdout);
}

static void
client_start(struct daemon *d, uint16_t port, unsigned assignments)
{
	char config[900];

	(void)snprintf(config, sizeof(config),
	    "\"pools\": { \"v4MagicIPPool\": [\"100.64.0.0/10\"], "
	    "\"v4TransitIPPool\": [\"10.64.0.0/10\"] },\n"
	    "\"apps\": [{ \"name\": \"bulk\", \"domains\": "
	    "[\"*.bulk.example\"], \"connectors\": [\"*\"] }],\n"
	    "\"connectors\": [{ \"name\": \"one\", "
	    "\"url\": \"http://127.0.0.1:%u\" }],\n"
	    "\"table\": { \"maxAssignments\": %u }", port, assignments);
	daemon_start(d, "client", config, 0);
}

static void
attach(const struct daemon *d)
{
	struct c25_error err = { "" };

	if (c25_table_attach(d->run_dir, &table, &err) != 0 ||
	    c25_table_policy(table, &policy, &err) != 0)
		fatal("table: %s", err.text);
	bell = daemon_connect(d, "doorbell.sock", SOCK_SEQPACKET);
	if (bell == -1)
		fatal("doorbell: %s", strerror(errno));
}

/* As the module does for an answer with one address. */
static struct c25_ref
reserve(const char *kind, unsigned number)
{
	static const char work = C25_BELL_WORK;
	struct c25_want want = { .destination = c25_addr_v4((uint8_t[]){ 10,
		(uint8_t)(number >> 16), (uint8_t)(number >> 8),
		(uint8_t)number }), .ttl_s = 3600 };
	struct c25_assignment a;
	struct c25_name name;
	char text[80];
	int full, n = snprintf(text, sizeof(text), "%s-%u.bulk.example",
		kind, number);

	want.name = &name;
	if (c25_name_from_text(&name, text, (size_t)n) != 0 ||
	    c25_table_reserve(table, policy, &want, &a, &full) != 0)
		fatal("%s: not reserved", text);
	if (c25_table_must_ring(table) &&
	    send(bell, &work, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 &&
	    errno != EAGAIN)
		fatal("doorbell: %s", strerror(errno));
	return a.ref;
}

/* Until conn25d rings. */
static void
wait_bell(void)
{
	struct pollfd p = { bell, POLLIN, 0 };
	char message[16];

	if (poll(&p, 1, 10000) != 1 || recv(bell, message, sizeof(message),
	    0) <= 0) {
		struct c25_usage u;

		c25_table_usage(table, &u);
		fatal("doorbell: nothing comes, and %llu are not "
		    "acknowledged", (unsigned long long)u.pending);
	}
}

static int
cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Hands each byte on and what comes back back; `next` -1: back at once. */
static void
relay(int from, int next)
{
	char byte;

	while (recv(from, &byte, 1, 0) == 1)
		if ((next != -1 && (send(next, &byte, 1, MSG_NOSIGNAL) != 1 ||
		    recv(next, &byte, 1, 0) != 1)) ||
		    send(from, &byte, 1, MSG_NOSIGNAL) != 1)
			break;
	_exit(0);
}

/*
 * What the machine itself needs for that way: a byte from here through a
 * process on the client's core to one on the connector's, and back.
 * Returns: the socket to write it to.
 */
static int
echo_start(void)
{
	int first[2], second[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, first) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, second) != 0)
		fatal("socketpair: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == -1)
			fatal("fork: %s", strerror(errno));
		if (pid != 0)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0, i);
		relay(i == 0 ? first[1] : second[1], i == 0 ? second[0] : -1);
	}
	return first[0];
}

static double
echo(int fd)
{
	double start = now_s();
	char byte = 'e';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 ||
	    recv(fd, &byte, 1, 0) != 1)
		fatal("echo: %s", strerror(errno));
	return (now_s() - start) * 1e3;
}

static void
print_times(const char *what, double *ms, unsigned samples)
{
	static const struct { const char *name; double part; } marks[] = {
		{ "p50", 0.5 }, { "p99", 0.99 }, { "max", 1 },
	};
	char metric[40];

	qsort(ms, samples, sizeof(*ms), cmp_double);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(metric, sizeof(metric), "%s.%s", what,
		    marks[i].name);
		print(metric, ms[(unsigned)((samples - 1) * marks[i].part)],
		    "ms");
	}
}

/* One at a time, from before it is reserved until it is acknowledged: the
 * connector has it, and Unbound would know. In turns with the echo. */
static void
bench_latency(unsigned samples)
{
	double *ms = calloc(samples, sizeof(*ms));
	double *echo_ms = calloc(samples, sizeof(*echo_ms));
	int fd = echo_start();

	if (samples == 0 || ms == NULL || echo_ms == NULL)
		fatal("no samples");
	for (unsigned i = 0; i < samples; i++) {
		double start = now_s();
		struct c25_ref ref = reserve("lone", i);

		while (c25_table_push_state(table, ref) != C25_PUSH_READY)
			wait_bell();
		ms[i] = (now_s() - start) * 1e3;
		rest_ms(1);
		echo_ms[i] = echo(fd);
		rest_ms(1);
	}
	print_times("latency", ms, samples);
	print_times("echo", echo_ms, samples);
	(void)close(fd);
	free(ms);
	free(echo_ms);
}

/* All at once, from the first that is reserved to the last that is
 * acknowledged. Returns: how many a second. */
static double
round_of(unsigned round, unsigned count)
{
	double start = now_s();
	struct c25_usage u;

	for (unsigned i = 0; i < count; i++)
		(void)reserve("many", round * count + i);
	do {
		wait_bell();
		c25_table_usage(table, &u);
	} while (u.pending > 0);
	return count / (now_s() - start);
}

/* Until its database has all; that may lag behind. */
static void
wait_written(const struct daemon *d)
{
	static const char ask[] = "CONN25CT1 stats_noreset\n";
	char text[16384];

	do {
		int fd = daemon_connect(d, "control.sock", SOCK_STREAM);
		size_t len = 0;
		ssize_t n;

		rest_ms(10);
		if (fd == -1 || send(fd, ask, sizeof(ask) - 1,
		    MSG_NOSIGNAL) == -1)
			fatal("control: %s", strerror(errno));
		while ((n = recv(fd, text + len, sizeof(text) - 1 - len,
		    0)) > 0)
			len += (size_t)n;
		text[len] = '\0';
		(void)close(fd);
		if (strstr(text, "store.pending=") == NULL)
			fatal("control: no store.pending");
	} while (strstr(text, "store.pending=0\n") == NULL);
}

static void
bench_sustained(unsigned assignments, const struct daemon *client,
    const struct daemon *connector)
{
	double client_cpu = daemon_cpu_s(client);
	double connector_cpu = daemon_cpu_s(connector);
	double rates[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++)
		rates[i] = round_of(i, assignments / ROUNDS);
	qsort(rates, ROUNDS, sizeof(*rates), cmp_double);
	print("mappings.median", rates[ROUNDS / 2], "1/s");
	print("mappings.best", rates[ROUNDS - 1], "1/s");
	wait_written(client);
	wait_written(connector);
	print("mappings.cpu.client", assignments /
	    (daemon_cpu_s(client) - client_cpu), "1/cpu-s");
	print("mappings.cpu.connector", assignments /
	    (daemon_cpu_s(connector) - connector_cpu), "1/cpu-s");
}

int
main(int argc, char **argv)
{
	unsigned assignments = argc > 1 ? (unsigned)strtoul(argv[1], NULL,
	    10) : 1000000;
	unsigned samples = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) :
	    3000;
	struct daemon client, connector;
	uint16_t port = free_port();

	if (assignments + samples > C25_MAPPINGS_PER_PEER)
		fatal("a connector takes no more than %u mappings of a peer: "
		    "give fewer", C25_MAPPINGS_PER_PEER);
	daemon_connector(&connector, port, 1);
	client_start(&client, port, assignments + samples + 1024);
	attach(&client);
	bench_latency(samples);
	bench_sustained(assignments, &client, &connector);
	c25_policy_unref(policy);
	c25_table_detach(table);
	(void)close(bell);
	daemon_stop(&client);
	daemon_stop(&connector);
	return 0;
}
