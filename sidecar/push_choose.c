/* SPDX-License-Identifier: BSD-3-Clause */
/* Which connector an assignment belongs to, and how it gets there; see
 * push_private.h. */
#include "push_private.h"

#include <errno.h>
#include <string.h>

#include "conn25/log.h"

#define STUCK_MS 5000		/* then try again to move what couldn't be */
#define STUCK_LOG_MS 60000	/* at most one line in this time */

bool
c25_push_app(const struct c25_pushq *p, const struct c25_assignment *a,
	struct c25_push_app *out)
{
	struct c25_match m;

	if (!c25_policy_match(p->policy, a->domain.wire, a->domain.len, &m))
		return false;
	out->name = c25_policy_app(p->policy, m.app);
	out->list = c25_policy_app_connectors(p->policy, m.app, &out->count);
	return out->name != NULL;
}

struct c25_push_slot *
c25_push_slot(struct c25_pushq *p, struct c25_ref ref)
{
	struct c25_push_slot *s = &p->queue.slots[ref.slot];

	if (s->seq != ref.seq) {
		c25_push_remove(&p->queue, ref.slot);
		s->seq = ref.seq;
		s->refused = 0;
		s->level = 0;
		s->alone = 0;
		s->since = 0;
	} else if (s->generation != p->generation) {
		s->refused = 0;
	}
	s->generation = p->generation;
	return s;
}

/* How good a connector is to go to; smaller is better. */
enum rank { RANK_HEALTHY, RANK_ANSWERS, RANK_DOWN, RANK_DEAD, RANKS };

static enum rank
rank_of(const struct c25_push_peer *c)
{
	if (!c->down)
		return c->failed ? RANK_ANSWERS : RANK_HEALTHY;
	return c->dead ? RANK_DEAD : RANK_DOWN;
}

static const struct c25_push_peer *
peer(const struct c25_pushq *p, uint16_t reg)
{
	return reg < C25_CONNECTORS_MAX ? p->peers[reg] : NULL;
}

enum c25_push_verdict
c25_push_choose(const struct c25_pushq *p, const struct c25_push_app *app,
	uint16_t owner, uint32_t refused, uint32_t skip, uint16_t *to)
{
	const struct c25_push_peer *own = NULL, *c;
	uint16_t best[RANKS], better = C25_CONNECTOR_NONE;
	bool any = false, willing = false;

	for (int r = 0; r < RANKS; r++)
		best[r] = C25_CONNECTOR_NONE;
	for (uint32_t i = 0; i < app->count; i++) {
		if ((c = peer(p, app->list[i])) == NULL)
			continue;
		any = true;
		if (refused & c25_push_bit(i))
			continue;
		willing = true;
		if (app->list[i] == owner)
			own = c;
		if (own == c || (skip & c25_push_bit(i)))
			continue;
		if (best[rank_of(c)] == C25_CONNECTOR_NONE)
			best[rank_of(c)] = c->reg;
		if (own == NULL && c->settled && better == C25_CONNECTOR_NONE)
			better = c->reg;
	}
	if (!any)
		return C25_PUSH_NOBODY;
	/* nothing moves but for a good reason */
	if (own != NULL && !own->dead) {
		*to = better;
		return better == C25_CONNECTOR_NONE ? C25_PUSH_STAY :
			C25_PUSH_GO;
	}
	for (int r = 0; r <= (own != NULL ? RANK_ANSWERS : RANK_DEAD); r++)
		if ((*to = best[r]) != C25_CONNECTOR_NONE)
			return C25_PUSH_GO;
	if (own != NULL)
		return C25_PUSH_STAY;
	return willing ? C25_PUSH_STUCK : C25_PUSH_GIVE_UP;
}

/* ---- moving ------------------------------------------------------------- */

/* What is known of the old version is true of the new one, too. */
static int
relocate(struct c25_pushq *p, const struct c25_assignment *a, uint16_t to,
	enum c25_push_place place)
{
	uint32_t refused = c25_push_slot(p, a->ref)->refused;
	struct c25_assignment now;
	int r = p->ops->move(p->ctx, a->ref, to, &now);

	if (r != 0)
		return r;
	p->stats.moved++;
	c25_push_remove(&p->queue, a->ref.slot);
	if (p->moves_left > 0)
		p->moves_left--;
	if (now.ref.slot >= p->queue.capacity)
		return -EUCLEAN;
	c25_push_slot(p, now.ref)->refused = refused;
	c25_push_move(&p->queue, now.ref.slot, to,
		place == C25_PUSH_FRESH ? C25_PUSH_FRESH : C25_PUSH_MOVED,
		false);
	return 0;
}

static void
stuck(struct c25_pushq *p, int r, uint64_t now)
{
	if (p->stuck_at_ms == 0)
		p->stuck_at_ms = now + STUCK_MS;
	p->stats.stuck++;
	if (p->stuck_log_ms != 0 && now - p->stuck_log_ms < STUCK_LOG_MS)
		return;
	p->stuck_log_ms = now;
	c25_log(C25_LOG_ERROR, "push: an assignment can't be moved to "
		"another connector: %s: what it leaves is kept until its "
		"lease is over: raise table.maxAssignments, or enlarge the "
		"connectors' transit pools", r == -ENOSPC ? "table or transit "
		"pool is full" : strerror(-r));
}

/* Where it is in the app's list, as a bit; 0: nowhere. */
static uint32_t
bit_of(const struct c25_push_app *app, uint16_t reg)
{
	for (uint32_t i = 0; i < app->count; i++)
		if (app->list[i] == reg)
			return c25_push_bit(i);
	return 0;
}

/* Let it wait at a connector, or parked; unless it does. */
static void
wait_at(struct c25_pushq *p, uint32_t slot, uint32_t reg,
	enum c25_push_place place)
{
	struct c25_push_slot *s = &p->queue.slots[slot];

	if (c25_push_place(s) != C25_PUSH_NOWHERE) {
		if (s->where / C25_PUSH_PLACES == reg)
			return;
		if (place == C25_PUSH_NOWHERE)
			place = C25_PUSH_FRESH;
	}
	if (place == C25_PUSH_NOWHERE)
		return;
	s->level = 0;
	s->alone = 0;
	c25_push_move(&p->queue, slot, reg, place, false);
}

/* Choose and go until there is nowhere to go. Each turn of the loop puts one
 * more connector into one of the masks. */
static enum c25_push_verdict
choose_and_go(struct c25_pushq *p, const struct c25_assignment *a,
	const struct c25_push_app *app, enum c25_push_place place,
	uint64_t now)
{
	struct c25_push_slot *s = c25_push_slot(p, a->ref);
	uint32_t skip = 0;

	for (;;) {
		uint16_t to = C25_CONNECTOR_NONE;
		enum c25_push_verdict v = c25_push_choose(p, app,
			a->connector, s->refused, skip, &to);
		int r;

		if (v != C25_PUSH_GO)
			return v;
		r = relocate(p, a, to, place);
		if (r == 0)
			return C25_PUSH_GO;
		if (r == -ENOENT)
			return C25_PUSH_VANISHED;
		if (r == -EAFNOSUPPORT) {
			/* no transit addresses of this family are its */
			s->refused |= bit_of(app, to);
			continue;
		}
		stuck(p, r, now);
		skip |= bit_of(app, to);
	}
}

enum c25_push_verdict
c25_push_sort(struct c25_pushq *p, const struct c25_assignment *a,
	enum c25_push_place place, uint64_t now)
{
	enum c25_push_verdict v = C25_PUSH_NOBODY;
	struct c25_push_app app;

	(void)c25_push_slot(p, a->ref);
	if (c25_push_app(p, a, &app))
		v = choose_and_go(p, a, &app, place, now);
	switch (v) {
	case C25_PUSH_STAY:
		wait_at(p, a->ref.slot, a->connector, place);
		break;
	case C25_PUSH_STUCK:
	case C25_PUSH_NOBODY:
		if (a->push == C25_PUSH_READY)
			place = C25_PUSH_NOWHERE;
		wait_at(p, a->ref.slot, C25_PUSH_PARKED_REG, place ==
			C25_PUSH_NOWHERE ? place : C25_PUSH_FRESH);
		break;
	case C25_PUSH_VANISHED:
		c25_push_remove(&p->queue, a->ref.slot);
		break;
	case C25_PUSH_GO:
	case C25_PUSH_GIVE_UP:
		break;
	}
	return v;
}
