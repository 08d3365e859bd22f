/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of the queues: what goes into a request, and what becomes of it when
 * there is no answer. */
#include "push_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PLACES 3	/* that are looked at for a batch */

/* Fill one entry of a batch. Returns: false: leave it out. */
static bool
batch_add(struct c25_pushq *p, struct c25_push_peer *c,
	struct c25_push_batch *b, uint32_t slot)
{
	struct c25_push_slot *s = &p->queue.slots[slot];
	struct c25_ref ref = { .slot = slot, .seq = s->seq };
	struct c25_wire_entry *e = &p->entries[b->count];
	struct c25_assignment a;
	struct c25_push_app app;

	if (p->ops->read(p->ctx, ref, &a) != 0) {
		c25_push_remove(&p->queue, slot);
		return false;
	}
	if (!c25_push_app(p, &a, &app)) {
		c25_push_move(&p->queue, slot, C25_PUSH_PARKED_REG,
			C25_PUSH_FRESH, false);
		return false;
	}
	e->transit = a.transit;
	e->destination = a.destination;
	e->app = app.name;
	e->domain = c25_name_to_text(a.domain.wire, a.domain.len,
		p->names[b->count]);
	b->refs[b->count++] = ref;
	c25_push_move(&p->queue, slot, c->reg, C25_PUSH_FLIGHT, false);
	return true;
}

/* Take what waits at the first `places` of them. */
static void
batch_collect(struct c25_pushq *p, struct c25_push_peer *c,
	struct c25_push_batch *b, int places)
{
	static const enum c25_push_place order[PLACES] = { C25_PUSH_FRESH,
		C25_PUSH_MOVED, C25_PUSH_REFRESH };
	bool alone = false;

	b->count = 0;
	for (int i = 0; i < places; i++) {
		struct c25_push_list *l = c25_push_list(&p->queue, c->reg,
			order[i]);

		while (l->head != C25_PUSH_NIL && !alone &&
		    b->count < c->batch_max) {
			uint32_t slot = l->head;

			alone = p->queue.slots[slot].alone;
			if (alone && b->count > 0)
				return;
			if (!batch_add(p, c, b, slot))
				alone = false;
		}
	}
}

/* Back to the front of the queue, but for what has changed meanwhile. */
static uint32_t
batch_return(struct c25_pushq *p, struct c25_push_peer *c,
	struct c25_push_batch *b)
{
	uint32_t returned = 0;

	for (uint32_t i = b->count; i-- > 0;) {
		struct c25_ref ref = b->refs[i];

		if (!c25_push_is_flying(p, c, ref))
			continue;
		returned++;
		c25_push_move(&p->queue, ref.slot, c->reg, C25_PUSH_FRESH,
			true);
	}
	b->count = 0;
	return returned;
}

void
c25_push_unmake(struct c25_pushq *p, struct c25_push_peer *c)
{
	(void)batch_return(p, c, c25_push_waiting(c));
}

void
c25_push_batch_failed(struct c25_pushq *p, struct c25_push_peer *c,
	const char *error, uint64_t now)
{
	struct c25_push_batch *b = c25_push_flight(c);
	uint64_t wait = C25_PUSH_BACKOFF_MIN_MS;
	uint64_t most = c->failed ? C25_PUSH_BACKOFF_MAX_MS :
		C25_PUSH_BACKOFF_DOWN_MS;

	p->stats.failed += b->count;
	c->failed_count += b->count;
	c25_push_unmake(p, c);
	p->stats.retried += batch_return(p, c, b);
	for (unsigned i = 0; i < c->failures && wait < most; i++)
		wait *= 2;
	if (wait > most)
		wait = most;
	c->failures++;
	c->retry_at_ms = now + c25_push_jitter(p, wait);
	c->last_error_ms = now;
	snprintf(c->last_error, sizeof(c->last_error), "%s", error);
	c25_push_health_failed(p, c, now);
}

/* The batch that is to be on the way leaves. Returns: 0; -errno: it has
 * failed, which is left to the caller. */
static int
launch(struct c25_pushq *p, struct c25_push_peer *c)
{
	struct c25_push_batch *b = c25_push_flight(c);
	int r;

	p->stats.requests++;
	if (b->count == 0)
		p->stats.probes++;
	c->requests++;
	c->busy = true;
	r = b->body.failed ? -ENOMEM :
		p->ops->post(p->ctx, c->reg, b->body.data, b->body.len);
	if (r != 0)
		c->busy = false;
	return r;
}

void
c25_push_send(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	struct c25_push_batch *b = c25_push_flight(c);
	int r;

	if (c->busy) {
		/* Fresh ones only, as those that come meanwhile go before
		 * all others. */
		b = c25_push_waiting(c);
		if (c->down || b->count > 0 ||
		    c->batch_max < C25_PUSH_BATCH || c25_push_list(&p->queue,
		    c->reg, C25_PUSH_FRESH)->count < C25_PUSH_BATCH)
			return;
	} else if (now < c->retry_at_ms) {
		return;
	}
	batch_collect(p, c, b, c->busy ? 1 : PLACES);
	if (b->count == 0 && (c->busy || (!c->down && now < c->probe_at_ms)))
		return;
	c25_wire_request_write(&b->body, p->entries, b->count);
	if (!c->busy && (r = launch(p, c)) != 0)
		c25_push_batch_failed(p, c, strerror(-r), now);
}

int
c25_push_send_next(struct c25_pushq *p, struct c25_push_peer *c)
{
	if (c25_push_waiting(c)->count == 0)
		return 0;
	c->at = !c->at;
	return launch(p, c);
}
