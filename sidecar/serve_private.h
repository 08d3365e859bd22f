/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serve_private.h - between the files behind serve.h; nobody else includes
 * it.
 *
 *   serve.c          who may ask, and what the configuration allows
 *   serve_decide.c   the entries of a request, one after the other
 *   serve_request.c  a request and its answer
 */
#ifndef CONN25_SERVE_PRIVATE_H
#define CONN25_SERVE_PRIVATE_H

#include "guard.h"
#include "serve.h"

/* A request that is being decided. Reused; starts as all zero. */
struct c25_serve_work {
	struct c25_wire_request request;
	uint8_t *codes;			/* of its entries */
	uint8_t *verdicts;		/* beside them; enum c25_verdict */
	size_t code_size;
	uint32_t *seen;			/* hash set of entry index + 1 */
	size_t seen_size;		/* allocated */
	size_t seen_mask;		/* of the part in use */
};

struct c25_serve_peer {
	uint32_t store;			/* index in the mapping store */
	bool has[2];			/* an address of v4, v6 */
	uint64_t logged_ms;		/* last line about a refusal, 0: none */
	uint64_t unlogged;		/* refusals since */
};

struct c25_serve {
	const struct c25_config *cfg;	/* NULL: no connector role */
	struct c25_mappings *mappings;
	struct c25_guard *guard;	/* signatures */
	struct c25_verify *verify;	/* destinations */
	struct c25_serve_source *sources;	/* sorted by address */
	size_t source_count;
	struct c25_serve_app *apps;	/* sorted by name */
	uint32_t *app_store;		/* by config index: in the store */
	struct c25_serve_peer *peers;	/* by config index */
	uint32_t *store_peer;		/* by index in the store: config index
					 * + 1, 0: not in the configuration */
	uint32_t stores;		/* in that array */
	struct c25_addr *own;		/* sorted */
	size_t own_count;
	bool own_fixed;			/* c25_serve_own_set() */
	uint64_t own_due_ms;
	struct c25_serve_work work;	/* of what is decided at once */
	uint8_t key[16];
	char epoch[C25_SERVE_EPOCH_MAX];
	uint32_t restored;		/* the peer of the last restored */
	void (*before_reply)(void *ctx);	/* or NULL */
	void *before_reply_ctx;
	struct c25_serve_stats stats;
};

/* ---- serve.c ------------------------------------------------------------- */

/* Returns: its index in the configuration, or C25_APP_NONE. */
uint32_t c25_serve_find_app(const struct c25_serve *s, const char *name);

/* The checks of one entry that depend neither on what else is in its request
 * nor on lookups, in the order of DESIGN 8. *app is its app's index. */
enum c25_wire_code c25_serve_check(const struct c25_serve *s, uint32_t peer,
	const struct c25_wire_entry *e, uint32_t *app);

/* ---- serve_decide.c ------------------------------------------------------ */

/* Room for deciding as many entries, and none of them seen. Returns: 0;
 * -ENOMEM. */
int c25_serve_work_start(struct c25_serve_work *w, size_t count)
	__attribute__((warn_unused_result));
void c25_serve_work_free(struct c25_serve_work *w);

/* Decide about entries from .. to - 1; what is before them was decided. */
void c25_serve_decide(struct c25_serve *s, uint32_t peer,
	struct c25_serve_work *w, const struct c25_wire_entry *entries,
	size_t from, size_t to, uint64_t now_ms);

/* Count what was decided. */
void c25_serve_count(struct c25_serve *s, const uint8_t *codes, size_t count);

/* Is the destination one of the app's domains, as far as is known or (with a
 * wait) can be found out? */
enum c25_verdict c25_serve_verify_entry(struct c25_serve *s, uint32_t app,
	const struct c25_wire_entry *e, uint64_t now_ms,
	struct c25_verify_wait *wait);

#endif
