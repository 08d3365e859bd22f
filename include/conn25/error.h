/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error.h - why something failed, in one sentence for a person.
 *
 * A fallible function that knows more than an errno takes a `struct
 * c25_error *` (may be NULL). The callee fills it, the caller logs it once.
 * The text has the form `subject: what: what to do`, without a newline.
 */
#ifndef CONN25_ERROR_H
#define CONN25_ERROR_H

#include <stdarg.h>

struct c25_error {
	char text[512];		/* NUL-terminated, "" when nothing failed */
};

/* Set the text. Returns: `code`, so that `return c25_fail(e, -EIO, ...)`. */
int c25_fail(struct c25_error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
