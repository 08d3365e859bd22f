/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The heart of the client role: what is new, what is found again, what is due;
 * see push.h, and push_private.h for who does the rest.
 */
#include "push_private.h"

#include <errno.h>

#include "conn25/log.h"

/* In one work(), so that others of the loop get their turn, and connectors
 * have their next batch soon. */
#define TAKE_MAX 512		/* of the ring */
#define SWEEP_MAX 1024		/* assignments looked at */
#define MOVES_MAX 512		/* ... and moved */

#define REFRESH_TICK_MS 10000	/* a piece of the refresh each */
#define ASLEEP_MS (5u * 60 * 1000)	/* nobody called: the host slept */
#define RESYNC_MIN_MS 10000	/* between two on account of an epoch */

/* splitmix64: good enough for jitter. */
static uint64_t
random64(struct c25_pushq *p)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t
c25_push_jitter(struct c25_pushq *p, uint64_t ms)
{
	return ms - ms / 4 + random64(p) % (ms / 2 + 1);
}

/* ---- what is new -------------------------------------------------------- */

/* For those that wait, and that may be all that it is for. */
static void
sweep_once_round(struct c25_pushq *p)
{
	if (p->sweep_at >= p->sweep_until)
		p->sweep_moved = p->stats.moved;
	p->sweep_until = p->sweep_at + p->queue.capacity;
}

static void
take_ring(struct c25_pushq *p, uint64_t now)
{
	struct c25_assignment a;

	p->ring_more = true;
	c25_push_tick(p, now);
	for (int i = 0; i < TAKE_MAX && p->moves_left > 0; i++) {
		int r = p->ops->take(p->ctx, &a);

		if (r == 0) {
			p->ring_more = false;
			return;
		}
		if (r == -EOVERFLOW)
			sweep_once_round(p);
		if (r != 1 || a.ref.slot >= p->queue.capacity ||
		    a.push != C25_PUSH_PENDING)
			continue;
		c25_push_slot(p, a.ref)->since = p->tick;
		if (c25_push_sort(p, &a, C25_PUSH_FRESH, now) ==
		    C25_PUSH_GIVE_UP)
			c25_push_give_up(p, &a, NULL, now);
	}
}

void
c25_push_tick(struct c25_pushq *p, uint64_t now_ms)
{
	uint64_t us = p->ops->now_us != NULL ? p->ops->now_us(p->ctx) :
		now_ms * 1000;

	p->tick = (uint32_t)(us / C25_PUSH_TICK_US);
	if (p->tick == 0)
		p->tick = 1;
}

/* ---- what is found again ------------------------------------------------ */

void
c25_push_sweep(struct c25_pushq *p)
{
	sweep_once_round(p);
	p->sweep_all_until = p->sweep_until;
}

void
c25_push_resync(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	if (c->resynced_ms != 0 && now - c->resynced_ms < RESYNC_MIN_MS) {
		c->resync_at_ms = c->resynced_ms + RESYNC_MIN_MS;
		return;
	}
	c->resync_at_ms = 0;
	c->resynced_ms = now;
	c25_push_sweep(p);
	c->resync_until = p->sweep_until;
}

static void
resync_all(struct c25_pushq *p, uint64_t now)
{
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL) {
			p->peers[reg]->resynced_ms = 0;
			c25_push_resync(p, p->peers[reg], now);
		}
}

/* A connector that starts anew may take what it refused. */
static void
forget_refusals(struct c25_pushq *p, const struct c25_assignment *a)
{
	struct c25_push_slot *s = c25_push_slot(p, a->ref);
	struct c25_push_app app;

	if (s->refused == 0 || !c25_push_app(p, a, &app))
		return;
	for (uint32_t i = 0; i < app.count; i++) {
		const struct c25_push_peer *c = app.list[i] <
			C25_CONNECTORS_MAX ? p->peers[app.list[i]] : NULL;

		if (c != NULL && c25_push_resyncs(p, c))
			s->refused &= ~c25_push_bit(i);
	}
}

/* One found by walking the table. */
static void
found(struct c25_pushq *p, const struct c25_assignment *a, bool refresh,
	uint64_t now)
{
	const struct c25_push_peer *owner = a->connector <
		C25_CONNECTORS_MAX ? p->peers[a->connector] : NULL;
	enum c25_push_place place = C25_PUSH_FRESH;

	if (a->ref.slot >= p->queue.capacity)
		return;
	if (!refresh)
		forget_refusals(p, a);
	if (a->push == C25_PUSH_READY)
		place = refresh || (owner != NULL &&
			c25_push_resyncs(p, owner)) ? C25_PUSH_REFRESH :
			C25_PUSH_NOWHERE;
	if (c25_push_sort(p, a, place, now) != C25_PUSH_GIVE_UP)
		return;
	if (a->push == C25_PUSH_PENDING)
		c25_push_give_up(p, a, NULL, now);
	else if (a->push == C25_PUSH_REFUSED)
		c25_push_keep_refused(p, a, C25_WIRE_OK);
}

static void
sweep_done(struct c25_pushq *p)
{
	uint64_t moved = p->stats.moved - p->sweep_moved;

	if (moved > 0)
		c25_log(C25_LOG_INFO, "push: %llu assignments moved to other "
			"connectors", (unsigned long long)moved);
}

/* A piece of a walk through the whole table. */
static void
sweep(struct c25_pushq *p, uint64_t now)
{
	uint32_t capacity = p->queue.capacity, from, to;
	struct c25_assignment a;

	if (p->sweep_at >= p->sweep_until)
		return;
	for (int i = 0; i < SWEEP_MAX && p->moves_left > 0 &&
	    p->sweep_at < p->sweep_until; i++) {
		int r;

		from = to = (uint32_t)(p->sweep_at % capacity);
		r = p->ops->next(p->ctx, &to, &a);
		if (r != 0 && to > from) {
			p->sweep_at += to - from;
			if (r == 1 && (a.push == C25_PUSH_PENDING ||
			    p->sweep_at <= p->sweep_all_until))
				found(p, &a, false, now);
		} else {
			p->sweep_at += capacity - from;
		}
	}
	if (p->sweep_at >= p->sweep_until)
		sweep_done(p);
}

/*
 * The next few slots of the refresh, which goes round the table in
 * C25_PUSH_REFRESH_MS: no one has to remember when what was sent.
 */
static void
refresh(struct c25_pushq *p, uint64_t now)
{
	uint64_t step = (uint64_t)p->queue.capacity * REFRESH_TICK_MS /
		C25_PUSH_REFRESH_MS + 1;
	struct c25_assignment a;

	if (p->refresh_at_ms == 0)
		p->refresh_at_ms = now + REFRESH_TICK_MS;
	if (now >= p->refresh_at_ms) {
		if (now - p->refresh_at_ms > ASLEEP_MS)
			resync_all(p, now);
		p->refresh_at_ms = now + REFRESH_TICK_MS;
		if (p->refresh_goal >= p->queue.capacity) {
			p->refresh_goal = 0;
			p->refresh_cursor = 0;
		}
		p->refresh_goal += step;
	}
	for (int i = 0; i < SWEEP_MAX && p->moves_left > 0 &&
	    p->refresh_cursor < p->refresh_goal; i++) {
		int r = p->ops->next(p->ctx, &p->refresh_cursor, &a);

		if (r == 1)
			found(p, &a, true, now);
		else if (r == 0)
			p->refresh_cursor = UINT32_MAX;
	}
}

/* ---- what is due -------------------------------------------------------- */

/* What of one connector was put off until now. */
static void
peer_due(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	c25_push_health_tick(p, c, now);
	for (unsigned i = 0; i < C25_PUSH_LEVELS; i++) {
		if (c->later_at_ms[i] == 0 || now < c->later_at_ms[i])
			continue;
		c->later_at_ms[i] = 0;
		c25_push_splice(&p->queue, c->reg, C25_PUSH_LATER + i,
			C25_PUSH_FRESH);
	}
	if (c->resync_at_ms != 0 && now >= c->resync_at_ms)
		c25_push_resync(p, c, now);
}

void
c25_push_work(struct c25_pushq *p, uint64_t now)
{
	if (p->policy == NULL)
		return;		/* the ring can wait for configure() */
	p->moves_left = MOVES_MAX;
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL)
			peer_due(p, p->peers[reg], now);
	take_ring(p, now);
	refresh(p, now);
	if (p->stuck_at_ms != 0 && now >= p->stuck_at_ms) {
		p->stuck_at_ms = 0;
		c25_push_sweep(p);
	}
	sweep(p, now);
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL)
			c25_push_send(p, p->peers[reg], now);
	if (p->changed)
		p->ops->changed(p->ctx);
	p->changed = false;
}

static void
earlier(uint64_t *due, uint64_t at)
{
	if (at != 0 && (*due == 0 || at < *due))
		*due = at;
}

static void
peer_earlier(const struct c25_push_peer *c, uint64_t *due)
{
	if (!c->busy)
		earlier(due, c->down ? c->retry_at_ms : c->probe_at_ms);
	earlier(due, c25_push_health_due(c));
	earlier(due, c->resync_at_ms);
	for (unsigned i = 0; i < C25_PUSH_LEVELS; i++)
		earlier(due, c->later_at_ms[i]);
}

uint64_t
c25_push_due(const struct c25_pushq *p)
{
	uint64_t due = 0;

	if (p->policy == NULL)
		return 0;
	if (p->sweep_at < p->sweep_until || p->ring_more ||
	    p->refresh_cursor < p->refresh_goal)
		return 1;
	earlier(&due, p->refresh_at_ms);
	earlier(&due, p->stuck_at_ms);
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL)
			peer_earlier(p->peers[reg], &due);
	return due;
}
