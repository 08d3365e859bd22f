/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests with a configuration or an address that is written out. */
#ifndef CONN25_TESTS_DEMO_H
#define CONN25_TESTS_DEMO_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/addr.h"
#include "sidecar/config.h"

/* A configuration, which must be good, given with single quotes. */
static inline struct c25_config *
parse(const char *quoted)
{
	struct c25_config_errors errs = { 0 };
	struct c25_config *c = NULL;
	char *text = strdup(quoted), line[C25_CONFIG_LINE_MAX];

	ck_assert_ptr_nonnull(text);
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	ck_assert_msg(c25_config_parse(text, strlen(text), "demo", &c,
	    &errs) == 0, "%s", c25_config_error_line(&errs, 0, line));
	c25_config_errors_free(&errs);
	free(text);
	return c;
}

static inline struct c25_addr
addr(const char *text)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	return a;
}

#endif
