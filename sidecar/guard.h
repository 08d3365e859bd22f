/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guard.h - the connector's side of signatures: whether a peer that has keys
 * has signed what comes from its address, and signing what is answered. Pure;
 * serve.c asks it, httpsig.h does the work.
 *
 * Example (serve.c):
 *	admit:	if (c25_guard_head(g, peer, q, now_s, &err) != 0)
 *			c25_http_fail(p, 401, "%s", err.text);
 *	handle:	if (c25_guard_body(g, peer, q, now_s, &err) != 0)
 *			c25_http_fail(p, 401, "%s", err.text);
 *	both:	c25_guard_sign(g, q, p, epoch, now_s);
 *
 * A peer without keys is known by its address alone. Of one that has some, a
 * request is refused with 401 by the first of these:
 *   - no signature, or one that is malformed (httpsig.h says how strictly)
 *   - it doesn't cover @method, @path, @authority and content-digest, or has
 *     no nonce
 *   - `created` is off by more than C25_HTTPSIG_WINDOW_S, or it has expired
 *   - it is for another host: its authority is neither the address and port
 *     that it came to nor one of listen.authorities. Otherwise whoever
 *     overhears a request could bring it to another connector.
 *   - none of the peer's keys has made it, for this request
 *   - its nonce was there before (replay.h)
 *   ---- so far without having read the body ----
 *   - the body isn't the one of content-digest
 * A nonce counts as used once the signature was found good.
 *
 * Over a restart nonces aren't remembered: what was created before it, by our
 * clock, is not taken (so if that was ahead and is set back, restart). But
 * `created` is by the peer's clock: what one whose clock is ahead sent in the
 * last seconds before a restart, as many as it is ahead, is taken once more.
 * A reload keeps them.
 *
 * Rules: the loop's thread. Peers are indexes of the configuration last given.
 */
#ifndef CONN25_GUARD_H
#define CONN25_GUARD_H

#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "conn25/error.h"
#include "http.h"
#include "keys.h"

struct c25_guard;

/*
 * `start_s`: nothing created before that is taken.
 * Owns: the guard. Returns: NULL: no memory.
 */
struct c25_guard *c25_guard_new(int64_t start_s);
void c25_guard_free(struct c25_guard *g);	/* NULL is fine */

/*
 * Take peers and their keys; cfg stays valid until the next one, NULL: none.
 * Nonces of peers that keep their name are remembered.
 * Returns: 0; -ENOMEM, and everything is as before.
 */
int c25_guard_configure(struct c25_guard *g, const struct c25_config *cfg)
	__attribute__((warn_unused_result));

/* What to sign answers with; NULL: nothing. It stays valid until the next. */
void c25_guard_key(struct c25_guard *g, const struct c25_key *key);

/*
 * Judge a request by its head.
 * Returns: 0, and *q->mark says so to c25_guard_body(); -EPERM, err is what
 * to answer.
 */
int c25_guard_head(struct c25_guard *g, uint32_t peer,
	const struct c25_http_request *q, int64_t now_s,
	struct c25_error *err) __attribute__((warn_unused_result));

/* ... and now by its body; when it is handled again, only whether its keys are
 * still those. Returns: 0; -EPERM as above. */
int c25_guard_body(struct c25_guard *g, uint32_t peer,
	const struct c25_http_request *q, int64_t now_s,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Sign a complete answer, if we have a key and the request is signed too. */
void c25_guard_sign(struct c25_guard *g, const struct c25_http_request *q,
	struct c25_http_reply *p, const char *epoch, int64_t now_s);

#endif
