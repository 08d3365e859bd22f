/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bell.c - one doorbell connection for each worker thread, used by that
 * thread only. See conn25/doorbell.h for the protocol.
 *
 * With libevent the worker's own loop watches the socket: conn25d rings after
 * it has published a policy, and the worker switches to it at once, without
 * a query. While the table or the connection is missing a timer looks once a
 * second. With Unbound's mini-event there are no events: the sockets here are
 * for sending only, and watch.c waits for what comes.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "module/module.h"

#include "conn25/doorbell.h"

enum { BELL_RETRY_MS = 1000 };

#if C25_HAVE_EVENTS
static void bell_timer_start(struct c25_worker *w);
#endif

bool c25_bell_seen(int fd, uint64_t generation)
{
	struct c25_bell_seen seen = { .kind = C25_BELL_SEEN,
		.generation = generation };

	return send(fd, &seen, sizeof(seen), MSG_DONTWAIT | MSG_NOSIGNAL) ==
		(ssize_t)sizeof(seen);
}

/* The peer is gone, or never was there. */
static void bell_hang_up(struct c25_worker *w)
{
	struct c25_bell *b = &w->bell;

#if C25_HAVE_EVENTS
	if (b->readable != NULL) {
		(void)ub_event_del(b->readable);
		ub_event_free(b->readable);
		b->readable = NULL;
	}
#endif
	if (b->fd != -1)
		(void)close(b->fd);
	b->fd = -1;
	b->next_try_ms = c25_now_ms() + BELL_RETRY_MS;
}

#if C25_HAVE_EVENTS
/* Tell conn25d which policy this worker has, unless it was told. */
static void bell_tell(struct c25_worker *w)
{
	uint64_t generation = w->policy == NULL ? 0 :
		c25_policy_generation(w->policy);

	if (w->bell.fd != -1 && generation != w->bell.told &&
	    c25_bell_seen(w->bell.fd, generation))
		w->bell.told = generation;
}

/* Is there something that time may bring? */
static bool bell_missing(const struct c25_worker *w)
{
	return w->bell.fd == -1 || w->table == NULL;
}

static void bell_on_timer(int fd, short bits, void *arg)
{
	struct c25_worker *w = arg;

	w->bell.timer_on = false;
	w->polled = 0;			/* look around, whatever the time */
	(void)c25_state_policy(w);
	bell_tell(w);
	if (bell_missing(w))
		bell_timer_start(w);
}

static void bell_timer_start(struct c25_worker *w)
{
	struct c25_bell *b = &w->bell;
	struct timeval second = { .tv_sec = BELL_RETRY_MS / 1000 };
	struct ub_event_base *base = c25_event_base(w->env);

	if (b->timer_on || base == NULL)
		return;
	if (b->timer == NULL)
		b->timer = ub_event_new(base, -1, UB_EV_TIMEOUT,
			bell_on_timer, w);
	if (b->timer != NULL && ub_timer_add(b->timer, base, bell_on_timer,
	    w, &second) == 0)
		b->timer_on = true;
}

static void bell_on_readable(int fd, short bits, void *arg)
{
	struct c25_worker *w = arg;
	char message[16];
	bool ready = false;
	ssize_t n;

	while ((n = recv(fd, message, sizeof(message), MSG_DONTWAIT)) > 0)
		if (message[0] == C25_BELL_READY)
			ready = true;
	if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK &&
	    errno != EINTR)) {
		bell_hang_up(w);
		bell_timer_start(w);
		/* Nobody makes them ready any more. */
		c25_hold_look(w, true);
	} else if (ready) {
		(void)c25_state_policy(w);
		bell_tell(w);
		c25_hold_look(w, false);
	}
}

static void bell_watch(struct c25_worker *w)
{
	struct c25_bell *b = &w->bell;
	struct ub_event_base *base = c25_event_base(w->env);

	if (base == NULL)
		return;
	b->readable = ub_event_new(base, b->fd, UB_EV_READ | UB_EV_PERSIST,
		bell_on_readable, w);
	if (b->readable != NULL && ub_event_add(b->readable, NULL) != 0) {
		ub_event_free(b->readable);
		b->readable = NULL;
	}
}
#endif

int c25_bell_open(const struct c25_module *m)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s",
		m->run_dir, C25_DOORBELL_FILE);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(sun.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static void bell_connect(struct c25_worker *w)
{
	struct c25_bell *b = &w->bell;

	b->next_try_ms = c25_now_ms() + BELL_RETRY_MS;
	b->fd = c25_bell_open(w->module);
#if C25_HAVE_EVENTS
	b->told = 0;
	if (b->fd != -1) {
		bell_watch(w);
		bell_tell(w);
	}
#endif
}

void c25_bell_keep(struct c25_worker *w)
{
	if (w->bell.fd == -1 && c25_now_ms() >= w->bell.next_try_ms)
		bell_connect(w);
#if C25_HAVE_EVENTS
	if (bell_missing(w))
		bell_timer_start(w);
#endif
}

void c25_bell_ring(struct c25_worker *w)
{
	static const char work = C25_BELL_WORK;
	struct c25_table *t = c25_state_table(w);

	if (t == NULL)
		return;
	/* Unconnected, the wish to be woken is left for who is connected;
	 * connecting wakes conn25d too. */
	if (w->bell.fd == -1)
		c25_bell_keep(w);
	if (w->bell.fd == -1 || !c25_table_must_ring(t))
		return;
	if (send(w->bell.fd, &work, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 &&
	    errno != EAGAIN && errno != EWOULDBLOCK &&
	    w->bell.readable == NULL) {
		/* Where there are events the loop is told of it too. */
		bell_hang_up(w);
		w->bell.next_try_ms = 0;
		c25_bell_keep(w);
	}
}

void c25_bell_close(struct c25_worker *w)
{
	struct c25_bell *b = &w->bell;

	/* worker_delete() has freed the event base, and that has taken our
	 * events out of it: only their memory is left, and deleting them
	 * again would touch the base. Ref: util/ub_event.c ub_event_free(). */
#if C25_HAVE_EVENTS
	ub_event_free(b->readable);
	ub_event_free(b->timer);
#endif
	b->readable = NULL;
	b->timer = NULL;
	if (b->fd != -1)
		(void)close(b->fd);
	b->fd = -1;
}
