/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving an assignment to another connector: a new version of it takes the
 * place of the old one, whatever instruction the process dies at. */

#include "table/internal.h"

#include <errno.h>
#include <string.h>

/*
 * An older version of an assignment, ended, that still holds a transit address
 * the connector may use: nobody but this assignment had it since.
 * Returns: its slot and *transit, or C25_NIL.
 */
static uint32_t
find_former(struct c25_table *t, const union c25_content_d *now,
    enum c25_pool_kind kind, uint16_t connector, struct c25_addr *transit)
{
	uint64_t hash = now->live.key_hash;
	uint32_t i = atomic_load(c25_bucket(t, C25_BY_KEY, hash));
	struct c25_slot_d *s;
	union c25_content_d c;

	for (unsigned n = 0; n < C25_CHAIN_MAX &&
	    (s = c25_slot(t, i)) != NULL; n++) {
		if (c25_slot_read(s, &c) != 1 &&
		    c.live.state == C25_SLOT_LIVE &&
		    (atomic_load(&s->lease_end_ms) & C25_LEASE_GONE) != 0 &&
		    c.live.key_hash == hash &&
		    c.live.family == now->live.family &&
		    memcmp(c.live.magic, now->live.magic, 16) == 0) {
			transit->family = c.live.family;
			memcpy(transit->bytes, c.live.transit, 16);
			if (c25_pool_fits(t, kind, connector, transit))
				return i;
		}
		i = atomic_load(&s->next[C25_BY_KEY]);
	}
	*transit = (struct c25_addr){ 0 };
	return C25_NIL;
}

/* What a move works on. */
struct move {
	struct c25_assignment a;	/* as it is */
	uint16_t connector;		/* where to */
	uint32_t former;		/* whose transit address it gets back */
	struct c25_draft draft;
	struct c25_taken taken;
};

/* Read what is to be moved, and take what its new version needs: all or
 * nothing. Returns: as c25_table_move(). */
static int
move_prepare(struct c25_table *t, struct c25_ref ref, struct move *m)
{
	struct c25_taken *k = &m->taken;
	union c25_content_d old;
	enum c25_pool_kind kind;
	int r;

	if (c25_table_by_ref(t, ref, &m->a) != 0 ||
	    c25_slot_read(c25_slot(t, ref.slot), &old) != ref.seq)
		return -ENOENT;
	m->draft = (struct c25_draft){ .name = &m->a.domain,
	    .destination = m->a.destination, .connector = m->connector,
	    .key_hash = old.live.key_hash,
	    .moves = (uint16_t)(old.live.moves + 1),
	    .lease_end_ms = m->a.lease_end_ms };
	kind = m->a.transit.family == C25_V6 ? C25_POOL_V6_TRANSIT :
	    C25_POOL_V4_TRANSIT;
	m->former = C25_NIL;
	if ((r = c25_take_slots(t, m->a.domain.len, k)) != 0)
		goto fail;
	if (c25_pool_fits(t, kind, m->connector, &m->a.transit))
		k->transit = m->a.transit;
	else if ((m->former = find_former(t, &old, kind, m->connector,
	    &k->transit)) == C25_NIL && (r = c25_pool_take(t,
	    c25_pool_pick(t, kind, m->connector), &k->transit)) != 0)
		goto fail;
	k->magic = m->a.magic;
	return 0;
fail:
	c25_give_back(t, k);
	return r;
}

static int
move_locked(struct c25_table *t, struct c25_ref ref, uint16_t connector,
    struct c25_assignment *out)
{
	struct move m = { .connector = connector };
	struct c25_taken *k = &m.taken;
	union c25_content_d c;
	uint32_t seq;
	int r = move_prepare(t, ref, &m);

	if (r == -ENOSPC && c25_wheel_turn(t, C25_TURN_WHEN_FULL) > 0)
		r = move_prepare(t, ref, &m);
	if (r != 0)
		return r;
	seq = c25_commit(t, &m.draft, k, &c);
	/* from here on a crash leaves two, of which the newer goes on */
	(void)atomic_fetch_add(&t->h->unlinks, 1);
	c25_step();
	c25_slot_end(t, ref.slot, C25_LEASE_GONE - 1);
	/* it may have been renewed up to now, and so may the new one, by who
	 * has come upon it by c25_table_next() */
	c25_slot_outlast(c25_slot(t, k->slot), atomic_load(
	    &c25_slot(t, ref.slot)->lease_end_ms) & ~C25_LEASE_GONE);
	c25_link(t, k->slot, &c);
	(void)atomic_fetch_add(&t->h->unlinks, 1);
	c25_step();
	if (c25_addr_eq(&k->transit, &m.a.transit))
		c25_slot_free_former(t, ref.slot);
	else
		c25_slot_free_former(t, m.former);
	c25_enqueue(t, k->slot, seq);
	return c25_slot_assignment(t, k->slot, out) == 0 ? 0 : -EUCLEAN;
}

int
c25_table_move(struct c25_table *t, struct c25_ref ref, uint16_t connector,
    struct c25_assignment *out)
{
	int r = c25_lock(t);

	if (r != 0)
		return r;
	r = atomic_load(&t->h->p.retired) != 0 ? -ESTALE :
	    move_locked(t, ref, connector, out);
	c25_unlock(t);
	return r;
}
