/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * push_queue.h - where each slot of the table waits: linked lists through one
 * array as long as the table, so that queueing never allocates. Private to
 * push*.c.
 *
 * A slot is in at most one place, with one version (seq): a newer version
 * takes the place of an older one.
 */
#ifndef CONN25_PUSH_QUEUE_H
#define CONN25_PUSH_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "conn25/table.h"

#define C25_PUSH_NIL 0xffffffffu
#define C25_PUSH_LEVELS 8		/* of backoff for single mappings */

/* The places of one connector. */
enum c25_push_place {
	C25_PUSH_NOWHERE = 0,
	C25_PUSH_FLIGHT,		/* on the way: in no list */
	C25_PUSH_FRESH,			/* somebody may be waiting for it */
	C25_PUSH_MOVED,			/* was another connector's */
	C25_PUSH_REFRESH,
	C25_PUSH_LATER,			/* + level */
	C25_PUSH_PLACES = C25_PUSH_LATER + C25_PUSH_LEVELS
};

/* Beyond the registry: those without any connector. */
#define C25_PUSH_PARKED_REG C25_CONNECTORS_MAX

struct c25_push_list {
	uint32_t head, tail, count;
};

struct c25_push_slot {
	uint32_t seq;			/* the version that is meant */
	uint32_t prev, next;		/* in its list */
	uint32_t refused;		/* who finally did: a bit for each
					 * place in the app's list, the last
					 * one for all that are left */
	uint16_t where;			/* reg * C25_PUSH_PLACES + place */
	uint8_t generation;		/* of `refused`; another: it's 0 */
	uint8_t level : 4;		/* of backoff */
	uint8_t alone : 1;		/* send without others */
	uint32_t since;			/* when it was reserved, in ticks of
					 * C25_PUSH_TICK_US; 0: not known, or
					 * the connector has it */
};

_Static_assert(sizeof(struct c25_push_slot) == 24, "as push.h says");

struct c25_push_queue {
	struct c25_push_slot *slots;
	uint32_t capacity;
	struct c25_push_list lists[(C25_CONNECTORS_MAX + 1) *
		C25_PUSH_PLACES];
};

/* Returns: 0; -ENOMEM. */
int c25_push_queue_init(struct c25_push_queue *q, uint32_t capacity);
void c25_push_queue_free(struct c25_push_queue *q);

static inline struct c25_push_list *
c25_push_list(struct c25_push_queue *q, uint32_t reg,
	unsigned place)
{
	return &q->lists[reg * C25_PUSH_PLACES + place];
}

static inline enum c25_push_place
c25_push_place(const struct c25_push_slot *s)
{
	return s->where % C25_PUSH_PLACES;
}

/* Put a slot (out of where it is) at the end, or the front, of a place. */
void c25_push_move(struct c25_push_queue *q, uint32_t slot, uint32_t reg,
	unsigned place, bool front);
/* Take it out of where it is. */
void c25_push_remove(struct c25_push_queue *q, uint32_t slot);
/* Move a whole list behind another. O(its length). */
void c25_push_splice(struct c25_push_queue *q, uint32_t reg, unsigned from,
	unsigned to);
/* Forget all that waits at `reg`, not what is on the way. */
void c25_push_clear(struct c25_push_queue *q, uint32_t reg);

#endif
