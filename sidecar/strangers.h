/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * strangers.h - addresses that asked the connector and are no peer's: which
 * of them the administrator is to be told of, and when. Pure.
 *
 * Example (serve_request.c):
 *	switch (c25_strangers_seen(&s->strangers, &addr, now, &count)) {
 *	case C25_STRANGER_NEW:		log the address, and count
 *	case C25_STRANGER_MANY:		log that there are more, and count
 *	case C25_STRANGER_TOLD:		nothing
 *	}
 *
 * Rules
 *   time       an address is told of once in C25_STRANGERS_MS.
 *   bounds     C25_STRANGERS_MAX addresses in that time, whoever sends from
 *              however many; those beyond are told of all together, once in
 *              that time.
 *   threads    the loop's only.
 */
#ifndef CONN25_STRANGERS_H
#define CONN25_STRANGERS_H

#include <stdint.h>

#include "conn25/addr.h"

#define C25_STRANGERS_MAX 32
#define C25_STRANGERS_MS 600000

struct c25_stranger {
	struct c25_addr addr;		/* unset: this place is free */
	uint64_t told_ms;
	uint64_t untold;		/* requests since */
};

/* Starts as all zero; so it forgets all of them. */
struct c25_strangers {
	struct c25_stranger list[C25_STRANGERS_MAX];
	struct c25_stranger others;	/* those beyond; addr stays unset */
};

enum c25_stranger_verdict {
	C25_STRANGER_TOLD,		/* lately: say nothing */
	C25_STRANGER_NEW,		/* say which address this is */
	C25_STRANGER_MANY,		/* say that there are more than that */
};

/* One has asked. *count: requests since the last time that it (or the others)
 * was told of, with this one. */
enum c25_stranger_verdict c25_strangers_seen(struct c25_strangers *s,
	const struct c25_addr *addr, uint64_t now_ms, uint64_t *count);

#endif
