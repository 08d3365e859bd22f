/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cause.h - what is refused for one reason, be it a thousand mappings, or to
 * one address that is no peer's: when the log is to have a line of it. Pure.
 *
 * Example (push_refused.c):
 *	key = c25_cause_key(app.name, code, 0);
 *	if (c25_cause_seen(c->causes, key, now, &count) == C25_CAUSE_DUE)
 *		c25_log(..., c25_cause_since(count, since));
 *
 * Rules
 *   time       a cause is told of once in C25_CAUSE_MS.
 *   bounds     C25_CAUSES in that time; if there are more, which of them is
 *              drawn anew each time, so that a crowd hides nobody for ever.
 *   names      a cause is known by its key alone, so that it outlives the
 *              configuration that it comes from.
 */
#ifndef CONN25_CAUSE_H
#define CONN25_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#define C25_CAUSES 16
#define C25_CAUSE_MS 600000

/* Starts as all zero. */
struct c25_cause {
	uint64_t key;			/* 0: this place is free */
	uint64_t told_ms;		/* 0: never */
	uint64_t untold;		/* since */
	bool crowded;			/* others wait for a place */
};

/* Of an app, or an address, the code it is refused with, and what there is
 * beside these. Returns: never 0. */
uint64_t c25_cause_key(const char *name, uint8_t code, uint8_t more);

enum c25_cause_verdict {
	C25_CAUSE_TOLD,			/* lately: say nothing */
	C25_CAUSE_DUE,			/* say it */
	C25_CAUSE_CROWDED,		/* one of too many: say that at most */
};

/*
 * It has happened once more: is a line due?
 * Returns: C25_CAUSE_DUE: *count is how many there were since the last one,
 * with this one; the others leave it undefined.
 */
enum c25_cause_verdict c25_cause_seen(
	struct c25_cause causes[static C25_CAUSES], uint64_t key,
	uint64_t now_ms, uint64_t *count);

/* Likewise where there is but one cause. */
bool c25_cause_due(struct c25_cause *c, uint64_t now_ms, uint64_t *count);

/* " (12 such since the last message)", and nothing for 1. Returns: buf. */
#define C25_CAUSE_SINCE_MAX 64
const char *c25_cause_since(uint64_t count,
	char buf[static C25_CAUSE_SINCE_MAX]);

#endif
