/* SPDX-License-Identifier: BSD-3-Clause */
/* How many rows the store writes and loads, and their size: printed, not
 * judged. CONN25_STORE_ROWS=1000000 for the whole measurement. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

static double
seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
count_assignment(void *ctx, const struct c25_store_assignment *a)
{
	*(size_t *)ctx += a->lease_s == 300;
	return 0;
}

static int
count_mapping(void *ctx, const struct c25_store_mapping *m)
{
	*(size_t *)ctx += m->sent_ms == 1;
	return 0;
}

static void
put_nth_assignment(unsigned i)
{
	char text[64];
	struct c25_store_assignment a;

	/* names in no order, as clients ask for them */
	(void)snprintf(text, sizeof(text), "host-%u.dept%u.corp.example",
	    i * 2654435761u, i % 97);
	a = sf_assignment(text, "10.0.0.1");
	a.magic = sf_nth(100, i);
	a.transit = sf_nth(169, i);
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
}

START_TEST(rates)
{
	const char *env = getenv("CONN25_STORE_ROWS");
	unsigned n = env != NULL ? (unsigned)atoi(env) : 20000;
	struct c25_store_loaded loaded;
	double at[8];
	struct stat st[2];
	size_t a = 0, m = 0;

	sf_start();
	at[0] = seconds();
	for (unsigned i = 0; i < n; i++)
		put_nth_assignment(i);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	at[1] = seconds();
	sf_close();
	ck_assert_int_eq(stat(sf_db, &st[0]), 0);
	sf_start();
	at[2] = seconds();
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	at[3] = seconds();
	sf_close();
	ck_assert_int_eq(stat(sf_db, &st[1]), 0);
	at[4] = seconds();
	sf_open();
	at[5] = seconds();
	ck_assert_int_eq(c25_store_load_assignments(sf, count_assignment, &a,
	    &loaded, &sf_err), 0);
	at[6] = seconds();
	ck_assert_int_eq(c25_store_load_mappings(sf, count_mapping, &m,
	    &loaded, &sf_err), 0);
	at[7] = seconds();
	ck_assert_uint_eq(a, n);
	ck_assert_uint_eq(m, n);
	printf("store: %u rows: assignments written %.0f/s, loaded %.0f/s, "
	    "%.0f bytes each; mappings written %.0f/s, loaded %.0f/s, "
	    "%.0f bytes each; opened and checked in %.3f s\n", n,
	    n / (at[1] - at[0]), n / (at[6] - at[5]),
	    (double)st[0].st_size / n, n / (at[3] - at[2]),
	    n / (at[7] - at[6]), (double)(st[1].st_size - st[0].st_size) / n,
	    at[5] - at[4]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store_rates");
	TCase *tc = tcase_create("store_rates");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, sf_setup, sf_teardown);
	tcase_add_test(tc, rates);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
