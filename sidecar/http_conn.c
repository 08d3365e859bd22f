/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP server's connections: bytes in and out, and what is late. What they
 * mean is told by http.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "http_private.h"
#include "loop_private.h"

#define SWEEP_MS 100		/* between two looks at all deadlines */
#define LINGER_MS 2000		/* reading on after the last answer */
#define KEEP_BYTES 16384	/* memory that an idle connection keeps */
#define REPLY_MAX (256u << 20)	/* bytes of one answer */
#define SEND_BYTES_PER_S 65536	/* who takes an answer slower is cut */

void
c25_http_deadline(struct c25_http_conn *c, uint64_t in_ms)
{
	struct c25_http_listener *l = c->listener;
	uint64_t now = c25_now_ms();

	c->deadline_ms = now + in_ms;
	if (c25_timer_armed(&l->sweep) && l->sweep_ms <= c->deadline_ms)
		return;
	l->sweep_ms = c->deadline_ms;
	c25_timer_set(&l->sweep, in_ms);
}

/* The long answer is over, in whatever way. */
static void
more_end(struct c25_http_conn *c)
{
	if (c->more.next != NULL)
		c->more.done(c->more.state);
	c->more.next = NULL;
}

void
c25_http_conn_free(struct c25_http_conn *c)
{
	more_end(c);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->listener->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c25_http_source_leave(c->listener, c->from);
	if (c->later != NULL)
		c->later->conn = NULL;
	if (c->state != NULL)
		c->route->gone(c->listener->how.ctx, c->state);
	c25_watch_close(c->watch);
	c25_tls_free(c->tls);
	c25_buf_free(&c->head_bytes);
	c25_buf_free(&c->in);
	c25_buf_free(&c->body);
	c25_buf_free(&c->out);
	free(c->own_head);
	free(c);
}

/* ---- answers ------------------------------------------------------------- */

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
reply_format(struct c25_http_listener *l, const struct c25_http_conn *c)
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
		"Content-Type: %s\r\n", p->status,
		c25_http1_reason(p->status), date(), p->type);
	if (p->more.next == NULL)
		c25_buf_format(out, "Content-Length: %zu\r\n", p->body.len);
	else if (c->chunks)
		c25_buf_lit(out, "Transfer-Encoding: chunked\r\n");
	c25_buf_add(out, p->headers.data, p->headers.len);
	if (c->keep)
		c25_buf_lit(out, "Connection: keep-alive\r\n\r\n");
	else
		c25_buf_lit(out, "Connection: close\r\n\r\n");
	if (!c->head_only)
		c25_buf_add(out, p->body.data, p->body.len);
}

/* Bytes to the network, or to where they wait. Returns: false: broken. */
static bool
put(struct c25_http_conn *c, const char *data, size_t len)
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
	/* for all of it: a byte now and then would keep it for ever */
	c25_http_deadline(c, c25_http_request_ms(c) +
		(uint64_t)c->out.len * 1000 / SEND_BYTES_PER_S);
	return !c->out.failed;
}

/* What TLS has to say, if anything. Returns: false: broken. */
static bool
put_tls(struct c25_http_conn *c)
{
	struct c25_buf *b = &c->listener->cipher;
	bool ok;

	c25_buf_clear(b);
	c25_tls_out(c->tls, b);
	ok = !b->failed && (b->len == 0 || put(c, b->data, b->len));
	if (b->size > C25_HTTP_READ_BYTES * 4)
		c25_buf_free(b);
	return ok;
}

bool
c25_http_send(struct c25_http_conn *c, const char *data, size_t len)
{
	if (c->tls == NULL)
		return put(c, data, len);
	return c25_tls_write(c->tls, data, len) == 0 && put_tls(c);
}

/* No more requests from here. */
static void
conn_linger(struct c25_http_conn *c)
{
	c->phase = C25_PHASE_LINGER;
	c->turn_over = false;
	c25_buf_clear(&c->in);
	if (c->tls != NULL) {
		c25_tls_close(c->tls);
		(void)put_tls(c);
	}
	if (c->out.len != 0)
		return;		/* comes again when that is out */
	shutdown(c25_watch_fd(c->watch), SHUT_WR);
	c25_http_deadline(c, LINGER_MS);
}

/* The answer is out, or waits to be. */
static void
reply_sent(struct c25_http_conn *c)
{
	if (!c->keep)
		conn_linger(c);
	else if (c->out.len == 0)
		c25_http_deadline(c, C25_HTTP_IDLE_S * 1000);
}

bool
c25_http_reply_send(struct c25_http_conn *c)
{
	struct c25_http_listener *l = c->listener;

	c->more = l->reply.more;
	if (c->more.next != NULL && !c->chunks)
		c->keep = false;	/* its end is the connection's */
	reply_format(l, c);
	if (l->out.failed || !c25_http_send(c, l->out.data, l->out.len))
		return false;
	if (c->head_only)
		more_end(c);
	if (l->out.size > C25_HTTP_READ_BYTES * 4)
		c25_buf_free(&l->out);
	if (l->reply.body.size > C25_HTTP_READ_BYTES * 4)
		c25_buf_free(&l->reply.body);
	if (c->body.size > KEEP_BYTES)
		c25_buf_free(&c->body);
	c25_buf_clear(&c->body);
	c->head = NULL;
	c->route = NULL;
	c->phase = C25_PHASE_IDLE;
	if (c->more.next == NULL)
		reply_sent(c);
	return true;
}

/* The next piece of a long answer; nothing waits to be sent. Returns: false:
 * drop the connection. */
static bool
more_send(struct c25_http_conn *c)
{
	struct c25_http_listener *l = c->listener;
	struct c25_buf *piece = &c25_http_reply_start(l)->body;
	bool again = c->more.next(c->more.state, piece);

	if (piece->failed)
		return false;
	c25_buf_clear(&l->out);
	if (piece->len > 0 && c->chunks)
		c25_buf_format(&l->out, "%zx\r\n", piece->len);
	c25_buf_add(&l->out, piece->data, piece->len);
	if (piece->len > 0 && c->chunks)
		c25_buf_lit(&l->out, "\r\n");
	if (!again && c->chunks)
		c25_buf_lit(&l->out, "0\r\n\r\n");
	if (l->out.failed || (l->out.len > 0 &&
	    !c25_http_send(c, l->out.data, l->out.len)))
		return false;
	if (c->out.len == 0)
		c25_http_deadline(c, c25_http_request_ms(c));
	if (!again) {
		more_end(c);
		reply_sent(c);
	}
	return true;
}

/* ---- events -------------------------------------------------------------- */

/* Use what was kept. Returns: false: drop the connection. */
static bool
take_kept(struct c25_http_conn *c)
{
	ssize_t n;

	if (c->in.len == 0)
		return true;
	n = c25_http_take(c, c->in.data, c->in.len);
	if (n < 0)
		return false;
	if (c->phase == C25_PHASE_LINGER)
		return true;
	c->in.len -= (size_t)n;
	memmove(c->in.data, c->in.data + n, c->in.len);
	if (c->in.len == 0 && c->in.size > KEEP_BYTES)
		c25_buf_free(&c->in);
	return true;
}

/* Use what came, which has room for a NUL. Returns: false: drop the
 * connection. */
static bool
use(struct c25_http_conn *c, char *data, size_t len)
{
	ssize_t n;

	if (c->in.len != 0) {
		c25_buf_add(&c->in, data, len);
		return !c->in.failed && take_kept(c);
	}
	n = c25_http_take(c, data, len);
	if (n < 0)
		return false;
	if ((size_t)n < len && c->phase != C25_PHASE_LINGER)
		c25_buf_add(&c->in, data + n, len - (size_t)n);
	return !c->in.failed;
}

/* Decrypt and use what there is, unless answers pile up or the turn is over.
 * Returns: false: drop the connection. */
static bool
use_tls(struct c25_http_conn *c)
{
	struct c25_http_listener *l = c->listener;
	ssize_t n = 1;

	while (n > 0 && c->out.len == 0 && !c->turn_over &&
	    c->more.next == NULL && c->phase != C25_PHASE_WAIT &&
	    c->phase != C25_PHASE_LINGER) {
		if (!c25_http_turn_left(l, c->from->turn)) {
			c->turn_over = true;
			break;
		}
		n = c25_tls_read(c->tls, l->plain, sizeof(l->plain) - 1);
		if (n < 0 || (n > 0 && !use(c, l->plain, (size_t)n)))
			return false;
	}
	return put_tls(c);
}

/* Whoever writes http:// where https:// is meant should read why. */
static bool
refuse_plain(struct c25_http_conn *c)
{
	c25_tls_free(c->tls);
	c->tls = NULL;
	c25_http_fail(c25_http_reply_start(c->listener), 400, "%s speaks "
		"https: write https:// in the url", c->listener->how.name);
	return c25_http_refuse(c);
}

/* Returns: false: drop the connection. */
static bool
on_cipher(struct c25_http_conn *c, const char *data, size_t len)
{
	char text[C25_ADDR_TEXT_MAX];

	/* a method, not the handshake's record */
	if (!c->begun && data[0] >= 'A' && data[0] <= 'Z')
		return refuse_plain(c);
	c->begun = true;
	if (c25_tls_step(c->tls, data, len) != 0) {
		(void)put_tls(c);	/* the alert */
		c25_log(C25_LOG_DETAIL, "%s: %s: %s", c->listener->how.name,
			c25_addr_format(&c->source, text),
			c25_tls_error(c->tls));
		return false;
	}
	return c25_tls_ready(c->tls) ? use_tls(c) : put_tls(c);
}

/* Returns: false: drop the connection. */
static bool
on_readable(struct c25_http_conn *c)
{
	struct c25_http_listener *l = c->listener;
	ssize_t len = recv(c25_watch_fd(c->watch), l->read,
		C25_HTTP_READ_BYTES, 0);

	if (len < 0)
		return errno == EAGAIN || errno == EINTR;
	if (len == 0)
		return false;
	if (c->phase == C25_PHASE_LINGER)
		return true;
	if (c->tls != NULL)
		return on_cipher(c, l->read, (size_t)len);
	return use(c, l->read, (size_t)len);
}

/* Send what waits. Returns: false: drop the connection. */
static bool
send_rest(struct c25_http_conn *c)
{
	ssize_t n = send(c25_watch_fd(c->watch), c->out.data + c->out_sent,
		c->out.len - c->out_sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_sent += (size_t)n;
	if (c->out_sent < c->out.len)
		return true;
	c->out_sent = 0;
	c25_buf_free(&c->out);
	if (c->phase == C25_PHASE_LINGER)
		conn_linger(c);
	else if (c->phase == C25_PHASE_IDLE)
		c25_http_deadline(c, C25_HTTP_IDLE_S * 1000);
	return true;
}

/* Returns: false: drop the connection. */
static bool
on_writable(struct c25_http_conn *c)
{
	if (c->out.len != 0 && !send_rest(c))
		return false;
	if (c->out.len == 0 && c->more.next != NULL && !more_send(c))
		return false;
	if (c->out.len != 0 || c->more.next != NULL ||
	    c->phase == C25_PHASE_LINGER)
		return true;
	if (c->resumed) {
		if (!c25_http_again(c))
			return false;
		/* what has come meanwhile is for its next turn */
		c->turn_over = c->phase == C25_PHASE_IDLE;
		return true;
	}
	c->turn_over = false;
	if (!take_kept(c))
		return false;
	return c->tls == NULL || !c25_tls_ready(c->tls) || use_tls(c);
}

/* Wait for what is next: the loop brings us back also when only a turn has
 * ended, as there is room to write. */
void
c25_http_await(struct c25_http_conn *c)
{
	unsigned want = c->out.len != 0 || c->more.next != NULL ||
		c->turn_over || c->resumed ? C25_WRITE :
		c->phase == C25_PHASE_WAIT ? 0 : C25_READ;

	if (want == c->events)
		return;
	c->events = want;
	c25_watch_events(c->watch, want);
}

static void
on_event(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_http_conn *c = ctx;
	struct c25_http_listener *l = c->listener;
	struct c25_http_turn *turn = c->from->turn;
	bool ok = true;

	if (!c25_http_turn_begin(l, turn))
		return;		/* it is reported again */
	if ((events & C25_HANGUP) && c->resumed)
		ok = false;	/* nobody would get the answer */
	else if (events & C25_WRITE)
		ok = on_writable(c);
	else if (events & C25_READ)
		ok = on_readable(c);
	else
		ok = false;
	if (ok)
		c25_http_await(c);
	else
		c25_http_conn_free(c);
	c25_http_turn_end(l, turn);
}

/* A deadline has passed. Returns: false: drop the connection. */
static bool
on_deadline(struct c25_http_conn *c)
{
	if (c->out.len != 0 || c->phase == C25_PHASE_IDLE ||
	    c->phase == C25_PHASE_WAIT || c->phase == C25_PHASE_LINGER)
		return false;
	c25_http_fail(c25_http_reply_start(c->listener), 408,
		"the request was not complete after %u seconds",
		c->listener->how.limits.request_seconds);
	if (!c25_http_refuse(c))
		return false;
	c25_http_await(c);
	return true;
}

void
c25_http_sweep(void *ctx)
{
	struct c25_http_listener *l = ctx;
	uint64_t now = c25_now_ms(), due = 0;
	struct c25_http_conn *c, *next;

	for (c = l->conns; c != NULL; c = next) {
		next = c->next;
		if (now >= c->deadline_ms && !on_deadline(c)) {
			c25_http_conn_free(c);
			continue;
		}
		if (due == 0 || c->deadline_ms < due)
			due = c->deadline_ms;
	}
	if (due == 0)
		return;
	/* all that are due in a while at once: there may be thousands */
	if (due < now + SWEEP_MS)
		due = now + SWEEP_MS;
	l->sweep_ms = due;
	c25_timer_set(&l->sweep, due - now);
}

/* ---- a new one ----------------------------------------------------------- */

/* Which of our addresses a connection came to. */
static struct c25_addr
local_of(int fd)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(sa);

	(void)getsockname(fd, (struct sockaddr *)&sa, &len);
	return c25_http_addr_of(&sa);
}

void
c25_http_conn_new(struct c25_http_listener *l, int fd,
	struct c25_http_source *from)
{
	struct c25_http_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (c == NULL || (l->how.tls != NULL &&
	    c25_tls_accept(l->how.tls, &c->tls) != 0) ||
	    c25_loop_watch(l->loop, fd, C25_READ, on_event, c,
	    &c->watch) != 0) {
		if (c != NULL)
			c25_tls_free(c->tls);
		free(c);
		close(fd);
		c25_http_source_leave(l, from);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->listener = l;
	c->events = C25_READ;
	c->from = from;
	c->source = from->addr;
	c->local = local_of(fd);
	c->next = l->conns;
	if (c->next != NULL)
		c->next->prev = c;
	l->conns = c;
	c25_http_deadline(c, c25_http_request_ms(c));
}
