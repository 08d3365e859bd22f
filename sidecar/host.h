/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host.h - where a connector is whose `url` has a name: its addresses, which
 * of them comes next, and when the name is looked up again. Without I/O: it
 * is told the time, and looks up through `struct c25_host_ops`.
 *
 * Example (http_client.c):
 *	switch (c25_host_next(h, now, &addr)) {
 *	case 0:		connect to addr; if that fails, c25_host_failed(h)
 *	case -EAGAIN:	wait until c25_host_ready() calls, or WAIT_MS
 *	default:	c25_host_error(h) says why there is none
 *	}
 *
 * Rules
 *   order      IPv6 and IPv4 in turn, as DNS has them; what worked last stays
 *              the first, what failed makes way for the next.
 *   again      the name is looked up again when somebody wants an address and
 *              the TTL has passed or one has failed; once a second at most.
 *              What is known is used meanwhile: nobody waits for DNS who has
 *              been told an address before.
 *   no answer  the last known addresses stay in use while lookups fail. They
 *              are forgotten if DNS says that there are none.
 *   one family if only one has answered, the other has C25_HOST_WAIT_MS more.
 *   refused    addresses that `refuses` refuses are as if they weren't there,
 *              and the error says so if there are no others.
 *   threads    one.
 */
#ifndef CONN25_HOST_H
#define CONN25_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/addr.h"
#include "verify.h"

#define C25_HOST_FAMILY_MAX 8		/* addresses of each family */
#define C25_HOST_AGAIN_MS 1000		/* between two lookups, at least */
#define C25_HOST_WAIT_MS 250
#define C25_HOST_ERROR_MAX 160

struct c25_host;
struct c25_host_query;			/* a lookup: a name and a family */

struct c25_host_ops {
	/* Begin; c25_host_answer() follows, not from inside. Returns: 0, or
	 * -errno and it is a failure. */
	int (*lookup)(void *ctx, struct c25_host_query *q, const char *name,
		enum c25_family family);
	/* No answer is wanted any more. */
	void (*cancel)(void *ctx, struct c25_host_query *q);
	bool (*refuses)(void *ctx, const struct c25_addr *a);
};

/* Owns: the host; the name is copied, ops stays valid. Returns: 0; -ENOMEM. */
int c25_host_new(const struct c25_host_ops *ops, void *ctx, const char *name,
	struct c25_host **out) __attribute__((warn_unused_result));
void c25_host_free(struct c25_host *h);		/* NULL is fine */

/* Whom to tell that something was answered, inside c25_host_answer(). */
void c25_host_ready(struct c25_host *h, void (*ready)(void *ctx), void *ctx);

/* A lookup has ended. */
void c25_host_answer(struct c25_host_query *q,
	const struct c25_verify_answer *a, uint64_t now_ms);

/*
 * The address to connect to now.
 * Returns: 0; -EAGAIN: a lookup is under way; -ENOENT: there is none.
 */
int c25_host_next(struct c25_host *h, uint64_t now_ms, struct c25_addr *out)
	__attribute__((warn_unused_result));

/* Look it up again if it is time to. */
void c25_host_refresh(struct c25_host *h, uint64_t now_ms);

/* That address was of no use: another one, if there is, and a lookup. */
void c25_host_failed(struct c25_host *h);

/* Is it one of them still? Also if none is known. */
bool c25_host_has(const struct c25_host *h, const struct c25_addr *a);

/* How many are known. */
size_t c25_host_count(const struct c25_host *h);

/* Why there is no address, and what to do. */
const char *c25_host_error(const struct c25_host *h);

#endif
