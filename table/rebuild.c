/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything that is derived from the slots, made anew: after a crash, and in
 * part after the pools changed. All under the lock; a crash in here is put
 * right by the next one who comes.
 */

#include "table/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECOUNTS 4

static struct c25_addr
address(const uint8_t bytes[16], uint8_t family)
{
	struct c25_addr a = { .family = family };

	memcpy(a.bytes, bytes, 16);
	return a;
}

/* Mark both addresses as taken, or neither. */
static bool
mark(struct c25_table *t, const struct c25_assignment *a)
{
	if (!c25_pool_mark(t, &a->magic))
		return false;
	if (c25_pool_mark(t, &a->transit))
		return true;
	c25_pool_give(t, &a->magic);
	return false;
}

/* A newer version of an assignment lasts as long as an older one was promised
 * to: that may have been renewed after the newer one was written. */
static void
outlast(struct c25_table *t, uint32_t newer, uint32_t older)
{
	c25_slot_outlast(c25_slot(t, newer), atomic_load(&c25_slot(t,
	    older)->lease_end_ms) & ~C25_LEASE_GONE);
}

/*
 * Two living versions of one assignment: a move was cut short. The one that
 * moved last goes on, with the addresses that both have; `twin` is in the
 * indexes already. Returns: is it the one in slot i?
 */
static bool
settle_move(struct c25_table *t, const union c25_content_d *c,
    const struct c25_assignment *a, const struct c25_assignment *twin)
{
	union c25_content_d other;

	if (c25_slot_read(c25_slot(t, twin->ref.slot), &other) == 1 ||
	    !c25_addr_eq(&a->magic, &twin->magic) ||
	    (int16_t)(uint16_t)(c->live.moves - other.live.moves) <= 0)
		return false;
	c25_slot_end(t, twin->ref.slot, C25_LEASE_GONE - 1);
	outlast(t, a->ref.slot, twin->ref.slot);
	if (!c25_addr_eq(&a->transit, &twin->transit))
		(void)c25_pool_mark(t, &a->transit);
	return true;
}

static void
count_in(struct c25_table *t)
{
	(void)atomic_fetch_add(&t->h->assignments, 1);
}

/* Has the slot a family, and addresses that are of it? The indexes hash all
 * 16 bytes. */
static bool
has_addresses(const union c25_content_d *c)
{
	static const uint8_t zero[12];

	return c->live.family == C25_V6 || (c->live.family == C25_V4 &&
	    memcmp(c->live.destination + 4, zero, sizeof(zero)) == 0 &&
	    memcmp(c->live.magic + 4, zero, sizeof(zero)) == 0 &&
	    memcmp(c->live.transit + 4, zero, sizeof(zero)) == 0);
}

/* Take one slot into the rebuilt indexes. Returns: false to free it. */
static bool
adopt(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_assignment a, twin;
	struct c25_probe p;

	if (!has_addresses(c) || c25_slot_assignment(t, i, &a) != 0 ||
	    c->live.key_hash != c25_key_hash(t, &a.domain, &a.destination))
		return false;
	p = c25_probe_key(t, &a.domain, &a.destination);
	if (c25_walk(t, &p, &twin) == 0) {
		if (!settle_move(t, c, &a, &twin)) {
			/* an old version: its addresses in quarantine */
			count_in(t);
			c25_slot_end(t, i, C25_LEASE_GONE - 1);
			if (c25_addr_eq(&a.magic, &twin.magic))
				outlast(t, twin.ref.slot, i);
			(void)c25_pool_mark(t, &a.transit);
			(void)c25_pool_mark(t, &a.magic);
			c25_link(t, i, c);
			return true;
		}
	} else if (!mark(t, &a)) {
		return false;
	}
	c25_link(t, i, c);
	count_in(t);
	c25_wheel_put(t, i);
	c25_step();
	return true;
}

/* One that had ended: it keeps its addresses for its quarantine, also if
 * somebody else has them. */
static void
keep_gone(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_addr magic = address(c->live.magic, c->live.family);
	struct c25_addr transit = address(c->live.transit, c->live.family);
	struct c25_probe p = c25_probe_addr(t, C25_BY_MAGIC, &magic);
	struct c25_assignment a;

	/* a move may have ended it and got no further */
	if (c25_walk(t, &p, &a) == 0 && c->live.key_hash ==
	    c25_key_hash(t, &a.domain, &a.destination))
		outlast(t, a.ref.slot, i);
	(void)c25_pool_mark(t, &magic);
	(void)c25_pool_mark(t, &transit);
	(void)atomic_fetch_add(&t->h->gone, 1);
	c25_link(t, i, c);
	c25_wheel_put(t, i);
	c25_step();
}

/* Has it ended, and makes sense? */
static bool
is_gone(const struct c25_slot_d *s, const union c25_content_d *c)
{
	return c25_slot_is_gone(s, c) && has_addresses(c);
}

/* Is this continuation slot referred to by its owner? */
static bool
is_owned(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_slot_d *owner = c25_slot(t, c->cont.owner);
	union c25_content_d o;

	return c->cont.state == C25_SLOT_CONT && owner != NULL &&
	    c->cont.part < C25_CONT_MAX && c25_slot_read(owner, &o) != 1 &&
	    o.live.state == C25_SLOT_LIVE &&
	    o.live.name_len > C25_INLINE_NAME +
	    c->cont.part * C25_CONT_NAME &&
	    o.live.cont[c->cont.part] == i;
}

static void
clear(struct c25_table *t)
{
	struct c25_header_d *h = t->h;
	_Atomic uint32_t *heads = c25_bucket(t, C25_BY_KEY, 0);
	size_t n = (size_t)t->l.buckets[0] + t->l.buckets[1] +
	    t->l.buckets[2];

	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&heads[i], C25_NIL,
		    memory_order_relaxed);
	c25_step();
	atomic_store(&h->assignments, 0);
	atomic_store(&h->gone, 0);
	atomic_store(&h->free_first, C25_NIL);
	atomic_store(&h->free_count, 0);
	c25_step();
	c25_wheel_start(t);
	(void)c25_pool_reset(t);
	c25_step();
}

/* Count what waits for its connector. conn25d takes no lock to acknowledge: if
 * it did meanwhile, again. */
static void
recount_pending(struct c25_table *t, uint32_t used)
{
	uint64_t before = atomic_load(&t->h->pending), n;
	int tries = 0;

	do {
		n = 0;
		for (uint32_t i = 0; i < used; i++) {
			struct c25_slot_d *s = c25_slot(t, i);
			union c25_content_d c;

			n += c25_slot_read(s, &c) != 1 &&
			    c25_slot_is_living(s, &c) &&
			    (uint8_t)atomic_load(&s->push) ==
			    C25_PUSH_PENDING;
		}
		c25_step();
	} while (!atomic_compare_exchange_strong(&t->h->pending, &before,
	    n) && ++tries < RECOUNTS);
	if (tries == RECOUNTS)
		atomic_store(&t->h->pending, n);
}

void
c25_rebuild(struct c25_table *t)
{
	struct c25_header_d *h = t->h;
	uint32_t used = atomic_load(&h->watermark);
	union c25_content_d c;

	/* odd from here: a miss means nothing until it is even again */
	if (!(atomic_load(&h->unlinks) & 1))
		(void)atomic_fetch_add(&h->unlinks, 1);
	c25_step();
	if (used > t->l.capacity)
		used = t->l.capacity;
	atomic_store(&h->watermark, used);
	clear(t);
	for (uint32_t i = 0; i < used; i++) {
		struct c25_slot_d *s = c25_slot(t, i);

		atomic_store(&s->wheel_prev, C25_NIL);
		if (c25_slot_read(s, &c) != 1 &&
		    (c.live.state == C25_SLOT_CONT || is_gone(s, &c) ||
		    (c25_slot_is_living(s, &c) && adopt(t, i, &c))))
			continue;
		c25_slot_wipe(t, i);
	}
	/* those that ended take what is left; then what nobody owns goes */
	for (uint32_t i = 0; i < used; i++) {
		struct c25_slot_d *s = c25_slot(t, i);

		if (c25_slot_read(s, &c) == 1)
			continue;
		if (c.live.state == C25_SLOT_CONT && !is_owned(t, i, &c))
			c25_slot_wipe(t, i);
		else if (is_gone(s, &c) &&
		    atomic_load(&s->wheel_prev) == C25_NIL)
			keep_gone(t, i, &c);
	}
	recount_pending(t, used);
	/* whatever was queued may be wrong: make conn25d walk the table */
	(void)atomic_fetch_add(&h->ring_head, C25_RING_SIZE + 1);
	c25_step();
	(void)atomic_fetch_add(&h->unlinks, 1);
	c25_step();
}

/* Does each pool count what its bitmap says? If not, addresses that are in use
 * may have been handed out again, which nobody else would notice. */
static bool
pools_sound(const struct c25_table *t)
{
	for (unsigned i = 0; i < C25_POOLS_MAX; i++)
		if (!c25_pool_sound(t, (uint16_t)i))
			return false;
	return true;
}

static int
cmp_hash(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Has each address of what lives one owner? Without the lock: addresses change
 * hands after minutes, and only conn25d moves anything. */
static bool
one_owner_each(const struct c25_table *t)
{
	uint64_t *hashes = malloc(2 * sizeof(*hashes) * t->l.capacity);
	uint32_t used = atomic_load(&t->h->watermark);
	size_t n = 0;
	bool twins = false;

	if (hashes == NULL)
		return true;
	for (uint32_t i = 0; i < used && i < t->l.capacity; i++) {
		const struct c25_slot_d *s = c25_slot(t, i);
		union c25_content_d c;

		if (c25_slot_read(s, &c) == 1 || !c25_slot_is_living(s, &c))
			continue;
		hashes[n++] = c25_addr_hash(t, c.live.magic, c.live.family);
		hashes[n++] = c25_addr_hash(t, c.live.transit, c.live.family);
	}
	qsort(hashes, n, sizeof(*hashes), cmp_hash);
	for (size_t i = 1; i < n; i++)
		twins = twins || hashes[i] == hashes[i - 1];
	free(hashes);
	return !twins;
}

int
c25_table_mend(struct c25_table *t)
{
	static const uint32_t why = C25_DOUBT_DAMAGED | C25_DOUBT_FULL;
	/* not looked at if all is made anew anyhow */
	bool sound = (atomic_load(&t->h->doubtful) & why) != 0 ||
	    one_owner_each(t);
	int r = c25_lock(t), due;

	if (r != 0)
		return r;
	due = (int)(atomic_exchange(&t->h->doubtful, 0) & why);
	/* unlocked, an address may have passed to another one meanwhile */
	if ((!sound && !one_owner_each(t)) || !pools_sound(t))
		due |= C25_DOUBT_DAMAGED;
	if (due != 0) {
		/* where the used slots end may be wrong, too */
		atomic_store(&t->h->watermark, t->l.capacity);
		c25_rebuild(t);
	}
	c25_unlock(t);
	return due;
}

/*
 * Mark the addresses of all that live, or of all that have ended, which may
 * share theirs. Returns: false: two that live have one address.
 */
static bool
mark_all(struct c25_table *t, bool gone)
{
	uint32_t used = atomic_load(&t->h->watermark);
	bool sound = true;

	for (uint32_t i = 0; i < used && i < t->l.capacity; i++) {
		struct c25_slot_d *s = c25_slot(t, i);
		struct c25_addr magic, transit;
		union c25_content_d c;

		if (c25_slot_read(s, &c) == 1 || !(gone ?
		    c25_slot_is_gone(s, &c) : c25_slot_is_living(s, &c)))
			continue;
		magic = address(c.live.magic, c.live.family);
		transit = address(c.live.transit, c.live.family);
		sound = c25_pool_mark(t, &magic) && sound;
		sound = c25_pool_mark(t, &transit) && sound;
		c25_step();
	}
	return gone || sound;
}

void
c25_rebuild_pools(struct c25_table *t)
{
	(void)c25_pool_reset(t);
	c25_step();
	if (!mark_all(t, false) || !mark_all(t, true))
		c25_rebuild(t);
}
