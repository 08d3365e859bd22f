/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the store: what is kept, and what a restart finds. Bad databases
 * and directories are in check_store_damage.c; what happens while disks fail
 * and processes die is in check_store_faults.c.
 */

#include <errno.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "sidecar/mapping.h"
#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

#define HOUR C25_MAPPING_LIFE_MS

static uint64_t now;

static uint64_t
clock_now(void)
{
	return now;
}

static struct c25_store_assignment
assignment(const char *domain, const char *destination)
{
	return (struct c25_store_assignment){ .domain = sf_name(domain),
	    .destination = sf_addr(destination),
	    .magic = sf_addr("100.64.0.1"),
	    .transit = sf_addr("169.254.64.1"), .app = "wiki",
	    .connector = "office-1", .lease_s = 300 };
}

static void
reopen(void)
{
	sf_close();
	sf_open();
}

/* ---- round trips --------------------------------------------------------- */

START_TEST(assignments_come_back_as_they_were)
{
	struct c25_store_assignment a = assignment("wiki.example",
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
	reopen();
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
	struct c25_store_assignment a = assignment("a.example", "10.1.2.3");

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
	reopen();
	ck_assert_uint_eq(sf_load_assignments(), 41);
	ck_assert_msg(sf_got.a[0].magic.bytes[3] == (_i == 0 ? 40 : 39),
	    "%s: %u", ways[_i], sf_got.a[0].magic.bytes[3]);
}
END_TEST

/* Who had the address before has ended, though nobody noticed. */
START_TEST(a_magic_address_has_one_owner)
{
	struct c25_store_assignment a = assignment("old.example",
	    "10.1.2.3"), b = assignment("new.example", "10.1.2.3");

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
	reopen();
	/* what it had before has ended: that comes later */
	ck_assert_uint_eq(sf_load_assignments(), 2);
	ck_assert(c25_name_eq(&sf_got.a[0].domain, &b.domain));
	ck_assert(c25_addr_eq(&sf_got.a[0].magic, &a.magic));
	ck_assert(c25_name_eq(&sf_got.a[1].domain, &b.domain));
}
END_TEST

static _Atomic unsigned asked;

static bool
is_even(void *ctx, const struct c25_addr *magic)
{
	asked++;
	return (magic->bytes[2] * 250 + magic->bytes[3]) % 2 == 0;
}

/* One that is there already comes back with the address of another one that
 * has ended unnoticed. */
START_TEST(a_magic_address_goes_to_who_is_there_already)
{
	struct c25_store_assignment a = assignment("a.example", "10.0.0.1"),
	    b = assignment("b.example", "10.0.0.1");
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
	reopen();
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
	struct c25_store_assignment a = assignment("a.example", "10.0.0.1"),
	    b = assignment("b.example", "10.0.0.1");

	b.magic = sf_addr("100.64.0.77");
	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_int_eq(c25_store_put_assignment(sf, &b), 0);
	reopen();
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
		a = assignment("a.example", text);
		a.magic = sf_nth(100, i);
		a.transit = sf_nth(169, i);
		ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
		a = assignment("a.example", "10.0.0.0");
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
		a = assignment(names[last], "10.0.0.1");
		a.transit = sf_nth(169, 100 + last);
		ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	}
	reopen();
	ck_assert_uint_eq(sf_load_assignments(), 1);
	ck_assert(c25_name_eq(&sf_got.a[0].domain, &a.domain));
}
END_TEST

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
		a = assignment("swept.example", text);
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
	reopen();
	ck_assert_uint_eq(sf_load_assignments(), 5000);
	ck_assert_uint_eq(sf_got.loaded.skipped, (unsigned)_i);
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
	reopen();
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
	struct c25_store_assignment a = assignment("wiki.example",
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
	reopen();
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
	reopen();
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
	struct c25_store_assignment a = assignment("wiki.example",
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
	reopen();
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
	reopen();
	ck_assert_int_eq(c25_store_load_mappings(sf, seven, &calls, &loaded,
	    &sf_err), -EUCLEAN);
	ck_assert_int_eq(calls, 1);
	ck_assert(!c25_store_wants(sf, C25_STORE_MAPPINGS));
	ck_assert_uint_eq(sf_load_mappings(), 9);
}
END_TEST

START_TEST(nonsense_is_not_put)
{
	struct c25_store_assignment good = assignment("wiki.example",
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

/* ---- boots, clocks, epochs ----------------------------------------------- */

/* Start at a time of a boot, look, and stop. Returns: sent_ms of the one. */
static uint64_t
sent_at(const char *boot, uint64_t at)
{
	uint64_t sent;

	sf_boot = boot;
	now = at;
	sf_start();
	sf_close();		/* what it notes must not matter */
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	sent = sf_got.m[0].sent_ms;
	sf_close();
	return sent;
}

START_TEST(within_a_boot_times_stay_and_a_new_boot_gives_a_whole_life)
{
	c25_clock_set(clock_now);
	sf_boot = "A";
	now = 5000;
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 5000), 0);
	sf_close();
	ck_assert_uint_eq(sent_at("A", 6000), 5000);
	ck_assert_uint_eq(sent_at("A", 7000 + HOUR), 5000);
	/* the clock of the boot ran backwards: a snapshot came back */
	ck_assert_uint_eq(sent_at("A", 4000), 4000);
	ck_assert_uint_eq(sent_at("A", 6000), 5000);
	/* another boot, whose clock is behind, or far ahead */
	ck_assert_uint_eq(sent_at("B", 100), 100);
	ck_assert_uint_eq(sent_at("B", 900), 100);
	ck_assert_uint_eq(sent_at("C", 90000000), 90000000);
	ck_assert_uint_eq(sent_at("C", 90000500), 90000000);
	/* back in a boot that we have seen: it is a new one all the same */
	ck_assert_uint_eq(sent_at("A", 200), 200);
	/* sent again in this boot */
	now = 300;
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 300), 0);
	sf_close();
	ck_assert_uint_eq(sent_at("A", 400), 300);
}
END_TEST

START_TEST(without_a_boot_id_each_start_is_a_boot)
{
	c25_clock_set(clock_now);
	sf_boot = "";
	now = 5000;
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 5000), 0);
	sf_close();
	now = 6000;
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 6000);
}
END_TEST

START_TEST(the_kernels_boot_id_is_found)
{
	char text[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t len = 0;
	char *db;

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	(void)fclose(f);
	text[strcspn(text, "\n")] = '\0';
	sf_boot = NULL;
	sf_start();
	sf_close();
	db = sf_read(sf_db, &len);
	ck_assert_ptr_nonnull(memmem(db, len, text, strlen(text)));
	free(db);
}
END_TEST

/* Values that SQLite holds and we only clamp. */
START_TEST(strange_times_are_clamped)
{
	now = 1000;
	c25_clock_set(clock_now);
	sf_start();
	sf_close();
	sf_sql("INSERT INTO mapping SELECT 'p', x'a9fe4001', x'0a000001',"
	    " 'a', boot, 9223372036854775807 FROM meta");
	sf_sql("INSERT INTO mapping VALUES ('q', x'a9fe4001', x'0a000001',"
	    " 'a', 9223372036854775807, 7)");
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 2);
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 1000);
	ck_assert_uint_eq(sf_got.m[1].sent_ms, 1000);
}
END_TEST

/* How an earlier conn25d ended, and whether its epoch stays. */
enum how { STOPPED, KILLED, KILLED_UNSAVED };

static const struct {
	enum how how;
	bool reboot, lose_run_dir, lose_state_dir, renew;
	bool stays;
} epoch_rows[] = {
	{ STOPPED, false, false, false, false, true },
	{ STOPPED, true, true, false, false, true },
	{ STOPPED, false, true, false, false, true },
	{ STOPPED, false, false, true, false, false },
	{ STOPPED, false, false, false, true, false },
	{ KILLED, false, false, false, false, true },
	{ KILLED, false, true, false, false, true },
	{ KILLED, true, true, false, false, false },
	{ KILLED, false, false, true, false, false },
	{ KILLED_UNSAVED, false, false, false, false, false },
	{ KILLED_UNSAVED, true, true, false, false, false },
};

/* A process that uses the store and ends like that; its epoch in `epoch`. */
static void
live(enum how how, char epoch[static C25_STORE_EPOCH_MAX])
{
	int pipes[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		sf_start_or_exit();
		(void)!sf_map(1, 1, 1);
		(void)!write(pipes[1], c25_store_epoch(sf),
		    C25_STORE_EPOCH_MAX);
		if (how != KILLED_UNSAVED)
			(void)!c25_store_flush(sf);
		if (how == STOPPED)
			c25_store_close(sf);
		else
			(void)raise(SIGKILL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(read(pipes[0], epoch, C25_STORE_EPOCH_MAX),
	    C25_STORE_EPOCH_MAX);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

START_TEST(the_epoch_changes_when_mappings_may_be_lost_and_only_then)
{
	char before[C25_STORE_EPOCH_MAX], after[C25_STORE_EPOCH_MAX];

	live(epoch_rows[_i].how, before);
	if (epoch_rows[_i].lose_run_dir) {
		sf_rm(sf_run);
		ck_assert_int_eq(mkdir(sf_run, 0700), 0);
	}
	if (epoch_rows[_i].lose_state_dir)
		sf_rm(sf_state);
	if (epoch_rows[_i].reboot)
		sf_boot = "second-boot";
	/* opened and given up: the next one decides the same */
	sf_open();
	sf_close();
	sf_open();
	if (epoch_rows[_i].renew)
		c25_store_epoch_renew(sf);
	ck_assert_uint_eq(strlen(c25_store_epoch(sf)), 32);
	ck_assert_int_eq(strcmp(before, c25_store_epoch(sf)) == 0,
	    epoch_rows[_i].stays);
	ck_assert_int_eq(c25_store_start(sf, &sf_err), 0);
	(void)snprintf(after, sizeof(after), "%s", c25_store_epoch(sf));
	sf_close();
	/* and from there on it stays */
	live(KILLED, before);
	ck_assert_str_eq(before, after);
	live(STOPPED, before);
	ck_assert_str_eq(before, after);
}
END_TEST

/* Another database's mark says nothing about this one. */
START_TEST(a_mark_of_another_database_is_not_ours)
{
	char first[C25_STORE_EPOCH_MAX], other[C25_STORE_EPOCH_MAX];
	char state[sizeof(sf_state)];

	live(STOPPED, first);
	memcpy(state, sf_state, sizeof(state));
	(void)snprintf(sf_state, sizeof(sf_state), "%s/other", sf_dir);
	live(KILLED_UNSAVED, other);
	memcpy(sf_state, state, sizeof(state));
	sf_open();
	ck_assert_str_eq(c25_store_epoch(sf), first);
}
END_TEST

/* ---- rates: printed, not judged ------------------------------------------ */

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
	a = assignment(text, "10.0.0.1");
	a.magic = sf_nth(100, i);
	a.transit = sf_nth(169, i);
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
}

/* CONN25_STORE_ROWS=1000000 for the whole measurement. */
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
	Suite *s = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, sf_setup, sf_teardown);
	tcase_add_test(tc, assignments_come_back_as_they_were);
	tcase_add_loop_test(tc, what_is_put_anew_is_the_latest, 0, 4);
	tcase_add_test(tc, a_magic_address_has_one_owner);
	tcase_add_test(tc, a_magic_address_goes_to_who_is_there_already);
	tcase_add_test(tc, who_has_a_transit_address_comes_first);
	tcase_add_test(tc, the_newest_come_first);
	tcase_add_loop_test(tc, the_last_in_a_batch_has_the_address, 0, 3);
	tcase_add_loop_test(tc, what_has_ended_is_swept, 0, 2);
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
	tcase_add_test(tc, strange_times_are_clamped);
	tcase_add_test(tc,
	    within_a_boot_times_stay_and_a_new_boot_gives_a_whole_life);
	tcase_add_test(tc, without_a_boot_id_each_start_is_a_boot);
	tcase_add_test(tc, the_kernels_boot_id_is_found);
	ADD_ROWS(tc, the_epoch_changes_when_mappings_may_be_lost_and_only_then,
	    epoch_rows);
	tcase_add_test(tc, a_mark_of_another_database_is_not_ours);
	tcase_add_test(tc, rates);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
