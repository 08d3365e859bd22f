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

void
c25_table_count_held(struct c25_table *t, unsigned worker, uint64_t us)
{
	struct c25_stats_d *b = block(t, worker);

	(void)atomic_fetch_add_explicit(&b->held_us, us,
	    memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&b->held[c25_histogram_class(us)], 1,
	    memory_order_relaxed);
}

void
c25_table_held(const struct c25_table *t, struct c25_histogram *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned w = 0; w < C25_WORKERS_MAX; w++) {
		const struct c25_stats_d *b = block(t, w);

		out->sum_us += atomic_load_explicit(&b->held_us,
		    memory_order_relaxed);
		for (unsigned i = 0; i < C25_HISTOGRAM_CLASSES; i++)
			out->count[i] += atomic_load_explicit(&b->held[i],
			    memory_order_relaxed);
	}
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
	out->ended = atomic_load(&t->h->gone);
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

/* An address that somebody has, or had and still keeps. */
struct holder {
	struct c25_addr addr;
	uint64_t key_hash;	/* of the assignment */
	uint64_t until_ms;	/* 0: it lives; else end of its quarantine */
};

/* What a check collects. */
struct audit {
	struct holder *magic;		/* of the living; then those of ... */
	struct holder *transit;		/* ... the ended behind them */
	size_t living, ended;
};

static int
by_address(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	return c25_addr_cmp(&x->addr, &y->addr);
}

/* Does any address occur twice? Sorts them. */
static bool
has_twin(struct holder *all, size_t n)
{
	qsort(all, n, sizeof(*all), by_address);
	for (size_t i = 1; i < n; i++)
		if (c25_addr_eq(&all[i - 1].addr, &all[i].addr))
			return true;
	return false;
}

static int
audit_slot(struct c25_table *t, uint32_t i, struct audit *u,
    struct c25_error *err)
{
	struct c25_assignment a, same;
	union c25_content_d c;
	struct c25_probe p;
	char text[C25_NAME_TEXT_MAX];

	if (c25_slot_read(c25_slot(t, i), &c) == 1)
		return c25_fail(err, -EUCLEAN, "table: slot %u is half "
		    "written", i);
	if (c25_slot_assignment(t, i, &a) != 0)
		return 0;
	p = c25_probe_key(t, &a.domain, &a.destination);
	if (!reachable(t, &a) || c25_walk(t, &p, &same) != 0 ||
	    same.ref.slot != i)
		return c25_fail(err, -EUCLEAN, "table: slot %u (%s) is "
		    "missing from an index, or there twice", i,
		    c25_name_to_text(a.domain.wire, a.domain.len, text));
	u->magic[u->living] = (struct holder){ a.magic, p.hash, 0 };
	u->transit[u->living++] = (struct holder){ a.transit, p.hash, 0 };
	return 0;
}

/* The addresses of slots that ended, behind those of the living. */
static void
audit_ended(struct c25_table *t, uint32_t i, struct audit *u)
{
	struct c25_slot_d *s = c25_slot(t, i);
	size_t at = u->living + u->ended;
	union c25_content_d c;
	struct holder h;

	if (c25_slot_read(s, &c) == 1 || c.live.state != C25_SLOT_LIVE ||
	    (atomic_load(&s->lease_end_ms) & C25_LEASE_GONE) == 0)
		return;
	h = (struct holder){ { .family = c.live.family }, c.live.key_hash,
	    c25_wheel_end_of(atomic_load(&s->lease_end_ms)) };
	u->magic[at] = u->transit[at] = h;
	memcpy(u->magic[at].addr.bytes, c.live.magic, 16);
	memcpy(u->transit[at].addr.bytes, c.live.transit, 16);
	u->ended++;
}

/* Of the holders of one address, which are next to each other: has one that
 * lives it before another assignment's quarantine is over? */
static bool
too_early(const struct holder *all, size_t n, uint64_t now_ms)
{
	const struct holder *living = NULL;

	for (size_t i = 0; i < n; i++)
		if (all[i].until_ms == 0)
			living = &all[i];
	for (size_t i = 0; living != NULL && i < n; i++)
		if (all[i].until_ms > now_ms &&
		    all[i].key_hash != living->key_hash)
			return true;
	return false;
}

/* Each taken bit of a pool has an owner, and each owner's bit is taken; and
 * nobody has what is kept for another. */
static int
audit_pools(struct c25_table *t, struct holder *all, size_t n,
    uint64_t *marked, struct c25_error *err)
{
	uint64_t now_ms = c25_now_ms();
	char text[C25_ADDR_TEXT_MAX];
	size_t same;
	bool taken;

	qsort(all, n, sizeof(*all), by_address);
	for (size_t i = 0; i < n; i += same) {
		for (same = 1; i + same < n && c25_addr_eq(&all[i].addr,
		    &all[i + same].addr);)
			same++;
		if (too_early(&all[i], same, now_ms))
			return c25_fail(err, -EUCLEAN, "table: %s has an owner "
			    "and is in another one's quarantine",
			    c25_addr_format(&all[i].addr, text));
		if (!c25_pool_knows(t, &all[i].addr, &taken))
			continue;
		if (!taken)
			return c25_fail(err, -EUCLEAN, "table: %s is in use "
			    "and counts as free",
			    c25_addr_format(&all[i].addr, text));
		(*marked)++;
	}
	return 0;
}

static int
verify_locked(struct c25_table *t, struct audit *u, struct c25_error *err)
{
	uint32_t used = atomic_load(&t->h->watermark);
	uint64_t marked = 0;
	int r;

	if (used > t->l.capacity)
		return c25_fail(err, -EUCLEAN, "table: %u slots of %u used",
		    used, t->l.capacity);
	for (uint32_t i = 0; i < used; i++)
		if ((r = audit_slot(t, i, u, err)) != 0)
			return r;
	if (has_twin(u->magic, u->living) || has_twin(u->transit, u->living))
		return c25_fail(err, -EUCLEAN,
		    "table: an address has two owners");
	for (uint32_t i = 0; i < used; i++)
		audit_ended(t, i, u);
	if (u->living != atomic_load(&t->h->assignments) ||
	    u->ended != atomic_load(&t->h->gone))
		return c25_fail(err, -EUCLEAN, "table: counts %llu "
		    "assignments and %llu ended ones, holds %zu and %zu",
		    (unsigned long long)atomic_load(&t->h->assignments),
		    (unsigned long long)atomic_load(&t->h->gone), u->living,
		    u->ended);
	if (!c25_wheel_sound(t, u->living + u->ended))
		return c25_fail(err, -EUCLEAN, "table: the wheel does not "
		    "hold what it should");
	for (unsigned i = 0; i < C25_POOLS_MAX; i++)
		if (!c25_pool_sound(t, (uint16_t)i))
			return c25_fail(err, -EUCLEAN,
			    "table: pool %u miscounts", i);
	if ((r = audit_pools(t, u->magic, u->living + u->ended, &marked,
	    err)) != 0 || (r = audit_pools(t, u->transit, u->living +
	    u->ended, &marked, err)) != 0)
		return r;
	if (c25_pool_marked(t) != marked)
		return c25_fail(err, -EUCLEAN, "table: %llu addresses taken, "
		    "%llu of them by somebody",
		    (unsigned long long)c25_pool_marked(t),
		    (unsigned long long)marked);
	return 0;
}

int
c25_table_verify(struct c25_table *t, struct c25_error *err)
{
	struct audit u = { .living = 0 };
	int r = -ENOMEM;

	u.magic = calloc(t->l.capacity, sizeof(*u.magic));
	u.transit = calloc(t->l.capacity, sizeof(*u.transit));
	if (u.magic == NULL || u.transit == NULL) {
		(void)c25_fail(err, r, "table: out of memory");
	} else if ((r = c25_lock(t)) != 0) {
		(void)c25_fail(err, r, "table: can't be locked");
	} else {
		r = verify_locked(t, &u, err);
		c25_unlock(t);
	}
	free(u.magic);
	free(u.transit);
	return r;
}
