/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of the queues: what goes into a request, and what becomes of it when
 * there is no answer. */
#include "push_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Fill one entry of a batch. Returns: false: leave it out. */
static bool
batch_add(struct c25_pushq *p, struct c25_push_peer *c, uint32_t slot)
{
	struct c25_push_slot *s = &p->queue.slots[slot];
	struct c25_ref ref = { .slot = slot, .seq = s->seq };
	struct c25_wire_entry *e = &p->entries[c->flight_count];
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
		p->names[c->flight_count]);
	c->flight[c->flight_count++] = ref;
	c25_push_move(&p->queue, slot, c->reg, C25_PUSH_FLIGHT, false);
	return true;
}

static void
batch_collect(struct c25_pushq *p, struct c25_push_peer *c)
{
	static const enum c25_push_place order[] = { C25_PUSH_FRESH,
		C25_PUSH_MOVED, C25_PUSH_REFRESH };
	bool alone = false;

	c->flight_count = 0;
	for (int i = 0; i < 3; i++) {
		struct c25_push_list *l = c25_push_list(&p->queue, c->reg,
			order[i]);

		while (l->head != C25_PUSH_NIL && !alone &&
		    c->flight_count < c->batch_max) {
			uint32_t slot = l->head;

			alone = p->queue.slots[slot].alone;
			if (alone && c->flight_count > 0)
				return;
			if (!batch_add(p, c, slot))
				alone = false;
		}
	}
}

void
c25_push_batch_failed(struct c25_pushq *p, struct c25_push_peer *c,
	const char *error, uint64_t now)
{
	uint64_t wait = C25_PUSH_BACKOFF_MIN_MS;
	uint64_t most = c->failed ? C25_PUSH_BACKOFF_MAX_MS :
		C25_PUSH_BACKOFF_DOWN_MS;

	for (uint32_t i = c->flight_count; i-- > 0;) {
		struct c25_ref ref = c->flight[i];

		p->stats.failed++;
		c->failed_count++;
		if (!c25_push_is_flying(p, c, ref))
			continue;
		p->stats.retried++;
		c25_push_move(&p->queue, ref.slot, c->reg, C25_PUSH_FRESH,
			true);
	}
	c->flight_count = 0;
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

void
c25_push_send(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	int r;

	if (c->busy || now < c->retry_at_ms)
		return;
	batch_collect(p, c);
	if (c->flight_count == 0 && !c->down && now < c->probe_at_ms)
		return;
	c25_wire_request_write(&c->body, p->entries, c->flight_count);
	p->stats.requests++;
	if (c->flight_count == 0)
		p->stats.probes++;
	c->requests++;
	c->busy = true;
	r = c->body.failed ? -ENOMEM :
		p->ops->post(p->ctx, c->reg, c->body.data, c->body.len);
	if (r != 0) {
		c->busy = false;
		c25_push_batch_failed(p, c, strerror(-r), now);
	}
}
