/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath_private.h - between datapath.c (transactions: when, and what if
 * they fail) and datapath_source.c (what the elements are, from where, and
 * connections); nobody else includes it.
 */
#ifndef CONN25_DATAPATH_PRIVATE_H
#define CONN25_DATAPATH_PRIVATE_H

#include "datapath.h"
#include "progress.h"

/* An element's source is asked again when it ends within this time; each
 * element is looked at in every SWEEP_MS. */
#define C25_DATAPATH_HORIZON_MS 40000
#define C25_DATAPATH_SWEEP_MS 16000

/* One address of a peer; `peer` is the mappings' index. */
struct c25_datapath_peer {
	struct c25_addr addr;
	uint32_t peer;
};

struct c25_datapath {
	const struct c25_datapath_ops *ops;
	void *ctx;
	size_t atomic;			/* changes in a transaction at most */
	struct c25_elements *elements;
	struct c25_ruleset *rs;		/* NULL: not configured */
	struct c25_table *table;	/* NULL: no client role */
	struct c25_mappings *mappings;
	struct c25_datapath_peer *by_peer, *by_addr;	/* the same, sorted */
	size_t peer_count;

	/* The kernel's table. */
	bool built;			/* it is there */
	bool rules_due;			/* ... with other rules */
	uint64_t retry_at_ms;		/* 0: at once, if there is anything */
	uint64_t retry_ms;		/* the last pause */
	unsigned repairs_left;		/* that may be at once */
	uint64_t repairs_ms;		/* when that was counted last */
	uint64_t build_ms;		/* that the last build took */
	struct c25_progress progress;	/* of many elements */
	char who[64];			/* who made it necessary, or "" */
	char told[512];			/* error logged last */

	/* Sources. */
	bool compare_due;		/* look at all of them */
	uint64_t compare_at_ms;
	size_t cursor;			/* of the sweep */
	uint64_t sweep_at_ms;
	bool memory_told;

	/* Connections. */
	bool cleanse;			/* forget those that go astray */
	uint64_t flows_at_ms;
	uint64_t flows_seen;
	struct c25_datapath_stats stats;
};

/*
 * Put everything that there is, drop what isn't any more. Magic addresses
 * outside of the pools are added to `outside`, unless that is NULL.
 */
void c25_datapath_compare(struct c25_datapath *dp, struct c25_ranges *outside,
	uint64_t now_ms);

/* Look at some elements whose time may come. */
void c25_datapath_sweep(struct c25_datapath *dp, uint64_t now_ms);

/* The peers' addresses of a configuration. Returns: 0; -ENOMEM. */
int c25_datapath_peers(struct c25_mappings *m, const struct c25_config *cfg,
	struct c25_datapath_peer **by_peer, struct c25_datapath_peer **by_addr,
	size_t *count);

/* Mappings have a watcher from now on. */
void c25_datapath_watch(struct c25_datapath *dp);

#endif
