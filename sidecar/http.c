/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP server's requests; see http.h. The syntax is in http1.c, the bytes
 * come and go in http_conn.c; here are routes, answers and what a request may
 * be.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http1.h"
#include "http_private.h"

/* ---- answers ------------------------------------------------------------- */

void
c25_http_fail(struct c25_http_reply *p, int status, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	p->status = status;
	p->type = "text/plain; charset=utf-8";
	c25_buf_clear(&p->body);
	c25_buf_str(&p->body, text);
	c25_buf_lit(&p->body, "\n");
}

void
c25_http_reply_header(struct c25_http_reply *p, const char *name,
	const char *value)
{
	c25_buf_str(&p->headers, name);
	c25_buf_lit(&p->headers, ": ");
	c25_buf_str(&p->headers, value);
	c25_buf_lit(&p->headers, "\r\n");
}

struct c25_http_reply *
c25_http_reply_start(struct c25_http_listener *l)
{
	struct c25_http_reply *p = &l->reply;

	p->status = 200;
	p->type = "text/plain; charset=utf-8";
	c25_buf_clear(&p->body);
	c25_buf_clear(&p->headers);
	p->more.next = NULL;
	return p;
}

bool
c25_http_refuse(struct c25_http_conn *c)
{
	c->keep = false;
	return c25_http_reply_send(c);
}

/* ---- requests ------------------------------------------------------------ */

int
c25_http_request_header(const struct c25_http_request *q, const char *name,
	char *out, size_t size)
{
	const char *value;
	int len = c25_http1_get(q->head, name, &value);

	if (len < 0)
		return len;
	if ((size_t)len >= size)
		return -ENOSPC;
	memcpy(out, value, (size_t)len);
	out[len] = '\0';
	return len;
}

/*
 * The route of a head, HEAD being a GET. Returns: NULL with the reply filled.
 */
static const struct c25_http_route *
find_route(struct c25_http_listener *l, const struct c25_http1 *h, bool head)
{
	const char *path = h->base + h->path;
	const char *method = h->base + h->method;
	char allow[64] = "";

	for (size_t i = 0; i < l->how.route_count; i++) {
		const struct c25_http_route *r = &l->how.routes[i];

		if (!c25_http1_is(path, h->path_len, r->path))
			continue;
		if (c25_http1_is(method, h->method_len, r->method) ||
		    (head && strcmp(r->method, "GET") == 0))
			return r;
		snprintf(allow + strlen(allow), sizeof(allow) -
			strlen(allow), "%s%s", allow[0] ? ", " : "",
			strcmp(r->method, "GET") == 0 ? "GET, HEAD" :
			r->method);
	}
	if (allow[0] == '\0') {
		c25_http_fail(&l->reply, 404, "no such page");
	} else {
		c25_http_fail(&l->reply, 405, "method not allowed: use %s",
			allow);
		c25_http_reply_header(&l->reply, "Allow", allow);
	}
	return NULL;
}

static void
fail_too_large(struct c25_http_conn *c)
{
	c25_http_fail(&c->listener->reply, 413,
		"body too large: at most %zu bytes", c->route->body_max);
}

/* Browsers say where a request comes from; ours never do. */
static bool
from_browser(const struct c25_http1 *h)
{
	const char *value;

	return c25_http1_get(h, "origin", &value) >= 0 ||
		c25_http1_get(h, "sec-fetch-site", &value) >= 0;
}

/* Fills the reply if there are too many of these. */
static bool
too_many(struct c25_http_conn *c)
{
	struct c25_http_listener *l = c->listener;
	unsigned wait = c25_http_rate(l, c->from->turn);
	char text[16];

	if (wait == 0)
		return false;
	c25_http_fail(&l->reply, 429, "too many requests: at most %u a "
		"second are answered: try again in %u s",
		l->how.limits.requests_per_second, wait);
	(void)snprintf(text, sizeof(text), "%u", wait);
	c25_http_reply_header(&l->reply, "Retry-After", text);
	return true;
}

/* Fills the reply if the request is refused by its head alone. */
static void
check_head(struct c25_http_conn *c, int parsed)
{
	struct c25_http_listener *l = c->listener;
	struct c25_http_reply *p = c25_http_reply_start(l);
	const struct c25_http1 *h = &l->head;
	struct c25_http_request q = { .source = c->source, .body = "",
		.local = c->local, .local_port = l->port,
		.tls = l->how.tls != NULL, .mark = &c->mark,
		.head = c->head };

	c->keep = parsed > 0 && h->keep;
	c->head_only = parsed > 0 &&
		c25_http1_is(h->base + h->method, h->method_len, "HEAD");
	c->chunks = parsed > 0 && h->chunks;
	if (parsed < 0) {
		c25_http_fail(p, -parsed, "%s", parsed == -400 ?
			"this is not a well-formed HTTP request" :
			c25_http1_reason(-parsed));
		return;
	}
	c->mark = 0;
	if (from_browser(h)) {
		c25_http_fail(p, 403, "browsers are not served: use a program "
			"such as curl");
		return;
	}
	if (too_many(c))
		return;
	c->route = find_route(l, h, c->head_only);
	if (c->route == NULL)
		return;
	q.method = c->route->method;
	q.path = c->route->path;
	if (c->route->admit != NULL)
		c->route->admit(l->how.ctx, &q, p);
	if (p->status == 200 && h->length > (int64_t)c->route->body_max)
		fail_too_large(c);
}

/* The head must outlast the bytes it was read from. */
static bool
save_head(struct c25_http_conn *c, size_t len)
{
	const struct c25_http1 *h = &c->listener->head;

	if (c->own_head == NULL)
		c->own_head = malloc(sizeof(*c->own_head));
	c25_buf_clear(&c->head_bytes);
	c25_buf_add(&c->head_bytes, h->base, len);
	if (c->own_head == NULL || c->head_bytes.failed)
		return false;
	*c->own_head = *h;
	c->own_head->base = c->head_bytes.data;
	c->head = c->own_head;
	return true;
}

/* The request is answered later: it must outlast the bytes it was read from.
 * Returns: false: drop the connection. */
static bool
wait_start(struct c25_http_conn *c, const char *body, size_t len)
{
	if (c->head != c->own_head &&
	    !save_head(c, (size_t)(body - c->head->base)))
		return false;
	if (body != c->body.data) {
		c25_buf_clear(&c->body);
		c25_buf_add(&c->body, body, len);
	}
	c->phase = C25_PHASE_WAIT;
	c25_http_deadline(c, C25_HTTP_LATER_S * 1000);
	return !c->body.failed;
}

/* The body is complete: `body` has a NUL after it. */
static bool
on_request(struct c25_http_conn *c, const char *body, size_t len, bool again)
{
	struct c25_http_request q = {
		.method = c->route->method,
		.path = c->route->path,
		.source = c->source,
		.body = body,
		.body_len = len,
		.local = c->local,
		.local_port = c->listener->port,
		.tls = c->listener->how.tls != NULL,
		.mark = &c->mark,
		.state = &c->state,
		.head = c->head,
		.again = again,
		.conn = c,
	};

	c->route->handle(c->listener->how.ctx, &q,
		c25_http_reply_start(c->listener));
	return c->later != NULL || c->resumed ? wait_start(c, body, len) :
		c25_http_reply_send(c);
}

struct c25_http_later *
c25_http_defer(const struct c25_http_request *q)
{
	struct c25_http_later *later;
	struct c25_http_conn *c = q->conn;

	if (c == NULL || (later = malloc(sizeof(*later))) == NULL)
		return NULL;
	later->conn = c;
	c->later = later;
	return later;
}

void
c25_http_resume(struct c25_http_later *later)
{
	struct c25_http_conn *c = later->conn;

	free(later);
	if (c == NULL)
		return;
	c->later = NULL;
	c->resumed = true;
	c25_http_await(c);
}

bool
c25_http_time_left(const struct c25_http_request *q)
{
	struct c25_http_conn *c = q->conn;

	return c == NULL || c25_http_turn_left(c->listener, c->from->turn);
}

bool
c25_http_again(struct c25_http_conn *c)
{
	c->resumed = false;
	c->phase = C25_PHASE_BODY;
	return on_request(c, c->body.len != 0 ? c->body.data : "",
		c->body.len, true);
}

/*
 * Look for a head at the start of `data`. Returns: bytes used (0: there is
 * more to come), or -1: drop the connection.
 */
static ssize_t
take_head(struct c25_http_conn *c, char *data, size_t len)
{
	struct c25_http1 *h = &c->listener->head;
	int n = c25_http1_request(h, data, len);
	size_t end, body_len;
	char after;
	bool ok;

	if (n == 0) {
		if (c->phase == C25_PHASE_IDLE)
			c25_http_deadline(c, c25_http_request_ms(c));
		c->phase = C25_PHASE_HEAD;
		return 0;
	}
	c->head = h;
	check_head(c, n);
	body_len = n > 0 && h->length > 0 ? (size_t)h->length : 0;
	end = (n > 0 ? (size_t)n : 0) + body_len;
	if (c->listener->reply.status != 200) {
		if (n > 0 && h->length >= 0 && end <= len)
			return c25_http_reply_send(c) ? (ssize_t)end : -1;
		return c25_http_refuse(c) ? (ssize_t)len : -1;
	}
	if (h->length >= 0 && end <= len) {
		after = data[end];
		data[end] = '\0';
		ok = on_request(c, data + n, body_len, false);
		data[end] = after;
		return ok ? (ssize_t)end : -1;
	}
	if (!save_head(c, (size_t)n - (size_t)(h->base - data)))
		return -1;
	memset(&c->chunk, 0, sizeof(c->chunk));
	if (c->phase == C25_PHASE_IDLE)
		c25_http_deadline(c, c25_http_request_ms(c));
	c->phase = C25_PHASE_BODY;
	if (h->expect && end != len && !c25_http_send(c,
	    "HTTP/1.1 100 Continue\r\n\r\n", 25))
		return -1;
	return n;
}

/* Some of a body. Returns: as take_head(). */
static ssize_t
take_body(struct c25_http_conn *c, const char *data, size_t len)
{
	size_t max = c->route->body_max;
	size_t want;
	ssize_t n;

	if (c->head->length >= 0) {
		want = (size_t)c->head->length - c->body.len;
		n = (ssize_t)(len < want ? len : want);
		c25_buf_add(&c->body, data, (size_t)n);
		if (c->body.failed)
			return -1;
		if ((size_t)n < want)
			return n;
		return on_request(c, c->body.data, c->body.len, false) ?
			n : -1;
	}
	n = c25_chunk_feed(&c->chunk, data, len, &c->body, max);
	if (n >= 0 && c->chunk.state != C25_CHUNK_DONE)
		return n;
	if (n >= 0)
		return on_request(c, c->body.len != 0 ? c->body.data : "",
			c->body.len, false) ? n : -1;
	c25_http_reply_start(c->listener);
	if (n == -E2BIG)
		fail_too_large(c);
	else if (n == -EINVAL)
		c25_http_fail(&c->listener->reply, 400,
			"the body is not in chunked coding");
	else
		return -1;
	return c25_http_refuse(c) ? (ssize_t)len : -1;
}

ssize_t
c25_http_take(struct c25_http_conn *c, char *data, size_t len)
{
	size_t at = 0;
	ssize_t n;

	c->turn_over = false;
	while (at < len && c->out.len == 0 && c->more.next == NULL &&
	    c->phase != C25_PHASE_WAIT) {
		if (c->phase == C25_PHASE_LINGER)
			return (ssize_t)len;
		if (c->phase == C25_PHASE_BODY)
			n = take_body(c, data + at, len - at);
		else
			n = take_head(c, data + at, len - at);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		at += (size_t)n;
		if (at < len && c->phase != C25_PHASE_WAIT &&
		    !c25_http_turn_left(c->listener, c->from->turn)) {
			c->turn_over = true;
			break;
		}
	}
	return (ssize_t)at;
}
