/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters, usage, and the check of every invariant. */

#include "table/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[C25_STAT_COUNT] = {
	[C25_STAT_QUERIES] = "num.queries",
	[C25_STAT_MATCHED] = "num.matched",
	[C25_STAT_REWRITTEN] = "num.rewritten",
	[C25_STAT_EMPTIED] = "num.emptied",
	[C25_STAT_SERVFAIL] = "num.servfail",
	[C25_STAT_RESERVED] = "num.reserved",
	[C25_STAT_RENEWED] = "num.renewed",
	[C25_STAT_HELD] = "num.held",
	[C25_STAT_HOLD_TIMEOUT] = "num.hold_timeout",
	[C25_STAT_PASSED] = "num.passed",
	[C25_STAT_PTR] = "num.ptr",
};

static struct c25_stats_d *
block(const struct c25_table *t, unsigned worker)
{
	return (struct c25_stats_d *)(void *)(t->base + t->l.stats) +
	    worker % C25_WORKERS_MAX;
}

void
c25_table_count(struct c25_table *t, unsigned worker, enum c25_stat stat,
    uint64_t n)
{
	if ((unsigned)stat < C25_STAT_COUNT)
		(void)atomic_fetch_add_explicit(
		    &block(t, worker)->count[stat], n, memory_order_relaxed);
}

uint64_t
c25_table_stat(const struct c25_table *t, enum c25_stat stat)
{
	uint64_t sum = 0;

	if ((unsigned)stat >= C25_STAT_COUNT)
		return 0;
	for (unsigned w = 0; w < C25_WORKERS_MAX; w++)
		sum += atomic_load_explicit(&block(t, w)->count[stat],
		    memory_order_relaxed);
	return sum;
}

const char *
c25_stat_name(enum c25_stat stat)
{
	return (unsigned)stat < C25_STAT_COUNT ? names[stat] : NULL;
}

void
c25_table_usage(struct c25_table *t, struct c25_usage *out)
{
	memset(out, 0, sizeof(*out));
	if (c25_lock(t) != 0)
		return;
	out->assignments = atomic_load(&t->h->assignments);
	out->pending = atomic_load(&t->h->pending);
	out->capacity = t->l.capacity;
	for (unsigned i = 0; i < C25_POOLS_MAX; i++) {
		const struct c25_pool_d *p = &t->h->pools[i];
		unsigned kind = i;

		if (i >= C25_POOL_KINDS)
			kind = i % 2 ? C25_POOL_V6_TRANSIT :
			    C25_POOL_V4_TRANSIT;
		out->pool[kind].inuse += p->inuse;
		out->pool[kind].capacity += p->nbits;
	}
	c25_unlock(t);
}

/* Is the slot found again under each of its three keys? */
static bool
reachable(struct c25_table *t, const struct c25_assignment *a)
{
	for (unsigned x = 0; x < C25_INDEXES; x++) {
		uint64_t hash = x == C25_BY_KEY ?
		    c25_key_hash(t, &a->domain, &a->destination) :
		    c25_addr_hash(t, x == C25_BY_MAGIC ? a->magic.bytes :
		    a->transit.bytes, a->magic.family);
		uint32_t i = atomic_load(c25_bucket(t, x, hash));
		unsigned n = 0;

		while (i != a->ref.slot && n++ < C25_CHAIN_MAX &&
		    c25_slot(t, i) != NULL)
			i = atomic_load(&c25_slot(t, i)->next[x]);
		if (i != a->ref.slot)
			return false;
	}
	return true;
}

static int
by_address(const void *a, const void *b)
{
	return c25_addr_cmp(a, b);
}

/* Does any address occur twice? */
static bool
has_twin(struct c25_addr *all, size_t n)
{
	qsort(all, n, sizeof(*all), by_address);
	for (size_t i = 1; i < n; i++)
		if (c25_addr_eq(&all[i - 1], &all[i]))
			return true;
	return false;
}

static int
verify_locked(struct c25_table *t, struct c25_addr *magic,
    struct c25_addr *transit, struct c25_error *err)
{
	struct c25_assignment a;
	uint32_t cursor = 0;
	uint64_t n = 0;
	char text[C25_NAME_TEXT_MAX];

	while (c25_table_next(t, &cursor, &a)) {
		if (n == t->l.capacity || !reachable(t, &a))
			return c25_fail(err, -EUCLEAN, "table: slot %u (%s) "
			    "is missing from an index", a.ref.slot,
			    c25_name_to_text(a.domain.wire, a.domain.len,
			    text));
		magic[n] = a.magic;
		transit[n++] = a.transit;
	}
	if (n != atomic_load(&t->h->assignments))
		return c25_fail(err, -EUCLEAN, "table: counts %llu "
		    "assignments, holds %llu",
		    (unsigned long long)atomic_load(&t->h->assignments),
		    (unsigned long long)n);
	if (has_twin(magic, n) || has_twin(transit, n))
		return c25_fail(err, -EUCLEAN,
		    "table: an address has two owners");
	for (unsigned i = 0; i < C25_POOLS_MAX; i++)
		if (!c25_pool_sound(t, (uint16_t)i))
			return c25_fail(err, -EUCLEAN,
			    "table: pool %u miscounts", i);
	/* an address outside the present pools is marked nowhere */
	if (c25_pool_marked(t) > 2 * n)
		return c25_fail(err, -EUCLEAN, "table: %llu addresses taken "
		    "for %llu assignments",
		    (unsigned long long)c25_pool_marked(t),
		    (unsigned long long)n);
	return 0;
}

int
c25_table_verify(struct c25_table *t, struct c25_error *err)
{
	struct c25_addr *magic, *transit;
	int r = -ENOMEM;

	magic = calloc(t->l.capacity, sizeof(*magic));
	transit = calloc(t->l.capacity, sizeof(*transit));
	if (magic == NULL || transit == NULL) {
		(void)c25_fail(err, r, "table: out of memory");
	} else if ((r = c25_lock(t)) != 0) {
		(void)c25_fail(err, r, "table: the mutex is beyond repair");
	} else {
		r = verify_locked(t, magic, transit, err);
		c25_unlock(t);
	}
	free(magic);
	free(transit);
	return r;
}
