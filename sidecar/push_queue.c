/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists through the array of slots; see push_queue.h. */
#include "push_queue.h"

#include <errno.h>
#include <stdlib.h>

int
c25_push_queue_init(struct c25_push_queue *q, uint32_t capacity)
{
	const struct c25_push_list empty = { C25_PUSH_NIL, C25_PUSH_NIL, 0 };

	q->slots = calloc(capacity, sizeof(*q->slots));
	if (q->slots == NULL)
		return -ENOMEM;
	q->capacity = capacity;
	for (size_t i = 0; i < sizeof(q->lists) / sizeof(*q->lists); i++)
		q->lists[i] = empty;
	return 0;
}

void
c25_push_queue_free(struct c25_push_queue *q)
{
	free(q->slots);
	q->slots = NULL;
}

static bool
in_list(const struct c25_push_slot *s)
{
	return c25_push_place(s) > C25_PUSH_FLIGHT;
}

void
c25_push_remove(struct c25_push_queue *q, uint32_t slot)
{
	struct c25_push_slot *s = &q->slots[slot];

	if (in_list(s)) {
		struct c25_push_list *l = &q->lists[s->where];

		if (s->prev != C25_PUSH_NIL)
			q->slots[s->prev].next = s->next;
		else
			l->head = s->next;
		if (s->next != C25_PUSH_NIL)
			q->slots[s->next].prev = s->prev;
		else
			l->tail = s->prev;
		l->count--;
	}
	s->where = C25_PUSH_NOWHERE;
}

void
c25_push_move(struct c25_push_queue *q, uint32_t slot, uint32_t reg,
	unsigned place, bool front)
{
	struct c25_push_slot *s = &q->slots[slot];
	struct c25_push_list *l = c25_push_list(q, reg, place);

	c25_push_remove(q, slot);
	s->where = (uint16_t)(reg * C25_PUSH_PLACES + place);
	if (!in_list(s))
		return;
	s->prev = front ? C25_PUSH_NIL : l->tail;
	s->next = front ? l->head : C25_PUSH_NIL;
	if (s->prev != C25_PUSH_NIL)
		q->slots[s->prev].next = slot;
	else
		l->head = slot;
	if (s->next != C25_PUSH_NIL)
		q->slots[s->next].prev = slot;
	else
		l->tail = slot;
	l->count++;
}

void
c25_push_splice(struct c25_push_queue *q, uint32_t reg, unsigned from,
	unsigned to)
{
	struct c25_push_list *l = c25_push_list(q, reg, from);

	while (l->head != C25_PUSH_NIL)
		c25_push_move(q, l->head, reg, to, false);
}

void
c25_push_clear(struct c25_push_queue *q, uint32_t reg)
{
	for (unsigned place = C25_PUSH_FRESH; place < C25_PUSH_PLACES;
	    place++) {
		struct c25_push_list *l = c25_push_list(q, reg, place);

		while (l->head != C25_PUSH_NIL)
			c25_push_remove(q, l->head);
	}
}
