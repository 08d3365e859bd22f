/* SPDX-License-Identifier: BSD-3-Clause */
/* What every suite needs: one row of a table is one test, and main(). */
#ifndef CONN25_TESTS_SUITE_H
#define CONN25_TESTS_SUITE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Run `test` once for each row; _i is the row. */
#define ADD_ROWS(tc, test, rows) \
	tcase_add_loop_test(tc, test, 0, \
	    (int)(sizeof(rows) / sizeof((rows)[0])))

/* Say that tests are not added, as libcheck knows no skipping; contrib/test
 * counts these lines. */
static inline void
skip_tests(const char *suite, size_t count, const char *why, int error)
{
	(void)fprintf(stderr, "%s: %zu skipped: %s: %s\n", suite, count, why,
		strerror(error));
}

/* Run the suite with libcheck's environment. Returns: what main() returns. */
static inline int
run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
