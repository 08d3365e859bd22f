/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * push.h - the client role: which assignment goes to which connector, when,
 * and what its answer means. A state machine without I/O: it is told the
 * time, reads and marks the table through `struct c25_push_ops`, and hands
 * out request bodies. pusher.h runs it over HTTP.
 *
 *	             work()                 post()            done()
 *	table ring ---------> queue of its --------> in flight -------> READY
 *	sweep      --------->  connector   <------- retry later
 *	              move()      |   refused: moved to the next connector of
 *	                          |   its app, else REFUSED
 *	                          no connector: parked until configure()
 *
 * Example (the whole of what drives it):
 *	c25_push_work(p, now);		the doorbell rang
 *	c25_push_done(p, reg, &r, now);	a connector answered, or didn't
 *	c25_push_work(p, now);		c25_push_due() has come
 *
 * Rules
 *   queue      the table is the queue: per slot of the table there are 24
 *              bytes here that say where it waits (push_queue.h). Nothing
 *              grows, nothing is dropped because something was full. Fresh
 *              assignments go before moved ones, those before refreshes.
 *   truth      an assignment is read again when its request is written; one
 *              that changed until then is left out, its newer version has
 *              come through the table's ring.
 *   owner      an assignment is only ever sent to the connector that the
 *              table has for it, as only there do packets to its transit
 *              address go. To give it to another one is to move it: a new
 *              version, pending.
 *   batches    whatever waits, up to C25_PUSH_BATCH, as soon as the
 *              connector's connection is free; a lone one leaves at once.
 *              While one is on the way and fresh ones wait for a full one,
 *              that is made already, so that it leaves as the answer comes.
 *   results    0 READY; 1 again with backoff; 2 again, alone; 3 to 6 final
 *              for this connector: it moves to the next one of its app, when
 *              there is none left it is REFUSED. Anything else (no
 *              connection, timeout, another status, a body that makes no
 *              sense): the whole batch again, with backoff, for ever. 400
 *              and 413: again in halves, so that one bad entry can't stop
 *              the others; no answer in time: likewise, as it may be too
 *              slow for so many. Batches that go well grow again.
 *   health     a connector is asked about each C25_PUSH_PROBE_MS, with an
 *              empty request when nothing waits for it. It is `down` when a
 *              request failed: the module then reserves for others, and
 *              holds no answer for it. Down and silent for
 *              C25_PUSH_FAILOVER_MS it is dead: a sweep moves what it has to
 *              the app's first connector that answers. One that comes back
 *              before that moves nothing.
 *   return     what was dead and has answered for C25_PUSH_RETURN_MS (that
 *              doubles up to five minutes when it dies again soon) takes back
 *              what it is a better choice for: earlier in the app's list. So
 *              does one that was down only, or is new.
 *   refusals   are remembered for each assignment and connector, until the
 *              next configure() or the connector starts anew.
 *   refresh    everything that lives is sent again each C25_PUSH_REFRESH_MS,
 *              spread over that time; at once after each configure(); and
 *              what is a connector's when its epoch changed, or when it came
 *              back without one.
 *   bounds     work() looks at some thousand assignments, also those that
 *              are none to tell of, and moves some hundreds at most;
 *              c25_push_due() says that there is more.
 *   threads    one.
 */
#ifndef CONN25_PUSH_H
#define CONN25_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/policy.h"
#include "conn25/table.h"

#define C25_PUSH_BATCH 256
#define C25_PUSH_BACKOFF_MIN_MS 100	/* first retry; doubles */
#define C25_PUSH_BACKOFF_DOWN_MS 400	/* ... up to this while it may just be
					 * restarting */
#define C25_PUSH_BACKOFF_MAX_MS 5000	/* ... up to this; +-25 % jitter */
#define C25_PUSH_REFRESH_MS (45u * 60 * 1000)	/* a connector forgets after
					 * an hour */
#define C25_PUSH_TIMEOUT_MS 2500	/* for a connection, and then for an
					 * answer */
#define C25_PUSH_PROBE_MS 1000		/* +-25 % */
#define C25_PUSH_FAILOVER_MS 3000	/* silence until it is dead: with the
					 * three above within DESIGN 7's 5 s */
#define C25_PUSH_RETURN_MS 10000	/* healthy so long, until it is
					 * trusted again */
#define C25_PUSH_RETRY_AFTER_MAX_S 30	/* however long it asks us to wait */
#define C25_PUSH_ERROR_MAX 160

struct c25_pushq;

/* What it needs of the world; all functions are called with `ctx`. */
struct c25_push_ops {
	/* As c25_table_take(), with what it refers to; -ENOENT: that has
	 * changed since. */
	int (*take)(void *ctx, struct c25_assignment *a);
	/* As c25_table_next(): 1 and *a; 0 at the end; -ENOENT: the one at
	 * *cursor, which has moved on, is none to tell of. */
	int (*next)(void *ctx, uint32_t *cursor, struct c25_assignment *a);
	/* As c25_table_by_ref(), _set_push(), _move(),
	 * _connector_set_health(). */
	int (*read)(void *ctx, struct c25_ref ref, struct c25_assignment *a);
	int (*set)(void *ctx, struct c25_ref ref, enum c25_push state);
	int (*move)(void *ctx, struct c25_ref ref, uint16_t reg,
		struct c25_assignment *a);
	void (*health)(void *ctx, uint16_t reg, enum c25_health health);
	/*
	 * Start a POST of `body` to connector `reg`; it stays valid until
	 * c25_push_done(), which must not be called from here.
	 * Returns: 0, or -errno when it couldn't be started.
	 */
	int (*post)(void *ctx, uint16_t reg, const char *body, size_t len);
	/* Drop the request on the way to `reg`; no done() follows. */
	void (*abort)(void *ctx, uint16_t reg);
	/* As c25_now_us(), for how long things take; NULL: as the rest. */
	uint64_t (*now_us)(void *ctx);
	/* Push states have changed, or a connector is down: ring the
	 * module's bell. */
	void (*changed)(void *ctx);
};

/* One connector of the configuration. */
struct c25_push_connector {
	const char *name;		/* copied */
	uint16_t reg;			/* c25_table_connector_reg() */
	uint64_t id;			/* changes when its address does: a
					 * request on the way is dropped and
					 * everything is sent again */
	bool down;			/* what the table has of an earlier
					 * process; for one that is new here */
};

/*
 * `capacity` is the table's, `seed` any number (jitter). ops stays valid.
 * Returns: 0; -ENOMEM.
 */
int c25_push_new(const struct c25_push_ops *ops, void *ctx,
	uint32_t capacity, uint64_t seed, struct c25_pushq **out)
	__attribute__((warn_unused_result));
void c25_push_free(struct c25_pushq *p);		/* NULL is fine */

/*
 * Take a new configuration: the policy now current (a reference is taken)
 * and its connectors. All that lives is sent again, REFUSED ones too, sorted
 * by the new policy. Call c25_push_work() afterwards.
 * Returns: 0; -ENOMEM, -EINVAL (reg), and everything is as before.
 */
int c25_push_configure(struct c25_pushq *p, struct c25_policy *policy,
	const struct c25_push_connector *connectors, size_t count,
	uint64_t now_ms) __attribute__((warn_unused_result));

/*
 * Take what is new in the table, do what is due, send what can be sent.
 * Bounded work; c25_push_due() is `now` when there is more at once.
 */
void c25_push_work(struct c25_pushq *p, uint64_t now_ms);

/* How a request ended. */
struct c25_push_answer {
	int status;			/* HTTP, or 0: no response */
	const char *error;		/* why, when status is 0 */
	const char *body;
	size_t body_len;
	const char *epoch;		/* "" when absent */
	bool cut;			/* the other side had closed the last
					 * connection before, against what it
					 * had said */
	bool late;			/* no response, as time was over: it
					 * may be too slow for so many */
	unsigned retry_after_s;		/* what it says with 429 or 503; 0:
					 * nothing */
};

/* The request to `reg` has ended; sends the next batch, if any. */
void c25_push_done(struct c25_pushq *p, uint16_t reg,
	const struct c25_push_answer *answer, uint64_t now_ms);

/* When to call c25_push_work() next if nothing happens; 0: not at all. */
uint64_t c25_push_due(const struct c25_pushq *p);

/* Counters since the start. Each mapping sent ends as acked or failed, so
 * sent = acked + failed + in flight. */
struct c25_push_stats {
	uint64_t requests;		/* push.requests: POSTs started */
	uint64_t probes;		/* push.probes: ... that were empty */
	uint64_t acked;			/* push.acked: mappings, code 0 */
	uint64_t failed;		/* push.failed: mappings not acked, for
					 * whatever reason */
	uint64_t retried;		/* push.retried: ... that were queued
					 * again, here or elsewhere */
	uint64_t denied;		/* push.denied: ... as the connector
					 * said no to it */
	uint64_t refused;		/* push.refused: marked REFUSED */
	uint64_t moved;			/* push.moved: assignments, to another
					 * connector */
	uint64_t stuck;			/* push.stuck: times that there was no
					 * room for that */
	struct c25_histogram time;	/* push.histogram: of new ones, from
					 * the table's ring until the connector
					 * they were reserved for had them */
};
const struct c25_push_stats *c25_push_stats(const struct c25_pushq *p);

/* What to show of a connector. */
struct c25_push_info {
	const char *name;
	uint16_t reg;
	bool healthy;			/* the last request, if any, worked */
	enum c25_health health;		/* as the table has it */
	uint32_t queued;		/* waiting for it, in flight included */
	uint32_t in_flight;		/* mappings on the way */
	uint64_t requests;
	uint64_t acked;
	uint64_t failed;
	uint64_t last_ok_ms;		/* last 200, 0 never */
	uint64_t last_error_ms;		/* last failure, 0 never */
	char last_error[C25_PUSH_ERROR_MAX];	/* "" when there was none */
	char epoch[72];			/* "" unknown */
};
/* Walk the configured ones: start with *cursor = 0. Returns: false at end. */
bool c25_push_next(const struct c25_pushq *p, size_t *cursor,
	struct c25_push_info *out);

/* An assignment that no connector of its app takes. */
struct c25_push_refusal {
	const char *app;		/* of the policy */
	struct c25_assignment assignment;
	uint8_t code;			/* 0: not known */
	const char *meaning;		/* of the code */
	const char *remedy;
};
/*
 * Walk the apps that have such, one of each: start with *cursor = 0. It is
 * shown as long as it lives and isn't taken, unless it is sent again and one
 * that isn't takes its place; of more than 16 apps at a time, the first 16.
 * Returns: false at end.
 */
bool c25_push_next_refused(const struct c25_pushq *p, size_t *cursor,
	struct c25_push_refusal *out);

/* Assignments that wait for want of any connector, or of room to move. */
uint32_t c25_push_parked(const struct c25_pushq *p);

/* The policy in use, NULL before the first configure. Owns: the queue; take
 * a reference to keep it. */
struct c25_policy *c25_push_policy(const struct c25_pushq *p);

#endif
