/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pusher.h - runs push.h on the event loop: one HTTP client per connector,
 * one timer, and the shared table.
 *
 * Example (conn25d):
 *	struct c25_pusher *pu;
 *
 *	c25_pusher_new(loop, table, ring_all_bells, note, d, &pu);
 *	c25_pusher_resolver(pu, names);
 *	c25_pusher_configure(pu, cfg, regs, trust, &err);
 *						after c25_table_publish(),
 *						    at start and each reload
 *	c25_pusher_work(pu);	the doorbell rang, or c25_table_sleep() said
 *				false
 *	c25_push_stats(c25_pusher_push(pu))->acked
 *	c25_pusher_free(pu);	before the loop and the table
 *
 * Signatures (httpsig.h): with a key each request is signed, anew each time
 * that it is sent. Of a connector with a publicKey only what is signed with
 * it, as the answer to this very request, counts as an answer; all else is a
 * failed request.
 *
 * Rules: the loop's thread.
 */
#ifndef CONN25_PUSHER_H
#define CONN25_PUSHER_H

#include <stdint.h>

#include "config.h"
#include "conn25/error.h"
#include "conn25/table.h"
#include "keys.h"
#include "loop.h"
#include "push.h"
#include "resolve.h"

struct c25_pusher;

/*
 * `changed` is called when push states changed: ring the module's bells;
 * `seen` with each assignment that the module has made since, or that has
 * moved, before it is sent anywhere, and perhaps again as long as it waits;
 * with NULL when the
 * table's ring was overrun: those that were in it follow as they are found.
 * Owns: the pusher; loop and table must outlive it.
 * Returns: 0; -ENOMEM.
 */
int c25_pusher_new(struct c25_loop *loop, struct c25_table *table,
	void (*changed)(void *ctx),
	void (*seen)(void *ctx, const struct c25_assignment *a), void *ctx,
	struct c25_pusher **out)
	__attribute__((warn_unused_result));
void c25_pusher_free(struct c25_pusher *pu);	/* NULL is fine */

/*
 * Who looks up connectors' names; until then none is found. It outlives the
 * pusher, and calls c25_pusher_found(). Addresses in magic pools of the
 * policy are refused: they lead back to us.
 */
void c25_pusher_resolver(struct c25_pusher *pu, struct c25_resolve *names);
void c25_pusher_found(void *ctx, void *token,
	const struct c25_verify_answer *a);

/* What requests are signed with; NULL: nothing. It stays valid until the
 * next. */
void c25_pusher_key(struct c25_pusher *pu, const struct c25_key *key);

/*
 * Take connectors from a configuration and the policy from the table, where
 * it was just published. regs[i] is the registry index of cfg->connectors[i],
 * trust[i] whom to believe to be it (NULL: as c25_http_peer has it).
 * Connections to connectors whose URL and trust stayed the same are kept. cfg
 * is not needed afterwards. Starts sending what waits.
 * Returns: 0; -ENOMEM; what c25_table_policy() returns (err is set); then
 * everything is as before.
 */
int c25_pusher_configure(struct c25_pusher *pu, const struct c25_config *cfg,
	const uint16_t *regs, struct c25_tls_trust *const *trust,
	struct c25_error *err)
	__attribute__((warn_unused_result));

/* Look into the table for work. */
void c25_pusher_work(struct c25_pusher *pu);

/* The state machine, for statistics and list_connectors. */
struct c25_pushq *c25_pusher_push(struct c25_pusher *pu);

#endif
