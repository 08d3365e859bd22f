/* SPDX-License-Identifier: BSD-3-Clause */
/* What is refused, as the log tells it: each cause once in a while, however
 * often it comes; see cause.h. */
#include "cause.h"

#include <stdio.h>
#include <string.h>

#include "conn25/name.h"

uint64_t
c25_cause_key(const char *name, uint8_t code, uint8_t more)
{
	/* whoever looks for collisions hides what is refused to himself */
	const uint8_t key[16] = { code, more };
	uint64_t hash = c25_hash(key, name, strlen(name));

	return hash != 0 ? hash : 1;
}

/* One in four: who comes first each time shall not have all places. */
static bool
is_drawn(uint64_t key, uint64_t now_ms)
{
	return ((key ^ now_ms) * 0x9e3779b97f4a7c15u) >> 62 == 0;
}

bool
c25_cause_due(struct c25_cause *c, uint64_t now_ms, uint64_t *count)
{
	*count = ++c->untold;
	if (c->told_ms != 0 && now_ms - c->told_ms < C25_CAUSE_MS)
		return false;
	c->told_ms = now_ms;
	c->untold = 0;
	return true;
}

enum c25_cause_verdict
c25_cause_seen(struct c25_cause causes[static C25_CAUSES], uint64_t key,
	uint64_t now_ms, uint64_t *count)
{
	struct c25_cause *c = NULL, *oldest = &causes[0];

	for (int i = 0; i < C25_CAUSES && c == NULL; i++) {
		if (causes[i].key == key)
			c = &causes[i];
		else if (causes[i].told_ms < oldest->told_ms)
			oldest = &causes[i];
	}
	if (c == NULL) {
		if (oldest->key != 0 &&
		    now_ms - oldest->told_ms < C25_CAUSE_MS) {
			for (int i = 0; i < C25_CAUSES; i++)
				causes[i].crowded = true;
			return C25_CAUSE_CROWDED;
		}
		if (oldest->crowded && !is_drawn(key, now_ms))
			return C25_CAUSE_CROWDED;
		c = oldest;
		*c = (struct c25_cause){ .key = key };
	}
	if (c->crowded && now_ms - c->told_ms >= C25_CAUSE_MS) {
		/* it has had its turn */
		*c = (struct c25_cause){ .crowded = true };
		return C25_CAUSE_CROWDED;
	}
	return c25_cause_due(c, now_ms, count) ? C25_CAUSE_DUE :
		C25_CAUSE_TOLD;
}

const char *
c25_cause_since(uint64_t count, char buf[static C25_CAUSE_SINCE_MAX])
{
	buf[0] = '\0';
	if (count > 1)
		(void)snprintf(buf, C25_CAUSE_SINCE_MAX, " (%llu such since "
			"the last message)", (unsigned long long)count);
	return buf;
}
