/* SPDX-License-Identifier: BSD-3-Clause */
/* push_private.h - what the push*.c share. */
#ifndef CONN25_PUSH_PRIVATE_H
#define CONN25_PUSH_PRIVATE_H

#include "push.h"
#include "push_queue.h"
#include "wire.h"

/* One configured connector. */
struct c25_push_peer {
	char *name;
	uint16_t reg;
	uint64_t id;
	bool busy;			/* a request is on the way */
	bool down;
	bool resync;			/* the sweep takes its READY ones */
	uint32_t batch_max;
	unsigned failures;		/* in a row */
	unsigned rejects;		/* 400s in a row */
	uint64_t retry_at_ms;		/* 0: at once */
	uint64_t resynced_ms;		/* last, 0: never */
	uint64_t resync_at_ms;		/* put off until then, 0: not */
	uint64_t later_at_ms[C25_PUSH_LEVELS];	/* 0: that list is empty */
	struct c25_ref flight[C25_PUSH_BATCH];	/* in the order sent */
	uint32_t flight_count;
	struct c25_buf body;		/* of the request on the way */
	uint64_t requests, acked, failed;
	uint64_t last_ok_ms, last_error_ms;
	char last_error[C25_PUSH_ERROR_MAX];
	char epoch[72];
};

struct c25_pushq {
	const struct c25_push_ops *ops;
	void *ctx;
	struct c25_policy *policy;
	struct c25_push_peer *peers[C25_CONNECTORS_MAX];	/* by reg */
	struct c25_push_queue queue;
	uint64_t random;
	bool ring_more;			/* TAKE_MAX was not enough */
	bool sweep_on;
	bool sweep_refused;		/* those, too */
	uint32_t sweep_cursor;
	uint64_t refresh_at_ms;		/* next piece */
	uint32_t refresh_cursor;
	uint64_t refresh_goal;		/* slots up to here are due */
	struct c25_push_stats stats;
	uint64_t refused_log_ms;
	uint64_t refused_unlogged;
	bool changed;			/* a push state, in this done() */
	struct c25_wire_response response;
	struct c25_wire_entry entries[C25_PUSH_BATCH];
	char names[C25_PUSH_BATCH][C25_NAME_TEXT_MAX];
};

/* Is exactly this version on the way to that connector? */
static inline bool
c25_push_is_flying(const struct c25_pushq *p, const struct c25_push_peer *c,
	struct c25_ref ref)
{
	const struct c25_push_slot *s = &p->queue.slots[ref.slot];

	return s->seq == ref.seq && s->where == c->reg * C25_PUSH_PLACES +
		C25_PUSH_FLIGHT;
}

/* Look through the whole table, from its beginning. */
void c25_push_sweep(struct c25_pushq *p);

/* Let the sweep take everything of this connector, but not all the time. */
void c25_push_resync(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now);

/* The app an assignment belongs to now, or NULL. */
const char *c25_push_app(const struct c25_pushq *p,
	const struct c25_assignment *a);

/*
 * The connector to send it to when `tried` of those that could be have
 * refused: first the one it was reserved for, then the app's others that can
 * carry its transit address, best first.
 * Returns: reg, or C25_CONNECTOR_NONE; *any (may be NULL): there was one.
 */
uint16_t c25_push_route(const struct c25_pushq *p,
	const struct c25_assignment *a, unsigned tried, bool *any);

#endif
