/* SPDX-License-Identifier: BSD-3-Clause */
/* The client role's state: made, configured, freed; see push.h. */
#include "push_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
c25_push_new(const struct c25_push_ops *ops, void *ctx, uint32_t capacity,
	uint64_t seed, struct c25_pushq **out)
{
	struct c25_pushq *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->ops = ops;
	p->ctx = ctx;
	p->random = seed;
	if (c25_push_queue_init(&p->queue, capacity) != 0) {
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

/* What is in it waits nowhere any more. */
static void
forget_batch(struct c25_pushq *p, const struct c25_push_peer *c,
	const struct c25_push_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (c25_push_is_flying(p, c, b->refs[i]))
			c25_push_remove(&p->queue, b->refs[i].slot);
}

/* One that has never been in use: its queue is another one's. */
static void
peer_discard(struct c25_push_peer *c)
{
	if (c == NULL)
		return;
	c25_buf_free(&c->batches[0].body);
	c25_buf_free(&c->batches[1].body);
	free(c->name);
	free(c);
}

static void
peer_free(struct c25_pushq *p, struct c25_push_peer *c)
{
	if (c == NULL)
		return;
	if (c->busy)
		p->ops->abort(p->ctx, c->reg);
	forget_batch(p, c, &c->batches[0]);
	forget_batch(p, c, &c->batches[1]);
	c25_push_clear(&p->queue, c->reg);
	peer_discard(c);
}

void
c25_push_free(struct c25_pushq *p)
{
	if (p == NULL)
		return;
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		peer_free(p, p->peers[reg]);
	c25_policy_unref(p->policy);
	c25_wire_response_free(&p->response);
	c25_push_queue_free(&p->queue);
	free(p);
}

static struct c25_push_peer *
peer_new(const struct c25_push_connector *from)
{
	struct c25_push_peer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->name = strdup(from->name);
	if (c->name == NULL) {
		free(c);
		return NULL;
	}
	c->reg = from->reg;
	c->id = from->id;
	c->batch_max = C25_PUSH_BATCH;
	return c;
}

/* Connectors that are new or have another address, by reg. */
static int
make_peers(struct c25_pushq *p, const struct c25_push_connector *connectors,
	size_t count, struct c25_push_peer **fresh, bool *kept)
{
	for (size_t i = 0; i < count; i++) {
		uint16_t reg = connectors[i].reg;
		const struct c25_push_peer *old;

		if (reg >= C25_CONNECTORS_MAX || fresh[reg] != NULL ||
		    kept[reg])
			return -EINVAL;
		old = p->peers[reg];
		if (old != NULL && old->id == connectors[i].id &&
		    strcmp(old->name, connectors[i].name) == 0) {
			kept[reg] = true;
			continue;
		}
		fresh[reg] = peer_new(&connectors[i]);
		if (fresh[reg] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/*
 * Everything is found again by a sweep, what is READY as well: names may
 * belong to other apps now, and apps to other connectors.
 */
static void
sort_anew(struct c25_pushq *p, uint64_t now)
{
	p->generation++;		/* nobody has refused anything */
	p->peer_count = 0;
	for (uint32_t reg = 0; reg < C25_CONNECTORS_MAX; reg++) {
		struct c25_push_peer *c = p->peers[reg];

		if (c == NULL)
			continue;
		p->peer_count++;
		c->resynced_ms = 0;
		c25_push_resync(p, c, now);
		c25_push_clear(&p->queue, reg);
		forget_batch(p, c, c25_push_flight(c));
		forget_batch(p, c, c25_push_waiting(c));
		c25_push_waiting(c)->count = 0;
		memset(c->later_at_ms, 0, sizeof(c->later_at_ms));
	}
	c25_push_clear(&p->queue, C25_PUSH_PARKED_REG);
	c25_push_sweep(p);
}

/* Put the new connectors in the places of those that are not kept. */
static void
swap_peers(struct c25_pushq *p, struct c25_push_peer **fresh,
	const struct c25_push_connector *connectors, size_t count,
	uint64_t now)
{
	for (size_t i = 0; i < count; i++) {
		uint16_t reg = connectors[i].reg;

		if (fresh[reg] == NULL)
			continue;
		peer_free(p, p->peers[reg]);
		p->peers[reg] = fresh[reg];
		c25_push_health_begin(p, fresh[reg], connectors[i].down,
			now);
	}
}

int
c25_push_configure(struct c25_pushq *p, struct c25_policy *policy,
	const struct c25_push_connector *connectors, size_t count,
	uint64_t now)
{
	struct c25_push_peer *fresh[C25_CONNECTORS_MAX] = { NULL };
	bool kept[C25_CONNECTORS_MAX] = { false };
	int r = make_peers(p, connectors, count, fresh, kept);

	if (r != 0) {
		for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
			peer_discard(fresh[reg]);
		return r;
	}
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL && fresh[reg] == NULL &&
		    !kept[reg]) {
			c25_push_health_end(p, p->peers[reg]);
			peer_free(p, p->peers[reg]);
			p->peers[reg] = NULL;
		}
	swap_peers(p, fresh, connectors, count, now);
	c25_policy_ref(policy);
	c25_policy_unref(p->policy);
	p->policy = policy;
	sort_anew(p, now);
	return 0;
}
