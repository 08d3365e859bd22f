/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verify.h - the connector's own look at the DNS: does a name that a peer
 * says belong to the app, and is the destination one of its addresses? Here
 * is the decision, what was seen of which name, and who waits for what. Pure:
 * resolve.h knows how to ask.
 *
 * Example (serve.c):
 *	w = c25_verify_wait_new(v, peer, now_ms);
 *	for each entry	c25_verify_ask(v, &question, now_ms, w);
 *	if (c25_verify_wait_left(w) > 0)
 *		c25_verify_wait_start(w, resume, later);
 *	else
 *		c25_verify_wait_free(w);
 *	...
 *	resume:		c25_verify_ask(v, &question, now_ms, NULL);
 *
 * and (daemon.c) c25_verify_resolver(v, start, ctx): `start` is called for
 * each lookup that may begin; whoever did it calls c25_verify_answer().
 *
 * Why addresses are remembered for as long as they are: names with many
 * addresses, or with different ones for different askers, seldom give the
 * client and us the same answer at the same time. What a client uses may come
 * from its resolver's cache, where an answer stays for up to a day
 * (C25_VERIFY_KEEP_MS); so an address counts for a day after we last got it.
 * What we haven't got is asked for again, at most every C25_VERIFY_AGAIN_MS
 * for a name. Where the client's part of the world gets addresses that ours
 * never does, the entry is refused for good: such an app can't be verified.
 *
 * What a peer can make us ask: only names that its apps' domains match, of
 * which at most C25_VERIFY_LOOKUPS at a time, and the more of them are under
 * way the fewer one peer may have of these, so that there is room for others;
 * C25_VERIFY_RATE in a second. A name that many wait for is asked for once.
 * That a name isn't there is remembered as an answer is.
 *
 * Rules
 *   threads    the loop's.
 *   time       any clock in milliseconds, never 0.
 *   callbacks  `start` must not call c25_verify_answer() itself. What a wait
 *              calls may do anything but free the struct c25_verify.
 */
#ifndef CONN25_VERIFY_H
#define CONN25_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "conn25/addr.h"

#define C25_VERIFY_KEEP_MS (86400u * 1000)	/* Unbound's cache-max-ttl */
#define C25_VERIFY_AGAIN_MS 2000	/* between two lookups of a name */
#define C25_VERIFY_WAIT_MS 3000		/* of a request, and up to a second
					 * (the tick) more: the client gives
					 * up after C25_HTTP_RESPONSE_MS */
#define C25_VERIFY_NAMES 16384		/* remembered, by family */
#define C25_VERIFY_ADDRESSES 64		/* of one name */
#define C25_VERIFY_LOOKUPS 128		/* at a time */
#define C25_VERIFY_RATE 500		/* lookups a second for one peer */
#define C25_VERIFY_BURST 2000		/* ... after it was quiet */
#define C25_VERIFY_WAITS 512		/* requests that wait */
#define C25_VERIFY_PEER_WAITS 32	/* ... of one peer */
#define C25_VERIFY_WAIT_NAMES 256	/* that one waits for: a batch */

enum c25_verdict {
	C25_VERDICT_OK = 0,
	C25_VERDICT_NO_DOMAIN,		/* the entry has none */
	C25_VERDICT_FOREIGN,		/* it is no domain of the app */
	C25_VERDICT_OTHER,		/* the destination isn't its address */
	C25_VERDICT_BOGUS,		/* the answer failed validation */
	C25_VERDICT_LATER,		/* can't be told now */
	C25_VERDICT_WAIT,		/* the wait given waits for it */
	C25_VERDICTS
};

struct c25_verify_question {
	uint32_t app;			/* index; it has verify_destinations */
	const char *domain;		/* presentation format, "" none */
	const struct c25_addr *destination;
};

/* What became of a lookup. */
enum c25_found {
	C25_FOUND_ANSWER,		/* no address in it: no such name, or
					 * none of that family */
	C25_FOUND_BOGUS,
	C25_FOUND_FAILURE,		/* SERVFAIL, no answer in time, ... */
};

struct c25_verify_answer {
	enum c25_found found;
	const struct c25_addr *addresses;
	size_t count;
	unsigned ttl_s;
};

struct c25_verify;
struct c25_verify_domains;
struct c25_verify_wait;
struct c25_verify_name;			/* a name and a family */

/* Owns: the state. Returns: NULL: no memory. */
struct c25_verify *c25_verify_new(void);
/* What waits is called. NULL is fine. */
void c25_verify_free(struct c25_verify *v);

/*
 * The domains of a configuration's apps, sorted; in two steps, as what makes
 * use of it must not fail any more. cfg NULL: there are none.
 * Returns: 0; -ENOMEM.
 */
int c25_verify_domains_new(const struct c25_config *cfg,
	struct c25_verify_domains **out) __attribute__((warn_unused_result));
void c25_verify_domains_free(struct c25_verify_domains *d);

/*
 * Go by that configuration, which stays valid until the next one. What was
 * seen is kept. Owns: `d` is the struct c25_verify's.
 */
void c25_verify_configure(struct c25_verify *v, const struct c25_config *cfg,
	struct c25_verify_domains *d);

/* Is there an app with verify_destinations? */
bool c25_verify_wanted(const struct c25_verify *v);

/* Other servers are asked from now on: forget what those before said. */
void c25_verify_forget(struct c25_verify *v);

/*
 * Who looks up: `start` begins one for the addresses of `family` and returns
 * 0, or -errno and it is a failure. NULL: nobody.
 */
typedef int c25_verify_start_fn(void *ctx, struct c25_verify_name *name,
	const char *domain, enum c25_family family);
void c25_verify_resolver(struct c25_verify *v, c25_verify_start_fn *start,
	void *ctx);

/* A lookup has ended. */
void c25_verify_answer(struct c25_verify *v, struct c25_verify_name *name,
	const struct c25_verify_answer *a, uint64_t now_ms);

/* Each second: end waits that took too long. */
void c25_verify_tick(struct c25_verify *v, uint64_t now_ms);

/*
 * Decide. With a wait, it is made to wait for what has to be looked up first
 * (C25_VERDICT_WAIT); nothing is counted. Without (NULL), it is the decision
 * by what is known, and counted.
 */
enum c25_verdict c25_verify_ask(struct c25_verify *v,
	const struct c25_verify_question *q, uint64_t now_ms,
	struct c25_verify_wait *wait);

/* What the peer is told, domain included; "" for C25_VERDICT_OK. */
#define C25_VERIFY_TEXT_MAX (C25_NAME_TEXT_MAX + 96)
const char *c25_verify_text(enum c25_verdict verdict, const char *domain,
	char buf[static C25_VERIFY_TEXT_MAX]);

/*
 * Something that waits for lookups, on behalf of a peer (any small number).
 * Returns: NULL: no memory, or too many wait already.
 */
struct c25_verify_wait *c25_verify_wait_new(struct c25_verify *v,
	uint32_t peer, uint64_t now_ms);
/* How many lookups it waits for. */
size_t c25_verify_wait_left(const struct c25_verify_wait *w);
/*
 * Call done(ctx) once all is answered or C25_VERIFY_WAIT_MS have passed, not
 * before this has returned. Owns: `w` is the struct c25_verify's now.
 */
void c25_verify_wait_start(struct c25_verify_wait *w,
	void (*done)(void *ctx), void *ctx, uint64_t now_ms);
/* Instead of starting it. NULL is fine. */
void c25_verify_wait_free(struct c25_verify_wait *w);

struct c25_verify_stats {
	uint64_t verdicts[C25_VERDICTS];	/* decisions */
	uint64_t waited;		/* requests that waited for lookups */
	uint64_t lookups;		/* begun */
	uint64_t bogus;			/* ... that failed validation */
	uint64_t failures;		/* ... in another way */
	uint64_t names;			/* remembered at the moment */
	uint64_t pending;		/* lookups at the moment */
};
void c25_verify_stats(const struct c25_verify *v,
	struct c25_verify_stats *out);

#endif
