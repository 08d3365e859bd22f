/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath.h - both roles' halves of the kernel's address translation: which
 * element has to be in which map, for how long, and what is done when the
 * kernel won't or somebody else changed our table. A state machine without
 * I/O: it is told the time and what happened, reads the shared table and the
 * mappings, and gives transactions to `struct c25_datapath_ops`. nat.h runs
 * it over netlink.
 *
 *	assignments (ring, walk) --+
 *	mappings (watch, walk) ----+--> elements --> transactions --> kernel
 *	                                   ^                            |
 *	    leases, mappings kept <--- flows <--- conntrack <-----------+
 *
 * Example (nat.c):
 *	r = c25_datapath_check(dp, cfg, &err);	before anything is changed
 *	r = c25_datapath_configure(dp, cfg, table, mappings, now);
 *	c25_datapath_assigned(dp, &a, now);	the ring has one more
 *	c25_datapath_work(dp, now);		before the loop sleeps
 *
 * Rules
 *   before     an assignment is in the kernel before the loop sleeps, so
 *              before any connector's answer can make it READY; a mapping,
 *              for each address of its peer, before its request is answered,
 *              unless the kernel refuses it, which is logged. Whoever is told
 *              of an address finds it working.
 *   time       a client's element lives as long as the lease, a connector's
 *              as long as the mapping. The lease is renewed by Unbound,
 *              without a word to us: when an element's end comes near its
 *              source is asked. The kernel's own timeout comes a minute
 *              later, and before the end of the quarantine; if conn25d is
 *              dead it leaves no element behind that leads astray.
 *   flows      conntrack knows which connections live; it is read each
 *              C25_FLOWS_MS. (A set that packets update would cost each
 *              packet, and forget a connection that says nothing for a
 *              while; conntrack's events would cost each connection of this
 *              host, ours or not.) An assignment or mapping that one uses is
 *              kept, and so are the addresses of one that has ended. A
 *              connection that began while there were no rules, and so goes
 *              astray, is forgotten, and translated from its next packet on.
 *   start      whatever table of that name there is, is replaced in one
 *              transaction: rules and elements of a dead conn25d translate
 *              until the moment when ours do. Connections don't notice.
 *   size       up to C25_DATAPATH_ATOMIC elements go into that transaction;
 *              more in further ones, and until all are in packets for those
 *              that are missing are dropped, not refused, also when the
 *              configuration changes meanwhile. What is assigned or mapped
 *              meanwhile, for the first time or again, goes before all that
 *              is being loaded, so that nobody waits for that; also after a
 *              repair.
 *   repair     if somebody else changed the table, or the kernel says it has
 *              not what we think, it is made anew: at once, but after some
 *              times of that with pauses, so that two programs that fight
 *              over it leave the machine time for other things. What we hear
 *              of only then, and was done before, is no reason for another.
 *   threads    one.
 */
#ifndef CONN25_DATAPATH_H
#define CONN25_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "conn25/error.h"
#include "conn25/table.h"
#include "datapath_elements.h"
#include "datapath_rules.h"
#include "mapping.h"

#define C25_DATAPATH_ATOMIC (1u << 20)	/* elements, in one transaction */
#define C25_DATAPATH_BATCH 4096		/* ... while others wait */
#define C25_FLOWS_MS 30000		/* between two looks at connections */
/* What one uses is kept until so long after it was seen: two looks may fail,
 * and a third be slow. */
#define C25_FLOW_KEEP_MS 150000

struct c25_datapath;
struct c25_flow;			/* datapath_netlink.h */
struct c25_nft_event;

/* The kernel; as the functions c25_nft_...() of datapath_netlink.h. */
struct c25_datapath_ops {
	void (*begin)(void *ctx);
	void (*anew)(void *ctx, const struct c25_ruleset *rs);
	void (*rules)(void *ctx, const struct c25_ruleset *rs);
	void (*change)(void *ctx, const struct c25_change *change,
		uint64_t now_ms);
	void (*remove)(void *ctx);
	int (*commit)(void *ctx, bool dry, struct c25_error *err);
	int (*events)(void *ctx, struct c25_nft_event *out);
};

/*
 * `atomic` is C25_DATAPATH_ATOMIC, less in tests. ops stays valid.
 * Owns: *out, until c25_datapath_free(), which leaves the kernel as it is.
 * Returns: 0; -ENOMEM.
 */
int c25_datapath_new(const struct c25_datapath_ops *ops, void *ctx,
	size_t atomic, struct c25_datapath **out)
	__attribute__((warn_unused_result));
void c25_datapath_free(struct c25_datapath *dp);	/* NULL is fine */

/*
 * Would the kernel take the rules of this configuration? Changes nothing.
 * Returns: 0; -EPERM, -ENOENT, other -errno: err says why.
 */
int c25_datapath_check(struct c25_datapath *dp, const struct c25_config *cfg,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Take a configuration, and compare everything. `table` NULL: no client role;
 * it and the mappings must outlive this or the next configure. What the kernel
 * doesn't take is logged and tried again later.
 * Returns: 0; -ENOMEM, and everything is as before.
 */
int c25_datapath_configure(struct c25_datapath *dp,
	const struct c25_config *cfg, struct c25_table *table,
	struct c25_mappings *mappings, uint64_t now_ms)
	__attribute__((warn_unused_result));

/* This assignment is new, or has moved. */
void c25_datapath_assigned(struct c25_datapath *dp,
	const struct c25_assignment *a, uint64_t now_ms);
/* This one has been dropped. */
void c25_datapath_dropped(struct c25_datapath *dp,
	const struct c25_assignment *a);
/* The ring was overrun: look at all that there are, soon. */
void c25_datapath_overrun(struct c25_datapath *dp);

/* Do what is to be done. Bounded, but for what is made anew. */
void c25_datapath_work(struct c25_datapath *dp, uint64_t now_ms);
/*
 * Has the kernel still to be told of what was assigned or mapped since the
 * start, so that c25_datapath_work() is to be called before anybody is told of
 * it? What else has to be loaded may take longer.
 */
bool c25_datapath_owes(const struct c25_datapath *dp);
/* When to call c25_datapath_work() next if nothing happens. */
uint64_t c25_datapath_due(const struct c25_datapath *dp);

/* Somebody else has changed our table, or may have. */
void c25_datapath_meddled(struct c25_datapath *dp, const char *who,
	uint64_t now_ms);

/* Take the table out of the kernel. Returns: 0; -errno, err says why. */
int c25_datapath_remove(struct c25_datapath *dp, struct c25_error *err)
	__attribute__((warn_unused_result));

/* ---- connections -------------------------------------------------------- */

/* Is it time to read them, and all of them? */
bool c25_datapath_wants_flows(const struct c25_datapath *dp, uint64_t now_ms,
	bool *all);
/* One that lives. Returns: should it be forgotten (c25_nft_flow_forget())? */
bool c25_datapath_flow(struct c25_datapath *dp, const struct c25_flow *flow,
	uint64_t now_ms);
/* That was all, or reading failed; it took that long. */
void c25_datapath_flows_done(struct c25_datapath *dp, bool ok,
	uint64_t now_ms, uint64_t took_ms);

/* ---- statistics --------------------------------------------------------- */

struct c25_datapath_stats {
	uint64_t elements;		/* datapath.elements: in the kernel */
	uint64_t pending;		/* datapath.pending: changes to come */
	uint64_t batches;		/* datapath.batches: transactions */
	uint64_t changes;		/* datapath.changes: of elements */
	uint64_t errors;		/* datapath.errors: transactions that
					 * failed, looks at flows that did */
	uint64_t repairs;		/* datapath.repairs: made anew because
					 * it was otherwise than it should */
	uint64_t flows;			/* datapath.flows: living, at the last
					 * look */
	uint64_t kept;			/* datapath.kept: leases and mappings
					 * made longer for flows */
};
void c25_datapath_stats(const struct c25_datapath *dp,
	struct c25_datapath_stats *out);

/* Is the kernel's table there, as we made it? */
bool c25_datapath_built(const struct c25_datapath *dp);

/* The rules in force, NULL before the first configure. */
const struct c25_ruleset *c25_datapath_ruleset(const struct c25_datapath *dp);

#endif
