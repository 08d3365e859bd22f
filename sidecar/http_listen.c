/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP server's listeners: open, accept, close, and who may come in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "http_private.h"
#include "loop_private.h"

#define PER_SOURCE 64		/* connections from one address */
#define ACCEPT_AGAIN_MS 1000	/* after running out of file descriptors */

/* May one more connection from there come in? */
static bool
has_room(struct c25_http_listener *l, const struct c25_addr *source)
{
	uint64_t now = c25_now_ms();
	unsigned same = 0;

	for (const struct c25_http_conn *c = l->conns; c != NULL; c = c->next)
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
			c25_http_conn_new(l, s, &source);
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
	c25_timer_init(&l->sweep, loop, c25_http_sweep, l);
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
		c25_http_conn_free(l->conns);
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
