/* SPDX-License-Identifier: BSD-3-Clause */
/* Which connector an assignment goes to; see push_private.h. */
#include "push_private.h"

static bool
find_app(const struct c25_pushq *p, const struct c25_assignment *a,
	uint32_t *app)
{
	struct c25_match m;

	if (!c25_policy_match(p->policy, a->domain.wire, a->domain.len, &m))
		return false;
	*app = m.app;
	return true;
}

const char *
c25_push_app(const struct c25_pushq *p, const struct c25_assignment *a)
{
	uint32_t app;

	return find_app(p, a, &app) ? c25_policy_app(p->policy, app) : NULL;
}

/*
 * Are packets to this transit address routed to that connector? Those of a
 * connector's own pool only there, those of the shared one to connectors
 * without their own.
 */
static bool
can_carry(const struct c25_pushq *p, uint16_t reg,
	const struct c25_addr *transit)
{
	struct c25_spec_range r;
	bool owns = false, shared = false;

	for (size_t i = 0; c25_policy_range_at(p->policy, i, &r); i++) {
		if ((r.kind != C25_POOL_V4_TRANSIT &&
		    r.kind != C25_POOL_V6_TRANSIT) ||
		    r.range.first.family != transit->family)
			continue;
		if (r.connector == reg)
			owns = true;
		if (!c25_range_contains(&r.range, transit))
			continue;
		if (r.connector == reg)
			return true;
		shared = r.connector == C25_CONNECTOR_NONE;
	}
	return shared && !owns;
}

uint16_t
c25_push_route(const struct c25_pushq *p, const struct c25_assignment *a,
	unsigned tried, bool *any)
{
	const uint16_t *list;
	uint32_t count = 0, app;
	unsigned n = 0;
	uint16_t found = C25_CONNECTOR_NONE;

	if (any != NULL)
		*any = false;
	if (!find_app(p, a, &app))
		return C25_CONNECTOR_NONE;
	list = c25_policy_app_connectors(p->policy, app, &count);
	for (uint32_t i = 0; i < count; i++)
		if (list[i] == a->connector && list[i] < C25_CONNECTORS_MAX &&
		    p->peers[list[i]] != NULL && n++ == tried)
			found = list[i];
	for (uint32_t i = 0; i < count && found == C25_CONNECTOR_NONE; i++) {
		if (list[i] == a->connector ||
		    list[i] >= C25_CONNECTORS_MAX ||
		    p->peers[list[i]] == NULL ||
		    !can_carry(p, list[i], &a->transit))
			continue;
		if (n++ == tried)
			found = list[i];
	}
	if (any != NULL)
		*any = n > 0;
	return found;
}
