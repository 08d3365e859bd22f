/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the store: in which order assignments come back, who of them has an
 * address, and the sweep that removes those that have ended. */

#include <stdatomic.h>
#include <stdio.h>

#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

static void
put_row(struct c25_store_assignment a, int i, bool anew)
{
	a.magic.bytes[3] = (uint8_t)i;
	a.anew = anew;
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
}

/* With the same contents a row keeps its place in the order, unless it is put
 * anew, whatever comes between that and writing. Of 40 rows, as several are put
 * by one statement. */
START_TEST(what_is_put_anew_is_the_latest)
{
	static const char *const ways[] = { "put", "put anew",
	    "removed and put", "put anew and put" };
	struct c25_store_assignment a = sf_assignment("a.example", "10.1.2.3");

	sf_start();
	for (int i = 0; i < 40; i++)
		put_row(a, i, false);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	put_row(a, 40, false);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	for (int i = 0; i < 40; i++) {
		a.magic.bytes[3] = (uint8_t)i;
		if (_i == 2)
			ck_assert_int_eq(c25_store_remove_assignment(sf,
			    &a.magic), 0);
		put_row(a, i, _i == 1 || _i == 3);
		if (_i == 3)
			put_row(a, i, false);
	}
	sf_reopen();
	ck_assert_uint_eq(sf_load_assignments(), 41);
	ck_assert_msg(sf_got.a[0].magic.bytes[3] == (_i == 0 ? 40 : 39),
	    "%s: %u", ways[_i], sf_got.a[0].magic.bytes[3]);
}
END_TEST

/* Who had the address before has ended, though nobody noticed. */
START_TEST(a_magic_address_has_one_owner)
{
	struct c25_store_assignment a = sf_assignment("old.example",
	    "10.1.2.3"), b = sf_assignment("new.example", "10.1.2.3");

	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	b.magic = a.magic;
	ck_assert_int_eq(c25_store_put_assignment(sf, &b), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	/* it gets another one, then back the first */
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	b.magic = sf_addr("100.64.7.7");
	ck_assert_int_eq(c25_store_put_assignment(sf, &b), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	b.magic = a.magic;
	ck_assert_int_eq(c25_store_put_assignment(sf, &b), 0);
	sf_reopen();
	/* what it had before has ended: that comes later */
	ck_assert_uint_eq(sf_load_assignments(), 2);
	ck_assert(c25_name_eq(&sf_got.a[0].domain, &b.domain));
	ck_assert(c25_addr_eq(&sf_got.a[0].magic, &a.magic));
	ck_assert(c25_name_eq(&sf_got.a[1].domain, &b.domain));
}
END_TEST

/* One that is there already comes back with the address of another one that
 * has ended unnoticed. */
START_TEST(a_magic_address_goes_to_who_is_there_already)
{
	struct c25_store_assignment a = sf_assignment("a.example", "10.0.0.1"),
	    b = sf_assignment("b.example", "10.0.0.1");
	char aside[256];

	a.transit = sf_addr("169.254.64.1");
	b.transit = sf_addr("169.254.64.2");
	b.magic = sf_addr("100.64.0.77");
	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_put_assignment(sf, &b), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	a.magic = b.magic;
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	sf_reopen();
	ck_assert_uint_eq(sf_glob("conn25.db.damaged-*", aside), 0);
	ck_assert_uint_eq(sf_load_assignments(), 2);
	ck_assert(c25_name_eq(&sf_got.a[0].domain, &a.domain));
	ck_assert(c25_addr_eq(&sf_got.a[0].magic, &b.magic));
	ck_assert(c25_name_eq(&sf_got.a[1].domain, &a.domain));
}
END_TEST

/* Whose transit address has gone to another one has ended. */
START_TEST(who_has_a_transit_address_comes_first)
{
	struct c25_store_assignment a = sf_assignment("a.example", "10.0.0.1"),
	    b = sf_assignment("b.example", "10.0.0.1");

	b.magic = sf_addr("100.64.0.77");
	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_int_eq(c25_store_put_assignment(sf, &b), 0);
	sf_reopen();
	ck_assert_uint_eq(sf_load_assignments(), 2);
	ck_assert(c25_name_eq(&sf_got.a[0].domain, &b.domain));
}
END_TEST

/* Also over a restart; putting what is there doesn't make it new. */
START_TEST(the_newest_come_first)
{
	struct c25_store_assignment a;
	char text[32];

	for (unsigned i = 0; i < 20; i++) {
		sf_start();
		(void)snprintf(text, sizeof(text), "10.0.0.%u", i * 7 % 20);
		a = sf_assignment("a.example", text);
		a.magic = sf_nth(100, i);
		a.transit = sf_nth(169, i);
		ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
		a = sf_assignment("a.example", "10.0.0.0");
		a.magic = sf_nth(100, 0);
		a.transit = sf_nth(169, 0);
		ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
		sf_close();
	}
	sf_open();
	ck_assert_uint_eq(sf_load_assignments(), 20);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(sf_number_of(&sf_got.a[i].magic), 19 - i);
}
END_TEST

/* The disk stalls: an address goes from one to another, and on, before the
 * first of them is written. */
START_TEST(the_last_in_a_batch_has_the_address)
{
	static const char *const names[] = { "a.example", "c.example",
	    "b.example" };
	struct c25_store_assignment a;

	sf_start();
	for (int i = 0; i < 3; i++) {
		unsigned last = (unsigned)(_i + i) % 3;

		/* each time another one is the last */
		a = sf_assignment(names[last], "10.0.0.1");
		a.transit = sf_nth(169, 100 + last);
		ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	}
	sf_reopen();
	ck_assert_uint_eq(sf_load_assignments(), 1);
	ck_assert(c25_name_eq(&sf_got.a[0].domain, &a.domain));
}
END_TEST

static _Atomic unsigned asked;

static bool
is_even(void *ctx, const struct c25_addr *magic)
{
	asked++;
	return (magic->bytes[2] * 250 + magic->bytes[3]) % 2 == 0;
}

/* _i is 1: also behind a row that makes no sense, where a piece ends. */
START_TEST(what_has_ended_is_swept)
{
	struct c25_store_stats stats;
	struct c25_store_assignment a;
	char text[32];

	sf_start();
	for (unsigned i = 0; i < 10000; i++) {
		(void)snprintf(text, sizeof(text), "10.9.%u.%u", i / 250,
		    i % 250);
		a = sf_assignment("swept.example", text);
		a.magic.bytes[2] = (uint8_t)(i / 250);
		a.magic.bytes[3] = (uint8_t)(i % 250);
		a.transit = sf_nth(169, i);
		ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	}
	ck_assert_int_eq(c25_store_flush(sf), 0);
	if (_i == 1) {
		sf_close();
		/* the 4096th */
		sf_sql("INSERT INTO assignment VALUES (x'6440105e00',"
		    " x'017800', x'0a000009', x'0a000009', 'a', '', 9, 1,"
		    " 1)");
		sf_start();
	}
	atomic_store(&asked, 0);
	c25_store_sweep_assignments(sf, is_even, NULL);
	c25_store_sweep_assignments(sf, is_even, NULL);
	do {
		ck_assert_int_eq(c25_store_flush(sf), 0);
		c25_store_stats(sf, &stats);
		/* the second may be done by the walk that was begun for the
		 * first */
	} while (stats.written < (_i == 1 ? 5000 : 15000) ||
	    atomic_load(&asked) < 15000);
	ck_assert(!c25_store_wants(sf, C25_STORE_ASSIGNMENTS));
	sf_reopen();
	ck_assert_uint_eq(sf_load_assignments(), 5000);
	ck_assert_uint_eq(sf_got.loaded.skipped, (unsigned)_i);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store_order");
	TCase *tc = tcase_create("store_order");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, sf_setup, sf_teardown);
	tcase_add_loop_test(tc, what_is_put_anew_is_the_latest, 0, 4);
	tcase_add_test(tc, a_magic_address_has_one_owner);
	tcase_add_test(tc, a_magic_address_goes_to_who_is_there_already);
	tcase_add_test(tc, who_has_a_transit_address_comes_first);
	tcase_add_test(tc, the_newest_come_first);
	tcase_add_loop_test(tc, the_last_in_a_batch_has_the_address, 0, 3);
	tcase_add_loop_test(tc, what_has_ended_is_swept, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
