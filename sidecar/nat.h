/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nat.h - runs datapath.h on the event loop over netlink, if the
 * configuration says so; without "nftables": true nothing here opens a
 * socket.
 *
 * Example (conn25d):
 *	c25_nat_new(loop, &nat);
 *	r = c25_nat_check(nat, cfg, &err);	before anything is changed
 *	...
 *	r = c25_nat_configure(nat, cfg, table, mappings, &err);
 *	c25_nat_seen(nat, &a);			the table's ring had it
 *	sleep = c25_nat_flush(nat);		before the loop sleeps
 *	c25_nat_free(nat, cfg->datapath.remove_at_stop);
 *
 * Rules: the loop's thread; loop, table and mappings outlive it.
 */
#ifndef CONN25_NAT_H
#define CONN25_NAT_H

#include <stdbool.h>

#include "config.h"
#include "conn25/error.h"
#include "conn25/table.h"
#include "datapath.h"
#include "loop.h"
#include "mapping.h"

struct c25_nat;

/* Returns: 0; -ENOMEM. */
int c25_nat_new(struct c25_loop *loop, struct c25_nat **out)
	__attribute__((warn_unused_result));

/* The kernel keeps what it has, or `remove` the table. NULL is fine. */
void c25_nat_free(struct c25_nat *nat, bool remove);

/*
 * Can this configuration's datapath be? Changes nothing.
 * Returns: 0; -errno, err says what to do.
 */
int c25_nat_check(struct c25_nat *nat, const struct c25_config *cfg,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Make it so; after c25_nat_check(), c25_table_publish() and
 * c25_serve_configure(). What was on and isn't any more is removed from the
 * kernel. `table` NULL: there is none.
 * Returns: 0; -ENOMEM, and everything is as before.
 */
int c25_nat_configure(struct c25_nat *nat, const struct c25_config *cfg,
	struct c25_table *table, struct c25_mappings *mappings,
	struct c25_error *err) __attribute__((warn_unused_result));

/* This one is new, or has moved; NULL: some are that nobody was told of. */
void c25_nat_seen(struct c25_nat *nat, const struct c25_assignment *a);
/* This one has been dropped. */
void c25_nat_dropped(struct c25_nat *nat, const struct c25_assignment *a);

/* Give the kernel what waits for it. Returns: is nothing left? */
bool c25_nat_flush(struct c25_nat *nat);

/* Give the kernel what somebody waits to be told of, before all the rest. */
void c25_nat_flush_first(struct c25_nat *nat);

/* Is it on? */
bool c25_nat_on(const struct c25_nat *nat);

/* Has the kernel what it should, or nothing because it is off? */
bool c25_nat_built(const struct c25_nat *nat);

/* What `stats` shows; all zero when it is off. */
struct c25_nat_stats {
	struct c25_datapath_stats datapath;
	uint64_t packets[C25_COUNTERS];	/* connections, refused packets */
};
void c25_nat_stats(struct c25_nat *nat, struct c25_nat_stats *out);

#endif
