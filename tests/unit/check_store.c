/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the store: what is kept, and what a restart finds. Who has an
 * address and what comes first is in check_store_order.c; boots, clocks and
 * epochs in _epoch.c, how fast all that is in _rates.c. Bad databases and
 * directories are in _damage.c; what happens while disks fail and processes
 * die is in _faults.c.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

START_TEST(assignments_come_back_as_they_were)
{
	struct c25_store_assignment a = sf_assignment("wiki.example",
	    "10.1.2.3"), six;
	char app[C25_APP_NAME_MAX + 1], connector[C25_CONNECTOR_NAME_MAX + 1];
	struct c25_addr first, first_transit;
	int64_t before = (int64_t)time(NULL);

	memset(app, 'a', sizeof(app));
	app[sizeof(app) - 1] = '\0';
	memset(connector, 'c', sizeof(connector));
	connector[sizeof(connector) - 1] = '\0';
	six = a;
	memset(six.domain.wire, 'x', sizeof(six.domain.wire));
	for (int i = 0; i < 4; i++)
		six.domain.wire[64 * i] = i < 3 ? 63 : 61;
	six.domain.wire[254] = 0;
	six.domain.len = 255;
	six.destination = sf_addr("2001:db8::1");
	six.magic = sf_addr("fd25:1::1");
	six.transit = sf_addr("fd25:2::1");
	six.app = app;
	six.connector = connector;
	six.lease_s = C25_LEASE_MAX_S;
	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_put_assignment(sf, &six), 0);
	a.destination = sf_addr("10.1.2.4");
	first = a.magic;
	first_transit = a.transit;
	a.transit = sf_addr("169.254.64.99");
	a.magic = sf_addr("100.64.0.99");
	a.connector = "";
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	sf_reopen();
	ck_assert_uint_eq(sf_load_assignments(), 3);
	for (size_t i = 0; i < 3; i++) {
		const struct c25_store_assignment *got = &sf_got.a[i], *want =
		    got->domain.len == 255 ? &six : &a;

		ck_assert(c25_name_eq(&got->domain, &want->domain));
		ck_assert(c25_addr_eq(&got->magic, want == &a &&
		    got->destination.bytes[3] == 3 ? &first : &want->magic));
		ck_assert(c25_addr_eq(&got->transit, want == &a &&
		    got->destination.bytes[3] == 3 ? &first_transit :
		    &want->transit));
		ck_assert_str_eq(got->app, want->app);
		ck_assert_uint_eq(got->lease_s, want->lease_s);
		ck_assert_int_ge(got->stored_s, before);
		ck_assert_int_le(got->stored_s, (int64_t)time(NULL));
		ck_assert_str_eq(got->connector, want == &six ? connector :
		    got->destination.bytes[3] == 3 ? "office-1" : "");
	}
	ck_assert_uint_eq(sf_got.loaded.skipped, 0);
}
END_TEST

START_TEST(mappings_come_back_as_they_were)
{
	struct c25_store_mapping m = { .peer = "edge-1", .app = "wiki",
	    .transit = sf_addr("169.254.64.1"),
	    .destination = sf_addr("10.1.2.3"), .sent_ms = 5 };

	sf_start();
	ck_assert_int_eq(c25_store_put_mapping(sf, &m), 0);
	m.peer = "Ω edge";
	m.app = "an app's \"name\"";
	ck_assert_int_eq(c25_store_put_mapping(sf, &m), 0);
	m.transit = sf_addr("fd25:2::1");
	m.destination = sf_addr("2001:db8::1");
	ck_assert_int_eq(c25_store_put_mapping(sf, &m), 0);
	sf_reopen();
	ck_assert_uint_eq(sf_load_mappings(), 3);
	/* by peer, and v4 before v6: as the key sorts */
	ck_assert_str_eq(sf_got.m[0].peer, "edge-1");
	ck_assert_str_eq(sf_got.m[0].app, "wiki");
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 5);
	ck_assert_str_eq(sf_got.m[1].peer, m.peer);
	ck_assert_str_eq(sf_got.m[1].app, m.app);
	ck_assert(c25_addr_eq(&sf_got.m[2].transit, &m.transit));
	ck_assert(c25_addr_eq(&sf_got.m[2].destination, &m.destination));
}
END_TEST

START_TEST(the_newest_wins_and_what_is_removed_is_gone)
{
	struct c25_store_assignment a = sf_assignment("wiki.example",
	    "10.1.2.3");
	struct c25_addr t1 = sf_nth(169, 1), t9 = sf_nth(169, 9);

	sf_start();
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_int_eq(sf_map(0, 77, 2), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t1), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t9), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-2", &t1), 0);
	ck_assert_int_eq(c25_store_remove_assignment(sf, &a.magic), 0);
	sf_reopen();
	ck_assert_uint_eq(sf_load_assignments(), 0);
	ck_assert_uint_eq(sf_load_mappings(), 2);
	ck_assert_uint_eq(sf_number_of(&sf_got.m[0].destination), 77);
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 2);
	ck_assert_uint_eq(sf_number_of(&sf_got.m[1].transit), 2);
}
END_TEST

START_TEST(removed_and_put_again_in_one_batch)
{
	struct c25_addr t = sf_nth(169, 1);

	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t), 0);
	ck_assert_int_eq(sf_map(1, 2, 2), 0);
	ck_assert_int_eq(sf_map(3, 3, 3), 0);
	t = sf_nth(169, 3);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t), 0);
	sf_reopen();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_uint_eq(sf_number_of(&sf_got.m[0].destination), 2);
}
END_TEST

START_TEST(changes_of_one_key_are_written_once)
{
	struct c25_store_stats stats;

	sf_open();		/* nothing is written before start */
	for (unsigned i = 0; i < 10000; i++)
		ck_assert_int_eq(sf_map(i % 10, i, i), 0);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.pending, 10);
	ck_assert_int_eq(c25_store_start(sf, &sf_err), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.written, 10);
	ck_assert_uint_eq(stats.pending, 0);
	ck_assert_int_eq(sf_number("SELECT count(*) FROM mapping"), 10);
}
END_TEST

START_TEST(closing_without_start_changes_nothing)
{
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	sf_close();
	sf_open();
	ck_assert_int_eq(sf_map(2, 2, 2), 0);
	c25_store_epoch_renew(sf);
	sf_close();
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
}
END_TEST

/* A put of what is there already must not touch the file: data_version of
 * another connection tells. */
START_TEST(the_same_again_writes_nothing)
{
	struct c25_store_assignment a = sf_assignment("wiki.example",
	    "10.1.2.3");
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int version[4];

	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_int_eq(sqlite3_open(sf_db, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "PRAGMA data_version", -1,
	    &stmt, NULL), SQLITE_OK);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
		version[i] = sqlite3_column_int(stmt, 0);
		(void)sqlite3_reset(stmt);
		if (i == 1)
			a.lease_s = 600;
		if (i == 0 || i == 1)
			ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
		ck_assert_int_eq(sf_map(1, 1, i < 2 ? 1 : 9), 0);
		ck_assert_int_eq(c25_store_flush(sf), 0);
	}
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	/* nor is a new date a reason to write */
	sf_sql("UPDATE assignment SET stored_s = 1");
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_int_eq(sf_number("SELECT stored_s FROM assignment"), 1);
	ck_assert_int_eq(version[0], version[1]);	/* the same */
	ck_assert_int_ne(version[1], version[2]);	/* another lease */
	ck_assert_int_ne(version[2], version[3]);	/* another time */
}
END_TEST

START_TEST(many_rows_take_several_transactions)
{
	struct c25_store_stats stats;
	unsigned n = 3 * C25_STORE_BATCH + 5;

	sf_open();
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_start(sf, &sf_err), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.written, n);
	sf_reopen();
	ck_assert_uint_eq(sf_load_mappings(), n);
}
END_TEST

/* Without flush or close: how long it takes until others see it. */
START_TEST(written_by_itself_soon)
{
	struct timespec a, b;

	sf_start();
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	while (sf_number("SELECT count(*) FROM mapping") == 0)
		;
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	printf("store: a change is in the file after %.0f ms\n",
	    (double)(b.tv_sec - a.tv_sec) * 1e3 +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e6);
}
END_TEST

static int
seven(void *ctx, const struct c25_store_mapping *m)
{
	(void)m;
	++*(int *)ctx;
	return -EUCLEAN;	/* also this one is the callback's */
}

START_TEST(loading_stops_when_told_to)
{
	struct c25_store_loaded loaded;
	int calls = 0;

	sf_start();
	for (unsigned i = 0; i < 9; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	sf_reopen();
	ck_assert_int_eq(c25_store_load_mappings(sf, seven, &calls, &loaded,
	    &sf_err), -EUCLEAN);
	ck_assert_int_eq(calls, 1);
	ck_assert(!c25_store_wants(sf, C25_STORE_MAPPINGS));
	ck_assert_uint_eq(sf_load_mappings(), 9);
}
END_TEST

START_TEST(nonsense_is_not_put)
{
	struct c25_store_assignment good = sf_assignment("wiki.example",
	    "10.1.2.3"), a;
	struct c25_store_mapping fine = { .peer = "p", .app = "a",
	    .transit = sf_nth(169, 1), .destination = sf_nth(10, 1) }, m;
	struct c25_store_stats stats;
	char longer[C25_APP_NAME_MAX + 2];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	sf_open();
#define BAD_A(change) do { a = good; change; ck_assert_int_eq( \
	c25_store_put_assignment(sf, &a), -EINVAL); } while (0)
	BAD_A(a.domain.len = 0);
	BAD_A(a.domain.len = 300);
	BAD_A(a.domain.wire[0] = 70);
	BAD_A(a.domain.wire[1] = 'W');
	BAD_A(a.destination.family = 0);
	BAD_A(a.destination.family = 5);
	BAD_A(a.magic = sf_addr("fd25:1::1"));
	BAD_A(a.transit = sf_addr("fd25:1::1"));
	BAD_A(a.transit.family = 0);
	BAD_A(a.app = "");
	BAD_A(a.app = NULL);
	BAD_A(a.app = longer);
	BAD_A(a.connector = NULL);
	BAD_A(a.connector = longer);
	BAD_A(a.lease_s = 0);
	BAD_A(a.lease_s = C25_LEASE_MAX_S + 1);
#define BAD_M(change) do { m = fine; change; ck_assert_int_eq( \
	c25_store_put_mapping(sf, &m), -EINVAL); } while (0)
	BAD_M(m.peer = "");
	BAD_M(m.peer = NULL);
	BAD_M(m.peer = longer);
	BAD_M(m.app = "");
	BAD_M(m.app = longer);
	BAD_M(m.transit.family = 9);
	BAD_M(m.destination = sf_addr("::1"));
	BAD_M(m.sent_ms = UINT64_MAX);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.pending, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, sf_setup, sf_teardown);
	tcase_add_test(tc, assignments_come_back_as_they_were);
	tcase_add_test(tc, mappings_come_back_as_they_were);
	tcase_add_test(tc, the_newest_wins_and_what_is_removed_is_gone);
	tcase_add_test(tc, removed_and_put_again_in_one_batch);
	tcase_add_test(tc, changes_of_one_key_are_written_once);
	tcase_add_test(tc, closing_without_start_changes_nothing);
	tcase_add_test(tc, the_same_again_writes_nothing);
	tcase_add_test(tc, many_rows_take_several_transactions);
	tcase_add_test(tc, written_by_itself_soon);
	tcase_add_test(tc, loading_stops_when_told_to);
	tcase_add_test(tc, nonsense_is_not_put);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
