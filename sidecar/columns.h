/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * columns.h - lists as a terminal shows them: with columns below each other.
 *
 * Example (conn25-control.c):
 *	c25_columns_init(&c, stdout, "name url health");
 *	c25_columns_add(&c, piece, len);	as pieces of the list come
 *	c25_columns_end(&c);
 *
 * Rules
 *   width      that of the widest of the first C25_COLUMNS_ROWS lines, or as
 *              many as there is room for, but at most C25_COLUMNS_WIDTH; what
 *              is wider moves the rest of its line. So a list of any length
 *              is shown while it comes, in bounded memory.
 *   lines      columns come parted by one blank, and are shown with two or
 *              more between them; all that is left is the last.
 */
#ifndef CONN25_COLUMNS_H
#define CONN25_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define C25_COLUMNS_ROWS 100
#define C25_COLUMNS_WIDTH 40
#define C25_COLUMNS_MAX 16

/* c25_columns_init() sets all of it. */
struct c25_columns {
	FILE *to;
	unsigned count;
	size_t width[C25_COLUMNS_MAX];
	unsigned rows;			/* that were added */
	bool measured;
	size_t len;			/* of what isn't printed yet */
	char text[65536];
};

/* For as many columns as `names` has, C25_COLUMNS_MAX at most. */
void c25_columns_init(struct c25_columns *c, FILE *to, const char *names);
/* A piece of the list, wherever it is cut.
 * Returns: whether that could be printed; if not errno says why. */
bool c25_columns_add(struct c25_columns *c, const char *text, size_t len);
/* That was all. Returns: likewise. */
bool c25_columns_end(struct c25_columns *c);

#endif
