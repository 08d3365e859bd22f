/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue from the module to conn25d, push states, and the doorbell. */

#include "table/internal.h"

#include <errno.h>

void
c25_enqueue(struct c25_table *t, uint32_t slot, uint32_t seq)
{
	_Atomic uint64_t *ring = (void *)(t->base + t->l.ring);
	uint64_t head = atomic_load(&t->h->ring_head);

	atomic_store_explicit(&ring[head % C25_RING_SIZE],
	    (uint64_t)seq << 32 | slot, memory_order_relaxed);
	c25_step();
	/* seq_cst, with c25_table_must_ring() against c25_table_sleep() */
	atomic_store(&t->h->ring_head, head + 1);
	c25_step();
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

void
c25_pending_less(struct c25_table *t)
{
	uint64_t old = atomic_load(&t->h->pending);

	while (old > 0 && !atomic_compare_exchange_weak(&t->h->pending, &old,
	    old - 1))
		;
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
		c25_pending_less(t);
	if ((uint8_t)old != C25_PUSH_PENDING && push == C25_PUSH_PENDING)
		(void)atomic_fetch_add(&t->h->pending, 1);
	return 0;
}

int
c25_table_push_state(const struct c25_table *t, struct c25_ref ref)
{
	const struct c25_slot_d *s = c25_slot(t, ref.slot);
	uint64_t push = s == NULL ? 0 : atomic_load(&s->push);
	uint64_t lease = s == NULL ? 0 : atomic_load(&s->lease_end_ms);

	if (push >> 32 != ref.seq || lease == 0 ||
	    (lease & C25_LEASE_GONE) != 0)
		return -ENOENT;
	return (uint32_t)push <= C25_PUSH_REFUSED ? (int)(uint32_t)push :
	    C25_PUSH_PENDING;
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
