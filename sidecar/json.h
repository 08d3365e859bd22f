/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json.h - writing JSON piece by piece into a c25_buf, where a tree in memory
 * would be too large. Reading is cJSON's.
 *
 * Example:
 *	c25_buf_lit(&b, "{\"app\":");
 *	c25_json_string(&b, app);
 *	c25_buf_lit(&b, "}");
 */
#ifndef CONN25_JSON_H
#define CONN25_JSON_H

#include "buf.h"

/* A string with its quotes; NULL is null. UTF-8 stays, what isn't becomes
 * U+FFFD. */
void c25_json_string(struct c25_buf *out, const char *text);

/* ,"key":"text" without the comma when nothing is before it but a bracket. */
void c25_json_member(struct c25_buf *out, const char *key, const char *text);

/* The same with what is JSON already. */
void c25_json_raw(struct c25_buf *out, const char *key, const char *format,
	...) __attribute__((format(printf, 3, 4)));

#endif
