/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forwarding.h - sees to it that Unbound asks the right servers for apps with
 * "resolveAt": writes the include file that it reads at its start, and has it
 * told what has changed while it runs. What is to be written and told is
 * decided in forwards.h, telling one Unbound is teller.h.
 *
 * Example (daemon.c):
 *	r = c25_forwarding_new(loop, &f);
 *	r = c25_forwarding_prepare(f, cfg, &err);	may be refused
 *	...						all the rest
 *	c25_forwarding_commit(f);			cannot
 *	...	or c25_forwarding_cancel(f), and nothing has changed
 *	c25_forwarding_arrived(f, n);	Unbound may have begun anew
 *
 * Rules
 *   others'    only zones that are or were in our configuration or file are
 *              touched.
 *   failure    is tried again, see teller.h; at once when the module comes
 *              back.
 *   file       replaced as a whole, and only when it has changed.
 *   leaving    a socket that is configured no more, or another one in its
 *              place, is told once more, of the zones that Unbound is not to
 *              have any longer, while the new one is told; a file that isn't
 *              is emptied. Both at a reload: what was configured before a
 *              start isn't known. Another spelling (/var/run) is the same
 *              socket or file.
 *   threads    the loop's only.
 */
#ifndef CONN25_FORWARDING_H
#define CONN25_FORWARDING_H

#include <stdbool.h>
#include <stdint.h>

#include "conn25/error.h"
#include "config.h"
#include "loop.h"

struct c25_forwarding;

struct c25_forwarding_stats {
	uint64_t zones;			/* that Unbound is to have */
	uint64_t pending;		/* 1: it hasn't been told all yet */
	uint64_t changes;		/* zones that it was told of */
	uint64_t failures;		/* attempts that failed */
};

/* Owns: *out, until c25_forwarding_free(). Returns: 0; -ENOMEM. */
int c25_forwarding_new(struct c25_loop *loop, struct c25_forwarding **out)
	__attribute__((warn_unused_result));

/* NULL is fine. What Unbound was told stays. */
void c25_forwarding_free(struct c25_forwarding *f);

/*
 * Prepare for a configuration: write the new include file beside the old one.
 * Returns: 0; -ENOMEM; -errno of writing; err says what to do.
 */
int c25_forwarding_prepare(struct c25_forwarding *f,
	const struct c25_config *cfg, struct c25_error *err)
	__attribute__((warn_unused_result));

/* The prepared configuration is in force. */
void c25_forwarding_commit(struct c25_forwarding *f);

/* It isn't, and never will be. NULL, and nothing prepared, are fine. */
void c25_forwarding_cancel(struct c25_forwarding *f);

/* So many modules have come since the start: is there another? NULL is
 * fine. */
void c25_forwarding_arrived(struct c25_forwarding *f, uint64_t modules);

/* Does Unbound refuse to be told, or can't it be? NULL doesn't. */
bool c25_forwarding_failing(const struct c25_forwarding *f);

void c25_forwarding_stats(const struct c25_forwarding *f,
	struct c25_forwarding_stats *out);

#endif
