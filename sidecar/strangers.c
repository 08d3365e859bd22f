/* SPDX-License-Identifier: BSD-3-Clause */
/* Who asked and is no peer; see strangers.h. */
#include "strangers.h"

#include <stdbool.h>

/* Count a request; is a line due? A clock that was set back makes it so. */
static bool
due(struct c25_stranger *s, uint64_t now_ms, uint64_t *count)
{
	*count = ++s->untold;
	if (s->told_ms != 0 && now_ms - s->told_ms < C25_STRANGERS_MS)
		return false;
	s->told_ms = now_ms;
	s->untold = 0;
	return true;
}

enum c25_stranger_verdict
c25_strangers_seen(struct c25_strangers *s, const struct c25_addr *addr,
	uint64_t now_ms, uint64_t *count)
{
	struct c25_stranger *oldest = &s->list[0];

	for (int i = 0; i < C25_STRANGERS_MAX; i++) {
		if (c25_addr_eq(&s->list[i].addr, addr))
			return due(&s->list[i], now_ms, count) ?
				C25_STRANGER_NEW : C25_STRANGER_TOLD;
		if (s->list[i].told_ms < oldest->told_ms)
			oldest = &s->list[i];
	}
	if (oldest->told_ms != 0 &&
	    now_ms - oldest->told_ms < C25_STRANGERS_MS)
		return due(&s->others, now_ms, count) ? C25_STRANGER_MANY :
			C25_STRANGER_TOLD;
	*oldest = (struct c25_stranger){ .addr = *addr };
	return due(oldest, now_ms, count) ? C25_STRANGER_NEW :
		C25_STRANGER_TOLD;
}
