/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * teller.h - tells one Unbound, over its control socket, which forward zones
 * it is to have, until it has them; and takes them out of it when it isn't
 * configured any more. What there is to be said is decided in forwards.h, one
 * command is said by unbound_control.h; which Unbounds there are is for
 * forwarding.h.
 *
 * Example (forwarding.c):
 *	r = c25_teller_new(loop, on_left, f, &f->totals, &t);
 *	r = c25_teller_former(t, &zones);	it may have these
 *	c25_teller_tell(t, &socket, &zones);	and is to have these
 *	...
 *	c25_teller_leave(t, &none);	t is gone when on_left() was called
 *
 * Rules
 *   truth      what Unbound has is asked of it each time (list_forwards), so
 *              that it doesn't matter who has restarted when.
 *   failure    is told once, and tried again after a second, then less and
 *              less often, up to each minute.
 *   leaving    is over when Unbound has been told, when there is none, or
 *              after a minute. What may stay in it then is logged.
 *   threads    the loop's only.
 */
#ifndef CONN25_TELLER_H
#define CONN25_TELLER_H

#include <stdbool.h>
#include <stdint.h>

#include "forwards.h"
#include "loop.h"

struct c25_teller;

/* Of all of them. */
struct c25_teller_totals {
	uint64_t changes;		/* zones that were told */
	uint64_t failures;		/* attempts that failed */
};

/*
 * on_left() is called once c25_teller_leave() was, perhaps from within it,
 * when that is over; it frees the teller.
 * Owns: *out, until c25_teller_free(). Returns: 0; -ENOMEM.
 */
int c25_teller_new(struct c25_loop *loop,
	void (*on_left)(void *ctx, struct c25_teller *t), void *ctx,
	struct c25_teller_totals *totals, struct c25_teller **out)
	__attribute__((warn_unused_result));

/* NULL is fine. What Unbound was told stays. */
void c25_teller_free(struct c25_teller *t);

/* Unbound may have these zones of ours, too. Returns: 0; -ENOMEM. */
int c25_teller_former(struct c25_teller *t, const struct c25_forwards *zones)
	__attribute__((warn_unused_result));

/* Add all that it may have of ours to `zones`. Returns: 0; -ENOMEM. */
int c25_teller_knows(const struct c25_teller *t, struct c25_forwards *zones)
	__attribute__((warn_unused_result));

/*
 * What it is to have from now on, and its socket.
 * Owns: takes over *socket and *zones, and leaves them empty.
 */
void c25_teller_tell(struct c25_teller *t, char **socket,
	struct c25_forwards *zones);

/*
 * It isn't configured any more: it is told once more, to have no others than
 * `zones`. c25_teller_tell() takes that back.
 * Owns: takes over *zones, and leaves it empty; t, until on_left().
 */
void c25_teller_leave(struct c25_teller *t, struct c25_forwards *zones);

/* Unbound may have begun anew, or been told by somebody else. */
void c25_teller_again(struct c25_teller *t);

const char *c25_teller_socket(const struct c25_teller *t);

/* How many zones it is to have. */
size_t c25_teller_count(const struct c25_teller *t);

/* Has it not been told all yet? */
bool c25_teller_pending(const struct c25_teller *t);

/* Does it refuse to be told, or can't it be? */
bool c25_teller_failing(const struct c25_teller *t);

#endif
