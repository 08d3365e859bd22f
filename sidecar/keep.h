/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keep.h - the client role's assignments in the store, and back: what
 * conn25d knows of them when the table is gone, as after a reboot.
 *
 * Example (conn25d):
 *	r = c25_table_publish(table, blob, len, &err);
 *	if (r == 0)
 *		r = c25_keep_start(store, table, policy, &keep, &err);
 *	each time the table's ring or a walk gives an assignment:
 *		c25_keep_put(keep, &a);
 *	each second:	c25_keep_tick(keep, now);
 *	c25_keep_free(keep);		after c25_persist_close()
 *
 * Rules
 *   truth      is the table, as long as it is there: Unbound goes on assigning
 *              while conn25d is away. What the database has beyond that has
 *              ended. Only a table that has not begun is filled from it.
 *   dead       what has ended is removed from the database soon after its
 *              addresses were freed, and at once when somebody else has its
 *              magic address or its slot of the table: there are never more
 *              rows than slots. The wall clock decides nothing, so what ended
 *              just before the table was lost gets a whole lease again. If
 *              there isn't room for all of them, as the table is smaller now,
 *              those that were noted last come first; the others stay in the
 *              database for their lease.
 *   order      of two with the same domain and destination, or the same
 *              transit address, the one that was made last is put back, also
 *              if its row was there from an earlier time: what is new in the
 *              table is put anew.
 *   transit    who can have its own transit address gets it, before anybody
 *              is given another one.
 *   policy     assignments whose domain is not rewritten any more, or whose
 *              magic address is in no pool, are not put back, and removed.
 *   leases     a lease is kept as a length, so that renewing it writes
 *              nothing: the longest that the policy allows, or what is left
 *              of it when it is noted, if that is longer (maxTTL was
 *              lowered). What is put back gets all of that again: it lasts
 *              longer than was promised, never shorter.
 *   threads    the loop's; the store's thread reads the table.
 */
#ifndef CONN25_KEEP_H
#define CONN25_KEEP_H

#include <stdint.h>

#include "conn25/error.h"
#include "conn25/policy.h"
#include "conn25/table.h"
#include "store.h"

#define C25_KEEP_SWEEP_MS (10u * 60 * 1000)	/* if nobody knows of any */

struct c25_keep;

/*
 * Fill a table that has not begun from the store, also if that was started long
 * ago (a reload may bring the client role), and let the table begin. The
 * policy is the published one; a reference
 * is taken.
 * Owns: *out; store and table outlive it, but for the store's own thread,
 * which must have ended before c25_keep_free().
 * Returns: 0; -ENOMEM; -EIO (the database can't be read).
 */
int c25_keep_start(struct c25_store *store, struct c25_table *table,
	struct c25_policy *policy, struct c25_keep **out,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Another policy was published. */
void c25_keep_policy(struct c25_keep *k, struct c25_policy *policy);

/* Note an assignment; one that is noted already costs next to nothing. */
void c25_keep_put(struct c25_keep *k, const struct c25_assignment *a);

/* Some have ended: look for them in the store soon. */
void c25_keep_freed(struct c25_keep *k);

/* Each second: put everything again when the store asks, in pieces, and now
 * and then look for what has ended. */
void c25_keep_tick(struct c25_keep *k, uint64_t now_ms);

void c25_keep_free(struct c25_keep *k);		/* NULL is fine */

#endif
