/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * progress.h - how far long work of conn25d is, for whoever waits for it: on
 * a terminal one line that is written over and gone at the end, for a service
 * manager its status line, and more time. Elsewhere nothing.
 *
 * Example (store_rows.c):
 *	struct c25_progress p;
 *
 *	c25_progress_begin(&p, "restoring assignments", count, now_ms);
 *	for each of them:
 *		c25_progress_step(&p, ++done, now_ms);
 *	c25_progress_end(&p);
 *
 * Rules
 *   short      what ends within C25_PROGRESS_AFTER_MS isn't shown, and the
 *              service manager not told.
 *   where      the log decides: see c25_log_fleeting(). Both may hear of it,
 *              as who has a service manager has no terminal.
 *   threads    one for each struct; one piece of work at a time is shown.
 */
#ifndef CONN25_PROGRESS_H
#define CONN25_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define C25_PROGRESS_AFTER_MS 1000	/* nobody wonders before that */
#define C25_PROGRESS_EACH_MS 500	/* between two lines */
/* What the service manager is asked for each time: more than any step takes,
 * as a million elements in one transaction of the kernel's. */
#define C25_PROGRESS_EXTEND_S 60
#define C25_PROGRESS_TEXT_MAX 80	/* with its NUL: a line has no more */

struct c25_progress {
	const char *what;	/* NULL: nothing is being done */
	uint64_t total;		/* 0: nobody knows */
	uint64_t next_ms;	/* not shown before */
	bool told;		/* the service manager has a status of ours */
};

/* Work begins. `what` stays valid until its end. */
void c25_progress_begin(struct c25_progress *p, const char *what,
	uint64_t total, uint64_t now_ms);

/* So much is done; shown if it is time. Costs next to nothing otherwise. */
void c25_progress_step(struct c25_progress *p, uint64_t done,
	uint64_t now_ms);

/* The same, shown now: what comes next has no steps and takes long. */
void c25_progress_show(struct c25_progress *p, uint64_t done,
	uint64_t now_ms);

/* It is over, or has failed; fine when nothing has begun. */
void c25_progress_end(struct c25_progress *p);

/* "what: DONE of TOTAL (N %)", "what: TOTAL in all" before any is done, or
 * "what" when the total isn't known. Pure. */
void c25_progress_text(char out[static C25_PROGRESS_TEXT_MAX],
	const char *what, uint64_t done, uint64_t total);

#endif
