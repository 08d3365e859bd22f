/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * push_private.h - what the push*.c share.
 *
 *   push.c            into the queues: ring, sweeps, refresh, what is due
 *   push_choose.c     which connector an assignment belongs to; moving it
 *   push_send.c       out of the queues: batches
 *   push_answer.c     what a connector's answer means
 *   push_refused.c    how refusals are told, which are shown
 *   push_health.c     when a connector is down, dead, settled
 *   push_configure.c  made, configured, freed
 *   push_show.c       counters
 *   push_queue.[ch]   the lists
 */
#ifndef CONN25_PUSH_PRIVATE_H
#define CONN25_PUSH_PRIVATE_H

#include "cause.h"
#include "push.h"
#include "push_queue.h"
#include "wire.h"

/* The mappings of one request, in the order sent, and its body. */
struct c25_push_batch {
	struct c25_ref refs[C25_PUSH_BATCH];
	uint32_t count;
	struct c25_buf body;
};

/* One configured connector. */
struct c25_push_peer {
	char *name;
	uint16_t reg;
	uint64_t id;

	/* health, see push_health.c */
	bool down;			/* its last request failed */
	bool dead;			/* ... and it has been silent long */
	bool failed;			/* was dead, and isn't settled since */
	bool settled;			/* has answered for long now */
	enum c25_health told;		/* what the table says */
	uint64_t heard_ms;		/* last 200, or when we began to ask */
	uint64_t down_ms;		/* when it went down */
	uint64_t up_ms;			/* answers since, 0: doesn't */
	uint64_t settle_after_ms;	/* so long, then it is settled */
	uint64_t returned_ms;		/* last end of `failed`, 0: none */
	uint64_t probe_at_ms;		/* ask, if there is nothing to send */
	unsigned failures;		/* in a row */
	uint64_t retry_at_ms;		/* 0: at once */

	/* what is on the way */
	bool busy;
	uint32_t batch_max;
	unsigned rejects;		/* 400s in a row */
	struct c25_push_batch batches[2];
	unsigned at;			/* which of them that is; the other
					 * one is empty, or leaves next */
	uint64_t later_at_ms[C25_PUSH_LEVELS];	/* 0: that list is empty */

	/* its state, as far as we know it */
	char epoch[72];
	uint64_t resynced_ms;		/* last, 0: never */
	uint64_t resync_at_ms;		/* put off until then, 0: not */
	uint64_t resync_until;		/* the sweep takes its READY ones up to
					 * this place */

	/* to be shown */
	uint64_t requests, acked, failed_count;
	uint64_t last_ok_ms, last_error_ms;
	char last_error[C25_PUSH_ERROR_MAX];
	struct c25_cause causes[C25_CAUSES];
};

/* Of an app that is refused something: one such assignment, the last. */
struct c25_push_witness {
	uint64_t app;			/* c25_cause_key() of it; 0: free */
	struct c25_ref ref;
	uint8_t code;			/* 0: not known */
};
#define C25_PUSH_WITNESSES 16

struct c25_pushq {
	const struct c25_push_ops *ops;
	void *ctx;
	struct c25_policy *policy;
	struct c25_push_peer *peers[C25_CONNECTORS_MAX];	/* by reg */
	size_t peer_count;
	struct c25_push_queue queue;
	uint64_t random;
	uint8_t generation;		/* of the masks in the queue's slots */
	bool ring_more;			/* one work() was not enough */
	unsigned moves_left;		/* in this work() */
	/* Sweeps go round and round: places are counted on for ever, and the
	 * slot is the rest of dividing by the capacity. */
	uint64_t sweep_at, sweep_until;
	uint64_t sweep_all_until;	/* beyond that only those that wait:
					 * the ring was overrun */
	uint64_t sweep_moved;		/* moves when it began */
	uint64_t stuck_at_ms;		/* sweep then: not all could be moved */
	uint64_t stuck_log_ms;
	uint64_t refresh_at_ms;		/* next piece */
	uint32_t refresh_cursor;
	uint64_t refresh_goal;		/* slots up to here are due */
	struct c25_push_stats stats;
	uint32_t tick;			/* of what is being done */
	struct c25_cause causes[C25_CAUSES];	/* given up */
	struct c25_push_witness witnesses[C25_PUSH_WITNESSES];
	bool changed;			/* a push state: ring the bell */
	struct c25_wire_response response;
	struct c25_wire_entry entries[C25_PUSH_BATCH];
	char names[C25_PUSH_BATCH][C25_NAME_TEXT_MAX];
};

static inline struct c25_push_batch *
c25_push_flight(struct c25_push_peer *c)
{
	return &c->batches[c->at];
}

static inline struct c25_push_batch *
c25_push_waiting(struct c25_push_peer *c)
{
	return &c->batches[!c->at];
}

/* Is exactly this version on the way to that connector, or about to be? */
static inline bool
c25_push_is_flying(const struct c25_pushq *p, const struct c25_push_peer *c,
	struct c25_ref ref)
{
	const struct c25_push_slot *s = &p->queue.slots[ref.slot];

	return s->seq == ref.seq && s->where == c->reg * C25_PUSH_PLACES +
		C25_PUSH_FLIGHT;
}

/* ms -+ 25 %, so that not all happens at once. */
uint64_t c25_push_jitter(struct c25_pushq *p, uint64_t ms);

/* Remember when this is, in ticks that start again after 19 hours; never 0. */
#define C25_PUSH_TICK_US 16
void c25_push_tick(struct c25_pushq *p, uint64_t now_ms);

/* Look through the whole table, once round from the present place. */
void c25_push_sweep(struct c25_pushq *p);

/* Let the sweep send everything of this connector again, but not all the
 * time. */
void c25_push_resync(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now);

/* Is the sweep at a place that counts as a resync of this connector? */
static inline bool
c25_push_resyncs(const struct c25_pushq *p, const struct c25_push_peer *c)
{
	return p->sweep_at <= c->resync_until && c->resync_until != 0;
}

/* ---- push_choose.c ---- */

/* The app that an assignment belongs to now. */
struct c25_push_app {
	const char *name;
	const uint16_t *list;		/* its connectors, best first */
	uint32_t count;
};

/* Returns: false: none. */
bool c25_push_app(const struct c25_pushq *p, const struct c25_assignment *a,
	struct c25_push_app *out);

/* The bit in a slot's mask for the i-th connector of an app. */
static inline uint32_t
c25_push_bit(uint32_t i)
{
	return UINT32_C(1) << (i < 31 ? i : 31);
}

/* What we know of this version of a slot; reset if it is a new one. */
struct c25_push_slot *c25_push_slot(struct c25_pushq *p, struct c25_ref ref);

enum c25_push_verdict {
	C25_PUSH_STAY,		/* with the connector it has */
	C25_PUSH_GO,		/* to another one */
	C25_PUSH_STUCK,		/* it would go, but nothing is free there */
	C25_PUSH_NOBODY,	/* its app has no connector, or there is none */
	C25_PUSH_GIVE_UP,	/* all have refused it */
	C25_PUSH_VANISHED,	/* it has changed meanwhile */
};

/*
 * Decide, given which connectors have `refused` it and which are to be left
 * out for now (masks by place in the app's list). Pure.
 */
enum c25_push_verdict c25_push_choose(const struct c25_pushq *p,
	const struct c25_push_app *app, uint16_t owner, uint32_t refused,
	uint32_t skip, uint16_t *to);

/*
 * Decide, move it if so decided, and let it wait where it then belongs, at
 * `place` unless it waits there already. C25_PUSH_NOWHERE: what stays needn't
 * be sent. C25_PUSH_GIVE_UP is left to the caller.
 */
enum c25_push_verdict c25_push_sort(struct c25_pushq *p,
	const struct c25_assignment *a, enum c25_push_place place,
	uint64_t now);

/* ---- push_send.c ---- */

/* Send what waits for it, if it is free, or ask how it is; if it isn't, make
 * the next batch, provided that it is a full one. */
void c25_push_send(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now);

/* It has taken the last batch: send the next one if it is made, before
 * anything is done about the answer. Returns: 0; -errno: that has failed, and
 * c25_push_batch_failed() is to be told when the last one is dealt with. */
int c25_push_send_next(struct c25_pushq *p, struct c25_push_peer *c)
	__attribute__((warn_unused_result));

/* The next batch is not to be sent after all: it goes back to the front. */
void c25_push_unmake(struct c25_pushq *p, struct c25_push_peer *c);

/* The batch on the way has failed: it goes back to the front, and we wait. */
void c25_push_batch_failed(struct c25_pushq *p, struct c25_push_peer *c,
	const char *error, uint64_t now);

/* ---- push_answer.c ---- */

/* No connector is left for it; `why` says what the last one said, or is
 * NULL. */
void c25_push_give_up(struct c25_pushq *p, const struct c25_assignment *a,
	const char *why, uint64_t now);

/* ---- push_refused.c ---- */

/* This one is refused, with a code or 0: keep that for status, unless there
 * is one of its app already that is refused and as telling. One that has moved
 * to another connector is another version, and is not kept. */
void c25_push_keep_refused(struct c25_pushq *p,
	const struct c25_assignment *a, uint8_t code);

/* The connector has refused this one: say so if it is due. */
void c25_push_tell_cause(struct c25_pushq *p, struct c25_push_peer *c,
	const struct c25_assignment *a, const struct c25_wire_result *res,
	uint64_t now);

/* ---- push_health.c ---- */

/* A connector that is new here; `down`: as far as the table knows. */
void c25_push_health_begin(struct c25_pushq *p, struct c25_push_peer *c,
	bool down, uint64_t now);
/* It is no connector any more. */
void c25_push_health_end(struct c25_pushq *p, struct c25_push_peer *c);
/* A request has failed; last_error says why. */
void c25_push_health_failed(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now);
/* It has answered 200. */
void c25_push_health_ok(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now);
/* What time does to it. */
void c25_push_health_tick(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now);
/* When that is due next, 0: not. */
uint64_t c25_push_health_due(const struct c25_push_peer *c);

#endif
