/* SPDX-License-Identifier: BSD-3-Clause */
/* The decision about a destination, and what was seen of which name; see
 * verify.h. */

#include "verify_private.h"

#include <errno.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/log.h"

#define BUCKETS 16384		/* a power of two */
#define LOG_MS 60000		/* between two lines about the same */

struct c25_verify *
c25_verify_new(void)
{
	struct c25_verify *v = calloc(1, sizeof(*v));

	if (v != NULL)
		randombytes_buf(v->key, sizeof(v->key));
	return v;
}

void
c25_verify_free(struct c25_verify *v)
{
	struct c25_verify_name *n;

	if (v == NULL)
		return;
	do {
		c25_verify_wait_expire(v, UINT64_MAX);
		c25_verify_wait_run(v, 1);
	} while (v->waits != NULL);
	while ((n = v->newest) != NULL) {
		v->newest = n->older;
		free(n->seen);
		free(n);
	}
	c25_verify_domains_free(v->domains);
	free(v->buckets);
	free(v->peers);
	free(v);
}

void
c25_verify_configure(struct c25_verify *v, const struct c25_config *cfg,
	struct c25_verify_domains *d)
{
	c25_verify_domains_free(v->domains);
	v->domains = d;
	v->cfg = cfg;
}

bool
c25_verify_wanted(const struct c25_verify *v)
{
	return v->domains != NULL && v->domains->wanted;
}

void
c25_verify_resolver(struct c25_verify *v, c25_verify_start_fn *start,
	void *ctx)
{
	v->start = start;
	v->start_ctx = ctx;
}

void
c25_verify_forget(struct c25_verify *v)
{
	struct c25_verify_name *n;

	for (n = v->newest; n != NULL; n = n->older) {
		n->seen_count = 0;
		n->answered_ms = 0;
	}
}

/* ---- names --------------------------------------------------------------- */

static void
unlink_used(struct c25_verify *v, struct c25_verify_name *n)
{
	*(n->newer != NULL ? &n->newer->older : &v->newest) = n->older;
	*(n->older != NULL ? &n->older->newer : &v->oldest) = n->newer;
}

static void
link_used(struct c25_verify *v, struct c25_verify_name *n)
{
	n->newer = NULL;
	n->older = v->newest;
	*(v->newest != NULL ? &v->newest->newer : &v->oldest) = n;
	v->newest = n;
}

static struct c25_verify_name **
bucket(struct c25_verify *v, const struct c25_name *name,
	enum c25_family family)
{
	uint64_t h = c25_hash(v->key, name->wire, name->len);

	return &v->buckets[(h + family) & (BUCKETS - 1)];
}

static struct c25_verify_name *
name_find(struct c25_verify *v, const struct c25_name *name,
	enum c25_family family)
{
	struct c25_verify_name *n;

	if (v->buckets == NULL)
		return NULL;
	for (n = *bucket(v, name, family); n != NULL; n = n->chain)
		if (n->family == family && c25_name_eq(&n->name, name))
			break;
	if (n != NULL && n != v->newest) {
		unlink_used(v, n);
		link_used(v, n);
	}
	return n;
}

/* Forget the one that wasn't used for longest. Returns: false: all are
 * needed. */
static bool
name_drop(struct c25_verify *v)
{
	struct c25_verify_name *n = v->oldest, **at;

	while (n != NULL && (n->asked || n->pins != NULL))
		n = n->newer;
	if (n == NULL)
		return false;
	for (at = bucket(v, &n->name, n->family); *at != n;)
		at = &(*at)->chain;
	*at = n->chain;
	unlink_used(v, n);
	free(n->seen);
	free(n);
	v->names--;
	return true;
}

struct c25_verify_name *
c25_verify_name_get(struct c25_verify *v, const struct c25_name *name,
	enum c25_family family)
{
	struct c25_verify_name *n = name_find(v, name, family), **at;

	if (n != NULL)
		return n;
	if (v->buckets == NULL)
		v->buckets = calloc(BUCKETS, sizeof(*v->buckets));
	if (v->buckets == NULL ||
	    (v->names >= C25_VERIFY_NAMES && !name_drop(v)) ||
	    (n = calloc(1, sizeof(*n))) == NULL)
		return NULL;
	n->name = *name;
	n->family = family;
	at = bucket(v, name, family);
	n->chain = *at;
	*at = n;
	link_used(v, n);
	v->names++;
	return n;
}

/* ---- what was seen of one ------------------------------------------------ */

static bool
seen(const struct c25_verify_name *n, const struct c25_addr *a,
	uint64_t now_ms)
{
	for (unsigned i = 0; i < n->seen_count; i++)
		if (c25_addr_eq(&n->seen[i].addr, a))
			return now_ms < n->seen[i].until_ms;
	return false;
}

/* Where to put an address: its own place, a new one, or that of the one that
 * was seen longest ago. NULL: no memory. */
static struct c25_verify_seen *
seen_place(struct c25_verify_name *n, const struct c25_addr *a)
{
	struct c25_verify_seen *oldest = n->seen;

	for (unsigned i = 0; i < n->seen_count; i++) {
		if (c25_addr_eq(&n->seen[i].addr, a))
			return &n->seen[i];
		if (n->seen[i].until_ms < oldest->until_ms)
			oldest = &n->seen[i];
	}
	if (n->seen_count == C25_VERIFY_ADDRESSES)
		return oldest;
	if (n->seen_count == n->seen_room) {
		unsigned room = n->seen_room != 0 ? n->seen_room * 2u : 2;
		struct c25_verify_seen *more = reallocarray(n->seen, room,
			sizeof(*more));

		if (more == NULL)
			return NULL;
		n->seen = more;
		n->seen_room = (uint8_t)room;
	}
	return &n->seen[n->seen_count++];
}

/* A resolver whose answers are already rewritten is the wrong one to ask. */
static bool
is_magic(struct c25_verify *v, const struct c25_verify_name *n,
	const struct c25_addr *a, uint64_t now_ms)
{
	const struct c25_config_ranges *pool;
	char name[C25_NAME_TEXT_MAX], text[C25_ADDR_TEXT_MAX];
	bool is = false;

	if (v->cfg == NULL)
		return false;
	pool = &v->cfg->pools[a->family == C25_V6 ? C25_POOL_V6_MAGIC :
		C25_POOL_V4_MAGIC];
	for (size_t i = 0; i < pool->count && !is; i++)
		is = c25_range_contains(&pool->items[i].range, a);
	if (is && (v->magic_logged_ms == 0 ||
	    now_ms - v->magic_logged_ms >= LOG_MS)) {
		v->magic_logged_ms = now_ms;
		c25_log(C25_LOG_ERROR, "resolver: %s: %s is a magic address "
			"of this host: name a resolver without the module in "
			"resolver.forward", c25_name_to_text(n->name.wire,
			n->name.len, name), c25_addr_format(a, text));
	}
	return is;
}

void
c25_verify_name_answered(struct c25_verify *v, struct c25_verify_name *n,
	enum c25_found found, uint64_t now_ms)
{
	n->found = (uint8_t)found;
	n->answered_ms = now_ms;
	if (found == C25_FOUND_BOGUS)
		v->stats.bogus++;
	else if (found == C25_FOUND_FAILURE)
		v->stats.failures++;
	c25_verify_wait_answered(v, n);
}

void
c25_verify_answer(struct c25_verify *v, struct c25_verify_name *n,
	const struct c25_verify_answer *a, uint64_t now_ms)
{
	struct c25_verify_seen *s;

	n->asked = false;
	v->asked--;
	v->peers[n->peer].asked--;
	for (size_t i = 0; i < a->count && a->found == C25_FOUND_ANSWER; i++) {
		if (a->addresses[i].family != n->family ||
		    is_magic(v, n, &a->addresses[i], now_ms) ||
		    (s = seen_place(n, &a->addresses[i])) == NULL)
			continue;
		s->addr = a->addresses[i];
		s->until_ms = now_ms + C25_VERIFY_KEEP_MS;
	}
	c25_verify_name_answered(v, n, a->found, now_ms);
	c25_verify_wait_run(v, now_ms);
}

void
c25_verify_tick(struct c25_verify *v, uint64_t now_ms)
{
	c25_verify_wait_expire(v, now_ms);
	c25_verify_wait_run(v, now_ms);
}

/* ---- the decision -------------------------------------------------------- */

static enum c25_verdict
decide(struct c25_verify *v, const struct c25_verify_question *q,
	uint64_t now_ms, struct c25_verify_wait *w)
{
	enum c25_family family = q->destination->family;
	/* The decision is by what was learned while the request waited. */
	uint64_t fresh_ms = C25_VERIFY_AGAIN_MS + (w != NULL ? 0 :
		C25_VERIFY_WAIT_MS + 1000);
	struct c25_verify_name *n;
	struct c25_name name;

	if (q->domain[0] == '\0')
		return C25_VERDICT_NO_DOMAIN;
	if (c25_name_from_text(&name, q->domain, strlen(q->domain)) != 0 ||
	    v->domains == NULL ||
	    !c25_verify_domains_match(v->domains, q->app, &name))
		return C25_VERDICT_FOREIGN;
	n = name_find(v, &name, family);
	if (n != NULL && seen(n, q->destination, now_ms))
		return C25_VERDICT_OK;
	if (n != NULL && !n->asked && n->answered_ms != 0 &&
	    now_ms - n->answered_ms < fresh_ms)
		return n->found == C25_FOUND_ANSWER ? C25_VERDICT_OTHER :
			n->found == C25_FOUND_BOGUS ? C25_VERDICT_BOGUS :
			C25_VERDICT_LATER;
	if (w == NULL || (n == NULL &&
	    (n = c25_verify_name_get(v, &name, family)) == NULL) ||
	    !c25_verify_wait_for(w, n))
		return C25_VERDICT_LATER;
	return C25_VERDICT_WAIT;
}

enum c25_verdict
c25_verify_ask(struct c25_verify *v, const struct c25_verify_question *q,
	uint64_t now_ms, struct c25_verify_wait *w)
{
	enum c25_verdict verdict = decide(v, q, now_ms, w);

	if (w == NULL)
		v->stats.verdicts[verdict]++;
	return verdict;
}

const char *
c25_verify_text(enum c25_verdict verdict, const char *domain,
	char buf[static C25_VERIFY_TEXT_MAX])
{
	static const char *const texts[C25_VERDICTS] = {
		[C25_VERDICT_OK] = "",
		[C25_VERDICT_NO_DOMAIN] = "this app's destinations are "
			"verified: the entry needs its domain",
		[C25_VERDICT_FOREIGN] = "no domain of this app: ",
		[C25_VERDICT_OTHER] = "destination is no address of ",
		[C25_VERDICT_BOGUS] = "DNSSEC validation failed for ",
		[C25_VERDICT_LATER] = "can't be resolved now, try again "
			"later: ",
		[C25_VERDICT_WAIT] = "being resolved, try again later: ",
	};
	bool named = verdict != C25_VERDICT_OK &&
		verdict != C25_VERDICT_NO_DOMAIN;

	(void)snprintf(buf, C25_VERIFY_TEXT_MAX, "%s%s", texts[verdict],
		named ? domain : "");
	return buf;
}

void
c25_verify_stats(const struct c25_verify *v, struct c25_verify_stats *out)
{
	*out = v->stats;
	out->names = v->names;
	out->pending = v->asked;
}
