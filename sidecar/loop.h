/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop.h - conn25d's event loop: file descriptors, timers, and HTTP (http.h)
 * in one thread. libwebsockets is underneath; nobody but loop.c and http.c
 * sees it.
 *
 * Example:
 *	struct c25_loop *loop;
 *	struct c25_watch *w;
 *	struct c25_timer tick;
 *
 *	if (c25_loop_new(&loop, &err) != 0 ||
 *	    c25_loop_watch(loop, signal_fd, C25_READ, on_signal, d, &w) != 0)
 *		...
 *	c25_timer_init(&tick, loop, on_tick, d);
 *	c25_timer_set(&tick, 1000);
 *	c25_loop_before_sleep(loop, may_sleep, d);
 *	r = c25_loop_run(loop);		until c25_loop_stop()
 *	c25_loop_free(loop);
 *
 * Rules
 *   threads    one thread, and only it, calls anything here.
 *   callbacks  may watch, unwatch (also themselves, also each other), set
 *              timers, stop the loop. They must not block and must not call
 *              c25_loop_run(), _once() or _free().
 *   fds        level-triggered: what is not read is reported again. The
 *              loop sets no flags: make them O_NONBLOCK yourself.
 *   signals    SIGPIPE is ignored from c25_loop_new() on.
 *   fork       a loop does not survive fork(): daemonise before.
 */
#ifndef CONN25_LOOP_H
#define CONN25_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "conn25/error.h"

struct c25_loop;
struct c25_watch;

/*
 * Owns: the loop, until c25_loop_free().
 * Returns: 0; -ENOMEM; -errno of epoll (err says what).
 */
int c25_loop_new(struct c25_loop **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Free it. Watches that are left are closed, timers that are left are
 * forgotten; listeners and clients of http.h are gone with it, so free
 * those that hold pointers to them (c25_pusher_free()) first.
 * NULL is fine.
 */
void c25_loop_free(struct c25_loop *loop);

/*
 * Run until c25_loop_stop(). Returns: 0, or -EIO when libwebsockets gave up
 * (it has logged why).
 */
int c25_loop_run(struct c25_loop *loop) __attribute__((warn_unused_result));

/* One round; waits for something to happen only if `wait`. For tests. */
int c25_loop_once(struct c25_loop *loop, bool wait)
	__attribute__((warn_unused_result));

/* Make c25_loop_run() return after the present round. */
void c25_loop_stop(struct c25_loop *loop);

/*
 * Called each time before the loop would sleep, after the callbacks of a
 * round; once more after each sleep. Returns (the hook): true to sleep,
 * false when there is more to do: the loop then looks for events without
 * waiting and asks again.
 */
void c25_loop_before_sleep(struct c25_loop *loop, bool (*hook)(void *ctx),
	void *ctx);

/* ---- file descriptors --------------------------------------------------- */

enum c25_event {
	C25_READ = 1,		/* readable, or the other end has closed its
				 * side: read() tells */
	C25_WRITE = 2,		/* writable */
	C25_HANGUP = 4,		/* hung up or in error; always reported.
				 * There may be data left to read (then
				 * C25_READ is set as well); if the callback
				 * can't make use of that it must unwatch */
};

typedef void (*c25_watch_fn)(struct c25_watch *w, int fd, unsigned events,
	void *ctx);

/*
 * Call `fn` when `events` (C25_READ | C25_WRITE) are there on `fd`: any
 * socket (listening ones too), pipe, signalfd, eventfd, not a regular file.
 * Owns: the fd belongs to the watch and is closed with it; on failure it
 * still is the caller's.
 * Returns: 0; -ENOMEM; -EPERM (a regular file); -EEXIST; -ENOSPC.
 */
int c25_loop_watch(struct c25_loop *loop, int fd, unsigned events,
	c25_watch_fn fn, void *ctx, struct c25_watch **out)
	__attribute__((warn_unused_result));

/* Change what is waited for; 0 is only C25_HANGUP. */
void c25_watch_events(struct c25_watch *w, unsigned events);

int c25_watch_fd(const struct c25_watch *w);

/* Stop watching and close the fd; `w` is gone. NULL is fine. */
void c25_watch_close(struct c25_watch *w);

/* ---- timers ------------------------------------------------------------- */

/* One-shot; lives in its owner's struct. Private members. */
struct c25_timer {
	struct c25_loop *loop;
	void (*fn)(void *ctx);
	void *ctx;
	uint64_t due_us;
	struct c25_timer *prev, *next;	/* in loop->timers while armed */
	bool armed;
};

void c25_timer_init(struct c25_timer *t, struct c25_loop *loop,
	void (*fn)(void *ctx), void *ctx);
/* Fire once in `ms` milliseconds (CLOCK_MONOTONIC); replaces what was set. */
void c25_timer_set(struct c25_timer *t, uint64_t ms);
/* Forget it; harmless when it isn't set. */
void c25_timer_stop(struct c25_timer *t);
static inline bool
c25_timer_armed(const struct c25_timer *t)
{
	return t->armed;
}

#endif
