/* SPDX-License-Identifier: BSD-3-Clause */
/* Growing text; see buf.h. */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

bool
c25_buf_reserve(struct c25_buf *b, size_t len)
{
	size_t size = b->size != 0 ? b->size : 256;
	char *data;

	if (b->failed)
		return false;
	if (len < b->size && b->len < b->size - len)
		return true;
	while (size - b->len <= len) {
		if (size > SIZE_MAX / 4)
			goto fail;
		size *= 2;
	}
	data = realloc(b->data, size);
	if (data == NULL)
		goto fail;
	b->data = data;
	b->size = size;
	return true;
fail:
	b->failed = true;
	return false;
}

void
c25_buf_add(struct c25_buf *b, const void *data, size_t len)
{
	if (!c25_buf_reserve(b, len))
		return;
	if (len != 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
c25_buf_format(struct c25_buf *b, const char *format, ...)
{
	va_list ap;
	int n;

	if (!c25_buf_reserve(b, 128))
		return;
	va_start(ap, format);
	n = vsnprintf(b->data + b->len, b->size - b->len, format, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
	} else if ((size_t)n >= b->size - b->len) {
		if (!c25_buf_reserve(b, (size_t)n)) {
			b->data[b->len] = '\0';
			return;
		}
		va_start(ap, format);
		vsnprintf(b->data + b->len, b->size - b->len, format, ap);
		va_end(ap);
	}
	if (n > 0)
		b->len += (size_t)n;
}

void
c25_buf_free(struct c25_buf *b)
{
	free(b->data);
	*b = (struct c25_buf){ 0 };
}
