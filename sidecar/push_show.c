/* SPDX-License-Identifier: BSD-3-Clause */
/* What the client role has to show. */
#include "push_private.h"

#include <string.h>

const struct c25_push_stats *
c25_push_stats(const struct c25_pushq *p)
{
	return &p->stats;
}

bool
c25_push_next(const struct c25_pushq *p, size_t *cursor,
	struct c25_push_info *out)
{
	const struct c25_push_peer *c = NULL;

	while (*cursor < C25_CONNECTORS_MAX && c == NULL)
		c = p->peers[(*cursor)++];
	if (c == NULL)
		return false;
	*out = (struct c25_push_info){
		.name = c->name,
		.reg = c->reg,
		.healthy = !c->down,
		.queued = c->batches[0].count + c->batches[1].count,
		.in_flight = c->batches[c->at].count,
		.requests = c->requests,
		.acked = c->acked,
		.failed = c->failed_count,
		.health = c->told,
		.last_ok_ms = c->last_ok_ms,
		.last_error_ms = c->last_error_ms,
	};
	for (unsigned i = C25_PUSH_FRESH; i < C25_PUSH_PLACES; i++)
		out->queued += p->queue.lists[c->reg * C25_PUSH_PLACES +
			i].count;
	memcpy(out->last_error, c->last_error, sizeof(out->last_error));
	memcpy(out->epoch, c->epoch, sizeof(out->epoch));
	return true;
}

uint32_t
c25_push_parked(const struct c25_pushq *p)
{
	return p->queue.lists[C25_PUSH_PARKED_REG * C25_PUSH_PLACES +
		C25_PUSH_FRESH].count;
}

struct c25_policy *
c25_push_policy(const struct c25_pushq *p)
{
	return p->policy;
}
