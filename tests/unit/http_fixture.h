/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of HTTP over loopback: a server with a route for whatever a test is
 * about, and raw sockets that play the other end. Everything is in one loop.
 *
 *	raw_connect(&r, HELLO, strlen(HELLO));
 *	while (count(&r.in, "hello") == 0)
 *		once();				fails when nothing comes
 *	raw_free(&r);
 */
#ifndef CONN25_TESTS_HTTP_FIXTURE_H
#define CONN25_TESTS_HTTP_FIXTURE_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "conn25/table.h"
#include "sidecar/http.h"

static struct c25_loop *loop;
static struct c25_http_listener *listener;
static struct c25_timer guard;
static bool too_late;
static unsigned handled;

/* ---- the server --------------------------------------------------------- */

static inline void
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

static inline void
deny(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	c25_http_fail(p, 403, "not you");
}

static inline void
big(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	handled++;
	for (int i = 0; i < 100000; i++)
		c25_buf_format(&p->body, "%099d\n", i);
}

/* Takes longer than a turn. */
static inline void
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
static inline void
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

static inline void
resume(void)
{
	struct c25_http_later *l = later;

	later = NULL;
	c25_http_resume(l);
}

/* Takes BITS turns, each to its end. */
#define BITS 50
static unsigned bits, bits_gone;

static inline void
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

static inline void
bit_gone(void *ctx, void *state)
{
	ck_assert_ptr_eq(ctx, &loop);
	free(state);
	bits_gone++;
}

/* A long answer: ten pieces, with rounds between them that add nothing. */
static unsigned pieces, ended;
static bool breaks;			/* memory runs out after half of it */

static inline bool
long_next(void *state, struct c25_buf *out)
{
	ck_assert_ptr_eq(state, &pieces);
	if (pieces++ % 2 == 0)
		return true;
	out->failed = breaks && pieces > 10;
	c25_buf_format(out, "%0999u\n", pieces / 2);
	return pieces < 20;
}

static inline void
long_done(void *state)
{
	ck_assert_ptr_eq(state, &pieces);
	ended++;
}

static inline void
long_one(void *ctx, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	pieces = 0;
	p->more = (struct c25_http_more){ long_next, long_done, &pieces };
}

/* More than there are buffers for, and a long one after it. */
static inline void
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

static inline struct c25_http_listen
how(const char *text, uint16_t port)
{
	struct c25_http_listen h = { .name = "listen.test", .port = port,
		.routes = routes, .ctx = &loop,
		.route_count = sizeof(routes) / sizeof(*routes) };

	ck_assert_int_eq(c25_addr_parse(&h.addr, text, strlen(text)), 0);
	return h;
}

static inline void
on_guard(void *ctx)
{
	too_late = true;
}

static inline void
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

static inline void
teardown(void)
{
	c25_timer_stop(&guard);
	c25_http_unlisten(listener);
	c25_loop_free(loop);
}

static inline void
once(void)
{
	ck_assert_int_eq(c25_loop_once(loop, true), 0);
	ck_assert_msg(!too_late, "nothing happens");
}

/* The loop has seen all there is. */
static inline void
settle(void)
{
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(c25_loop_once(loop, false), 0);
}

/* ---- a raw other end ---------------------------------------------------- */

#define OTHER (INADDR_LOOPBACK + 1)
#define ECHO "POST /echo HTTP/1.1\r\nHost: x\r\n"
#define HELLO ECHO "Content-Length: 5\r\n\r\nhello"

struct raw {
	struct c25_watch *watch;
	struct c25_buf in;	/* what came */
	bool closed;
	const char *out;	/* to be sent */
	size_t len;
};

static inline void
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

static inline void
raw_watch(struct raw *r, int fd, const char *out, size_t len)
{
	r->out = out;
	r->len = len;
	ck_assert_int_eq(c25_loop_watch(loop, fd, C25_READ |
	    (len != 0 ? C25_WRITE : 0), on_raw, r, &r->watch), 0);
}

static inline void
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

static inline void
raw_connect(struct raw *r, const char *out, size_t len)
{
	raw_connect_from(r, INADDR_LOOPBACK, out, len);
}

static inline void
raw_send(struct raw *r, const char *out, size_t len)
{
	r->out = out;
	r->len = len;
	c25_watch_events(r->watch, C25_READ | C25_WRITE);
}

static inline void
raw_free(struct raw *r)
{
	c25_watch_close(r->watch);
	c25_buf_free(&r->in);
}

static inline unsigned
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

#endif
