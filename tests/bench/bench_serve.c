/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a connector takes to serve POST /v0/connector/transit-ip: a conn25d on
 * a core of its own, asked over loopback by as many connections as keep it
 * busy, in batches of 100 mappings and with one each. Prints "metric value
 * unit" lines, tab-separated; see tests/bench/README.md.
 *
 *   bench_serve [SECONDS]     default 3
 */
#include <stdbool.h>

#include "tests/bench/daemon.h"

#define CONNECTIONS 16
#define MAPPINGS 100000u		/* different ones; then again */

struct text {
	char *data;
	size_t len;
};

struct connection {
	int fd;
	char in[16384];
	size_t len;
};

static struct connection connections[CONNECTIONS];
static uint16_t port;

/* A request with mappings first .. first + count - 1. */
static struct text
request(unsigned first, unsigned count)
{
	size_t size = 300 + (size_t)count * 100;
	char *body = malloc(size), *all = malloc(size);
	size_t n;
	int len;

	if (body == NULL || all == NULL)
		fatal("out of memory");
	n = (size_t)sprintf(body, "{\"transitIPs\":[");
	for (unsigned i = first; i < first + count; i++)
		n += (size_t)sprintf(body + n, "%s{\"transitIP\":"
		    "\"169.%u.%u.%u\",\"destinationIP\":\"10.%u.%u.%u\","
		    "\"app\":\"bulk\"}", i == first ? "" : ",",
		    100 + i / 65536, i / 256 % 256, i % 256,
		    i / 65536, i / 256 % 256, i % 256);
	n += (size_t)sprintf(body + n, "]}");
	len = sprintf(all, "POST /v0/connector/transit-ip HTTP/1.1\r\n"
	    "Host: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s", port, n, body);
	free(body);
	return (struct text){ all, (size_t)len };
}

/* Has the whole answer come? It must be 200. */
static bool
complete(const struct connection *c)
{
	const char *end = memmem(c->in, c->len, "\r\n\r\n", 4);
	const char *length = end == NULL ? NULL :
	    memmem(c->in, (size_t)(end - c->in), "ontent-", 7);

	while (length != NULL && strncasecmp(length + 7, "length:", 7) != 0)
		length = memmem(length + 1, (size_t)(end - length - 1),
		    "ontent-", 7);
	if (length == NULL)
		return false;
	if (strncmp(c->in, "HTTP/1.1 200", 12) != 0)
		fatal("%.*s", (int)c->len, c->in);
	return c->len >= (size_t)(end - c->in) + 4 + strtoul(length + 14,
	    NULL, 10);
}

static void
ask(struct connection *c, const struct text *t)
{
	c->len = 0;
	if (send(c->fd, t->data, t->len, MSG_NOSIGNAL) != (ssize_t)t->len)
		fatal("send: %s", strerror(errno));
}

/* Read what has come. Returns: is the answer complete? */
static bool
receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - 1 - c->len,
	    0);

	if (n <= 0)
		fatal("connection closed");
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	return complete(c);
}

/* Ask all the time for so long. Returns: requests answered. */
static double
storm(const struct text *requests, unsigned count, double seconds)
{
	struct pollfd polls[CONNECTIONS];
	double end = now_s() + seconds;
	unsigned next = 0, done = 0, busy = CONNECTIONS;

	for (int i = 0; i < CONNECTIONS; i++) {
		polls[i] = (struct pollfd){ connections[i].fd, POLLIN, 0 };
		ask(&connections[i], &requests[next++ % count]);
	}
	while (busy > 0) {
		bool over = now_s() >= end;

		if (poll(polls, CONNECTIONS, 10000) <= 0)
			fatal("no answer");
		for (int i = 0; i < CONNECTIONS; i++) {
			if (polls[i].revents == 0 ||
			    !receive(&connections[i]))
				continue;
			done++;
			if (over)
				busy--;
			else
				ask(&connections[i],
				    &requests[next++ % count]);
		}
	}
	return done;
}

static void
print(const char *metric, double value, const char *unit)
{
	(void)printf("serve.%s\t%.1f\t%s\n", metric, value, unit);
	(void)fflush(stdout);
}

static void
bench(const struct daemon *d, unsigned batch, double seconds)
{
	unsigned count = MAPPINGS / batch;
	struct text *requests = calloc(count, sizeof(*requests));
	double start, cpu, done;
	char metric[40];

	for (unsigned i = 0; i < count; i++)
		requests[i] = request(i * batch, batch);
	(void)storm(requests, count, seconds / 3);
	start = now_s();
	cpu = daemon_cpu_s(d);
	done = storm(requests, count, seconds);
	cpu = daemon_cpu_s(d) - cpu;
	start = now_s() - start;
	(void)snprintf(metric, sizeof(metric), "requests.batch%u", batch);
	print(metric, done / start, "1/s");
	(void)snprintf(metric, sizeof(metric), "mappings.batch%u", batch);
	print(metric, done * batch / start, "1/s");
	(void)snprintf(metric, sizeof(metric), "mappings.cpu.batch%u", batch);
	print(metric, done * batch / cpu, "1/cpu-s");
	for (unsigned i = 0; i < count; i++)
		free(requests[i].data);
	free(requests);
}

int
main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct daemon d;

	port = free_port();
	sin.sin_port = htons(port);
	daemon_connector(&d, port, 1);
	pin(0, 0);
	for (int i = 0; i < CONNECTIONS; i++) {
		connections[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(connections[i].fd, (struct sockaddr *)&sin,
		    sizeof(sin)) != 0)
			fatal("connect: %s", strerror(errno));
	}
	bench(&d, 100, seconds);
	bench(&d, 1, seconds);
	daemon_stop(&d);
	return 0;
}
