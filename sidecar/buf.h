/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * buf.h - a growing piece of text or bytes, kept and reused by its owner.
 *
 * Example:
 *	struct c25_buf b = { 0 };
 *
 *	c25_buf_format(&b, "%s=%u\n", "mappings.current", n);
 *	if (b.failed)
 *		... out of memory ...
 *	c25_buf_free(&b);
 *
 * Rules: start with all zero. A failed addition sets `failed`, leaves what
 * was there, and makes later ones do nothing: test it once at the end.
 */
#ifndef CONN25_BUF_H
#define CONN25_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct c25_buf {
	char *data;		/* NUL after the last byte; NULL when unused */
	size_t len;		/* bytes, without that NUL */
	size_t size;		/* allocated */
	bool failed;		/* an allocation failed since the last clear */
};

void c25_buf_add(struct c25_buf *b, const void *data, size_t len);
void c25_buf_format(struct c25_buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Room for `len` more bytes at b->data + b->len; the caller writes there and
 * adds to b->len. Returns: false when out of memory (and `failed` is set).
 */
bool c25_buf_reserve(struct c25_buf *b, size_t len);

/* Add a string literal. */
#define c25_buf_lit(b, literal) c25_buf_add(b, literal, sizeof(literal) - 1)

static inline void
c25_buf_str(struct c25_buf *b, const char *text)
{
	c25_buf_add(b, text, strlen(text));
}

/* Empty it and keep the memory. */
static inline void
c25_buf_clear(struct c25_buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Give back the memory. */
void c25_buf_free(struct c25_buf *b);

#endif
