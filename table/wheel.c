/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wheel: slots by the time at which they might be freed, so that
 * reclaiming costs what is due and nothing else. All under the lock.
 */

#include "table/internal.h"

#include <errno.h>

static _Atomic uint32_t *
tick_head(const struct c25_table *t, uint32_t tick)
{
	_Atomic uint32_t *wheel = (void *)(t->base + t->l.wheel);

	return wheel + tick % C25_WHEEL_TICKS;
}

uint64_t
c25_wheel_end_of(uint64_t lease)
{
	return (lease & ~C25_LEASE_GONE) + C25_QUARANTINE_S * 1000ull;
}

void
c25_wheel_start(struct c25_table *t)
{
	for (uint32_t i = 0; i < C25_WHEEL_TICKS; i++)
		atomic_store_explicit(tick_head(t, i), C25_NIL,
		    memory_order_relaxed);
	atomic_store(&t->h->wheel_done, c25_now_ms() / C25_WHEEL_TICK_MS);
}

void
c25_wheel_put(struct c25_table *t, uint32_t i)
{
	struct c25_slot_d *s = c25_slot(t, i), *first;
	uint64_t done = atomic_load(&t->h->wheel_done);
	/* the tick after the one in which it ends */
	uint64_t tick = c25_wheel_end_of(atomic_load(&s->lease_end_ms)) /
	    C25_WHEEL_TICK_MS + 1;
	_Atomic uint32_t *head;

	if (tick <= done)
		tick = done + 1;
	if (tick > done + C25_WHEEL_TICKS - 1)
		tick = done + C25_WHEEL_TICKS - 1;
	head = tick_head(t, (uint32_t)(tick % C25_WHEEL_TICKS));
	first = c25_slot(t, atomic_load(head));
	c25_step();
	atomic_store(&s->wheel_next, atomic_load(head));
	atomic_store(&s->wheel_prev, C25_WHEEL_HEAD |
	    (uint32_t)(tick % C25_WHEEL_TICKS));
	c25_step();
	if (first != NULL)
		atomic_store(&first->wheel_prev, i);
	c25_step();
	atomic_store(head, i);
}

void
c25_wheel_remove(struct c25_table *t, uint32_t i)
{
	struct c25_slot_d *s = c25_slot(t, i);
	uint32_t next = atomic_load(&s->wheel_next);
	uint32_t prev = atomic_load(&s->wheel_prev);
	struct c25_slot_d *after = c25_slot(t, next);
	struct c25_slot_d *before = c25_slot(t, prev);

	if (prev == C25_NIL)
		return;
	if (prev & C25_WHEEL_HEAD)
		atomic_store(tick_head(t, prev & ~C25_WHEEL_HEAD), next);
	else if (before != NULL)
		atomic_store(&before->wheel_next, next);
	c25_step();
	if (after != NULL)
		atomic_store(&after->wheel_prev, prev);
	atomic_store(&s->wheel_prev, C25_NIL);
	c25_step();
}

/* A slot whose tick has come: free it, or put it back in.
 * Returns: was it freed? */
static bool
turn(struct c25_table *t, uint32_t i, uint64_t now_ms)
{
	struct c25_slot_d *s = c25_slot(t, i);
	uint64_t lease = atomic_load(&s->lease_end_ms);
	union c25_content_d c;

	c25_wheel_remove(t, i);
	/* a free slot isn't in here; it may be in a damaged table */
	if (lease == 0 || c25_slot_read(s, &c) == 1 ||
	    c.live.state != C25_SLOT_LIVE)
		return false;
	/* no renewal succeeds once the lease is 0 */
	if (c25_wheel_end_of(lease) < now_ms && atomic_compare_exchange_strong(
	    &s->lease_end_ms, &lease, 0)) {
		c25_step();
		c25_slot_free(t, i, &c, (lease & C25_LEASE_GONE) != 0);
		return true;
	}
	c25_wheel_put(t, i);
	return false;
}

int
c25_wheel_turn(struct c25_table *t, uint32_t steps)
{
	uint64_t now_ms = c25_now_ms(), now = now_ms / C25_WHEEL_TICK_MS;
	uint64_t done = atomic_load(&t->h->wheel_done);
	int freed = 0;

	/* a long sleep, or nonsense */
	if (now > done + C25_WHEEL_TICKS)
		done = now - C25_WHEEL_TICKS;
	while (done < now && steps > 0) {
		uint32_t i = atomic_load(tick_head(t, (uint32_t)
		    ((done + 1) % C25_WHEEL_TICKS)));

		if (c25_slot(t, i) == NULL) {
			/* looking at an empty tick costs next to nothing */
			done++;
			continue;
		}
		atomic_store(&t->h->wheel_done, done);
		freed += turn(t, i, now_ms);
		steps--;
	}
	atomic_store(&t->h->wheel_done, done);
	return freed;
}

bool
c25_wheel_due(const struct c25_table *t)
{
	return atomic_load(&t->h->wheel_done) <
	    c25_now_ms() / C25_WHEEL_TICK_MS;
}

/* Is the entry where a slot with this lease belongs, or at an earlier tick (as
 * its lease may have been renewed), or due anyway? */
static bool
is_in_time(const struct c25_slot_d *s, uint64_t tick, uint64_t done)
{
	uint64_t lease = atomic_load(&s->lease_end_ms);

	return lease != 0 && (tick == done + 1 ||
	    tick <= c25_wheel_end_of(lease) / C25_WHEEL_TICK_MS + 1 ||
	    tick <= c25_now_ms() / C25_WHEEL_TICK_MS);
}

bool
c25_wheel_sound(const struct c25_table *t, uint64_t count)
{
	uint64_t done = atomic_load(&t->h->wheel_done), seen = 0;

	for (uint64_t tick = done + 1; tick <= done + C25_WHEEL_TICKS;
	    tick++) {
		uint32_t b = (uint32_t)(tick % C25_WHEEL_TICKS);
		uint32_t i = atomic_load(tick_head(t, b));
		uint32_t prev = C25_WHEEL_HEAD | b;

		for (; i != C25_NIL; prev = i,
		    i = atomic_load(&c25_slot(t, i)->wheel_next)) {
			const struct c25_slot_d *s = c25_slot(t, i);

			if (s == NULL || ++seen > count ||
			    atomic_load(&s->wheel_prev) != prev ||
			    !is_in_time(s, tick, done))
				return false;
		}
	}
	return seen == count;
}
