/* SPDX-License-Identifier: BSD-3-Clause */
/* Reserving, renewing, looking up, reclaiming and walking assignments. */

#include "table/internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define RENEW_SLACK_MS 10000	/* added, so that most renewals write nothing */
#define RETRIES 8		/* of a lookup among moving chains */
#define SCAN_WHEN_FULL 4096	/* slots looked at to find an expired one */

static uint64_t (*clock_of_tests)(void);

void
c25_clock_set(uint64_t (*now_ms)(void))
{
	clock_of_tests = now_ms;
}

uint64_t
c25_now_ms(void)
{
	struct timespec ts;

	if (clock_of_tests != NULL)
		return clock_of_tests();
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* What a search looks for: by key (name set) or by one address. */
struct probe {
	enum c25_index index;
	uint64_t hash;
	const struct c25_name *name;
	const struct c25_addr *addr;
};

static bool
is_wanted(const struct probe *p, const struct c25_assignment *a)
{
	switch (p->index) {
	case C25_BY_KEY:
		return c25_addr_eq(&a->destination, p->addr) &&
		    c25_name_eq(&a->domain, p->name);
	case C25_BY_MAGIC:
		return c25_addr_eq(&a->magic, p->addr);
	default:
		return c25_addr_eq(&a->transit, p->addr);
	}
}

/* One walk along a chain. Returns: 0; -ENOENT; -EUCLEAN (endless). */
static int
walk(struct c25_table *t, const struct probe *p, struct c25_assignment *out)
{
	uint32_t i = atomic_load_explicit(c25_bucket(t, p->index, p->hash),
	    memory_order_acquire);

	for (unsigned n = 0; n < C25_CHAIN_MAX; n++) {
		struct c25_slot_d *s = c25_slot(t, i);

		if (s == NULL)
			return -ENOENT;
		/* neighbours in the bucket are told apart by the hash that
		 * lies beside the link: no need to touch the rest of them */
		if ((p->index != C25_BY_KEY || p->hash ==
		    atomic_load_explicit(&s->words[C25_KEY_HASH_WORD],
		    memory_order_relaxed)) &&
		    c25_slot_assignment(t, i, out) == 0 && is_wanted(p, out))
			return 0;
		i = atomic_load_explicit(&s->next[p->index],
		    memory_order_acquire);
	}
	return -EUCLEAN;
}

/*
 * Search without the mutex. A miss is believed only when no chain was taken
 * apart meanwhile. Returns: 0; -ENOENT; -EAGAIN (ask under the mutex).
 */
static int
search(struct c25_table *t, const struct probe *p,
    struct c25_assignment *out)
{
	for (unsigned n = 0; n < RETRIES; n++) {
		uint64_t before = atomic_load(&t->h->unlinks);
		int r = walk(t, p, out);

		if (r == 0)
			return 0;
		if (r == -ENOENT && !(before & 1) &&
		    atomic_load(&t->h->unlinks) == before)
			return -ENOENT;
	}
	return -EAGAIN;
}

static int
lookup(struct c25_table *t, const struct probe *p,
    struct c25_assignment *out)
{
	int r = search(t, p, out);

	if (r != -EAGAIN)
		return r;
	if ((r = c25_lock(t)) != 0)
		return r;
	r = walk(t, p, out);
	c25_unlock(t);
	return r;
}

int
c25_table_by_key(struct c25_table *t, const struct c25_name *name,
    const struct c25_addr *destination, struct c25_assignment *out)
{
	struct probe p = { C25_BY_KEY, c25_key_hash(t, name, destination),
	    name, destination };

	return lookup(t, &p, out);
}

int
c25_table_by_magic(struct c25_table *t, const struct c25_addr *magic,
    struct c25_assignment *out)
{
	struct probe p = { C25_BY_MAGIC, c25_addr_hash(t, magic->bytes,
	    magic->family), NULL, magic };

	return lookup(t, &p, out);
}

int
c25_table_by_transit(struct c25_table *t, const struct c25_addr *transit,
    struct c25_assignment *out)
{
	struct probe p = { C25_BY_TRANSIT, c25_addr_hash(t, transit->bytes,
	    transit->family), NULL, transit };

	return lookup(t, &p, out);
}

int
c25_table_by_ref(struct c25_table *t, struct c25_ref ref,
    struct c25_assignment *out)
{
	if (c25_slot_assignment(t, ref.slot, out) != 0 ||
	    out->ref.seq != ref.seq)
		return -ENOENT;
	return 0;
}

/*
 * Make the lease last at least until `until`. Returns: true; false when the
 * assignment died meanwhile.
 */
static bool
renew(struct c25_table *t, struct c25_assignment *a, uint64_t until)
{
	struct c25_slot_d *s = c25_slot(t, a->ref.slot);
	uint64_t old = a->lease_end_ms;

	while (old != 0 && old < until) {
		if (atomic_compare_exchange_weak(&s->lease_end_ms, &old,
		    until + RENEW_SLACK_MS)) {
			old = until + RENEW_SLACK_MS;
			break;
		}
	}
	a->lease_end_ms = old;
	/* had the slot been freed and taken again, we renewed a stranger's
	 * lease, which harms nobody, and report a miss */
	return old != 0 && c25_slot_unchanged(s, a->ref.seq);
}

/* First healthy connector of the app, else its first, else none. */
static uint16_t
pick_connector(struct c25_table *t, const struct c25_policy *policy,
    uint32_t app)
{
	uint32_t count;
	const uint16_t *list = c25_policy_app_connectors(policy, app, &count);

	for (uint32_t i = 0; i < count; i++)
		if (!c25_table_connector_down(t, list[i]))
			return list[i];
	return count > 0 ? list[0] : C25_CONNECTOR_NONE;
}

static void
set_full(int *full, int what)
{
	if (full != NULL)
		*full = what;
}

/* What a new assignment takes; given back as a whole on failure. */
struct taken {
	uint32_t slot;
	uint32_t cont[C25_CONT_MAX];
	struct c25_addr magic, transit;
};

static void
give_back(struct c25_table *t, const struct taken *k)
{
	c25_slot_give(t, k->slot);
	for (unsigned i = 0; i < C25_CONT_MAX; i++)
		c25_slot_give(t, k->cont[i]);
	if (k->magic.family != C25_UNSET)
		c25_pool_give(t, &k->magic);
	if (k->transit.family != C25_UNSET)
		c25_pool_give(t, &k->transit);
}

/*
 * Take slots and addresses, all or nothing.
 * Returns: 0; -ENOSPC; -EAFNOSUPPORT; -EUCLEAN.
 */
static int
take_all(struct c25_table *t, const struct c25_want *w, uint16_t connector,
    struct taken *k, int *full)
{
	bool six = w->destination.family == C25_V6;
	enum c25_pool_kind magic = six ? C25_POOL_V6_MAGIC :
	    C25_POOL_V4_MAGIC;
	enum c25_pool_kind transit = six ? C25_POOL_V6_TRANSIT :
	    C25_POOL_V4_TRANSIT;
	size_t have = C25_INLINE_NAME;
	int r = -ENOSPC;

	memset(k, 0, sizeof(*k));
	k->cont[0] = k->cont[1] = C25_NIL;
	set_full(full, C25_POOL_KINDS);
	if ((k->slot = c25_slot_take(t)) == C25_NIL)
		goto fail;
	for (unsigned i = 0; have < w->name->len; i++, have += C25_CONT_NAME)
		if ((k->cont[i] = c25_slot_take(t)) == C25_NIL)
			goto fail;
	set_full(full, magic);
	if ((r = c25_pool_take(t, (uint16_t)magic, &k->magic)) != 0)
		goto fail;
	set_full(full, transit);
	r = c25_pool_take(t, c25_pool_pick(t, transit, connector),
	    &k->transit);
	if (r == 0)
		return 0;
fail:
	give_back(t, k);
	return r;
}

/* Write what was taken: continuation slots first, the commit last. */
static uint32_t
commit(struct c25_table *t, const struct c25_want *w, uint16_t connector,
    const struct taken *k, uint64_t hash, uint64_t lease_end_ms)
{
	struct c25_slot_d *s = c25_slot(t, k->slot);
	union c25_content_d c = { 0 }, part;
	size_t len = w->name->len, have = C25_INLINE_NAME;
	uint32_t seq;

	for (unsigned i = 0; i < C25_CONT_MAX && have < len; i++) {
		size_t n = len - have < C25_CONT_NAME ? len - have :
		    C25_CONT_NAME;

		memset(&part, 0, sizeof(part));
		part.cont.state = C25_SLOT_CONT;
		part.cont.owner = k->slot;
		part.cont.part = i;
		memcpy(part.cont.name, w->name->wire + have, n);
		(void)c25_slot_write(c25_slot(t, k->cont[i]), &part);
		have += n;
	}
	c.live.state = C25_SLOT_LIVE;
	c.live.family = w->destination.family;
	c.live.name_len = (uint8_t)len;
	c.live.connector = connector;
	c.live.cont[0] = k->cont[0];
	c.live.cont[1] = k->cont[1];
	c.live.key_hash = hash;
	memcpy(c.live.destination, w->destination.bytes, 16);
	memcpy(c.live.magic, k->magic.bytes, 16);
	memcpy(c.live.transit, k->transit.bytes, 16);
	memcpy(c.live.name, w->name->wire,
	    len < C25_INLINE_NAME ? len : C25_INLINE_NAME);
	atomic_store(&s->lease_end_ms, lease_end_ms);
	(void)atomic_fetch_add(&t->h->pending, 1);
	(void)atomic_fetch_add(&t->h->assignments, 1);
	seq = c25_slot_write(s, &c);
	c25_link(t, k->slot, &c);
	return seq;
}

/* Tell conn25d which slot is new. Under the mutex. */
static void
enqueue(struct c25_table *t, uint32_t slot, uint32_t seq)
{
	_Atomic uint64_t *ring = (void *)(t->base + t->l.ring);
	uint64_t head = atomic_load(&t->h->ring_head);

	atomic_store_explicit(&ring[head % C25_RING_SIZE],
	    (uint64_t)seq << 32 | slot, memory_order_relaxed);
	/* seq_cst, with c25_table_must_ring() against c25_table_sleep() */
	atomic_store(&t->h->ring_head, head + 1);
}

/* Free expired slots from the hand on. Under the mutex. */
static int
reclaim(struct c25_table *t, uint32_t steps)
{
	struct c25_header_d *h = t->h;
	uint32_t used = atomic_load(&h->watermark);
	uint32_t hand = atomic_load(&h->hand);
	uint64_t now = c25_now_ms();
	int freed = 0;

	if (used > t->l.capacity)
		return -EUCLEAN;
	if (steps > used)
		steps = used;
	while (steps-- > 0) {
		struct c25_slot_d *s;
		union c25_content_d c;
		uint64_t lease;

		if (hand >= used)
			hand = 0;
		s = c25_slot(t, hand);
		lease = atomic_load(&s->lease_end_ms);
		if (lease != 0 && lease + C25_QUARANTINE_S * 1000ull < now &&
		    c25_slot_read(s, &c) != 1 &&
		    c.live.state == C25_SLOT_LIVE &&
		    atomic_compare_exchange_strong(&s->lease_end_ms, &lease,
		    0)) {
			c25_slot_free(t, hand, &c);
			freed++;
		}
		hand++;
	}
	atomic_store(&h->hand, hand);
	return freed;
}

/* The new reservation, under the mutex. */
static int
reserve_locked(struct c25_table *t, const struct c25_policy *policy,
    const struct c25_want *w, const struct probe *p, uint64_t until,
    struct c25_assignment *out, int *full)
{
	uint16_t connector;
	struct taken k;
	uint32_t seq;
	int r;

	if (c25_table_generation(t) != c25_policy_generation(policy))
		return -ESTALE;
	r = walk(t, p, out);
	if (r == 0 && renew(t, out, until))
		return 0;
	if (r == -EUCLEAN)
		return r;
	connector = pick_connector(t, policy, w->app);
	r = take_all(t, w, connector, &k, full);
	if (r == -ENOSPC && reclaim(t, SCAN_WHEN_FULL) > 0)
		r = take_all(t, w, connector, &k, full);
	if (r != 0)
		return r;
	seq = commit(t, w, connector, &k, p->hash, until + RENEW_SLACK_MS);
	enqueue(t, k.slot, seq);
	r = c25_slot_assignment(t, k.slot, out);
	out->created = true;
	return r == 0 ? 0 : -EUCLEAN;
}

int
c25_table_reserve(struct c25_table *t, const struct c25_policy *policy,
    const struct c25_want *want, struct c25_assignment *out, int *full)
{
	struct probe p = { .index = C25_BY_KEY, .name = want->name,
	    .addr = &want->destination };
	uint64_t lease_s = want->ttl_s, until;
	int r;

	if (c25_addr_len(&want->destination) == 0 ||
	    !c25_name_valid(want->name->wire, want->name->len))
		return -EINVAL;
	if (lease_s < C25_LEASE_MIN_S)
		lease_s = C25_LEASE_MIN_S;
	if (lease_s > C25_LEASE_MAX_S)
		lease_s = C25_LEASE_MAX_S;
	until = c25_now_ms() + lease_s * 1000;
	p.hash = c25_key_hash(t, want->name, &want->destination);
	if (search(t, &p, out) == 0 && renew(t, out, until))
		return 0;
	if ((r = c25_lock(t)) != 0)
		return r;
	r = reserve_locked(t, policy, want, &p, until, out, full);
	c25_unlock(t);
	return r;
}

bool
c25_table_next(struct c25_table *t, uint32_t *cursor,
    struct c25_assignment *out)
{
	uint32_t used = atomic_load(&t->h->watermark);

	if (used > t->l.capacity)
		used = t->l.capacity;
	while (*cursor < used)
		if (c25_slot_assignment(t, (*cursor)++, out) == 0)
			return true;
	return false;
}

int
c25_table_reclaim(struct c25_table *t, uint32_t steps)
{
	int r = c25_lock(t);

	if (r != 0)
		return r;
	r = reclaim(t, steps);
	c25_unlock(t);
	return r;
}

int
c25_table_drop(struct c25_table *t, struct c25_ref ref)
{
	struct c25_slot_d *s = c25_slot(t, ref.slot);
	union c25_content_d c;
	int r;

	if (s == NULL)
		return -ENOENT;
	if ((r = c25_lock(t)) != 0)
		return r;
	r = -ENOENT;
	if (c25_slot_read(s, &c) == ref.seq &&
	    c.live.state == C25_SLOT_LIVE) {
		atomic_store(&s->lease_end_ms, 0);
		c25_slot_free(t, ref.slot, &c);
		r = 0;
	}
	c25_unlock(t);
	return r;
}

int
c25_table_take(struct c25_table *t, struct c25_ref *ref)
{
	_Atomic uint64_t *ring = (void *)(t->base + t->l.ring);
	uint64_t head = atomic_load(&t->h->ring_head), entry;

	if (head == t->ring_tail)
		return 0;
	if (head - t->ring_tail > C25_RING_SIZE) {
		t->ring_tail = head;
		return -EOVERFLOW;
	}
	entry = atomic_load(&ring[t->ring_tail % C25_RING_SIZE]);
	/* overtaken while we read: the entry may be a newer one */
	if (atomic_load(&t->h->ring_head) - t->ring_tail > C25_RING_SIZE) {
		t->ring_tail = atomic_load(&t->h->ring_head);
		return -EOVERFLOW;
	}
	t->ring_tail++;
	ref->slot = (uint32_t)entry;
	ref->seq = (uint32_t)(entry >> 32);
	return 1;
}

int
c25_table_set_push(struct c25_table *t, struct c25_ref ref,
    enum c25_push push)
{
	struct c25_slot_d *s = c25_slot(t, ref.slot);
	uint64_t old, new = (uint64_t)ref.seq << 32 | push;

	if (s == NULL)
		return -ENOENT;
	old = atomic_load(&s->push);
	do {
		if (old >> 32 != ref.seq ||
		    atomic_load(&s->seq) != ref.seq)
			return -ENOENT;
	} while (!atomic_compare_exchange_weak(&s->push, &old, new));
	if ((uint8_t)old == C25_PUSH_PENDING && push != C25_PUSH_PENDING)
		(void)atomic_fetch_sub(&t->h->pending, 1);
	if ((uint8_t)old != C25_PUSH_PENDING && push == C25_PUSH_PENDING)
		(void)atomic_fetch_add(&t->h->pending, 1);
	return 0;
}

bool
c25_table_sleep(struct c25_table *t)
{
	/* seq_cst on both sides: either we see the new head, or the module
	 * sees that we sleep */
	atomic_store(&t->h->asleep, 1);
	if (atomic_load(&t->h->ring_head) == t->ring_tail)
		return true;
	atomic_store(&t->h->asleep, 0);
	return false;
}

bool
c25_table_must_ring(struct c25_table *t)
{
	return atomic_load(&t->h->asleep) != 0 &&
	    atomic_exchange(&t->h->asleep, 0) != 0;
}
