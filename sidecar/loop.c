/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop; see loop.h. libwebsockets polls its own sockets (the
 * HTTP clients') and, as one more descriptor, an epoll instance that holds all
 * of ours. (Its own way to watch a foreign descriptor loses a wish to write
 * that is made while writing, and says nothing of errors.)
 */
#include "loop_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "http.h"

/* Enough for all: whose turn it is not is passed over (http_sources.c), and
 * must not keep others out. */
#define EVENTS_PER_ROUND 1024

/* Descriptors the process may have: two listeners full of connections, and
 * what else there is. lws allocates 24 bytes for each. */
#define DESCRIPTORS (2 * C25_LIMIT_CONNECTIONS_MAX + C25_LOOP_SPARE)

struct c25_watch {
	struct c25_loop *loop;
	int fd;				/* -1: closed, waits to be freed */
	c25_watch_fn fn;
	void *ctx;
	struct c25_watch *prev, *next;	/* in loop->watches or ->dead */
};

static int epoll_callback(struct lws *, enum lws_callback_reasons, void *,
	void *, size_t);
static int timers_start(struct c25_loop *);

/* lws calls the first one for whatever has no protocol yet. */
static const struct lws_protocols protocols[] = {
	{ .name = "client", .callback = c25_http_client_callback },
	{ .name = "epoll", .callback = epoll_callback },
	{ .name = NULL }
};

/* ---- libwebsockets' log ------------------------------------------------- */

static void
log_lws(int level, const char *line)
{
	size_t len = strlen(line);

	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	/* What it calls errors is what peers do: we report each request that
	 * failed ourselves. */
	c25_log(C25_LOG_DETAIL, "libwebsockets: %.*s", (int)len, line);
}

static void
log_setup(void)
{
	lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
}

/* ---- create, run, free -------------------------------------------------- */

/*
 * lws allocates tables as long as the limit of descriptors, and looks them
 * up by index only if that limit is the process's: so set it.
 */
static void
limit_descriptors(struct c25_loop *loop)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	rl.rlim_cur = rl.rlim_max < DESCRIPTORS ? rl.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &rl);
	loop->descriptors = (unsigned)rl.rlim_cur;
}

static int
make_context(struct c25_loop *loop)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		/* ours come first: see http_client.c */
		.timeout_secs = 30,
		.pt_serv_buf_size = 65536,
	};
	struct lws_context_creation_info vh = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.vhost_name = "conn25",
		.protocols = protocols,
	};

	loop->lws = lws_create_context(&info);
	if (loop->lws == NULL)
		return -ENOMEM;
	loop->vhost = lws_create_vhost(loop->lws, &vh);
	return loop->vhost != NULL ? 0 : -ENOMEM;
}

static int
adopt_epoll(struct c25_loop *loop)
{
	lws_adopt_desc_t how = {
		.vh = loop->vhost,
		.type = LWS_ADOPT_RAW_FILE_DESC,
		.fd.filefd = loop->epoll_fd,
		.vh_prot_name = "epoll",
		.opaque = loop,
	};

	loop->epoll_wsi = lws_adopt_descriptor_vhost_via_info(&how);
	return loop->epoll_wsi != NULL ? 0 : -ENOMEM;
}

int
c25_loop_new(struct c25_loop **out, struct c25_error *err)
{
	struct c25_loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (loop == NULL)
		return c25_fail(err, -ENOMEM, "event loop: out of memory");
	loop->kind = C25_KIND_LOOP;
	limit_descriptors(loop);
	signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");	/* lws would: an overlay has no proxy */
	log_setup();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		r = -errno;
		goto out;
	}
	r = make_context(loop);
	if (r == 0)
		r = adopt_epoll(loop);
	if (r == 0)
		r = timers_start(loop);
out:
	if (r != 0) {
		c25_fail(err, r, "event loop: %s", strerror(-r));
		c25_loop_free(loop);
		return r;
	}
	*out = loop;
	return 0;
}

static void
free_dead(struct c25_loop *loop)
{
	struct c25_watch *w;

	while ((w = loop->dead) != NULL) {
		loop->dead = w->next;
		free(w);
	}
}

void
c25_loop_free(struct c25_loop *loop)
{
	if (loop == NULL)
		return;
	c25_http_listeners_free(loop);
	c25_http_clients_detach(loop);
	while (loop->timers != NULL) {
		loop->timers->armed = false;
		loop->timers = loop->timers->next;
	}
	while (loop->watches != NULL)
		c25_watch_close(loop->watches);
	free_dead(loop);
	if (loop->epoll_wsi == NULL && loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->lws != NULL)
		lws_context_destroy(loop->lws);
	free(loop);
}

int
c25_loop_once(struct c25_loop *loop, bool wait)
{
	if (loop->may_sleep != NULL && !loop->may_sleep(loop->may_sleep_ctx))
		wait = false;
	if (loop->stop)
		return 0;
	return lws_service(loop->lws, wait ? 0 : -1) < 0 ? -EIO : 0;
}

int
c25_loop_run(struct c25_loop *loop)
{
	int r = 0;

	while (!loop->stop && r == 0)
		r = c25_loop_once(loop, true);
	loop->stop = false;
	return r;
}

void
c25_loop_stop(struct c25_loop *loop)
{
	loop->stop = true;
}

void
c25_loop_before_sleep(struct c25_loop *loop, bool (*hook)(void *), void *ctx)
{
	loop->may_sleep = hook;
	loop->may_sleep_ctx = ctx;
}

/* ---- file descriptors --------------------------------------------------- */

static uint32_t
to_epoll(unsigned events)
{
	return (events & C25_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
		(events & C25_WRITE ? EPOLLOUT : 0u);
}

static unsigned
from_epoll(uint32_t events)
{
	return (events & (EPOLLIN | EPOLLRDHUP) ? C25_READ : 0u) |
		(events & EPOLLOUT ? C25_WRITE : 0u) |
		(events & (EPOLLHUP | EPOLLERR) ? C25_HANGUP : 0u);
}

/* Tell the watches; one that was closed meanwhile is dead, but there. */
static void
dispatch(struct c25_loop *loop)
{
	struct epoll_event ev[EVENTS_PER_ROUND];
	int n = epoll_wait(loop->epoll_fd, ev, EVENTS_PER_ROUND, 0);

	loop->round++;
	for (int i = 0; i < n; i++) {
		struct c25_watch *w = ev[i].data.ptr;

		if (w->fd >= 0)
			w->fn(w, w->fd, from_epoll(ev[i].events), w->ctx);
	}
	free_dead(loop);
}

static int
epoll_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
	void *in, size_t len)
{
	struct c25_loop *loop = c25_opaque(wsi, C25_KIND_LOOP);

	if (reason == LWS_CALLBACK_RAW_RX_FILE && loop != NULL)
		dispatch(loop);
	return 0;
}

int
c25_loop_watch(struct c25_loop *loop, int fd, unsigned events,
	c25_watch_fn fn, void *ctx, struct c25_watch **out)
{
	struct c25_watch *w = calloc(1, sizeof(*w));
	struct epoll_event ev = { .events = to_epoll(events) };

	if (w == NULL)
		return -ENOMEM;
	*w = (struct c25_watch){ .loop = loop, .fd = fd, .fn = fn,
		.ctx = ctx };
	ev.data.ptr = w;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		int r = -errno;

		free(w);
		return r;
	}
	w->next = loop->watches;
	if (w->next != NULL)
		w->next->prev = w;
	loop->watches = w;
	*out = w;
	return 0;
}

void
c25_watch_events(struct c25_watch *w, unsigned events)
{
	struct epoll_event ev = { .events = to_epoll(events),
		.data.ptr = w };

	if (w->fd >= 0)
		epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev);
}

int
c25_watch_fd(const struct c25_watch *w)
{
	return w->fd;
}

void
c25_watch_close(struct c25_watch *w)
{
	struct c25_loop *loop;

	if (w == NULL || w->fd < 0)
		return;
	loop = w->loop;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	w->fd = -1;
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		loop->watches = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->prev = NULL;
	w->next = loop->dead;
	loop->dead = w;
}

/* ---- timers ------------------------------------------------------------- */

/* lws has timers, too, but spins through the last millisecond of each. */

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Set the timerfd to the earliest of all. */
static void
timers_arm(struct c25_loop *loop)
{
	struct itimerspec at = { 0 };
	uint64_t due = 0;

	for (struct c25_timer *t = loop->timers; t != NULL; t = t->next)
		if (due == 0 || t->due_us < due)
			due = t->due_us;
	if (due == loop->timer_due_us)
		return;
	loop->timer_due_us = due;
	at.it_value.tv_sec = (time_t)(due / 1000000);
	at.it_value.tv_nsec = (long)(due % 1000000 * 1000);
	timerfd_settime(loop->timer_watch->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void
timers_run(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_loop *loop = ctx;
	uint64_t count, now = now_us();
	struct c25_timer *t;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	loop->timer_due_us = 0;
	/* A callback may set and stop any of them: start again each time.
	 * One that is set anew is due after `now`. */
	do {
		for (t = loop->timers; t != NULL; t = t->next)
			if (t->due_us <= now)
				break;
		if (t != NULL) {
			c25_timer_stop(t);
			t->fn(t->ctx);
		}
	} while (t != NULL);
	timers_arm(loop);
}

static int
timers_start(struct c25_loop *loop)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = c25_loop_watch(loop, fd, C25_READ, timers_run, loop,
		&loop->timer_watch);
	if (r != 0)
		close(fd);
	return r;
}

void
c25_timer_init(struct c25_timer *t, struct c25_loop *loop, void (*fn)(void *),
	void *ctx)
{
	*t = (struct c25_timer){ .loop = loop, .fn = fn, .ctx = ctx };
}

void
c25_timer_set(struct c25_timer *t, uint64_t ms)
{
	struct c25_loop *loop = t->loop;

	if (!t->armed) {
		t->armed = true;
		t->prev = NULL;
		t->next = loop->timers;
		if (t->next != NULL)
			t->next->prev = t;
		loop->timers = t;
	}
	t->due_us = now_us() + ms * 1000 + 1;
	timers_arm(loop);
}

void
c25_timer_stop(struct c25_timer *t)
{
	if (!t->armed)
		return;
	t->armed = false;
	if (t->prev != NULL)
		t->prev->next = t->next;
	else
		t->loop->timers = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	timers_arm(t->loop);
}
