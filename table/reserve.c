/* SPDX-License-Identifier: BSD-3-Clause */
/* Reserving, renewing, restoring and ending assignments; see also move.c. */

#include "table/internal.h"

#include <errno.h>
#include <string.h>

#define RENEW_SLACK_MS 10000	/* added, so that most renewals write nothing */
#define FORMER_MAX 8		/* ended slots of one key; then one is reused */
#define TURN_EACH 2		/* slots looked at with each new assignment */

/*
 * Make the lease last at least until `until`.
 * Returns: 0; -ENOENT (it ended meanwhile); -ESTALE (its successor may not
 * know of it).
 */
static int
renew(struct c25_table *t, struct c25_ref ref, uint64_t until,
    uint64_t *lease_end_ms)
{
	struct c25_slot_d *s = c25_slot(t, ref.slot);
	uint64_t old = atomic_load(&s->lease_end_ms);

	while (old != 0 && old < until) {
		if (atomic_compare_exchange_weak(&s->lease_end_ms, &old,
		    until + RENEW_SLACK_MS)) {
			old = until + RENEW_SLACK_MS;
			c25_step();
			break;
		}
	}
	*lease_end_ms = old;
	/* seq_cst, after the write: who copies the table says that it is
	 * frozen and reads the leases after that, so that either it has read
	 * this one or we see what it says. A lease that was long enough may be
	 * so by one who saw it. */
	if (atomic_load(&t->h->p.retired) >= C25_FROZEN)
		return -ESTALE;
	/* had the slot been freed and taken again, we renewed a stranger's
	 * lease, which harms nobody, and report a miss */
	return old != 0 && (old & C25_LEASE_GONE) == 0 &&
	    c25_slot_unchanged(s, ref.seq) ? 0 : -ENOENT;
}

/* First good connector of the app, else the first that answers, else its
 * first, else none. */
static uint16_t
pick_connector(struct c25_table *t, const struct c25_policy *policy,
    uint32_t app)
{
	uint32_t count;
	const uint16_t *list = c25_policy_app_connectors(policy, app, &count);
	uint16_t returning = C25_CONNECTOR_NONE;

	for (uint32_t i = 0; i < count; i++) {
		enum c25_health h = c25_table_connector_health(t, list[i]);

		if (h == C25_HEALTH_GOOD)
			return list[i];
		if (h == C25_HEALTH_RETURNING &&
		    returning == C25_CONNECTOR_NONE)
			returning = list[i];
	}
	if (returning != C25_CONNECTOR_NONE)
		return returning;
	return count > 0 ? list[0] : C25_CONNECTOR_NONE;
}

void
c25_doubt(struct c25_table *t, uint32_t why)
{
	(void)atomic_fetch_or(&t->h->doubtful, why);
}

unsigned
c25_table_short(struct c25_table *t)
{
	static const uint32_t all = C25_DOUBT_SHORT(C25_TABLE_FOREIGN + 1) -
	    C25_DOUBT_SHORT(0);

	if ((atomic_load(&t->h->doubtful) & all) == 0)
		return 0;
	return (atomic_fetch_and(&t->h->doubtful, ~all) & all) /
	    C25_DOUBT_SHORT(0);
}

void
c25_give_back(struct c25_table *t, const struct c25_taken *k)
{
	c25_slot_give(t, k->slot);
	for (unsigned i = 0; i < C25_CONT_MAX; i++)
		c25_slot_give(t, k->cont[i]);
	if (k->magic.family != C25_UNSET)
		c25_pool_give(t, &k->magic);
	if (k->transit.family != C25_UNSET)
		c25_pool_give(t, &k->transit);
}

int
c25_take_slots(struct c25_table *t, size_t name_len, struct c25_taken *k)
{
	size_t have = C25_INLINE_NAME;

	memset(k, 0, sizeof(*k));
	k->cont[0] = k->cont[1] = C25_NIL;
	if ((k->slot = c25_slot_take(t)) == C25_NIL)
		return -ENOSPC;
	for (unsigned i = 0; have < name_len; i++, have += C25_CONT_NAME)
		if ((k->cont[i] = c25_slot_take(t)) == C25_NIL)
			return -ENOSPC;
	return 0;
}

/*
 * The oldest of the slots that ended and had this key, if there are many and
 * its addresses are good for this connector: who is dropped over and over gets
 * those again, as its chain would become endless.
 * Returns: its slot, with its addresses in *k, or C25_NIL.
 */
static uint32_t
former_of(struct c25_table *t, const struct c25_draft *d,
    struct c25_taken *k)
{
	bool six = d->destination.family == C25_V6;
	uint32_t i = atomic_load(c25_bucket(t, C25_BY_KEY, d->key_hash));
	struct c25_taken with = *k;
	uint32_t found = C25_NIL;
	struct c25_slot_d *s;
	unsigned count = 0;

	for (unsigned n = 0; n < C25_CHAIN_MAX &&
	    (s = c25_slot(t, i)) != NULL; n++) {
		struct c25_addr magic = d->destination, transit = magic;
		union c25_content_d c;

		if (atomic_load(&s->words[C25_KEY_HASH_WORD]) ==
		    d->key_hash && c25_slot_read(s, &c) != 1 &&
		    c25_slot_is_gone(s, &c) &&
		    c.live.family == magic.family) {
			memcpy(magic.bytes, c.live.magic, 16);
			memcpy(transit.bytes, c.live.transit, 16);
			count++;
			if (c25_pool_fits(t, six ? C25_POOL_V6_MAGIC :
			    C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, &magic) &&
			    c25_pool_fits(t, six ? C25_POOL_V6_TRANSIT :
			    C25_POOL_V4_TRANSIT, d->connector, &transit)) {
				found = i;
				with.magic = magic;
				with.transit = transit;
			}
		}
		i = atomic_load(&s->next[C25_BY_KEY]);
	}
	if (count < FORMER_MAX || found == C25_NIL)
		return C25_NIL;
	*k = with;
	return found;
}

/*
 * Take slots and addresses, all or nothing. *former becomes the slot that has
 * these addresses already, or C25_NIL.
 * Returns: 0; -ENOSPC; -EAFNOSUPPORT; -EUCLEAN.
 */
static int
take_all(struct c25_table *t, const struct c25_draft *d, struct c25_taken *k,
    uint32_t *former, int *full)
{
	bool six = d->destination.family == C25_V6;
	enum c25_pool_kind magic = six ? C25_POOL_V6_MAGIC :
	    C25_POOL_V4_MAGIC;
	enum c25_pool_kind transit = six ? C25_POOL_V6_TRANSIT :
	    C25_POOL_V4_TRANSIT;
	int r;

	*former = C25_NIL;
	*full = C25_POOL_KINDS;
	if ((r = c25_take_slots(t, d->name->len, k)) != 0)
		goto fail;
	if ((*former = former_of(t, d, k)) != C25_NIL)
		return 0;
	*full = magic;
	if ((r = c25_pool_take(t, (uint16_t)magic, &k->magic)) != 0)
		goto fail;
	*full = transit;
	r = c25_pool_take(t, c25_pool_pick(t, transit, d->connector),
	    &k->transit);
	if (r == 0)
		return 0;
fail:
	c25_give_back(t, k);
	return r;
}

/* The parts of a long name that are not in its own slot. */
static void
write_rest(struct c25_table *t, const struct c25_name *name,
    const struct c25_taken *k)
{
	size_t have = C25_INLINE_NAME;
	union c25_content_d part;

	for (unsigned i = 0; i < C25_CONT_MAX && have < name->len; i++) {
		size_t n = name->len - have < C25_CONT_NAME ?
		    name->len - have : C25_CONT_NAME;

		memset(&part, 0, sizeof(part));
		part.cont.state = C25_SLOT_CONT;
		part.cont.owner = k->slot;
		part.cont.part = i;
		memcpy(part.cont.name, name->wire + have, n);
		(void)c25_slot_write(c25_slot(t, k->cont[i]), &part);
		have += n;
	}
}

uint32_t
c25_commit(struct c25_table *t, const struct c25_draft *w,
    const struct c25_taken *k, union c25_content_d *c)
{
	struct c25_slot_d *s = c25_slot(t, k->slot);
	size_t len = w->name->len;
	uint32_t seq;

	write_rest(t, w->name, k);
	memset(c, 0, sizeof(*c));
	c->live.state = C25_SLOT_LIVE;
	c->live.family = w->destination.family;
	c->live.name_len = (uint8_t)len;
	c->live.connector = w->connector;
	c->live.moves = w->moves;
	c->live.cont[0] = k->cont[0];
	c->live.cont[1] = k->cont[1];
	c->live.key_hash = w->key_hash;
	memcpy(c->live.destination, w->destination.bytes, 16);
	memcpy(c->live.magic, k->magic.bytes, 16);
	memcpy(c->live.transit, k->transit.bytes, 16);
	memcpy(c->live.name, w->name->wire,
	    len < C25_INLINE_NAME ? len : C25_INLINE_NAME);
	atomic_store(&s->lease_end_ms, w->lease_end_ms);
	c25_step();
	(void)atomic_fetch_add(&t->h->pending, 1);
	c25_step();
	(void)atomic_fetch_add(&t->h->assignments, 1);
	c25_step();
	seq = c25_slot_write(s, c);
	c25_wheel_put(t, k->slot);
	return seq;
}

/* A table made in the place of another version's has no pools before conn25d
 * publishes some: that is no answer to who has a policy with pools. */
static bool
lacks_pools(const struct c25_table *t, const struct c25_policy *policy,
    enum c25_family family)
{
	return c25_policy_has_pool(policy, family) && t->h->pools[
	    family == C25_V6 ? C25_POOL_V6_MAGIC :
	    C25_POOL_V4_MAGIC].nbits == 0;
}

/*
 * What a new reservation writes lies anywhere in the table, and each atomic
 * store waits for the memory of those before it: ask for it early, while the
 * key is looked for and addresses are. Of the slot that is taken next ...
 */
static void
expect_slot(const struct c25_table *t)
{
	uint32_t i = atomic_load(&t->h->free_first);
	const uint8_t *s = (const void *)c25_slot(t, i);

	if (s == NULL)
		s = (const void *)c25_slot(t, atomic_load(
		    &t->h->watermark));
	for (size_t at = 0; s != NULL && at < sizeof(struct c25_slot_d);
	    at += 64)
		__builtin_prefetch(s + at, 1);
}

/* ... and of the two buckets besides that of the key. */
static void
expect_buckets(const struct c25_table *t, const struct c25_taken *k)
{
	__builtin_prefetch(c25_bucket(t, C25_BY_MAGIC, c25_addr_hash(t,
	    k->magic.bytes, k->magic.family)), 1);
	__builtin_prefetch(c25_bucket(t, C25_BY_TRANSIT, c25_addr_hash(t,
	    k->transit.bytes, k->transit.family)), 1);
}

/* The new reservation, under the lock. */
static int
reserve_locked(struct c25_table *t, const struct c25_policy *policy,
    const struct c25_want *w, const struct c25_probe *p, uint64_t until,
    struct c25_assignment *out, int *full)
{
	struct c25_draft d = { .name = w->name, .destination = w->destination,
	    .key_hash = p->hash, .lease_end_ms = until + RENEW_SLACK_MS };
	union c25_content_d c;
	struct c25_taken k;
	uint32_t former, seq;
	int r;

	if (atomic_load(&t->h->p.retired) != 0 ||
	    c25_table_generation(t) != c25_policy_generation(policy))
		return -ESTALE;
	if (c25_table_closed(t))
		return -EBUSY;
	if (lacks_pools(t, policy, w->destination.family))
		return -ESTALE;
	expect_slot(t);
	r = c25_walk(t, p, out);
	if (r == 0 && !c25_policy_allows_magic(policy, &out->magic)) {
		/* it never had that: somebody wrote there */
		c25_doubt(t, C25_DOUBT_DAMAGED |
		    C25_DOUBT_SHORT(C25_TABLE_FOREIGN));
		c25_slot_end(t, out->ref.slot, c25_now_ms());
	} else if (r == 0 && renew(t, out->ref, until,
	    &out->lease_end_ms) == 0)
		return 0;
	if (r == -EUCLEAN)
		return r;
	(void)c25_wheel_turn(t, TURN_EACH);
	d.connector = pick_connector(t, policy, w->app);
	r = take_all(t, &d, &k, &former, full);
	if (r == -ENOSPC && c25_wheel_turn(t, C25_TURN_WHEN_FULL) > 0)
		r = take_all(t, &d, &k, &former, full);
	if (r != 0)
		return r;
	/* the policy is the handle's own copy, the pools are anybody's */
	if (!c25_policy_in_magic(policy, &k.magic) ||
	    !c25_policy_in_transit(policy, &k.transit)) {
		if (former != C25_NIL)
			k.magic.family = k.transit.family = C25_UNSET;
		c25_give_back(t, &k);
		return -EUCLEAN;
	}
	expect_buckets(t, &k);
	seq = c25_commit(t, &d, &k, &c);
	c25_link(t, k.slot, &c);
	c25_slot_free_former(t, former);
	c25_enqueue(t, k.slot, seq);
	r = c25_slot_assignment(t, k.slot, out);
	out->magic = k.magic;		/* as it was looked at above */
	out->created = true;
	return r == 0 ? 0 : -EUCLEAN;
}

static bool
is_sound(const struct c25_want *want)
{
	return c25_addr_len(&want->destination) != 0 &&
	    want->name->len > 0 && want->name->len <= C25_NAME_MAX;
}

int
c25_table_renew(struct c25_table *t, const struct c25_policy *policy,
    const struct c25_want *want, struct c25_assignment *out)
{
	struct c25_probe p;
	uint64_t until;

	if (!is_sound(want))
		return -ENOENT;
	until = c25_lease_until(c25_now_ms(), want->ttl_s);
	p = c25_probe_key(t, want->name, &want->destination);
	return c25_search(t, &p, out) == 0 &&
	    c25_policy_allows_magic(policy, &out->magic) &&
	    renew(t, out->ref, until, &out->lease_end_ms) == 0 ? 0 : -ENOENT;
}

int
c25_table_reserve(struct c25_table *t, const struct c25_policy *policy,
    const struct c25_want *want, struct c25_assignment *out, int *full)
{
	struct c25_probe p;
	uint64_t until;
	int r, what = C25_POOL_KINDS;

	if (!is_sound(want))
		return -EINVAL;
	until = c25_lease_until(c25_now_ms(), want->ttl_s);
	p = c25_probe_key(t, want->name, &want->destination);
	if (c25_search(t, &p, out) == 0 &&
	    c25_policy_allows_magic(policy, &out->magic) &&
	    renew(t, out->ref, until, &out->lease_end_ms) == 0)
		return 0;
	if (!c25_name_valid(want->name->wire, want->name->len))
		return -EINVAL;
	/* who copies it has the lock */
	if (c25_table_retired(t))
		return -ESTALE;
	if ((r = c25_lock(t)) == 0) {
		r = reserve_locked(t, policy, want, &p, until, out, &what);
		c25_unlock(t);
	}
	if (r == -EUCLEAN)
		c25_doubt(t, C25_DOUBT_DAMAGED);
	if (r == -ENOSPC) {
		c25_doubt(t, C25_DOUBT_FULL | C25_DOUBT_SHORT(what));
		if (full != NULL)
			*full = what;
	}
	return r;
}

void
c25_table_ahead(const struct c25_table *t, struct c25_ref ref)
{
	const struct c25_slot_d *s = c25_slot(t, ref.slot);

	if (s != NULL)
		__builtin_prefetch(s);
}

int
c25_table_extend(struct c25_table *t, struct c25_ref ref, uint64_t until_ms)
{
	const struct c25_slot_d *s = c25_slot(t, ref.slot);
	uint64_t lease_end_ms;

	/* only an assignment, which it was, has a lease */
	return s != NULL && c25_slot_unchanged(s, ref.seq) &&
	    renew(t, ref, until_ms, &lease_end_ms) == 0 ? 0 : -ENOENT;
}

/* Make the addresses of an ended assignment wait at least until then. */
static bool
extend_ended(struct c25_slot_d *s, uint64_t until)
{
	uint64_t old = atomic_load(&s->lease_end_ms);

	do {
		if ((old & C25_LEASE_GONE) == 0)
			return false;
		if ((old & ~C25_LEASE_GONE) >= until)
			return true;
	} while (!atomic_compare_exchange_weak(&s->lease_end_ms, &old,
	    until | C25_LEASE_GONE));
	c25_step();
	return true;
}

int
c25_table_extend_ended(struct c25_table *t, const struct c25_addr *a,
    uint64_t until_ms)
{
	int found = 0;

	for (unsigned x = C25_BY_MAGIC; x <= C25_BY_TRANSIT; x++) {
		uint32_t i = atomic_load_explicit(c25_bucket(t, x,
		    c25_addr_hash(t, a->bytes, a->family)),
		    memory_order_acquire);
		union c25_content_d c;
		struct c25_slot_d *s;

		for (unsigned n = 0; n < C25_CHAIN_MAX &&
		    (s = c25_slot(t, i)) != NULL; n++) {
			if (c25_slot_read(s, &c) != 1 &&
			    c.live.state == C25_SLOT_LIVE &&
			    c.live.family == a->family &&
			    memcmp(x == C25_BY_MAGIC ? c.live.magic :
			    c.live.transit, a->bytes, 16) == 0)
				found += extend_ended(s, until_ms);
			i = atomic_load_explicit(&s->next[x],
			    memory_order_acquire);
		}
	}
	return found;
}

/* A free address for what is to be restored: the one it had, if it may have
 * it still. Returns: 0; -ERANGE (in no pool); -EADDRINUSE. */
static int
take_back(struct c25_table *t, const struct c25_addr *a)
{
	bool taken;

	if (!c25_pool_knows(t, a, &taken))
		return -ERANGE;
	return taken || !c25_pool_mark(t, a) ? -EADDRINUSE : 0;
}

/* The transit address it had, if that is still one of its connector, else
 * another one. */
static int
restore_transit(struct c25_table *t, const struct c25_saved *s,
    struct c25_addr *out)
{
	enum c25_pool_kind kind = s->magic.family == C25_V6 ?
	    C25_POOL_V6_TRANSIT : C25_POOL_V4_TRANSIT;

	if (c25_pool_fits(t, kind, s->connector, &s->transit) &&
	    take_back(t, &s->transit) == 0) {
		*out = s->transit;
		return 0;
	}
	if (s->keep_transit)
		return -EADDRNOTAVAIL;
	return c25_pool_take(t, c25_pool_pick(t, kind, s->connector), out);
}

static int
restore_locked(struct c25_table *t, const struct c25_saved *s)
{
	bool six = s->destination.family == C25_V6;
	struct c25_probe p = c25_probe_key(t, &s->name, &s->destination);
	struct c25_draft d = { .name = &s->name, .destination = s->destination,
	    .connector = s->connector, .key_hash = p.hash,
	    .lease_end_ms = s->lease_end_ms };
	struct c25_assignment a;
	union c25_content_d c;
	struct c25_taken k;
	uint32_t seq;
	int r;

	if (c25_walk(t, &p, &a) == 0)
		return -EEXIST;
	if ((r = c25_take_slots(t, s->name.len, &k)) != 0)
		goto fail;
	if (!c25_pool_fits(t, six ? C25_POOL_V6_MAGIC : C25_POOL_V4_MAGIC,
	    C25_CONNECTOR_NONE, &s->magic)) {
		r = -ERANGE;
		goto fail;
	}
	if ((r = take_back(t, &s->magic)) != 0)
		goto fail;
	k.magic = s->magic;
	if ((r = restore_transit(t, s, &k.transit)) != 0)
		goto fail;
	seq = c25_commit(t, &d, &k, &c);
	c25_link(t, k.slot, &c);
	c25_enqueue(t, k.slot, seq);
	return 0;
fail:
	c25_give_back(t, &k);
	return r;
}

int
c25_table_restore(struct c25_table *t, const struct c25_saved *list,
    size_t count, int *results)
{
	int r = c25_lock(t), done = 0;

	if (r != 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		const struct c25_saved *s = &list[i];

		if (c25_addr_len(&s->destination) == 0 ||
		    s->magic.family != s->destination.family ||
		    s->transit.family != s->destination.family ||
		    s->lease_end_ms == 0 ||
		    (s->lease_end_ms & C25_LEASE_GONE) != 0 ||
		    !c25_name_valid(s->name.wire, s->name.len))
			results[i] = -EINVAL;
		else
			results[i] = restore_locked(t, s);
		done += results[i] == 0;
	}
	c25_unlock(t);
	return done;
}

int
c25_slot_import(struct c25_table *t, const struct c25_assignment *a,
    uint32_t *slot)
{
	struct c25_draft d = { .name = &a->domain,
	    .destination = a->destination, .connector = a->connector,
	    .key_hash = c25_key_hash(t, &a->domain, &a->destination),
	    .lease_end_ms = a->lease_end_ms };
	struct c25_probe p = c25_probe_key(t, &a->domain, &a->destination);
	struct c25_assignment twin;
	union c25_content_d c;
	struct c25_taken k;
	uint32_t seq;
	int r;

	/* two versions of one, of a move that was cut short */
	if (c25_walk(t, &p, &twin) == 0) {
		*slot = twin.ref.slot;
		return 0;
	}
	r = c25_take_slots(t, a->domain.len, &k);
	if (r != 0) {
		c25_give_back(t, &k);
		return r;
	}
	k.magic = a->magic;
	k.transit = a->transit;
	seq = c25_commit(t, &d, &k, &c);
	c25_link(t, k.slot, &c);
	if (a->push == C25_PUSH_READY)
		(void)c25_table_set_push(t, (struct c25_ref){ k.slot, seq },
		    C25_PUSH_READY);
	*slot = k.slot;
	return 0;
}

int
c25_slot_import_ended(struct c25_table *t, const union c25_content_d *from,
    uint64_t lease)
{
	uint32_t i = c25_slot_take(t);
	struct c25_slot_d *s = c25_slot(t, i);
	union c25_content_d c = *from;

	if (s == NULL)
		return -ENOSPC;
	/* nobody looks for it by name; the hash is what it is known by */
	c.live.name_len = 0;
	c.live.cont[0] = c.live.cont[1] = C25_NIL;
	memset(c.live.name, 0, sizeof(c.live.name));
	atomic_store(&s->lease_end_ms, lease | C25_LEASE_GONE);
	(void)c25_slot_write(s, &c);
	atomic_store(&s->push, C25_PUSH_REFUSED);
	(void)atomic_fetch_add(&t->h->gone, 1);
	c25_link(t, i, &c);
	c25_wheel_put(t, i);
	return 0;
}

int
c25_table_reclaim(struct c25_table *t, uint32_t steps)
{
	int r;

	if (!c25_wheel_due(t))
		return 0;
	if ((r = c25_lock(t)) != 0)
		return r;
	r = c25_wheel_turn(t, steps);
	c25_unlock(t);
	return r;
}

int
c25_table_drop(struct c25_table *t, struct c25_ref ref)
{
	struct c25_assignment a;
	int r = c25_lock(t);

	if (r != 0)
		return r;
	r = c25_table_by_ref(t, ref, &a);
	if (r == 0)
		c25_slot_end(t, ref.slot, c25_now_ms());
	c25_unlock(t);
	return r;
}
