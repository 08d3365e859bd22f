/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the HTTP server and client over loopback. Everything is in one
 * loop: the server, the client, and the raw sockets that play the other end.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conn25/table.h"
#include "sidecar/host.h"
#include "sidecar/http.h"
#include "tests/unit/suite.h"

static struct c25_loop *loop;
static struct c25_http_listener *listener;
static struct c25_timer guard;
static bool too_late;
static unsigned handled;

/* ---- the server under test ---------------------------------------------- */

static void
echo(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	char text[C25_ADDR_TEXT_MAX], header[16];

	handled++;
	ck_assert_ptr_eq(ctx, &loop);
	ck_assert_int_eq(strncmp(c25_addr_format(&q->source, text),
	    "127.0.0.", 8), 0);
	ck_assert_int_eq(q->body[q->body_len], '\0');
	if (c25_http_request_header(q, "x-test", header, sizeof(header)) > 0)
		c25_http_reply_header(p, "X-Echo", header);
	c25_http_reply_header(p, "Conn25-Epoch", "e1");
	c25_buf_add(&p->body, q->body, q->body_len);
}

static void
deny(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	c25_http_fail(p, 403, "not you");
}

static void
big(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	handled++;
	for (int i = 0; i < 100000; i++)
		c25_buf_format(&p->body, "%099d\n", i);
}

/* Takes longer than a turn. */
static void
slow(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	struct timespec start, now;

	handled++;
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec -
	    start.tv_nsec < 2000000);
}

static struct c25_http_later *later;	/* of the last that waits */
static unsigned resumed;

/* Echoes once it is resumed. */
static void
patient(void *ctx, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	if (q->again) {
		resumed++;
		echo(ctx, q, p);
		return;
	}
	ck_assert_ptr_null(later);
	later = c25_http_defer(q);
	ck_assert_ptr_nonnull(later);
}

static void
resume(void)
{
	struct c25_http_later *l = later;

	later = NULL;
	c25_http_resume(l);
}

/* Takes BITS turns, each to its end. */
#define BITS 50
static unsigned bits, bits_gone;

static void
bit_by_bit(void *ctx, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	struct c25_http_later *l;
	unsigned *left = *q->state;

	ck_assert(q->again == (left != NULL));
	if (left == NULL) {
		*q->state = left = malloc(sizeof(*left));
		ck_assert_ptr_nonnull(left);
		*left = BITS;
	}
	bits++;
	while (c25_http_time_left(q))
		;
	if (--*left > 0) {
		l = c25_http_defer(q);
		ck_assert_ptr_nonnull(l);
		c25_http_resume(l);
		return;
	}
	free(left);
	*q->state = NULL;
	echo(ctx, q, p);
}

static void
bit_gone(void *ctx, void *state)
{
	ck_assert_ptr_eq(ctx, &loop);
	free(state);
	bits_gone++;
}

/* A long answer: ten pieces, with rounds between them that add nothing. */
static unsigned pieces, ended;
static bool breaks;			/* memory runs out after half of it */

static bool
long_next(void *state, struct c25_buf *out)
{
	ck_assert_ptr_eq(state, &pieces);
	if (pieces++ % 2 == 0)
		return true;
	out->failed = breaks && pieces > 10;
	c25_buf_format(out, "%0999u\n", pieces / 2);
	return pieces < 20;
}

static void
long_done(void *state)
{
	ck_assert_ptr_eq(state, &pieces);
	ended++;
}

static void
long_one(void *ctx, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	pieces = 0;
	p->more = (struct c25_http_more){ long_next, long_done, &pieces };
}

/* More than there are buffers for, and a long one after it. */
static void
sizable(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	for (int i = 0; i < 2000; i++)
		c25_buf_format(&p->body, "%099d\n", i);
	long_one(ctx, q, p);
}

static const struct c25_http_route routes[] = {
	{ .path = "/sizable", .method = "GET", .handle = sizable },
	{ .path = "/slow", .method = "GET", .handle = slow },
	{ .path = "/later", .method = "POST", .body_max = 1000,
	    .handle = patient },
	{ .path = "/idle", .method = "GET", .handle = patient },
	{ .path = "/bits", .method = "POST", .body_max = 1000,
	    .handle = bit_by_bit, .gone = bit_gone },
	{ .path = "/echo", .method = "POST", .body_max = 1000,
	    .handle = echo },
	{ .path = "/get", .method = "GET", .handle = echo },
	{ .path = "/deny", .method = "POST", .body_max = 1000, .admit = deny,
	    .handle = echo },
	{ .path = "/big", .method = "GET", .handle = big },
	{ .path = "/long", .method = "GET", .handle = long_one },
};

static struct c25_http_listen
how(const char *text, uint16_t port)
{
	struct c25_http_listen h = { .name = "listen.test", .port = port,
		.routes = routes, .ctx = &loop,
		.route_count = sizeof(routes) / sizeof(*routes) };

	ck_assert_int_eq(c25_addr_parse(&h.addr, text, strlen(text)), 0);
	return h;
}

static void
on_guard(void *ctx)
{
	too_late = true;
}

static void
setup(void)
{
	struct c25_http_listen h = how("127.0.0.1", 0);
	struct c25_error err;

	ck_assert_msg(c25_loop_new(&loop, &err) == 0, "%s", err.text);
	ck_assert_msg(c25_http_listen(loop, &h, &listener, &err) == 0, "%s",
	    err.text);
	handled = resumed = bits = bits_gone = 0;
	later = NULL;
	too_late = false;
	c25_timer_init(&guard, loop, on_guard, NULL);
	c25_timer_set(&guard, 20000);
}

static void
teardown(void)
{
	c25_timer_stop(&guard);
	c25_http_unlisten(listener);
	c25_loop_free(loop);
}

static void
once(void)
{
	ck_assert_int_eq(c25_loop_once(loop, true), 0);
	ck_assert_msg(!too_late, "nothing happens");
}

/* ---- a raw other end ---------------------------------------------------- */

struct raw {
	struct c25_watch *watch;
	struct c25_buf in;	/* what came */
	bool closed;
	const char *out;	/* to be sent */
	size_t len;
};

static void
on_raw(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct raw *r = ctx;
	static char buf[65536];
	ssize_t n;

	if (events & C25_WRITE) {
		n = send(fd, r->out, r->len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			r->out += n;
			r->len -= (size_t)n;
		}
		if (r->len == 0 || (n < 0 && errno != EAGAIN))
			c25_watch_events(w, C25_READ);
	}
	if (events & (C25_READ | C25_HANGUP)) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0) {
			c25_buf_add(&r->in, buf, (size_t)n);
		} else if (n == 0 || errno != EAGAIN) {
			r->closed = true;
			c25_watch_close(w);
			r->watch = NULL;
		}
	}
}

static void
raw_watch(struct raw *r, int fd, const char *out, size_t len)
{
	r->out = out;
	r->len = len;
	ck_assert_int_eq(c25_loop_watch(loop, fd, C25_READ |
	    (len != 0 ? C25_WRITE : 0), on_raw, r, &r->watch), 0);
}

static void
raw_connect_from(struct raw *r, uint32_t source, const char *out, size_t len)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(source) };
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(c25_http_port(listener)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*r = (struct raw){ 0 };
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	raw_watch(r, fd, out, len);
}

static void
raw_connect(struct raw *r, const char *out, size_t len)
{
	raw_connect_from(r, INADDR_LOOPBACK, out, len);
}

static void
raw_send(struct raw *r, const char *out, size_t len)
{
	r->out = out;
	r->len = len;
	c25_watch_events(r->watch, C25_READ | C25_WRITE);
}

static void
raw_free(struct raw *r)
{
	c25_watch_close(r->watch);
	c25_buf_free(&r->in);
}

static unsigned
count(const struct c25_buf *b, const char *what)
{
	const char *p = b->len != 0 ? b->data : "";
	unsigned n = 0;

	while ((p = strstr(p, what)) != NULL) {
		p++;
		n++;
	}
	return n;
}

/* ---- the server --------------------------------------------------------- */

#define ECHO "POST /echo HTTP/1.1\r\nHost: x\r\n"
#define HELLO ECHO "Content-Length: 5\r\n\r\nhello"

static const struct {
	const char *data;
	const char *answer;	/* in what comes */
	unsigned answers;
	bool closes;
} server_rows[] = {
	{ HELLO, "\r\n\r\nhello", 1, false },
	{ HELLO HELLO HELLO, "\r\n\r\nhello", 3, false },
	{ ECHO "X-Test: abc\r\nContent-Length: 0\r\n\r\n",
	    "X-Echo: abc\r\n", 1, false },
	{ "POST /echo?x HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
	    "\r\n\r\nx", 1, true },
	{ ECHO "Connection: close\r\nContent-Length: 1\r\n\r\nx" HELLO,
	    "Connection: close\r\n", 1, true },
	{ ECHO "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	    HELLO, "\r\n\r\nabc", 2, false },
	{ ECHO "Transfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 400 ", 1,
	    true },
	{ ECHO "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
	    "HTTP/1.1 100 Continue\r\n\r\n", 1, false },
	{ "GET /get HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", 1, false },
	{ "HEAD /get HTTP/1.1\r\n\r\n", "Content-Length: 0\r\n", 1, false },
	{ "GET /echo HTTP/1.1\r\n\r\n", "Allow: POST\r\n", 1, false },
	{ "TRACE /echo HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", 1, false },
	{ "PUT /get HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
	    "Allow: GET, HEAD\r\n", 1, false },
	{ "PUT /get HTTP/1.1\r\nContent-Length: 2\r\n\r\nx",
	    "Allow: GET, HEAD\r\n", 1, true },
	{ "GET /get HTTP/1.1\r\nOrigin: http://page.example\r\n\r\n",
	    "HTTP/1.1 403 ", 1, false },
	{ ECHO "sec-fetch-site: none\r\nContent-Length: 1\r\n\r\nx",
	    "HTTP/1.1 403 ", 1, false },
	{ "GET /none HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", 1, false },
	{ "GET /get/ HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", 1, false },
	{ "POST /deny HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
	    "HTTP/1.1 403 Forbidden\r\n", 1, true },
	{ ECHO "Content-Length: 1001\r\n\r\n", "HTTP/1.1 413 ", 1, true },
	{ ECHO "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", "HTTP/1.1 413 ",
	    1, true },
	{ "nonsense\r\n\r\n", "HTTP/1.1 400 ", 1, true },
	{ "GET /get HTTP/3.0\r\n\r\n", "HTTP/1.1 505 ", 1, true },
	{ ECHO "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
	    "HTTP/1.1 400 ", 1, true },
};

/* Written at once. */
START_TEST(server)
{
	const char *data = server_rows[_i].data;
	struct raw r;

	raw_connect(&r, data, strlen(data));
	while (count(&r.in, "HTTP/1.1 ") < server_rows[_i].answers ||
	    count(&r.in, server_rows[_i].answer) == 0 ||
	    r.closed != server_rows[_i].closes)
		once();
	if (!server_rows[_i].closes) {
		/* it still serves */
		unsigned before = count(&r.in, "HTTP/1.1 ");

		if (strstr(data, "100-continue") != NULL)
			raw_send(&r, "x" HELLO, strlen("x" HELLO));
		else
			raw_send(&r, HELLO, strlen(HELLO));
		while (count(&r.in, "HTTP/1.1 ") == before)
			once();
	}
	raw_free(&r);
}
END_TEST

/* Byte by byte. */
START_TEST(server_in_pieces)
{
	const char *data = server_rows[_i].data;
	struct raw r;

	raw_connect(&r, data, 1);
	for (size_t i = 1; data[i] != '\0' && !r.closed; i++) {
		while (r.len != 0 && !r.closed)
			once();
		if (!r.closed)
			raw_send(&r, data + i, 1);
	}
	while (count(&r.in, "HTTP/1.1 ") < server_rows[_i].answers ||
	    count(&r.in, server_rows[_i].answer) == 0 ||
	    r.closed != server_rows[_i].closes)
		once();
	raw_free(&r);
}
END_TEST

START_TEST(a_thousand_on_one_connection)
{
	struct c25_buf b = { 0 };
	struct raw r;

	for (int i = 0; i < 1000; i++)
		c25_buf_lit(&b, HELLO);
	raw_connect(&r, b.data, b.len);
	while (count(&r.in, "\r\n\r\nhello") < 1000)
		once();
	ck_assert_uint_eq(handled, 1000);
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

/* Answers of 10 MB each: they must not pile up in the server. */
START_TEST(who_does_not_read_is_not_read)
{
	static const char get[] = "GET /big HTTP/1.1\r\n\r\n";
	struct c25_buf b = { 0 };
	struct raw r;

	for (int i = 0; i < 6; i++)
		c25_buf_str(&b, get);
	raw_connect(&r, b.data, b.len);
	while (r.len != 0)
		once();
	c25_watch_events(r.watch, 0);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(c25_loop_once(loop, false), 0);
	ck_assert_uint_le(handled, 2);
	c25_watch_events(r.watch, C25_READ);
	while (r.in.len < 6 * 10000000)
		once();
	ck_assert_uint_eq(count(&r.in, "HTTP/1.1 200 OK\r\n"), 6);
	ck_assert_uint_eq(count(&r.in, "99999\n"), 6);
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

static const struct {
	const char *request;
	unsigned chunks, lines;		/* of a thousand bytes */
	bool breaks, more;		/* another request is answered */
} long_rows[] = {
	{ "GET /long HTTP/1.1\r\nHost: h\r\n\r\n"
	    "GET /get HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
	    11, 10, false, true },
	{ "GET /long HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
	    11, 10, false, false },
	{ "GET /long HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, 10,
	    false, false },
	{ "HEAD /long HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 0,
	    0, false, false },
	/* broken off, so that the client sees that it is not all */
	{ "GET /long HTTP/1.1\r\nHost: h\r\n\r\n", 5, 5, true, false },
};

START_TEST(long_answers)
{
	const char *request = long_rows[_i].request;
	char line[16];
	struct raw r;

	ended = 0;
	breaks = long_rows[_i].breaks;
	raw_connect(&r, request, strlen(request));
	while (!r.closed)
		once();
	ck_assert_uint_eq(count(&r.in, "HTTP/1.1 200 "),
	    1 + long_rows[_i].more);
	ck_assert_uint_eq(count(&r.in, "Transfer-Encoding: chunked\r\n"),
	    long_rows[_i].request[0] == 'H' || long_rows[_i].chunks > 0);
	ck_assert_uint_eq(count(&r.in, "3e8\r\n") +
	    count(&r.in, "\r\n0\r\n\r\n"), long_rows[_i].chunks);
	for (unsigned i = 1; i <= 10; i++) {
		(void)snprintf(line, sizeof(line), "0000%u\n", i);
		ck_assert_uint_eq(count(&r.in, line),
		    i <= long_rows[_i].lines);
	}
	ck_assert_uint_eq(ended, 1);
	raw_free(&r);
}
END_TEST

static struct c25_timer sip;
static size_t sipped;

static void
on_sip(void *ctx)
{
	char buf[100];
	ssize_t n = recv(*(int *)ctx, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		sipped += (size_t)n;
	c25_timer_set(&sip, 5);
}

/* Who takes an answer a byte now and then can't keep it in memory for ever. */
START_TEST(who_reads_slowly_is_cut)
{
	static const char request[] = "GET /sizable HTTP/1.1\r\nHost: h\r\n"
	    "Connection: close\r\n\r\n";
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(c25_http_port(listener)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct c25_limits limits = C25_LIMITS_DEFAULT;
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 500;

	limits.request_seconds = 1;
	c25_http_configure(listener, &limits, NULL);
	ended = 0;
	sipped = 0;
	ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &small,
	    sizeof(small)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small,
	    sizeof(small)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(send(fd, request, strlen(request), 0),
	    strlen(request));
	c25_timer_init(&sip, loop, on_sip, &fd);
	c25_timer_set(&sip, 1);
	while (ended == 0)
		once();
	c25_timer_stop(&sip);
	ck_assert_uint_gt(sipped, 0);
	ck_assert_uint_eq(pieces, 0);	/* what comes after that answer */
	close(fd);
}
END_TEST

START_TEST(long_answers_end_with_their_reader)
{
	static const char request[] = "GET /long HTTP/1.1\r\nHost: h\r\n\r\n";
	struct raw r;

	ended = 0;
	breaks = false;
	raw_connect(&r, request, strlen(request));
	while (pieces < 2)
		once();
	raw_free(&r);
	while (ended == 0)
		once();
	ck_assert_uint_eq(ended, 1);
	/* the next one, with the listener */
	raw_connect(&r, request, strlen(request));
	pieces = 0;
	while (pieces < 2)
		once();
	c25_http_unlisten(listener);
	listener = NULL;
	ck_assert_uint_eq(ended, 2);
	raw_free(&r);
}
END_TEST

START_TEST(huge_heads_are_refused)
{
	struct c25_buf b = { 0 };
	struct raw r;

	c25_buf_lit(&b, "GET /get HTTP/1.1\r\nX: ");
	while (b.len < 200000)
		c25_buf_lit(&b, "xxxxxxxxxx");
	raw_connect(&r, b.data, b.len);
	while (count(&r.in, "HTTP/1.1 431 ") == 0 || !r.closed)
		once();
	ck_assert_uint_eq(handled, 0);
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

START_TEST(not_too_many_from_one_place)
{
	static struct raw r[70];
	unsigned closed = 0;

	for (int i = 0; i < 70; i++)
		raw_connect(&r[i], "", 0);
	while (closed < 6) {
		once();
		closed = 0;
		for (int i = 0; i < 70; i++)
			closed += r[i].closed;
	}
	ck_assert_uint_eq(closed, 6);
	raw_send(&r[0], HELLO, strlen(HELLO));
	while (count(&r[0].in, "hello") == 0)
		once();
	for (int i = 0; i < 70; i++)
		raw_free(&r[i]);
}
END_TEST

/* ---- limits ------------------------------------------------------------- */

#define OTHER (INADDR_LOOPBACK + 1)
#define STRANGER (INADDR_LOOPBACK + 2)

/* Whatever one has asked for, on however many connections: another one waits
 * for a turn, not for all of it. */
START_TEST(each_has_a_turn)
{
	static struct raw many[8];
	struct raw r;
	struct c25_buf b = { 0 };
	unsigned before;

	for (int i = 0; i < 50; i++)
		c25_buf_lit(&b, "GET /slow HTTP/1.1\r\n\r\n");
	for (int i = 0; i < 8; i++)
		raw_connect(&many[i], b.data, b.len);
	while (handled < 20)
		once();
	ck_assert_uint_lt(handled, 30);		/* one in each round */
	raw_connect_from(&r, OTHER, HELLO HELLO, strlen(HELLO HELLO));
	before = handled;
	while (count(&r.in, "hello") < 2)
		once();
	/* of the other one, two of these, and what a few rounds have */
	ck_assert_uint_le(handled - before, 10);
	while (handled < 8 * 50 + 2)
		once();		/* and nobody is forgotten */
	for (int i = 0; i < 8; i++) {
		while (count(&many[i].in, "HTTP/1.1 200 OK") < 50)
			once();
		raw_free(&many[i]);
	}
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

START_TEST(requests_per_second)
{
	struct c25_limits limits = C25_LIMITS_DEFAULT;
	struct c25_buf b = { 0 };
	unsigned refused = 0;
	struct raw r;

	limits.requests_per_second = 1;
	c25_http_configure(listener, &limits, NULL);
	for (int i = 0; i < 1000; i++)
		c25_buf_lit(&b, HELLO);
	raw_connect(&r, b.data, b.len);
	while (count(&r.in, "HTTP/1.1 ") < 1000)
		once();
	ck_assert_uint_ge(count(&r.in, "HTTP/1.1 200 OK"), 1);
	ck_assert_uint_ge(count(&r.in, "HTTP/1.1 429 "), 900);
	ck_assert_uint_eq(count(&r.in, "Retry-After: 1\r\n"),
	    count(&r.in, "HTTP/1.1 429 "));
	raw_free(&r);
	/* it has no other allowance with another connection, others have */
	for (int i = 0; i < 5; i++) {
		raw_connect(&r, HELLO, strlen(HELLO));
		while (count(&r.in, "HTTP/1.1 ") == 0)
			once();
		refused += count(&r.in, "HTTP/1.1 429 ");
		raw_free(&r);
		for (int n = 0; n < 20; n++)
			ck_assert_int_eq(c25_loop_once(loop, false), 0);
	}
	ck_assert_uint_ge(refused, 1);
	raw_connect_from(&r, OTHER, HELLO, strlen(HELLO));
	while (count(&r.in, "hello") == 0)
		once();
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

static bool
knows(void *ctx, const struct c25_addr *source)
{
	char text[C25_ADDR_TEXT_MAX];

	return strcmp(c25_addr_format(source, text), "127.0.0.1") == 0;
}

/* Eight connections: two for strangers, who are told so, and one known gets in
 * in any case, if not with all of them. */
START_TEST(room_for_those_who_are_known)
{
	struct c25_http_listen h = how("127.0.0.1", 0);
	struct raw strangers[3], known[7];
	struct c25_error err;

	c25_http_unlisten(listener);
	h.knows = knows;
	h.limits = C25_LIMITS_DEFAULT;
	h.limits.connections = 8;
	h.limits.connections_per_address = 5;
	ck_assert_int_eq(c25_http_listen(loop, &h, &listener, &err), 0);
	for (int i = 0; i < 3; i++)
		raw_connect_from(&strangers[i], STRANGER + (uint32_t)i, "", 0);
	while (!strangers[2].closed)
		once();
	ck_assert_uint_eq(count(&strangers[2].in, "HTTP/1.1 503 "), 1);
	ck_assert_uint_eq(count(&strangers[2].in, "the listener is full"), 1);
	ck_assert_uint_eq(count(&strangers[2].in, "Connection: close"), 1);
	for (int i = 0; i < 7; i++)
		raw_connect(&known[i], "", 0);
	while (!known[6].closed)
		once();
	ck_assert_uint_eq(count(&known[6].in, "HTTP/1.1 429 "), 1);
	for (int i = 0; i < 5; i++) {
		raw_send(&known[i], HELLO, strlen(HELLO));
		while (count(&known[i].in, "hello") == 0)
			once();
	}
	/* a stranger that goes leaves its place to another */
	raw_free(&strangers[0]);
	do {
		raw_free(&strangers[2]);
		raw_connect_from(&strangers[2], STRANGER + 9, HELLO,
		    strlen(HELLO));
		while (count(&strangers[2].in, "HTTP/1.1 ") == 0)
			once();
	} while (count(&strangers[2].in, "HTTP/1.1 503 ") != 0);
	ck_assert_uint_eq(count(&strangers[2].in, "hello"), 1);
	for (int i = 0; i < 7; i++)
		raw_free(&known[i]);
	raw_free(&strangers[1]);
	raw_free(&strangers[2]);
}
END_TEST

START_TEST(an_address_that_cannot_be)
{
	struct c25_http_listen h = how("127.0.0.1", c25_http_port(listener));
	struct c25_http_listener *l;
	struct c25_error err;
	char want[64];

	ck_assert_int_eq(c25_http_listen(loop, &h, &l, &err), -EADDRINUSE);
	snprintf(want, sizeof(want), "listen.test: can't listen on "
	    "127.0.0.1:%u: ", h.port);
	ck_assert_msg(strncmp(err.text, want, strlen(want)) == 0, "%s",
	    err.text);
	h = how("192.0.2.1", 0);
	ck_assert_int_eq(c25_http_listen(loop, &h, &l, &err),
	    -EADDRNOTAVAIL);
}
END_TEST

START_TEST(unlisten_drops_connections)
{
	struct raw idle, half;

	raw_connect(&idle, HELLO, strlen(HELLO));
	raw_connect(&half, HELLO, strlen(HELLO) - 2);
	while (count(&idle.in, "hello") == 0 || half.len != 0)
		once();
	c25_http_unlisten(listener);
	listener = NULL;
	while (!idle.closed || !half.closed)
		once();
	raw_free(&idle);
	raw_free(&half);
}
END_TEST

#define LATER(head, body) "POST /later HTTP/1.1\r\nHost: x\r\n" head \
	"\r\n\r\n" body

/* Each twice on one connection, a request that needn't wait between them. */
static const struct {
	const char *data;
	const char *answer;
} later_rows[] = {
	{ LATER("X-Test: abc\r\nContent-Length: 5", "hello"),
	    "X-Echo: abc\r\nConn25-Epoch: e1\r\n"
	    "Connection: keep-alive\r\n\r\nhello" },
	{ LATER("Transfer-Encoding: chunked", "2\r\nhe\r\n3\r\nllo\r\n"
	    "0\r\n\r\n"), "\r\n\r\nhello" },
	{ LATER("Transfer-Encoding: chunked", "0\r\n\r\n"),
	    "Content-Length: 0\r\n" },
	{ LATER("Content-Length: 0", ""), "Content-Length: 0\r\n" },
	{ "\r\nGET /idle HTTP/1.1\r\nHost: y\r\n\r\n",
	    "Content-Length: 0\r\n" },
};
#define LATER_ROWS (int)(sizeof(later_rows) / sizeof(*later_rows))

/* The loop has seen all there is. */
static void
settle(void)
{
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(c25_loop_once(loop, false), 0);
}

/* Answers keep the order of the requests, and nothing is answered early. */
START_TEST(answered_later)
{
	const char *data = later_rows[_i % LATER_ROWS].data;
	size_t piece = _i < LATER_ROWS ? 4096 : 1, sent;
	struct c25_buf b = { 0 };
	struct raw r;

	c25_buf_str(&b, data);
	c25_buf_lit(&b, HELLO);
	c25_buf_str(&b, data);
	sent = piece < b.len ? piece : b.len;
	raw_connect(&r, b.data, sent);
	for (int n = 1; n <= 2; n++) {
		while (later == NULL) {
			once();
			if (r.len == 0 && sent < b.len)
				raw_send(&r, b.data + sent++, 1);
		}
		settle();
		ck_assert_uint_eq(resumed, n - 1);
		ck_assert_uint_eq(count(&r.in, "HTTP/1.1 "),
		    n == 1 ? 0 : 2);
		resume();
	}
	while (count(&r.in, "HTTP/1.1 ") < 3)
		once();
	ck_assert_uint_eq(resumed, 2);
	ck_assert_uint_ge(count(&r.in, later_rows[_i % LATER_ROWS].answer),
	    2);
	ck_assert_uint_eq(count(&r.in, "\r\n\r\nhello"),
	    strstr(data, "llo") != NULL ? 3 : 1);
	ck_assert(!r.closed);
	c25_buf_free(&b);
	raw_free(&r);
}
END_TEST

/* While it waits nothing is read, so that nothing has to be kept. */
START_TEST(who_waits_is_not_read)
{
	size_t len = 64u << 20, left;
	char *data = calloc(1, len + 1);
	struct raw r;
	int same = 0;

	ck_assert_ptr_nonnull(data);
	memset(data, 'x', len);
	memcpy(data, later_rows[0].data, strlen(later_rows[0].data));
	raw_connect(&r, data, len);
	for (left = len; same < 50; same = left == r.len ? same + 1 : 0) {
		left = r.len;
		settle();
	}
	ck_assert_ptr_nonnull(later);
	ck_assert_uint_gt(r.len, len / 2);
	raw_free(&r);
	settle();
	resume();
	free(data);
}
END_TEST

/* Nobody is there any more, for one reason or the other. */
START_TEST(nobody_to_answer)
{
	struct raw r;

	raw_connect(&r, later_rows[0].data, strlen(later_rows[0].data));
	while (later == NULL)
		once();
	if (_i == 0) {
		struct linger now = { .l_onoff = 1 };

		setsockopt(c25_watch_fd(r.watch), SOL_SOCKET, SO_LINGER,
		    &now, sizeof(now));
		raw_free(&r);
		settle();
	} else {
		c25_http_unlisten(listener);
		listener = NULL;
		while (!r.closed)
			once();
		raw_free(&r);
	}
	resume();
	ck_assert_uint_eq(resumed, 0);
}
END_TEST

#define BIT "POST /bits HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"

/* What takes many turns is answered in the end, in its order, and others have
 * theirs meanwhile. */
START_TEST(handled_in_pieces)
{
	struct raw many[4], r;
	unsigned before;

	for (int i = 0; i < 4; i++)
		raw_connect(&many[i], BIT HELLO BIT, strlen(BIT HELLO BIT));
	while (bits < 20)
		once();
	raw_connect_from(&r, OTHER, HELLO HELLO, strlen(HELLO HELLO));
	before = bits;
	while (count(&r.in, "hello") < 2)
		once();
	ck_assert_uint_le(bits - before, 10);
	for (int i = 0; i < 4; i++) {
		while (count(&many[i].in, "\r\n\r\nhello") < 3)
			once();
		ck_assert_uint_eq(count(&many[i].in, "HTTP/1.1 200 OK"), 3);
		raw_free(&many[i]);
	}
	ck_assert_uint_eq(bits, 4 * 2 * BITS);
	ck_assert_uint_eq(bits_gone, 0);
	raw_free(&r);
}
END_TEST

/* Half way the connection or the listener goes. */
START_TEST(gone_between_pieces)
{
	struct raw r;

	raw_connect(&r, BIT, strlen(BIT));
	while (bits == 0)
		once();
	if (_i == 0) {
		struct linger now = { .l_onoff = 1 };

		setsockopt(c25_watch_fd(r.watch), SOL_SOCKET, SO_LINGER,
		    &now, sizeof(now));
		raw_free(&r);
		while (bits_gone == 0)
			once();
	} else {
		c25_http_unlisten(listener);
		listener = NULL;
		ck_assert_uint_eq(bits_gone, 1);
		while (!r.closed)
			once();
		raw_free(&r);
	}
	ck_assert_uint_lt(bits, BITS + 1);
	ck_assert_uint_eq(bits_gone, 1);
}
END_TEST

/* ---- the client --------------------------------------------------------- */

static struct c25_http_client *client;
static struct c25_http_result result;
static char result_body[64], result_error[128];
static unsigned results;
static int repeat;		/* post again from `done` */

static void
on_done(void *ctx, const struct c25_http_result *r)
{
	result = *r;
	snprintf(result_body, sizeof(result_body), "%s", r->body);
	snprintf(result_error, sizeof(result_error), "%s", r->error);
	results++;
	if (repeat-- > 0)
		ck_assert_int_eq(c25_http_post(client, "/echo", "again", 5),
		    0);
}

static void
client_for(uint16_t port)
{
	results = 0;
	repeat = 0;
	ck_assert_int_eq(c25_http_client_new(loop, &(struct c25_http_peer){
	    .host = "127.0.0.1", .port = port }, on_done, NULL, &client), 0);
}

static void
post(const char *path, const char *body)
{
	unsigned before = results;

	ck_assert_int_eq(c25_http_post(client, path, body, strlen(body)), 0);
	ck_assert_int_eq(c25_http_post(client, path, body, strlen(body)),
	    -EBUSY);
	ck_assert_uint_eq(results, before);
	while (results == before)
		once();
}

START_TEST(client_and_server)
{
	client_for(c25_http_port(listener));
	post("/echo", "hello");
	ck_assert_int_eq(result.status, 200);
	ck_assert_str_eq(result_body, "hello");
	ck_assert_str_eq(result.epoch, "e1");
	ck_assert_str_eq(result_error, "");
	ck_assert(result.fresh);
	post("/none", "x");
	ck_assert_int_eq(result.status, 404);
	ck_assert(!result.fresh);
	repeat = 100;
	post("/echo", "more");
	while (results < 103)
		once();
	ck_assert_str_eq(result_body, "again");
	c25_http_client_free(client);
}
END_TEST

START_TEST(client_finds_nobody)
{
	uint16_t port = c25_http_port(listener);

	c25_http_unlisten(listener);
	listener = NULL;
	client_for(port);
	post("/echo", "hello");
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_ne(result_error, "");
	c25_http_client_free(client);
}
END_TEST

START_TEST(client_is_freed_at_any_time)
{
	client_for(c25_http_port(listener));
	c25_http_client_free(client);		/* before anything */
	client_for(c25_http_port(listener));
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_http_client_free(client);		/* connecting */
	client_for(c25_http_port(listener));
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_http_abort(client);
	ck_assert_int_eq(c25_http_post(client, "/echo", "y", 1), 0);
	while (results == 0)
		once();
	ck_assert_str_eq(result_body, "y");
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_http_client_free(client);		/* waiting for the answer */
	c25_http_client_free(NULL);
}
END_TEST

/* ---- ... of a server with a name ---- */

static struct c25_host *host;
static struct c25_host_query *queries[2];	/* v4, v6 */

static int
on_lookup(void *ctx, struct c25_host_query *q, const char *name,
    enum c25_family family)
{
	ck_assert_str_eq(name, "office.example");
	queries[family == C25_V6] = q;
	return 0;
}

static void
on_cancel(void *ctx, struct c25_host_query *q)
{
	queries[q == queries[1]] = NULL;
}

static bool
on_refuses(void *ctx, const struct c25_addr *a)
{
	return false;
}

static void
named_client(uint16_t port)
{
	static const struct c25_host_ops ops = { .lookup = on_lookup,
		.cancel = on_cancel, .refuses = on_refuses };

	queries[0] = queries[1] = NULL;
	results = 0;
	repeat = 0;
	ck_assert_int_eq(c25_http_client_new(loop, &(struct c25_http_peer){
	    .host = "office.example", .port = port }, on_done, NULL,
	    &client), -EINVAL);
	ck_assert_int_eq(c25_host_new(&ops, NULL, "office.example", &host),
	    0);
	ck_assert_int_eq(c25_http_client_new(loop, &(struct c25_http_peer){
	    .host = "office.example", .at = host, .port = port }, on_done,
	    NULL, &client), 0);
	ck_assert_int_eq(c25_http_post(client, "/echo", "hello", 5), 0);
	ck_assert_ptr_null(queries[0]);		/* not inside the call */
	while (queries[0] == NULL)
		once();
}

/* 127.0.0.1, with others before it where nobody listens. */
static void
name_found(enum c25_found found)
{
	struct c25_addr list[] = { c25_addr_v4((uint8_t[]){ 127, 9, 9, 8 }),
		c25_addr_v4((uint8_t[]){ 127, 9, 9, 9 }),
		c25_addr_v4((uint8_t[]){ 127, 0, 0, 1 }) };
	struct c25_verify_answer none = { .found = found };
	struct c25_verify_answer all = { .found = found, .ttl_s = 60,
		.addresses = list, .count = 3 };

	c25_host_answer(queries[1], &none, c25_now_ms());
	ck_assert_uint_eq(results, 0);
	c25_host_answer(queries[0], found == C25_FOUND_ANSWER ? &all : &none,
	    c25_now_ms());
	queries[0] = queries[1] = NULL;
}

START_TEST(client_of_a_name)
{
	named_client(c25_http_port(listener));
	name_found(C25_FOUND_ANSWER);
	while (results == 0)
		once();
	ck_assert_str_eq(result_error, "");
	ck_assert_str_eq(result_body, "hello");
	post("/echo", "more");
	ck_assert(!result.fresh);
	c25_http_client_free(client);
	c25_host_free(host);
}
END_TEST

START_TEST(client_of_a_name_that_is_not_found)
{
	named_client(c25_http_port(listener));
	name_found(C25_FOUND_FAILURE);
	while (results == 0)
		once();
	ck_assert_int_eq(result.status, 0);
	ck_assert_ptr_nonnull(strstr(result_error, "office.example: no "
	    "answer from DNS"));
	c25_http_client_free(client);
	c25_host_free(host);
}
END_TEST

START_TEST(client_of_a_name_where_nobody_is)
{
	uint16_t port = c25_http_port(listener);

	c25_http_unlisten(listener);
	listener = NULL;
	named_client(port);
	name_found(C25_FOUND_ANSWER);
	while (results == 0)
		once();
	ck_assert_ptr_nonnull(strstr(result_error, "refused"));
	c25_http_client_free(client);
	c25_host_free(host);
}
END_TEST

START_TEST(client_of_a_name_is_freed_while_it_is_looked_up)
{
	named_client(c25_http_port(listener));
	c25_http_abort(client);
	name_found(C25_FOUND_ANSWER);
	ck_assert_uint_eq(results, 0);
	post("/echo", "hello");
	ck_assert_str_eq(result_body, "hello");
	c25_http_client_free(client);
	c25_host_free(host);
	named_client(c25_http_port(listener));
	c25_http_client_free(client);
	c25_host_free(host);
	ck_assert_ptr_null(queries[0]);
	ck_assert_ptr_null(queries[1]);
}
END_TEST

START_TEST(client_outlives_the_loop)
{
	client_for(c25_http_port(listener));
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_timer_stop(&guard);
	c25_loop_free(loop);
	c25_http_client_free(client);
	setup();
}
END_TEST

/* A server that says what it is told to. */
static struct raw script;
static const char *script_text;
static bool script_closes;
static unsigned script_accepts;

static void
on_script_read(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0 && script_text != NULL) {
		ck_assert_int_eq(send(fd, script_text, strlen(script_text),
		    MSG_NOSIGNAL), (ssize_t)strlen(script_text));
		if (!script_closes)
			return;
	}
	c25_watch_close(w);
	script.watch = NULL;
}

static void
on_script_accept(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	int s = accept(fd, NULL, NULL);

	ck_assert_int_ge(s, 0);
	script_accepts++;
	c25_watch_close(script.watch);
	ck_assert_int_eq(c25_loop_watch(loop, s, C25_READ, on_script_read,
	    NULL, &script.watch), 0);
}

static void
script_start(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct c25_watch *w;

	script.watch = NULL;
	script_accepts = 0;
	script_closes = false;
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	ck_assert_int_eq(c25_loop_watch(loop, fd, C25_READ, on_script_accept,
	    NULL, &w), 0);
	client_for(ntohs(sa.sin_port));
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *text;	/* NULL: closes */
	bool closes;
	int status;		/* 0: an error */
	const char *body;
	bool reuse;		/* may the connection be used again? */
} client_rows[] = {
	{ OK "Content-Length: 2\r\n\r\n{}", false, 200, "{}", true },
	{ OK "Content-Length: 0\r\n\r\n", false, 200, "", true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n"
	    "\r\n", false, 200, "{}", true },
	{ OK "\r\n{}", true, 200, "{}", false },
	{ OK "Connection: close\r\nContent-Length: 2\r\n\r\n{}", false, 200,
	    "{}", false },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}",
	    false },
	{ "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\n{}",
	    false, 200, "{}", true },
	{ "HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", true },
	{ "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx", false, 500, "x",
	    true },
	{ OK "Content-Length: 2\r\n\r\n{}" OK "Content-Length: 1\r\n\r\nx",
	    false, 200, "{}", false },
	/* errors */
	{ NULL, true, 0, "", false },
	{ OK, true, 0, "", false },
	{ OK "Content-Length: 3\r\n\r\n{}", true, 0, "", false },
	{ OK "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", true, 0, "",
	    false },
	{ OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", false, 0, "", false },
	{ OK "Content-Length: 2000000\r\n\r\n{}", false, 0, "", false },
	{ OK "Content-Length: x\r\n\r\n{}", false, 0, "", false },
	{ "HTTP/1.1 101 Switching\r\n\r\n", false, 0, "", false },
	{ "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, 0, "", false },
};

START_TEST(client_meets)
{
	script_start();
	script_text = client_rows[_i].text;
	script_closes = client_rows[_i].closes;
	post("/", "x");
	ck_assert_int_eq(result.status, client_rows[_i].status);
	ck_assert_str_eq(result_body, client_rows[_i].body);
	ck_assert_int_eq(result_error[0] == '\0', result.status != 0);
	/* not what the clock does to all of them in the end */
	ck_assert_ptr_null(strstr(result_error, "in time"));
	post("/", "x");
	ck_assert_int_eq(result.status, client_rows[_i].status);
	ck_assert_int_eq(!result.fresh, client_rows[_i].reuse);
	c25_http_client_free(client);
}
END_TEST

static const struct {
	const char *text;
	const char *epoch;
} epoch_rows[] = {
	{ OK "Conn25-Epoch: e1\r\nContent-Length: 0\r\n\r\n", "e1" },
	{ OK "Content-Length: 0\r\n\r\n", "" },
	/* what an interim response says is not said of the answer */
	{ "HTTP/1.1 103 Hm\r\nConn25-Epoch: e0\r\n\r\n" OK
	    "Content-Length: 0\r\n\r\n", "" },
	{ "HTTP/1.1 103 Hm\r\nConn25-Epoch: e0\r\n\r\n" OK
	    "Conn25-Epoch: e1\r\nContent-Length: 0\r\n\r\n", "e1" },
};

START_TEST(client_reads_the_epoch)
{
	script_start();
	script_text = epoch_rows[_i].text;
	post("/", "x");
	ck_assert_int_eq(result.status, 200);
	ck_assert_str_eq(result.epoch, epoch_rows[_i].epoch);
	c25_http_client_free(client);
}
END_TEST

/* Closed while idle: the next request doesn't suffer from it. */
START_TEST(client_tries_again_when_it_was_closed_under_it)
{
	script_start();
	script_text = OK "Content-Length: 2\r\n\r\n{}";
	post("/", "x");
	ck_assert_int_eq(result.status, 200);
	c25_watch_close(script.watch);
	script.watch = NULL;
	post("/", "x");
	ck_assert_int_eq(result.status, 200);
	ck_assert(result.fresh);
	ck_assert_uint_eq(script_accepts, 2);
	/* but only once, and not on a new connection */
	script_text = NULL;
	post("/", "x");
	ck_assert_int_eq(result.status, 0);
	ck_assert_uint_eq(script_accepts, 3);
	c25_http_client_free(client);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, server, server_rows);
	ADD_ROWS(tc, server_in_pieces, server_rows);
	tcase_add_test(tc, a_thousand_on_one_connection);
	tcase_add_test(tc, who_does_not_read_is_not_read);
	ADD_ROWS(tc, long_answers, long_rows);
	tcase_add_test(tc, long_answers_end_with_their_reader);
	tcase_add_test(tc, who_reads_slowly_is_cut);
	tcase_add_test(tc, huge_heads_are_refused);
	tcase_add_test(tc, not_too_many_from_one_place);
	tcase_add_test(tc, each_has_a_turn);
	tcase_add_test(tc, requests_per_second);
	tcase_add_test(tc, room_for_those_who_are_known);
	tcase_add_test(tc, an_address_that_cannot_be);
	tcase_add_test(tc, unlisten_drops_connections);
	tcase_add_loop_test(tc, answered_later, 0, 2 * LATER_ROWS);
	tcase_add_test(tc, who_waits_is_not_read);
	tcase_add_test(tc, handled_in_pieces);
	tcase_add_loop_test(tc, gone_between_pieces, 0, 2);
	tcase_add_loop_test(tc, nobody_to_answer, 0, 2);
	tcase_add_test(tc, client_and_server);
	tcase_add_test(tc, client_finds_nobody);
	tcase_add_test(tc, client_is_freed_at_any_time);
	tcase_add_test(tc, client_of_a_name);
	tcase_add_test(tc, client_of_a_name_that_is_not_found);
	tcase_add_test(tc, client_of_a_name_where_nobody_is);
	tcase_add_test(tc, client_of_a_name_is_freed_while_it_is_looked_up);
	tcase_add_test(tc, client_outlives_the_loop);
	ADD_ROWS(tc, client_meets, client_rows);
	ADD_ROWS(tc, client_reads_the_epoch, epoch_rows);
	tcase_add_test(tc, client_tries_again_when_it_was_closed_under_it);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
