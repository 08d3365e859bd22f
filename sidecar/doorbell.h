/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doorbell.h - conn25d's end of the doorbell (conn25/doorbell.h): accepts
 * the worker threads' connections, says when one of them rang, and rings
 * them all.
 *
 * Example:
 *	struct c25_doorbell *bell;
 *
 *	r = c25_doorbell_open(loop, path, gid, on_work, d, &bell, &err);
 *	c25_doorbell_ring(bell);	push states changed; any number of
 *					times in a round of the loop ...
 *	c25_doorbell_flush(bell);	... one byte to each, before it sleeps
 *
 *	c25_doorbell_follow(bell, n);	a policy was published; rings too
 *	if (c25_doorbell_behind(bell) == 0)	... and is in force everywhere
 *
 * Limits: C25_DOORBELL_MAX connections; what is over is closed at once (the
 * module then works without holding). Messages of a round are read up to a
 * bound and their content is ignored but for C25_BELL_WORK and C25_BELL_SEEN,
 * so that nobody can keep conn25d busy with ringing alone.
 *
 * Rules: the loop's thread only.
 */
#ifndef CONN25_SIDECAR_DOORBELL_H
#define CONN25_SIDECAR_DOORBELL_H

#include <stdint.h>
#include <sys/types.h>

#include "conn25/doorbell.h"
#include "conn25/error.h"
#include "loop.h"

#define C25_DOORBELL_MAX 256		/* connections */

struct c25_doorbell;

/*
 * Listen on the Unix socket `path` (c25_rundir_listen()); `work` is called
 * when somebody rang.
 * Owns: the doorbell, until c25_doorbell_close().
 * Returns: 0; -ENOMEM; -errno of the socket, with err set.
 */
int c25_doorbell_open(struct c25_loop *loop, const char *path, gid_t gid,
	void (*work)(void *ctx), void *ctx, struct c25_doorbell **out,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Close every connection and the socket, and remove it. NULL is fine. */
void c25_doorbell_close(struct c25_doorbell *b);

/* Remember to ring. NULL is fine. */
void c25_doorbell_ring(struct c25_doorbell *b);
/* Ring every connection if c25_doorbell_ring() was called. NULL is fine. */
void c25_doorbell_flush(struct c25_doorbell *b);

/* The policy that is to be in force from now on; remembers to ring. NULL is
 * fine. */
void c25_doorbell_follow(struct c25_doorbell *b, uint64_t generation);
/* Connections that have said which policy they have, and it is another one:
 * Unbound's threads that may answer by it, or from a cache that is older.
 * (Without libevent one thread speaks for all.) NULL has none. */
unsigned c25_doorbell_behind(const struct c25_doorbell *b);

/* Connections so far: one more, and Unbound may have begun anew. NULL has
 * none. */
uint64_t c25_doorbell_arrivals(const struct c25_doorbell *b);

/* Connections now: Unbound's worker threads. NULL has none. */
unsigned c25_doorbell_count(const struct c25_doorbell *b);

/* Since when there is none, by c25_now_ms(): the last one left, or the
 * doorbell was opened. 0: there are some, or b is NULL. */
uint64_t c25_doorbell_idle_since(const struct c25_doorbell *b);

#endif
