/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists as a terminal shows them: see columns.h. */

#include "columns.h"

#include <string.h>

#define GAP 2			/* between columns */

void
c25_columns_init(struct c25_columns *c, FILE *to, const char *names)
{
	c->to = to;
	c->count = 1;
	for (; *names != '\0'; names++)
		c->count += *names == ' ' && c->count < C25_COLUMNS_MAX;
	memset(c->width, 0, sizeof(c->width));
	c->rows = 0;
	c->measured = false;
	c->len = 0;
}

/* Where a field that begins at `p` ends. */
static const char *
field_end(const char *p, const char *end)
{
	const char *blank = memchr(p, ' ', (size_t)(end - p));

	return blank != NULL ? blank : end;
}

static void
measure_line(struct c25_columns *c, const char *p, const char *end)
{
	for (unsigned i = 0; i + 1 < c->count && p < end; i++) {
		const char *e = field_end(p, end);
		size_t width = (size_t)(e - p);

		if (width > C25_COLUMNS_WIDTH)
			width = C25_COLUMNS_WIDTH;
		if (width > c->width[i])
			c->width[i] = width;
		p = e < end ? e + 1 : end;
	}
}

static void
print_line(const struct c25_columns *c, const char *p, const char *end)
{
	for (unsigned i = 0; i + 1 < c->count && p < end; i++) {
		const char *e = field_end(p, end);
		int width = e < end ? (int)c->width[i] : 0;

		(void)fprintf(c->to, "%-*.*s%*s", width, (int)(e - p), p,
			e < end ? GAP : 0, "");
		p = e < end ? e + 1 : end;
	}
	(void)fwrite(p, 1, (size_t)(end - p), c->to);
	(void)fputc('\n', c->to);
}

/* Do that with each whole line. Returns: where the last one ends. */
static const char *
each_line(struct c25_columns *c, bool print)
{
	const char *p = c->text, *all = c->text + c->len, *end;

	while ((end = memchr(p, '\n', (size_t)(all - p))) != NULL) {
		if (print)
			print_line(c, p, end);
		else
			measure_line(c, p, end);
		p = end + 1;
	}
	return p;
}

static bool
print_lines(struct c25_columns *c)
{
	const char *rest;

	if (!c->measured)
		(void)each_line(c, false);
	c->measured = true;
	rest = each_line(c, true);
	c->len -= (size_t)(rest - c->text);
	memmove(c->text, rest, c->len);
	if (c->len == sizeof(c->text)) {
		/* no line of ours is that long: as it is */
		(void)fwrite(c->text, 1, c->len, c->to);
		c->len = 0;
	}
	return ferror(c->to) == 0;
}

bool
c25_columns_add(struct c25_columns *c, const char *text, size_t len)
{
	while (len > 0) {
		size_t n = sizeof(c->text) - c->len;

		if (n > len)
			n = len;
		memcpy(c->text + c->len, text, n);
		c->len += n;
		for (size_t i = 0; i < n && c->rows < C25_COLUMNS_ROWS; i++)
			c->rows += text[i] == '\n';
		text += n;
		len -= n;
		if ((c->rows >= C25_COLUMNS_ROWS ||
				c->len == sizeof(c->text)) && !print_lines(c))
			return false;
	}
	return true;
}

bool
c25_columns_end(struct c25_columns *c)
{
	if (!print_lines(c))
		return false;
	return (c->len == 0 || fwrite(c->text, 1, c->len, c->to) == c->len) &&
		fflush(c->to) == 0;
}
