/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of configurations: the words of a message. */
#ifndef CONN25_TESTS_CONFIG_SAID_H
#define CONN25_TESTS_CONFIG_SAID_H

#include <stdbool.h>
#include <string.h>

#include "sidecar/config.h"

/* Is that in the message, which begins with the path of its key?
 * check_config_where.c has these; here indexes don't count. */
static inline bool
is_said(const char *message, const char *what)
{
	char plain[sizeof(((struct c25_config_error *)0)->text)];
	size_t n = 0;

	while (*message != '\0') {
		size_t digits = *message == '[' ?
			strspn(message + 1, "0123456789") : 0;

		if (digits > 0 && message[digits + 1] == ']')
			message += digits + 2;
		else
			plain[n++] = *message++;
	}
	plain[n] = '\0';
	return strstr(plain, what) != NULL;
}

#endif
