/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * walk.h - replies of conn25-control that look at every assignment or mapping:
 * lists with their filters, lookup, drop. They are made piece by piece as the
 * other end reads (control.h, "Long replies"), so that a million of them take
 * neither memory nor the others' time.
 *
 * Filters: KEY=VALUE words, all of which must hold. app, connector, peer and
 * state are compared as lists print them (\DDD and all); domain is a name, or
 * *.NAME for all below it and itself; address is one or a range of them, and
 * holds for each of the addresses that are shown.
 *
 * Rules: the loop's thread. What changes meanwhile is seen or not.
 */
#ifndef CONN25_WALK_H
#define CONN25_WALK_H

#include <stdbool.h>

#include "control.h"

struct c25_daemon;

enum c25_walk_of { C25_WALK_ASSIGNMENTS, C25_WALK_MAPPINGS };

/* Records looked at before others of the loop get their turn. */
#define C25_WALK_STEPS 1000

/* Make the reply a list, text or JSON, of those that `filters` let through; or
 * an error that says what is wrong with them. */
void c25_walk_list(struct c25_daemon *d, enum c25_walk_of of,
	const char *filters, struct c25_control_reply *r);

/* Make the reply what is known of a name or an address, or `drop` it. */
void c25_walk_find(struct c25_daemon *d, bool drop, const char *argument,
	struct c25_control_reply *r);

#endif
