/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing JSON; see json.h. Ref: RFC 8259 7. */

#include "json.h"

#include <stdarg.h>
#include <stdio.h>

/* Bytes of the UTF-8 character at `p`, which has more than one; 0: none.
 * Ref: RFC 3629 4. */
static size_t
utf8_len(const unsigned char *p)
{
	size_t i, n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
			(p[0] == 0xf0 && p[1] < 0x90) ||
			(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void
c25_json_string(struct c25_buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n;

	if (text == NULL) {
		c25_buf_lit(out, "null");
		return;
	}
	c25_buf_lit(out, "\"");
	for (; *p != '\0'; p += n) {
		n = 1;
		if (*p >= 0x80 && (n = utf8_len(p)) == 0) {
			c25_buf_lit(out, "\xef\xbf\xbd");
			n = 1;
		} else if (*p < 0x20 || *p == 0x7f) {
			c25_buf_format(out, "\\u%04x", *p);
		} else {
			if (*p == '"' || *p == '\\')
				c25_buf_lit(out, "\\");
			c25_buf_add(out, p, n);
		}
	}
	c25_buf_lit(out, "\"");
}

static void
key_of(struct c25_buf *out, const char *key)
{
	char last = out->len > 0 ? out->data[out->len - 1] : '{';

	if (last != '{' && last != '[')
		c25_buf_lit(out, ",");
	c25_json_string(out, key);
	c25_buf_lit(out, ":");
}

void
c25_json_member(struct c25_buf *out, const char *key, const char *text)
{
	key_of(out, key);
	c25_json_string(out, text);
}

void
c25_json_raw(struct c25_buf *out, const char *key, const char *format, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	key_of(out, key);
	c25_buf_str(out, text);
}
