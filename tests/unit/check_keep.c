/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of assignments in the store and back: with a real table and a real
 * database. */

#include <errno.h>

#include "conn25/layout.h"
#include "sidecar/keep.h"
#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/scribble.h"
#include "tests/unit/suite.h"

static struct fixture f;
static struct c25_store *store;
static struct c25_keep *keep;
static char state_dir[80];
static size_t rows;

static void
open_store(void)
{
	struct c25_error err = { "" };

	ck_assert_msg(c25_store_open(&(struct c25_store_options){
	    .state_dir = state_dir }, &store, &err) == 0, "%s", err.text);
}

static void
start_keep(void)
{
	struct c25_error err = { "" };

	ck_assert_msg(c25_keep_start(store, f.t, f.p, &keep, &err) == 0,
	    "%s", err.text);
	ck_assert_int_eq(c25_store_start(store, &err), 0);
}

/* conn25d ends. */
static void
stop(void)
{
	c25_store_close(store);
	c25_keep_free(keep);
	store = NULL;
	keep = NULL;
}

static const char *transit = "169.254.64.0/18";

static void
pools(const char *magic)
{
	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, magic);
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE, transit);
	fx_pool(&f, C25_POOL_V6_MAGIC, C25_CONNECTOR_NONE, "fd25:1::/64");
	fx_pool(&f, C25_POOL_V6_TRANSIT, C25_CONNECTOR_NONE, "fd25:2::/64");
	fx_publish(&f);
}

static void
setup(void)
{
	fx_open(&f, 2048);
	(void)snprintf(state_dir, sizeof(state_dir), "%s.state", f.dir);
	pools("100.64.0.0/16");
	open_store();
	start_keep();
}

static void
teardown(void)
{
	char command[200];

	if (store != NULL)
		stop();
	c25_clock_set(NULL);
	fx_close(&f);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", state_dir);
	ck_assert_int_eq(system(command), 0);
}

/* The machine went down: a new table, as conn25d makes it. */
static void
lose_table(const char *magic)
{
	struct c25_error err = { "" };

	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	ck_assert_int_eq(c25_table_create(f.dir, 2048, (gid_t)-1, &f.t,
	    &err), 0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	pools(magic);
	ck_assert(c25_table_closed(f.t));
}

static void
verify(void)
{
	struct c25_error err = { "" };

	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
}

static void
reserve(int i, struct c25_assignment *a)
{
	char domain[32];

	(void)snprintf(domain, sizeof(domain), "n%d.example", i);
	ck_assert_int_eq(fx_reserve(&f, domain, i % 2 ? "10.0.0.1" :
	    "fd00::1", a, NULL), 0);
	c25_keep_put(keep, a);
}

static int
count_one(void *ctx, const struct c25_store_assignment *a)
{
	rows++;
	return 0;
}

static size_t
stored(void)
{
	struct c25_store_loaded loaded;
	struct c25_error err;

	rows = 0;
	ck_assert_int_eq(c25_store_load_assignments(store, count_one, NULL,
	    &loaded, &err), 0);
	return rows;
}

START_TEST(a_lost_table_is_filled_again)
{
	static struct c25_assignment a[1000];
	struct c25_assignment b;

	for (int i = 0; i < 1000; i++)
		reserve(i, &a[i]);
	stop();
	lose_table("100.64.0.0/16");
	open_store();
	ck_assert_uint_eq(stored(), 1000);
	/* nobody takes an address before */
	ck_assert_int_eq(fx_reserve(&f, "x.example", "10.0.0.1", &b, NULL),
	    -EBUSY);
	start_keep();
	ck_assert(!c25_table_closed(f.t));
	verify();
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(c25_table_by_key(f.t, &a[i].domain,
		    &a[i].destination, &b), 0);
		ck_assert(c25_addr_eq(&a[i].magic, &b.magic));
		ck_assert(c25_addr_eq(&a[i].transit, &b.transit));
		ck_assert_uint_eq(b.connector, a[i].connector);
		/* the client may have been told just before */
		ck_assert_uint_ge(b.lease_end_ms, c25_now_ms() + 299000);
	}
	ck_assert_int_eq(fx_reserve(&f, "x.example", "10.0.0.1", &b, NULL),
	    0);
	verify();
}
END_TEST

/* conn25d has run without the client role, until a reload. */
START_TEST(a_role_that_comes_later_finds_its_assignments)
{
	static struct c25_assignment a[100];
	struct c25_assignment b;
	struct c25_error err = { "" };

	for (int i = 0; i < 100; i++)
		reserve(i, &a[i]);
	stop();
	lose_table("100.64.0.0/16");
	open_store();
	ck_assert_int_eq(c25_store_start(store, &err), 0);
	/* the writer has something to do meanwhile */
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(c25_store_put_mapping(store,
		    &(struct c25_store_mapping){ .peer = "p", .app = "app",
		    .transit = c25_addr_v4((uint8_t[]){ 169, 254,
		    (uint8_t)(i / 250), (uint8_t)(i % 250) }),
		    .destination = fx_addr("10.0.0.1") }), 0);
	ck_assert_msg(c25_keep_start(store, f.t, f.p, &keep, &err) == 0,
	    "%s", err.text);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(c25_table_by_key(f.t, &a[i].domain,
		    &a[i].destination, &b), 0);
		ck_assert(c25_addr_eq(&a[i].magic, &b.magic));
	}
	verify();
	reserve(1000, &b);
	ck_assert_int_eq(c25_store_flush(store), 0);
	stop();
	open_store();
	ck_assert_uint_eq(stored(), 101);
}
END_TEST

START_TEST(what_the_policy_does_not_have_stays_away)
{
	struct c25_assignment a, b, c;
	struct c25_store_assignment alien = { .domain =
	    fx_name("other.domain"), .destination = fx_addr("10.0.0.1"),
	    .magic = fx_addr("100.64.9.9"),
	    .transit = fx_addr("169.254.64.99"), .app = "gone",
	    .connector = "c0", .lease_s = 60 };

	reserve(1, &a);
	reserve(2, &b);
	ck_assert_int_eq(c25_store_put_assignment(store, &alien), 0);
	stop();
	lose_table("100.99.0.0/16");	/* another magic pool for v4 */
	open_store();
	ck_assert_uint_eq(stored(), 3);
	start_keep();
	ck_assert_int_eq(c25_table_by_key(f.t, &a.domain, &a.destination,
	    &c), -ENOENT);
	ck_assert_int_eq(c25_table_by_key(f.t, &b.domain, &b.destination,
	    &c), 0);
	verify();
	stop();
	open_store();
	ck_assert_uint_eq(stored(), 1);
}
END_TEST

START_TEST(a_table_that_lives_on_is_the_truth)
{
	struct c25_assignment a, b, c;

	reserve(1, &a);
	reserve(2, &b);
	stop();
	/* while conn25d is away one ends and another is made */
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(fx_reserve(&f, "new.example", "10.0.0.1", &c,
	    NULL), 0);
	open_store();
	start_keep();
	ck_assert_int_eq(c25_table_by_key(f.t, &a.domain, &a.destination,
	    &c), -ENOENT);
	c25_keep_tick(keep, c25_now_ms());
	stop();
	open_store();
	ck_assert_uint_eq(stored(), 2);
	stop();
}
END_TEST

static uint64_t fake_ms;

static uint64_t
fake_clock(void)
{
	return fake_ms;
}

START_TEST(what_ends_unnoticed_is_swept)
{
	struct c25_assignment a;
	struct c25_store_stats stats;

	fake_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	for (int i = 0; i < 100; i++)
		reserve(i, &a);
	ck_assert_int_eq(c25_store_flush(store), 0);
	fake_ms += 3600 * 1000;
	while (c25_table_reclaim(f.t, 1000) > 0)
		;
	reserve(7, &a);
	c25_keep_tick(keep, fake_ms);
	do {
		ck_assert_int_eq(c25_store_flush(store), 0);
		c25_store_stats(store, &stats);
	} while (stats.written < 100 + 99);
	c25_clock_set(NULL);
	stop();
	open_store();
	ck_assert_uint_eq(stored(), 1);
}
END_TEST

/* It ends and is made anew with another magic address, in another slot, before
 * that is swept: the later one is put back, the earlier one forgotten. */
START_TEST(of_two_of_one_domain_the_later_is_put_back)
{
	struct c25_assignment first, second, b;

	fake_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	reserve(3, &b);
	reserve(1, &first);
	ck_assert_int_eq(c25_store_flush(store), 0);
	fake_ms += 500 * 1000;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1000), 2);
	reserve(1, &second);
	ck_assert(!c25_addr_eq(&first.magic, &second.magic));
	stop();
	lose_table("100.64.0.0/16");
	open_store();
	ck_assert_uint_eq(stored(), 2);
	start_keep();
	verify();
	ck_assert_int_eq(c25_table_by_key(f.t, &second.domain,
	    &second.destination, &b), 0);
	ck_assert(c25_addr_eq(&second.magic, &b.magic));
	stop();
	open_store();
	ck_assert_uint_eq(stored(), 1);
	start_keep();
}
END_TEST

/* The same two addresses in turn, and nothing is swept in between: the row of
 * the last one was made before that of the one before. */
START_TEST(one_with_the_contents_of_an_earlier_row_is_the_later)
{
	struct c25_assignment a[3], b;

	stop();
	transit = "169.254.64.0/31";
	lose_table("100.64.0.0/31");
	open_store();
	start_keep();
	fake_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	for (int i = 0; i < 3; i++) {
		/* the slots of the former ones are others' */
		for (int k = 0; k < i; k++)
			ck_assert_int_eq(fx_reserve(&f, k == 0 ? "x.example" :
			    "y.example", "fd00::1", &b, NULL), 0);
		reserve(1, &a[i]);
		ck_assert_int_eq(c25_store_flush(store), 0);
		fake_ms += i == 2 ? 0 : 500 * 1000;
		ck_assert_int_eq(c25_table_reclaim(f.t, 1000),
		    i == 2 ? 0 : 1 + i);
	}
	ck_assert(c25_addr_eq(&a[0].magic, &a[2].magic));
	ck_assert(!c25_addr_eq(&a[0].magic, &a[1].magic));
	stop();
	lose_table("100.64.0.0/31");
	open_store();
	ck_assert_uint_eq(stored(), 2);
	start_keep();
	ck_assert_int_eq(c25_table_by_key(f.t, &a[2].domain,
	    &a[2].destination, &b), 0);
	ck_assert(c25_addr_eq(&a[2].magic, &b.magic));
}
END_TEST

/* A new table of 16 slots. */
static void
small_table(void)
{
	struct c25_error err = { "" };

	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	ck_assert_int_eq(c25_table_create(f.dir, 16, (gid_t)-1, &f.t, &err),
	    0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	pools("100.64.0.0/16");
}

/* Some live on while the others end and are followed by new ones; the machine
 * goes down before anything is swept. */
START_TEST(long_lived_ones_come_before_the_dead)
{
	static struct c25_assignment old[8];
	struct c25_assignment b;

	stop();
	small_table();
	open_store();
	start_keep();
	fake_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	for (int i = 0; i < 8; i++)
		reserve(2 * i + 1, &old[i]);
	for (int round = 1; round < 5; round++) {
		for (int i = 0; i < 8; i++)
			reserve(2 * i + 100 * round + 1, &b);
		ck_assert_int_eq(c25_store_flush(store), 0);
		for (int i = 0; i < 8; i++) {
			fake_ms += i == 0 ? 200 * 1000 : 0;
			reserve(2 * i + 1, &old[i]);
		}
		fake_ms += 300 * 1000;
		ck_assert_int_eq(c25_table_reclaim(f.t, 1000), 8);
		for (int i = 0; i < 8; i++)
			reserve(2 * i + 1, &old[i]);
	}
	for (int i = 0; i < 8; i++)
		reserve(2 * i + 1001, &b);
	stop();
	small_table();
	open_store();
	ck_assert_uint_eq(stored(), 16);
	start_keep();
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(c25_table_by_key(f.t, &old[i].domain,
		    &old[i].destination, &b), 0);
		ck_assert(c25_addr_eq(&old[i].magic, &b.magic));
	}
	verify();
	/* and the same when it has begun with what was put back, or found */
	for (int restart = 0; restart < 2; restart++) {
		fake_ms += 200 * 1000;
		for (int i = 0; i < 8; i++)
			reserve(2 * i + 1, &old[i]);
		fake_ms += 300 * 1000;
		ck_assert_int_eq(c25_table_reclaim(f.t, 1000), 8);
		for (int i = 0; i < 8; i++)
			reserve(2 * i + 2001 + 100 * restart, &b);
		ck_assert_int_eq(c25_store_flush(store), 0);
		stop();
		open_store();
		ck_assert_uint_eq(stored(), 16);
		start_keep();
	}
}
END_TEST

/* 16 fill the table and end; 16 others are in their place, and living, when
 * the table is lost. `swept`: that was noticed. */
START_TEST(the_living_come_before_the_dead)
{
	static struct c25_assignment a[16];
	struct c25_assignment b;
	struct c25_error err = { "" };
	bool swept = _i == 1;

	if (_i == 2)
		transit = "169.254.64.0/28";	/* also for addresses */
	c25_keep_free(keep);
	c25_store_close(store);
	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	ck_assert_int_eq(c25_table_create(f.dir, 16, (gid_t)-1, &f.t, &err),
	    0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	pools("100.64.0.0/16");
	open_store();
	start_keep();
	fake_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	for (int i = 0; i < 16; i++)
		reserve(2 * i + 1, &b);
	ck_assert_int_eq(c25_store_flush(store), 0);
	fake_ms += 500 * 1000;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1000), 16);
	if (swept)
		c25_keep_freed(keep);
	for (int i = 0; i < 16; i++)
		reserve(2 * i + 101, &a[i]);
	/* renewed since, one of them; that writes nothing */
	c25_keep_put(keep, &a[0]);
	ck_assert_int_eq(c25_store_flush(store), 0);
	if (swept) {
		struct c25_store_stats stats;

		c25_keep_tick(keep, fake_ms);
		do {
			ck_assert_int_eq(c25_store_flush(store), 0);
			c25_store_stats(store, &stats);
		} while (stats.written < 3 * 16);
	}
	stop();
	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	ck_assert_int_eq(c25_table_create(f.dir, 16, (gid_t)-1, &f.t, &err),
	    0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	pools("100.64.0.0/16");
	open_store();
	if (swept)
		ck_assert_uint_eq(stored(), 16);
	start_keep();
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(c25_table_by_key(f.t, &a[i].domain,
		    &a[i].destination, &b), 0);
		ck_assert(c25_addr_eq(&a[i].magic, &b.magic));
		ck_assert(c25_addr_eq(&a[i].transit, &b.transit));
	}
	verify();
}
END_TEST

/* A pool has moved half way: who has to take another transit address doesn't
 * take one that somebody has. */
START_TEST(a_new_transit_address_is_nobodys)
{
	static struct c25_assignment a[32];
	struct c25_assignment b;
	int kept = 0;

	transit = "169.254.64.0/27";
	pools("100.64.0.0/16");
	c25_keep_policy(keep, f.p);
	for (int i = 0; i < 32; i++)
		reserve(2 * i + 1, &a[i]);
	stop();
	transit = "169.254.64.16-169.254.64.47";
	lose_table("100.64.0.0/16");
	open_store();
	start_keep();
	for (int i = 0; i < 32; i++) {
		ck_assert_int_eq(c25_table_by_key(f.t, &a[i].domain,
		    &a[i].destination, &b), 0);
		ck_assert(c25_addr_eq(&a[i].magic, &b.magic));
		kept += c25_addr_eq(&a[i].transit, &b.transit);
	}
	ck_assert_int_eq(kept, 16);
	verify();
}
END_TEST

static int
count_foreign(void *ctx, const struct c25_store_assignment *a)
{
	struct c25_addr bad = fx_addr("8.8.8.8");

	rows++;
	*(int *)ctx += c25_addr_eq(&a->transit, &bad);
	return 0;
}

/* Somebody has written to the table: that isn't kept when all is put again. */
START_TEST(an_address_of_no_pool_is_not_kept)
{
	struct c25_store_loaded loaded;
	struct c25_assignment a, b;
	struct c25_error err;
	int foreign = 0;

	reserve(1, &a);
	reserve(3, &b);
	fx_scribble(&f, &b, FX_TRANSIT, "8.8.8.8");
	c25_keep_policy(keep, f.p);
	c25_keep_tick(keep, c25_now_ms());
	stop();
	open_store();
	rows = 0;
	ck_assert_int_eq(c25_store_load_assignments(store, count_foreign,
	    &foreign, &loaded, &err), 0);
	ck_assert_uint_ge(rows, 1);
	ck_assert_int_eq(foreign, 0);
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), 0);
	ck_assert_int_eq(c25_table_by_ref(f.t, b.ref, &b), -ENOENT);
	stop();
}
END_TEST

START_TEST(a_lower_max_ttl_shortens_no_promise)
{
	struct c25_assignment a, b;
	struct c25_name n = fx_name("n1.example");
	struct c25_want day = { .name = &n, .destination =
	    fx_addr("10.0.0.1"), .ttl_s = 86400 };

	f.max_ttl_s = 86400;
	fx_publish(&f);
	c25_keep_policy(keep, f.p);
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &day, &a, NULL), 0);
	c25_keep_put(keep, &a);
	reserve(3, &b);
	ck_assert_int_eq(c25_store_flush(store), 0);
	f.max_ttl_s = 60;
	fx_publish(&f);
	c25_keep_policy(keep, f.p);
	c25_keep_tick(keep, c25_now_ms());
	stop();
	lose_table("100.64.0.0/16");
	open_store();
	start_keep();
	ck_assert_int_eq(c25_table_by_key(f.t, &a.domain, &a.destination,
	    &a), 0);
	ck_assert_uint_ge(a.lease_end_ms, c25_now_ms() + 86390 * 1000);
	/* this one was promised for 300 s */
	ck_assert_int_eq(c25_table_by_key(f.t, &b.domain, &b.destination,
	    &b), 0);
	ck_assert_uint_ge(b.lease_end_ms, c25_now_ms() + 290 * 1000);
	ck_assert_uint_le(b.lease_end_ms, c25_now_ms() + 330 * 1000);
}
END_TEST

START_TEST(a_smaller_table_takes_what_it_can)
{
	struct c25_assignment a;
	struct c25_error err = { "" };
	struct c25_usage u;

	for (int i = 0; i < 100; i++)
		reserve(i, &a);
	stop();
	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	ck_assert_int_eq(c25_table_create(f.dir, 64, (gid_t)-1, &f.t, &err),
	    0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	pools("100.64.0.0/16");
	open_store();
	start_keep();
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 64);
	verify();
	/* nobody forgets the others: clients may count on them */
	c25_keep_freed(keep);
	c25_keep_tick(keep, c25_now_ms());
	ck_assert_int_eq(c25_store_flush(store), 0);
	stop();
	lose_table("100.64.0.0/16");
	open_store();
	ck_assert_uint_eq(stored(), 100);
	start_keep();
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 100);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keep");
	TCase *tc = tcase_create("keep");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_lost_table_is_filled_again);
	tcase_add_test(tc, a_role_that_comes_later_finds_its_assignments);
	tcase_add_test(tc, what_the_policy_does_not_have_stays_away);
	tcase_add_test(tc, a_table_that_lives_on_is_the_truth);
	tcase_add_test(tc, what_ends_unnoticed_is_swept);
	tcase_add_test(tc, of_two_of_one_domain_the_later_is_put_back);
	tcase_add_test(tc,
	    one_with_the_contents_of_an_earlier_row_is_the_later);
	tcase_add_test(tc, long_lived_ones_come_before_the_dead);
	tcase_add_loop_test(tc, the_living_come_before_the_dead, 0, 3);
	tcase_add_test(tc, a_new_transit_address_is_nobodys);
	tcase_add_test(tc, an_address_of_no_pool_is_not_kept);
	tcase_add_test(tc, a_lower_max_ttl_shortens_no_promise);
	tcase_add_test(tc, a_smaller_table_takes_what_it_can);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
