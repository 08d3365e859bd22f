/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a connector is. What is drawn here decides what push_choose.c does:
 *
 *	       request fails            silent for FAILOVER_MS
 *	 up ------------------> down ---------------------------> dead
 *	  ^  <------------------  |                                |
 *	  |       200             |                200             |
 *	  +-----------------------+--------------------------------+
 *
 * A connector that was dead counts as failed until it is settled: has
 * answered for settle_after_ms without a break. That grows with each time it
 * fails again soon after.
 */
#include "push_private.h"

#include "conn25/log.h"

/* Requests must have failed for so long, so that one answer that we were late
 * to read (the host slept, or was busy) moves nothing. */
#define DOUBT_MS 500
#define SETTLE_MAX_MS (5u * 60 * 1000)
/* What fails within so many times settle_after_ms has failed soon again. */
#define SOON 10

/* Let the module reserve for others while this one is of no use, and wait for
 * it no longer: answers that do look again when the bell rings. */
static void
tell(struct c25_pushq *p, struct c25_push_peer *c)
{
	c->told = c->down ? C25_HEALTH_DOWN : c->failed ?
		C25_HEALTH_RETURNING : C25_HEALTH_GOOD;
	p->ops->health(p->ctx, c->reg, c->told);
	if (c->down)
		p->changed = true;
}

void
c25_push_health_begin(struct c25_pushq *p, struct c25_push_peer *c,
	bool down, uint64_t now)
{
	c->heard_ms = now;
	c->probe_at_ms = now;
	c->settle_after_ms = C25_PUSH_RETURN_MS;
	c->down = down;
	c->down_ms = now;
	tell(p, c);
}

void
c25_push_health_end(struct c25_pushq *p, struct c25_push_peer *c)
{
	c->down = c->failed = false;
	tell(p, c);
}

void
c25_push_health_failed(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now)
{
	c->up_ms = 0;
	c->settled = false;
	if (c->down)
		return;
	c->down = true;
	c->down_ms = now;
	tell(p, c);
	c25_log(C25_LOG_ERROR, "connector %s: request failed: %s: trying "
		"again until it answers", c->name, c->last_error);
}

/* Is there a dead one, whose assignments may wait for anyone to come up? */
static bool
any_dead(const struct c25_pushq *p)
{
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL && p->peers[reg]->dead)
			return true;
	return false;
}

void
c25_push_health_ok(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now)
{
	c->heard_ms = now;
	if (c->up_ms == 0)
		c->up_ms = now;
	if (!c->down)
		return;
	c->down = c->dead = false;
	tell(p, c);
	if (c->last_error[0] == '\0')
		c25_log(C25_LOG_ERROR, "connector %s: answers", c->name);
	else
		c25_log(C25_LOG_ERROR, "connector %s: answers again",
			c->name);
	if (any_dead(p))
		c25_push_sweep(p);
}

/* The time from which on a connector that is down counts as dead. */
static uint64_t
dead_at(const struct c25_push_peer *c)
{
	uint64_t silent = c->heard_ms + C25_PUSH_FAILOVER_MS;
	uint64_t doubt = c->down_ms + DOUBT_MS;

	return silent > doubt ? silent : doubt;
}

static void
becomes_dead(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	c->dead = true;
	if (!c->failed) {
		if (c->returned_ms != 0 && now - c->returned_ms <
		    SOON * c->settle_after_ms)
			c->settle_after_ms *= 2;
		else
			c->settle_after_ms = C25_PUSH_RETURN_MS;
		if (c->settle_after_ms > SETTLE_MAX_MS)
			c->settle_after_ms = SETTLE_MAX_MS;
	}
	c->failed = true;
	tell(p, c);
	if (p->peer_count < 2)
		return;
	c25_log(C25_LOG_ERROR, "connector %s: failed: not heard of for "
		"%llu ms: what others can carry goes to them", c->name,
		(unsigned long long)(now - c->heard_ms));
	c25_push_sweep(p);
}

static void
becomes_settled(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	bool failed = c->failed;

	c->settled = true;
	c->failed = false;
	tell(p, c);
	if (failed)
		c->returned_ms = now;
	if (p->peer_count < 2)
		return;
	if (failed)
		c25_log(C25_LOG_INFO, "connector %s: has been healthy for "
			"%llu s: takes back what is its own", c->name,
			(unsigned long long)c->settle_after_ms / 1000);
	c25_push_sweep(p);
}

void
c25_push_health_tick(struct c25_pushq *p, struct c25_push_peer *c,
	uint64_t now)
{
	if (c->down && !c->dead && now >= dead_at(c))
		becomes_dead(p, c, now);
	if (c->up_ms != 0 && !c->settled &&
	    now >= c->up_ms + c->settle_after_ms)
		becomes_settled(p, c, now);
}

uint64_t
c25_push_health_due(const struct c25_push_peer *c)
{
	if (c->down)
		return c->dead ? 0 : dead_at(c);
	return c->up_ms != 0 && !c->settled ?
		c->up_ms + c->settle_after_ms : 0;
}
