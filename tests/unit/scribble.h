/* SPDX-License-Identifier: BSD-3-Clause */
/* Somebody who may write to a table's file writes over an address in it. */
#ifndef CONN25_TESTS_SCRIBBLE_H
#define CONN25_TESTS_SCRIBBLE_H

#include "conn25/layout.h"
#include "table/internal.h"
#include "tests/unit/fixture.h"

#define FX_MAGIC offsetof(union c25_content_d, live.magic)
#define FX_TRANSIT offsetof(union c25_content_d, live.transit)

static inline void
fx_scribble(struct fixture *f, const struct c25_assignment *a, size_t at,
    const char *addr)
{
	struct c25_addr bad = fx_addr(addr);
	struct c25_slot_d *s = c25_slot(f->t, a->ref.slot);
	union c25_content_d c;

	ck_assert(c25_slot_read(s, &c) == a->ref.seq);
	memcpy((uint8_t *)&c + at, bad.bytes, 16);
	memcpy(s->words, c.words, sizeof(c.words));
}

#endif
