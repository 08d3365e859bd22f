/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * persist.h - what conn25d keeps over its death: ties the connector's
 * mappings (serve.h, mapping.h) to the store (store.h), which knows nothing
 * of roles and configurations.
 *
 * Example (conn25d):
 *	r = c25_serve_configure(serve, cfg, &err);
 *	if (r == 0)
 *		r = c25_persist_open(cfg->state_dir, run_dir, serve, &p,
 *			&err);
 *	... now the listeners ...
 *	if (r == 0)
 *		r = c25_persist_start(p, &err);
 *	each second:	c25_persist_tick(p);
 *	c25_persist_close(p);		before c25_serve_free()
 *
 * Rules: the loop's thread. Nothing is written before c25_persist_start(): a
 * conn25d that doesn't get that far leaves the database as it was.
 */
#ifndef CONN25_PERSIST_H
#define CONN25_PERSIST_H

#include "conn25/error.h"
#include "serve.h"
#include "store.h"

struct c25_persist;

/*
 * Open the store and give `serve` the mappings back that its configuration
 * allows, and the epoch; what it doesn't allow, and what is over, is removed.
 * From then on each change of a mapping is noted.
 * Owns: *out, until c25_persist_close(); `serve` outlives it.
 * Returns: 0; as c25_store_open() and c25_store_load_mappings().
 */
int c25_persist_open(const char *state_dir, const char *run_dir,
	struct c25_serve *serve, struct c25_persist **out,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Begin to write. Returns: as c25_store_start(). */
int c25_persist_start(struct c25_persist *p, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Each second: put everything again, in pieces, when the store asks. */
void c25_persist_tick(struct c25_persist *p);

/* The store, for the client role's assignments. */
struct c25_store *c25_persist_store(struct c25_persist *p);

/* Write what is left, and close. NULL is fine. */
void c25_persist_close(struct c25_persist *p);

#endif
