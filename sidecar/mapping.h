/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mapping.h - what a connector holds: for each peer and transit address the
 * destination and app it stands for. In memory, no I/O, no clock of its own.
 *
 * Example:
 *	struct c25_mappings *m;
 *	struct c25_mapping it;
 *	size_t cursor = 0;
 *	int peer, app;
 *
 *	c25_mappings_new(0, 0, &m);
 *	peer = c25_mappings_peer(m, "edge-1");
 *	app = c25_mappings_app(m, "wiki");
 *	r = c25_mappings_put(m, peer, &transit, &destination, app, now);
 *	while (c25_mappings_next(m, &cursor, &it))
 *		printf("%s %s\n", it.peer, it.app);
 *
 * Rules
 *   keys       (peer, transit); the family is part of the address. The
 *              newest put wins.
 *   expiry     C25_MAPPING_LIFE_MS after the last put; get() doesn't see
 *              expired ones, c25_mappings_expire() frees them, oldest first.
 *   limits     per peer and in all, so that one peer can't fill the memory.
 *   cost       put, get and drop are O(1), whatever was sent (keyed hash)
 *              and also while it grows; sending again allocates nothing.
 *              About 90 bytes a mapping (DESIGN 12: <= 150).
 *   peers      are known by their configured name, so that a reload that
 *              keeps the name keeps the mappings. Names and apps are
 *              interned and stay until the end: bounded by configuration.
 *   time       any clock in ms that doesn't run backwards (c25_now_ms()).
 *   watching   whoever keeps a copy elsewhere is told of each change, of
 *              every kind, by c25_mappings_watch().
 */
#ifndef CONN25_MAPPING_H
#define CONN25_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/addr.h"

#define C25_MAPPING_LIFE_MS (3600u * 1000)
#define C25_MAPPINGS_PER_PEER 1048576u	/* default limits */
#define C25_MAPPINGS_TOTAL 8388608u

/* One mapping as it is shown. The strings live as long as the store. */
struct c25_mapping {
	const char *peer;
	const char *app;
	struct c25_addr transit;
	struct c25_addr destination;
	uint64_t sent_ms;		/* last put */
	uint32_t peer_index;		/* of c25_mappings_peer() */
};

struct c25_mappings;

/* Limits of 0 are the defaults. Returns: 0; -ENOMEM. */
int c25_mappings_new(uint32_t per_peer, uint32_t total,
	struct c25_mappings **out) __attribute__((warn_unused_result));
void c25_mappings_free(struct c25_mappings *m);	/* NULL is fine */

/* Another limit per peer; who has more keeps it and gets no new ones. */
void c25_mappings_limit(struct c25_mappings *m, uint32_t per_peer);

/*
 * The index of a peer's or an app's name, made on first use; for peers and
 * apps apart. Returns: >= 0; -ENOMEM; -ENOSPC (2^20 names).
 */
int c25_mappings_peer(struct c25_mappings *m, const char *name)
	__attribute__((warn_unused_result));
int c25_mappings_app(struct c25_mappings *m, const char *name)
	__attribute__((warn_unused_result));

/*
 * Set what (peer, transit) stands for. `peer` and `app` are indexes given
 * by this store; destination has the family of transit.
 * Returns: 0 it was there with the same destination and app; 1 new; 2 it had
 * another destination or app; -ENOSPC (a limit); -ENOMEM; -EINVAL.
 */
int c25_mappings_put(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, const struct c25_addr *destination,
	uint32_t app, uint64_t now_ms) __attribute__((warn_unused_result));

/* Returns: 0 and *out; -ENOENT (also when expired). */
int c25_mappings_get(const struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, uint64_t now_ms,
	struct c25_mapping *out);

/*
 * It is in use: let it live on as if it had been put now.
 * Returns: 0; -ENOENT (also when expired).
 */
int c25_mappings_renew(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, uint64_t now_ms);

/*
 * Put one from before a restart: with a sent_ms in the past, and in any order.
 * Nobody is told. When all are back c25_mappings_restored() puts their ages in
 * order; until then expiry may come late.
 * Returns: 0; -EEXIST (one of that key is there: it stays); -ENOSPC; -ENOMEM;
 * -EINVAL.
 */
int c25_mappings_restore(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, const struct c25_addr *destination,
	uint32_t app, uint64_t sent_ms) __attribute__((warn_unused_result));
/* Returns: 0; -ENOMEM, and expiry may come late. */
int c25_mappings_restored(struct c25_mappings *m)
	__attribute__((warn_unused_result));

/* Forget one. Returns: 0; -ENOENT. */
int c25_mappings_drop(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit);

/*
 * Walk all, in no particular order; start with *cursor = 0. Between two
 * calls anything may be put or dropped.
 * Returns: true and *out, false at the end.
 */
bool c25_mappings_next(const struct c25_mappings *m, size_t *cursor,
	struct c25_mapping *out);

/* Free up to `max` expired ones. Returns: how many. */
size_t c25_mappings_expire(struct c25_mappings *m, uint64_t now_ms,
	size_t max);

/* When the oldest expires, 0 when there is none: for the timer. */
uint64_t c25_mappings_due(const struct c25_mappings *m);

/*
 * Call `fn` after each put and renewal (`there`), and before one goes, dropped
 * or expired (not `there`). It must not change the mappings. There can be
 * C25_MAPPINGS_WATCHERS, told apart by their ctx; fn NULL: that one no more,
 * with ctx NULL none of them.
 */
#define C25_MAPPINGS_WATCHERS 2
typedef void (*c25_mappings_watch_fn)(void *ctx, const struct c25_mapping *it,
	bool there);
void c25_mappings_watch(struct c25_mappings *m, c25_mappings_watch_fn fn,
	void *ctx);

size_t c25_mappings_count(const struct c25_mappings *m);
size_t c25_mappings_count_peer(const struct c25_mappings *m, uint32_t peer);

/* Bytes of memory it holds. */
size_t c25_mappings_size(const struct c25_mappings *m);

#endif
