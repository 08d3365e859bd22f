/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP server's listeners: open, accept, close, and who may come in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "http_private.h"
#include "loop_private.h"

#define TELL_MS 60000		/* between two messages of a kind */
#define RETRY_S 1		/* when to come back */
#define ACCEPT_AGAIN_MS 1000	/* after running out of file descriptors */

/* Say so, but not for each of ten thousand. */
static void
tell_full(struct c25_http_listener *l, const struct c25_addr *source,
	int status)
{
	char text[C25_ADDR_TEXT_MAX];
	uint64_t now = c25_now_ms();

	if (l->full_logged_ms != 0 && now - l->full_logged_ms < TELL_MS)
		return;
	l->full_logged_ms = now;
	c25_log(C25_LOG_ERROR, "%s: connection from %s refused: %s: %u are "
		"open, %u of them from addresses of no peer: see \"limits\"",
		l->how.name, c25_addr_format(source, text), status == 429 ?
		"that address has too many" : "there are too many",
		l->sources.connections, l->sources.strangers);
}

/*
 * No place for it: an answer that costs us next to nothing, as many may come.
 * If it gets lost as we close, so be it.
 */
static void
refuse(struct c25_http_listener *l, int fd, const struct c25_addr *source,
	int status)
{
	static const char full[] = "the listener is full: try again later\n";
	static const char enough[] = "your address has too many connections "
		"here: use those that are open\n";
	const char *why = status == 429 ? enough : full;
	char text[512];
	int len;

	tell_full(l, source, status);
	if (l->how.tls == NULL) {
		len = snprintf(text, sizeof(text), "HTTP/1.1 %d %s\r\n"
			"Content-Type: text/plain; charset=utf-8\r\n"
			"Content-Length: %zu\r\nRetry-After: %d\r\n"
			"Connection: close\r\n\r\n%s", status,
			c25_http1_reason(status), strlen(why), RETRY_S, why);
		(void)send(fd, text, (size_t)len, MSG_NOSIGNAL |
			MSG_DONTWAIT);
		(void)shutdown(fd, SHUT_WR);
		/* what is left unread would reset it under the answer */
		(void)recv(fd, l->read, sizeof(l->read), MSG_DONTWAIT);
	}
	close(fd);
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
		struct c25_http_source *from;
		struct c25_addr source;
		int r, s = accept4(fd, (struct sockaddr *)&sa, &len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (s < 0) {
			accept_failed(l, errno);
			return;
		}
		source = c25_http_addr_of(&sa);
		r = c25_http_source_join(l, &source, &from);
		if (r == 0)
			c25_http_conn_new(l, s, from);
		else
			refuse(l, s, &source, -r);
	}
}

void
c25_http_configure(struct c25_http_listener *l,
	const struct c25_limits *limits, struct c25_tls_server *tls)
{
	struct c25_tls_server *old = l->how.tls;
	unsigned most = (l->loop->descriptors - C25_LOOP_SPARE) / 2;

	l->how.limits = limits->connections != 0 ? *limits :
		C25_LIMITS_DEFAULT;
	l->connections_max = l->how.limits.connections;
	if (l->loop->descriptors < 2 * C25_LOOP_SPARE)
		most = C25_LOOP_SPARE / 2;
	if (l->connections_max > most) {
		c25_log(C25_LOG_ERROR, "%s: takes %u connections only: raise "
			"the limit of open files to %u", l->how.name, most,
			2 * l->connections_max + C25_LOOP_SPARE);
		l->connections_max = most;
	}
	while ((old == NULL) != (tls == NULL) && l->conns != NULL)
		c25_http_conn_free(l->conns);
	l->how.tls = tls != NULL ? c25_tls_server_ref(tls) : NULL;
	c25_tls_server_unref(old);
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
	l->how.tls = NULL;
	c25_http_sources_init(&l->sources);
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
	c25_http_configure(l, &how->limits, how->tls);
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
	c25_buf_free(&l->cipher);
	c25_http_sources_free(&l->sources);
	c25_tls_server_unref(l->how.tls);
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
