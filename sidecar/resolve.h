/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resolve.h - asking the DNS for addresses, with libunbound on the event
 * loop. resolve.c alone knows libunbound.
 *
 * Example (daemon.c):
 *	c25_resolve_new(loop, C25_RESOLVE_VERIFY, answer, ctx, &r);
 *	...
 *	if (c25_resolve_prepare(r, cfg, &err) != 0)	at start and reload
 *		... the configuration can't be used: err ...
 *	...				what else may fail
 *	c25_resolve_commit(r);		or c25_resolve_cancel(r);
 *	...
 *	c25_resolve_start(r, name, "wiki.corp.example", C25_V4);
 *	every second:	c25_resolve_tick(r, c25_now_ms());
 *
 * libunbound works in a thread of its own, made with the first lookup and
 * joined when other servers are configured: validating signatures, which a
 * hostile zone can make expensive, holds up nobody on the loop. What it has
 * found comes through a pipe that the loop watches. It forwards to the
 * servers of the configuration or of /etc/resolv.conf, which is read again
 * when it has changed. Its cache keeps answers for a second, as verify.h
 * remembers what was seen, and asks again only when it wants to know anew.
 * For connectors' names (host.h) it is C25_RESOLVE_TTL_S at most, so that a
 * connector that has moved is found soon, and /etc/hosts counts, too.
 *
 * Rules: the loop's thread only. `answer` is called from the loop, or from
 * _tick(), _commit(): not from _start().
 */
#ifndef CONN25_RESOLVE_H
#define CONN25_RESOLVE_H

#include <stdint.h>

#include "config.h"
#include "conn25/error.h"
#include "loop.h"
#include "verify.h"

#define C25_RESOLVE_ANCHOR "/usr/share/dns/root.key"	/* dns-root-data */
#define C25_RESOLVE_GIVE_UP_MS 10000	/* a lookup that takes longer fails */
#define C25_RESOLVE_TTL_S 5		/* see above */

struct c25_resolve;

/* What for: each has a libunbound of its own, and none if it needs none. */
enum c25_resolve_use {
	C25_RESOLVE_VERIFY,		/* apps that verify destinations */
	C25_RESOLVE_NAMES,		/* connectors' url with a name */
};

/* `token` is what c25_resolve_start() was given. */
typedef void c25_resolve_fn(void *ctx, void *token,
	const struct c25_verify_answer *a);

/*
 * Owns: the resolver, which can't start anything yet.
 * Returns: 0; -ENOMEM.
 */
int c25_resolve_new(struct c25_loop *loop, enum c25_resolve_use use,
	c25_resolve_fn *answer, void *ctx, struct c25_resolve **out)
	__attribute__((warn_unused_result));

/* Lookups under way end without an answer. NULL is fine. */
void c25_resolve_free(struct c25_resolve *r);

/*
 * Get ready for a configuration, without asking anybody yet. Nothing is there
 * to be done if nothing is to be looked up, or the servers and trust anchors
 * are the same, files of these unchanged.
 * Returns: 0; -ENOMEM; -EINVAL, -ENOENT: a file can't be read or used, err
 * says which.
 */
int c25_resolve_prepare(struct c25_resolve *r, const struct c25_config *cfg,
	struct c25_error *err) __attribute__((warn_unused_result));
/*
 * What was prepared is in use from now on; lookups under way with what was
 * before are answered as failures.
 * Returns: were other servers or trust anchors in use before?
 */
bool c25_resolve_commit(struct c25_resolve *r);
void c25_resolve_cancel(struct c25_resolve *r);

/*
 * Look up addresses; `answer` is called with `token`.
 * Returns: 0; -ENOSYS (nothing was committed yet); -ENOMEM; -EIO, libunbound
 * can't: logged, now and then.
 */
int c25_resolve_start(struct c25_resolve *r, void *token, const char *domain,
	enum c25_family family) __attribute__((warn_unused_result));

/* `answer` won't be called for this token. */
void c25_resolve_forget(struct c25_resolve *r, const void *token);

/* Give up what takes too long; look whether /etc/resolv.conf or /etc/hosts
 * have changed. */
void c25_resolve_tick(struct c25_resolve *r, uint64_t now_ms);

#endif
