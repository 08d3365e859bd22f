/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP server; see http.h. Sockets are on the loop's epoll, the syntax is
 * in http1.c; here are connections, routes, answers and limits.
 */
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "http1.h"
#include "http_private.h"
#include "loop_private.h"

#define PER_SOURCE 64		/* connections from one address */
#define ACCEPT_AGAIN_MS 1000	/* after running out of file descriptors */
#define LINGER_MS 2000		/* reading on after the last answer */
#define READ_BYTES 65536	/* at once */
#define KEEP_BYTES 16384	/* memory that an idle connection keeps */
#define REPLY_MAX (256u << 20)	/* bytes of one answer */

enum phase {
	PHASE_IDLE,		/* nothing of a request is there */
	PHASE_HEAD,		/* part of a head is there */
	PHASE_BODY,		/* the head was let in */
	PHASE_LINGER,		/* done; what still comes is dropped, as
				 * closing at once would reset the connection
				 * under the answer */
};

/* One accepted connection. */
struct conn {
	struct c25_http_listener *listener;
	struct c25_watch *watch;
	struct c25_addr source;
	struct c25_addr local;
	uint64_t mark;			/* of the request, see http.h */
	struct conn *prev, *next;
	enum phase phase;
	uint64_t deadline_ms;
	const struct c25_http_route *route;
	struct c25_http1 *head;		/* of the request being read: the
					 * listener's, or own_head */
	struct c25_http1 *own_head;	/* when a body comes in pieces */
	struct c25_buf head_bytes;	/* what own_head points into */
	struct c25_chunk chunk;
	struct c25_buf in;		/* not used yet */
	struct c25_buf body;
	struct c25_buf out;		/* could not be sent yet */
	size_t out_sent;
	bool head_only;			/* HEAD: leave out the body */
	bool keep;			/* the connection, after this answer */
};

struct c25_http_listener {
	struct c25_loop *loop;
	struct c25_http_listen how;
	struct c25_watch *watch;
	struct c25_timer accept_again;
	uint16_t port;
	struct conn *conns;
	struct c25_timer sweep;		/* looks at deadlines */
	uint64_t sweep_ms;		/* when, if it is set */
	struct c25_http1 head;		/* of the request at hand */
	struct c25_http_reply reply;	/* reused: one request at a time */
	struct c25_buf out;		/* the bytes of an answer */
	uint64_t full_logged_ms;	/* for the rate limit */
	struct c25_http_listener *prev, *next;
	char read[READ_BYTES + 1];	/* what came; room for a NUL */
};

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
set_deadline(struct conn *c, uint64_t in_ms)
{
	struct c25_http_listener *l = c->listener;
	uint64_t now = now_ms();

	c->deadline_ms = now + in_ms;
	if (c25_timer_armed(&l->sweep) && l->sweep_ms <= c->deadline_ms)
		return;
	l->sweep_ms = c->deadline_ms;
	c25_timer_set(&l->sweep, in_ms);
}

static void
conn_free(struct conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->listener->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->listener->loop->connections--;
	c25_watch_close(c->watch);
	c25_buf_free(&c->head_bytes);
	c25_buf_free(&c->in);
	c25_buf_free(&c->body);
	c25_buf_free(&c->out);
	free(c->own_head);
	free(c);
}

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

static struct c25_http_reply *
reply_start(struct c25_http_listener *l)
{
	struct c25_http_reply *p = &l->reply;

	p->status = 200;
	p->type = "text/plain; charset=utf-8";
	c25_buf_clear(&p->body);
	c25_buf_clear(&p->headers);
	return p;
}

/* The Date header's value, made once a second. Ref: RFC 9110 6.6.1. */
static const char *
date(void)
{
	static char text[40];
	static time_t made;
	time_t now = time(NULL);
	struct tm tm;

	if (now != made && gmtime_r(&now, &tm) != NULL) {
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT",
			&tm);
		made = now;
	}
	return text;
}

/* Head and body of l->reply into l->out. */
static void
reply_format(struct c25_http_listener *l, const struct conn *c)
{
	struct c25_http_reply *p = &l->reply;
	struct c25_buf *out = &l->out;

	if (p->body.failed || p->headers.failed || p->body.len > REPLY_MAX) {
		c25_buf_clear(&p->headers);
		c25_buf_clear(&p->body);
		p->status = 500;
	}
	c25_buf_clear(out);
	c25_buf_format(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n"
		"Content-Type: %s\r\nContent-Length: %zu\r\n",
		p->status, c25_http1_reason(p->status), date(), p->type,
		p->body.len);
	c25_buf_add(out, p->headers.data, p->headers.len);
	if (c->keep)
		c25_buf_lit(out, "Connection: keep-alive\r\n\r\n");
	else
		c25_buf_lit(out, "Connection: close\r\n\r\n");
	if (!c->head_only)
		c25_buf_add(out, p->body.data, p->body.len);
}

/*
 * Send, and keep what doesn't fit into the socket; until that is gone,
 * nothing more is read. Returns: false when the connection is broken.
 */
static bool
conn_send(struct conn *c, const char *data, size_t len)
{
	ssize_t n = 0;

	if (c->out.len == 0) {
		n = send(c25_watch_fd(c->watch), data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n < 0)
			n = 0;
	}
	if ((size_t)n == len)
		return true;
	c25_buf_add(&c->out, data + n, len - (size_t)n);
	c25_watch_events(c->watch, C25_WRITE);
	set_deadline(c, C25_HTTP_REQUEST_S * 1000);
	return !c->out.failed;
}

/* No more requests from here. */
static void
conn_linger(struct conn *c)
{
	c->phase = PHASE_LINGER;
	c25_buf_clear(&c->in);
	if (c->out.len == 0)
		shutdown(c25_watch_fd(c->watch), SHUT_WR);
	set_deadline(c, LINGER_MS);
}

/* Send l->reply. Returns: false when the connection is to be dropped. */
static bool
reply_send(struct conn *c)
{
	struct c25_http_listener *l = c->listener;

	reply_format(l, c);
	if (l->out.failed || !conn_send(c, l->out.data, l->out.len))
		return false;
	if (l->out.size > READ_BYTES * 4)
		c25_buf_free(&l->out);
	if (l->reply.body.size > READ_BYTES * 4)
		c25_buf_free(&l->reply.body);
	if (c->body.size > KEEP_BYTES)
		c25_buf_free(&c->body);
	c25_buf_clear(&c->body);
	c->head = NULL;
	c->route = NULL;
	c->phase = PHASE_IDLE;
	if (!c->keep)
		conn_linger(c);
	else if (c->out.len == 0)
		set_deadline(c, C25_HTTP_IDLE_S * 1000);
	return true;
}

/* Refuse the request, whose body was not read. Returns: as reply_send() */
static bool
reply_refuse(struct conn *c)
{
	c->keep = false;
	return reply_send(c);
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
fail_too_large(struct conn *c)
{
	c25_http_fail(&c->listener->reply, 413,
		"body too large: at most %zu bytes", c->route->body_max);
}

/* Fills the reply if the request is refused by its head alone. */
static void
check_head(struct conn *c, int parsed)
{
	struct c25_http_listener *l = c->listener;
	struct c25_http_reply *p = reply_start(l);
	const struct c25_http1 *h = &l->head;
	struct c25_http_request q = { .source = c->source, .body = "",
		.local = c->local, .local_port = l->port, .mark = &c->mark,
		.head = c->head };

	c->keep = parsed > 0 && h->keep;
	c->head_only = parsed > 0 &&
		c25_http1_is(h->base + h->method, h->method_len, "HEAD");
	if (parsed < 0) {
		c25_http_fail(p, -parsed, "%s", parsed == -400 ?
			"this is not a well-formed HTTP request" :
			c25_http1_reason(-parsed));
		return;
	}
	c->mark = 0;
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

/* The body is complete: `body` has a NUL after it. */
static bool
on_request(struct conn *c, const char *body, size_t len)
{
	struct c25_http_request q = {
		.method = c->route->method,
		.path = c->route->path,
		.source = c->source,
		.body = body,
		.body_len = len,
		.local = c->local,
		.local_port = c->listener->port,
		.mark = &c->mark,
		.head = c->head,
	};

	c->route->handle(c->listener->how.ctx, &q, reply_start(c->listener));
	return reply_send(c);
}

/* The head must outlast the bytes it was read from. */
static bool
save_head(struct conn *c, size_t len)
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

/*
 * Look for a head at the start of `data`. Returns: bytes used (0: there is
 * more to come), or -1: drop the connection.
 */
static ssize_t
take_head(struct conn *c, char *data, size_t len)
{
	struct c25_http1 *h = &c->listener->head;
	int n = c25_http1_request(h, data, len);
	size_t end, body_len;
	char after;
	bool ok;

	if (n == 0) {
		if (c->phase == PHASE_IDLE)
			set_deadline(c, C25_HTTP_REQUEST_S * 1000);
		c->phase = PHASE_HEAD;
		return 0;
	}
	c->head = h;
	check_head(c, n);
	if (c->listener->reply.status != 200) {
		if (n > 0 && h->length == 0)
			return reply_send(c) ? n : -1;
		return reply_refuse(c) ? (ssize_t)len : -1;
	}
	body_len = h->length > 0 ? (size_t)h->length : 0;
	end = (size_t)n + body_len;
	if (h->length >= 0 && end <= len) {
		after = data[end];
		data[end] = '\0';
		ok = on_request(c, data + n, body_len);
		data[end] = after;
		return ok ? (ssize_t)end : -1;
	}
	if (!save_head(c, (size_t)n - (size_t)(h->base - data)))
		return -1;
	memset(&c->chunk, 0, sizeof(c->chunk));
	if (c->phase == PHASE_IDLE)
		set_deadline(c, C25_HTTP_REQUEST_S * 1000);
	c->phase = PHASE_BODY;
	if (h->expect && end != len && !conn_send(c,
	    "HTTP/1.1 100 Continue\r\n\r\n", 25))
		return -1;
	return n;
}

/* Some of a body. Returns: as take_head(). */
static ssize_t
take_body(struct conn *c, const char *data, size_t len)
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
		return on_request(c, c->body.data, c->body.len) ? n : -1;
	}
	n = c25_chunk_feed(&c->chunk, data, len, &c->body, max);
	if (n >= 0 && c->chunk.state != C25_CHUNK_DONE)
		return n;
	if (n >= 0)
		return on_request(c, c->body.len != 0 ? c->body.data : "",
			c->body.len) ? n : -1;
	reply_start(c->listener);
	if (n == -E2BIG)
		fail_too_large(c);
	else if (n == -EINVAL)
		c25_http_fail(&c->listener->reply, 400,
			"the body is not in chunked coding");
	else
		return -1;
	return reply_refuse(c) ? (ssize_t)len : -1;
}

/*
 * Use up what is there, request by request, unless answers pile up. `data`
 * has room for a NUL. Returns: bytes used, or -1: drop the connection.
 */
static ssize_t
take(struct conn *c, char *data, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len && c->out.len == 0) {
		if (c->phase == PHASE_LINGER)
			return (ssize_t)len;
		if (c->phase == PHASE_BODY)
			n = take_body(c, data + at, len - at);
		else
			n = take_head(c, data + at, len - at);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

/* Use what was kept. Returns: false: drop the connection. */
static bool
take_kept(struct conn *c)
{
	ssize_t n;

	if (c->in.len == 0)
		return true;
	n = take(c, c->in.data, c->in.len);
	if (n < 0)
		return false;
	if (c->phase == PHASE_LINGER)
		return true;
	c->in.len -= (size_t)n;
	memmove(c->in.data, c->in.data + n, c->in.len);
	if (c->in.len == 0 && c->in.size > KEEP_BYTES)
		c25_buf_free(&c->in);
	return true;
}

/* Returns: false: drop the connection. */
static bool
on_readable(struct conn *c)
{
	struct c25_http_listener *l = c->listener;
	ssize_t len = recv(c25_watch_fd(c->watch), l->read, READ_BYTES, 0);
	ssize_t n;

	if (len < 0)
		return errno == EAGAIN || errno == EINTR;
	if (len == 0)
		return false;
	if (c->phase == PHASE_LINGER)
		return true;
	if (c->in.len != 0) {
		c25_buf_add(&c->in, l->read, (size_t)len);
		return !c->in.failed && take_kept(c);
	}
	n = take(c, l->read, (size_t)len);
	if (n < 0)
		return false;
	if (n < len && c->phase != PHASE_LINGER)
		c25_buf_add(&c->in, l->read + n, (size_t)(len - n));
	return !c->in.failed;
}

/* Returns: false: drop the connection. */
static bool
on_writable(struct conn *c)
{
	ssize_t n = send(c25_watch_fd(c->watch), c->out.data + c->out_sent,
		c->out.len - c->out_sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_sent += (size_t)n;
	set_deadline(c, C25_HTTP_REQUEST_S * 1000);
	if (c->out_sent < c->out.len)
		return true;
	c->out_sent = 0;
	c25_buf_free(&c->out);
	c25_watch_events(c->watch, C25_READ);
	if (c->phase == PHASE_LINGER) {
		conn_linger(c);
		return true;
	}
	if (c->phase == PHASE_IDLE)
		set_deadline(c, C25_HTTP_IDLE_S * 1000);
	return take_kept(c);
}

static void
on_event(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct conn *c = ctx;
	bool ok = true;

	if (events & C25_WRITE)
		ok = on_writable(c);
	else if (events & C25_READ)
		ok = on_readable(c);
	else
		ok = false;
	if (!ok)
		conn_free(c);
}

/* A deadline has passed. Returns: false: drop the connection. */
static bool
on_deadline(struct conn *c)
{
	if (c->out.len != 0 || c->phase == PHASE_IDLE ||
	    c->phase == PHASE_LINGER)
		return false;
	c25_http_fail(reply_start(c->listener), 408,
		"the request was not complete after %d seconds",
		C25_HTTP_REQUEST_S);
	return reply_refuse(c);
}

static void
sweep(void *ctx)
{
	struct c25_http_listener *l = ctx;
	uint64_t now = now_ms(), due = 0;
	struct conn *c, *next;

	for (c = l->conns; c != NULL; c = next) {
		next = c->next;
		if (now >= c->deadline_ms && !on_deadline(c)) {
			conn_free(c);
			continue;
		}
		if (due == 0 || c->deadline_ms < due)
			due = c->deadline_ms;
	}
	if (due == 0)
		return;
	l->sweep_ms = due;
	c25_timer_set(&l->sweep, due > now ? due - now : 0);
}

/* ---- listening ---------------------------------------------------------- */

/* May one more connection from there come in? */
static bool
has_room(struct c25_http_listener *l, const struct c25_addr *source)
{
	uint64_t now = now_ms();
	unsigned same = 0;

	for (const struct conn *c = l->conns; c != NULL; c = c->next)
		same += c25_addr_eq(&c->source, source);
	if (l->loop->connections < C25_HTTP_CONNECTIONS_MAX &&
	    same < PER_SOURCE)
		return true;
	if (l->full_logged_ms == 0 || now - l->full_logged_ms >= 60000) {
		char text[C25_ADDR_TEXT_MAX];

		l->full_logged_ms = now;
		c25_log(C25_LOG_ERROR, "%s: connection from %s dropped: "
			"%u connections are open, %u from there",
			l->how.name, c25_addr_format(source, text),
			l->loop->connections, same);
	}
	return false;
}

/* Which of our addresses a connection came to. */
static struct c25_addr
local_of(int fd)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(sa);

	(void)getsockname(fd, (struct sockaddr *)&sa, &len);
	return c25_http_addr_of(&sa);
}

static void
conn_new(struct c25_http_listener *l, int fd, const struct c25_addr *source)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (c == NULL || c25_loop_watch(l->loop, fd, C25_READ, on_event, c,
	    &c->watch) != 0) {
		free(c);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->listener = l;
	c->source = *source;
	c->local = local_of(fd);
	c->next = l->conns;
	if (c->next != NULL)
		c->next->prev = c;
	l->conns = c;
	l->loop->connections++;
	set_deadline(c, C25_HTTP_REQUEST_S * 1000);
}

static void
accept_again(void *ctx)
{
	struct c25_http_listener *l = ctx;

	c25_watch_events(l->watch, C25_READ);
}

/* What can't be accepted would wake us up again and again. */
static void
accept_failed(struct c25_http_listener *l, int error)
{
	if (error == EAGAIN || error == EINTR || error == ECONNABORTED)
		return;
	c25_log(C25_LOG_ERROR, "%s: can't accept: %s: trying again in a "
		"second", l->how.name, strerror(error));
	c25_watch_events(l->watch, 0);
	c25_timer_set(&l->accept_again, ACCEPT_AGAIN_MS);
}

static void
on_accept(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_http_listener *l = ctx;

	for (int i = 0; i < 64; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct c25_addr source;
		int s = accept4(fd, (struct sockaddr *)&sa, &len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (s < 0) {
			accept_failed(l, errno);
			return;
		}
		source = c25_http_addr_of(&sa);
		if (has_room(l, &source))
			conn_new(l, s, &source);
		else
			close(s);
	}
}

int
c25_http_listen(struct c25_loop *loop, const struct c25_http_listen *how,
	struct c25_http_listener **out, struct c25_error *err)
{
	struct c25_http_listener *l = calloc(1, sizeof(*l));
	int fd, r;

	if (l == NULL)
		return c25_fail(err, -ENOMEM, "%s: out of memory", how->name);
	l->loop = loop;
	l->how = *how;
	c25_timer_init(&l->sweep, loop, sweep, l);
	c25_timer_init(&l->accept_again, loop, accept_again, l);
	fd = c25_http_open(how, &l->port, err);
	if (fd < 0) {
		free(l);
		return fd;
	}
	r = c25_loop_watch(loop, fd, C25_READ, on_accept, l, &l->watch);
	if (r != 0) {
		close(fd);
		free(l);
		return c25_fail(err, r, "%s: %s", how->name, strerror(-r));
	}
	l->next = loop->listeners;
	if (l->next != NULL)
		l->next->prev = l;
	loop->listeners = l;
	*out = l;
	return 0;
}

void
c25_http_unlisten(struct c25_http_listener *l)
{
	if (l == NULL)
		return;
	c25_watch_close(l->watch);
	while (l->conns != NULL)
		conn_free(l->conns);
	c25_timer_stop(&l->sweep);
	c25_timer_stop(&l->accept_again);
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		l->loop->listeners = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	c25_buf_free(&l->reply.body);
	c25_buf_free(&l->reply.headers);
	c25_buf_free(&l->out);
	free(l);
}

void
c25_http_listeners_free(struct c25_loop *loop)
{
	while (loop->listeners != NULL)
		c25_http_unlisten(loop->listeners);
}

uint16_t
c25_http_port(const struct c25_http_listener *l)
{
	return l->port;
}
