/* SPDX-License-Identifier: BSD-3-Clause */
/* Fills struct c25_error. */

#include "conn25/error.h"

#include <stdio.h>

int
c25_fail(struct c25_error *e, int code, const char *format, ...)
{
	va_list ap;

	if (e != NULL) {
		va_start(ap, format);
		(void)vsnprintf(e->text, sizeof(e->text), format, ap);
		va_end(ap);
	}
	return code;
}
