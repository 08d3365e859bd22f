/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listening end of the doorbell: connections of Unbound's workers, bells
 * in both directions. What a bell means is the daemon's business.
 */

#include "doorbell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "rundir.h"

/* Messages read of one connection in one round; the rest is still there in
 * the next one. */
#define BELLS_PER_ROUND 64
#define ACCEPT_AGAIN_MS 1000	/* after running out of file descriptors */

struct bell_conn {
	struct c25_doorbell *bell;
	struct c25_watch *watch;
	unsigned slot;			/* in c25_doorbell.conns */
	uint64_t seen;			/* its policy; 0: it hasn't said */
};

struct c25_doorbell {
	struct c25_loop *loop;
	struct c25_watch *listener;
	struct c25_timer accept_again;
	void (*work)(void *ctx);
	void *ctx;
	char *path;
	struct bell_conn *conns[C25_DOORBELL_MAX];	/* first `count` */
	unsigned count;
	uint64_t arrivals;		/* so far */
	uint64_t idle_ms;		/* opened, or the last one left */
	uint64_t generation;		/* of the policy they are to have */
	bool ring;			/* to be rung at the next flush */
	bool full_told;			/* logged that there are too many */
};

static void
conn_close(struct bell_conn *c)
{
	struct c25_doorbell *b = c->bell;

	b->conns[c->slot] = b->conns[--b->count];
	b->conns[c->slot]->slot = c->slot;
	b->conns[b->count] = NULL;
	b->full_told = false;
	b->idle_ms = c25_now_ms();
	c25_watch_close(c->watch);
	free(c);
	c25_log(C25_LOG_DETAIL, "doorbell: a worker left: %u connected",
		b->count);
}

/* It may have come when the bell had rung already. */
static void
conn_seen(struct bell_conn *c, uint64_t generation)
{
	c->seen = generation;
	if (generation != c->bell->generation)
		c->bell->ring = true;
}

static void
conn_ready(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct bell_conn *c = ctx;
	struct c25_doorbell *b = c->bell;
	bool rang = false, gone = false;
	struct c25_bell_seen message;
	ssize_t n;
	int i;

	(void)w;
	for (i = 0; i < BELLS_PER_ROUND; i++) {
		n = recv(fd, &message, sizeof(message), MSG_DONTWAIT);
		if (n > 0) {
			rang = rang || message.kind == C25_BELL_WORK;
			if (message.kind == C25_BELL_SEEN &&
					n == (ssize_t)sizeof(message))
				conn_seen(c, message.generation);
		} else {
			/* An empty message looks like the end, and is. */
			gone = n == 0 || (errno != EAGAIN && errno != EINTR);
			break;
		}
	}
	if (gone || ((events & C25_HANGUP) && i == 0))
		conn_close(c);
	if (rang)
		b->work(b->ctx);
}

static int
conn_add(struct c25_doorbell *b, int fd)
{
	struct bell_conn *c;
	int r;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->bell = b;
	c->slot = b->count;
	r = c25_loop_watch(b->loop, fd, C25_READ, conn_ready, c, &c->watch);
	if (r != 0) {
		free(c);
		return r;
	}
	b->conns[b->count++] = c;
	b->arrivals++;
	return 0;
}

static void
accept_again(void *ctx)
{
	struct c25_doorbell *b = ctx;

	c25_watch_events(b->listener, C25_READ);
}

static void
accept_ready(struct c25_watch *w, int listen_fd, unsigned events, void *ctx)
{
	struct c25_doorbell *b = ctx;
	int fd, r;

	(void)events;
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR ||
				errno == ECONNABORTED)
			return;
		c25_log(C25_LOG_ERROR, "doorbell: can't accept: %s: trying "
			"again in a second", strerror(errno));
		c25_watch_events(w, 0);
		c25_timer_set(&b->accept_again, ACCEPT_AGAIN_MS);
		return;
	}
	if (b->count == C25_DOORBELL_MAX) {
		(void)close(fd);
		if (!b->full_told)
			c25_log(C25_LOG_ERROR, "doorbell: %u connections are "
				"there already: no more are taken: let "
				"fewer num-threads share this runDir",
				b->count);
		b->full_told = true;
		return;
	}
	r = conn_add(b, fd);
	if (r != 0) {
		(void)close(fd);
		c25_log(C25_LOG_ERROR, "doorbell: a worker couldn't be "
			"added: %s", strerror(-r));
		return;
	}
	c25_log(C25_LOG_DETAIL, "doorbell: a worker came: %u connected",
		b->count);
}

int
c25_doorbell_open(struct c25_loop *loop, const char *path, gid_t gid,
	void (*work)(void *ctx), void *ctx, struct c25_doorbell **out,
	struct c25_error *err)
{
	struct c25_doorbell *b;
	int fd, r;

	b = calloc(1, sizeof(*b));
	if (b == NULL || (b->path = strdup(path)) == NULL) {
		free(b);
		return c25_fail(err, -ENOMEM, "doorbell: out of memory");
	}
	b->loop = loop;
	b->work = work;
	b->ctx = ctx;
	b->idle_ms = c25_now_ms();
	c25_timer_init(&b->accept_again, loop, accept_again, b);
	fd = c25_rundir_listen(path, SOCK_SEQPACKET, gid, err);
	if (fd < 0) {
		r = fd;
		goto out;
	}
	r = c25_loop_watch(loop, fd, C25_READ, accept_ready, b, &b->listener);
	if (r != 0) {
		(void)close(fd);
		(void)unlink(path);
		c25_fail(err, r, "%s: can't be watched: %s", path,
			strerror(-r));
		goto out;
	}
	*out = b;
out:
	if (r != 0) {
		free(b->path);
		free(b);
	}
	return r;
}

void
c25_doorbell_close(struct c25_doorbell *b)
{
	if (b == NULL)
		return;
	c25_timer_stop(&b->accept_again);
	c25_watch_close(b->listener);
	(void)unlink(b->path);
	while (b->count > 0) {
		struct bell_conn *c = b->conns[--b->count];

		c25_watch_close(c->watch);
		free(c);
	}
	free(b->path);
	free(b);
}

void
c25_doorbell_ring(struct c25_doorbell *b)
{
	if (b != NULL)
		b->ring = true;
}

void
c25_doorbell_flush(struct c25_doorbell *b)
{
	static const char bell = C25_BELL_READY;
	unsigned i;

	if (b == NULL || !b->ring)
		return;
	b->ring = false;
	/* A full socket is rung already, and one that is gone is noticed by
	 * its watch. */
	for (i = 0; i < b->count; i++)
		(void)send(c25_watch_fd(b->conns[i]->watch), &bell, 1,
			MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
c25_doorbell_follow(struct c25_doorbell *b, uint64_t generation)
{
	if (b == NULL)
		return;
	b->generation = generation;
	b->ring = true;
}

unsigned
c25_doorbell_behind(const struct c25_doorbell *b)
{
	unsigned i, n = 0;

	for (i = 0; b != NULL && i < b->count; i++)
		n += b->conns[i]->seen != 0 &&
			b->conns[i]->seen != b->generation;
	return n;
}

uint64_t
c25_doorbell_arrivals(const struct c25_doorbell *b)
{
	return b == NULL ? 0 : b->arrivals;
}

unsigned
c25_doorbell_count(const struct c25_doorbell *b)
{
	return b == NULL ? 0 : b->count;
}

uint64_t
c25_doorbell_idle_since(const struct c25_doorbell *b)
{
	return b == NULL || b->count > 0 ? 0 : b->idle_ms;
}
