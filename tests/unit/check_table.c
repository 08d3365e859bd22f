/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the shared table: reserving, looking up, its pools, queue and
 * numbers. When an assignment ends is in check_table_lease.c, what becomes of
 * one that gets another connector in _move.c, of those of before in
 * _restore.c; its file is in _attach.c, its lock in _lock.c.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conn25/layout.h"
#include "table/internal.h"
#include "tests/unit/suite.h"
#include "tests/unit/table_fixture.h"

START_TEST(same_key_same_addresses)
{
	struct c25_assignment a, b;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(a.created);
	ck_assert_int_eq(fx_reserve(&f, "A.Example.", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!b.created);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert(c25_addr_eq(&a.transit, &b.transit));
	verify();
}
END_TEST

START_TEST(every_key_its_own_addresses)
{
	struct c25_assignment a, b, c, d;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.2", &c, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "fd00::1", &d, NULL),
	    0);
	ck_assert(!c25_addr_eq(&a.magic, &b.magic));
	ck_assert(!c25_addr_eq(&a.magic, &c.magic));
	ck_assert(!c25_addr_eq(&b.transit, &c.transit));
	ck_assert_uint_eq(d.magic.family, C25_V6);
	ck_assert_uint_eq(d.transit.family, C25_V6);
	verify();
}
END_TEST

START_TEST(found_by_every_index)
{
	struct c25_assignment a, b;
	struct c25_name n = fx_name("a.example"), m = fx_name("b.example");
	struct c25_addr dst = fx_addr("10.0.0.1");

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_by_key(f.t, &n, &dst, &b), 0);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), 0);
	ck_assert(c25_name_eq(&b.domain, &n));
	ck_assert_int_eq(c25_table_by_transit(f.t, &a.transit, &b), 0);
	ck_assert(c25_addr_eq(&b.destination, &dst));
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &b), 0);
	ck_assert_int_eq(c25_table_by_key(f.t, &m, &dst, &b), -ENOENT);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.transit, &b), -ENOENT);
	ck_assert_int_eq(c25_table_by_transit(f.t, &a.magic, &b), -ENOENT);
}
END_TEST

/* Names of every length that a slot stores differently. */
static const size_t lengths[] = { 3, 79, 80, 81, 82, 215, 216, 217, 218,
	254, 255 };

START_TEST(names_of_any_length)
{
	struct c25_name n = { 0 };
	struct c25_assignment a, b;
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = 60 };
	size_t want = lengths[_i] - 1, at = 0;

	while (at < want) {		/* labels, then the root */
		size_t label = want - at - 1 < 63 ? want - at - 1 : 63;

		if (want - at - 1 == 64)
			label = 62;
		n.wire[at] = (uint8_t)label;
		memset(n.wire + at + 1, 'x', label);
		at += label + 1;
	}
	n.len = (uint16_t)(at + 1);
	ck_assert_uint_eq(n.len, lengths[_i]);
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), 0);
	ck_assert(c25_name_eq(&b.domain, &n));
	verify();
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), -ENOENT);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), -ENOENT);
	verify();
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	verify();
	ck_assert_uint_eq(atomic_load(&f.t->h->free_count),
	    atomic_load(&f.t->h->watermark));
}
END_TEST

/* Small pools, and what runs out first. */
static const struct {
	const char *magic, *transit;
	unsigned room;
	int full;
} full_rows[] = {
	{ "100.64.0.0/30", "169.254.64.0/18", 4, C25_POOL_V4_MAGIC },
	{ "100.64.0.0/16", "169.254.64.0-169.254.64.2", 3,
	    C25_POOL_V4_TRANSIT },
	{ "100.64.0.9/32", "169.254.64.0/24", 1, C25_POOL_V4_MAGIC },
	{ "100.64.0.0/16", "169.254.64.0/18", 1024, C25_POOL_KINDS },
};

START_TEST(exhausted_pools_leak_nothing)
{
	struct c25_assignment a, first;
	struct c25_usage u;
	char domain[32];
	int full = -1;

	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE,
	    full_rows[_i].magic);
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    full_rows[_i].transit);
	fx_publish(&f);
	for (unsigned i = 0; i < full_rows[_i].room; i++) {
		(void)snprintf(domain, sizeof(domain), "n%u.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
		if (i == 0)
			first = a;
	}
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(fx_reserve(&f, "one.too.many.example",
		    "10.0.0.1", &a, &full), -ENOSPC);
		ck_assert_int_eq(full, full_rows[_i].full);
	}
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, full_rows[_i].room);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_MAGIC].inuse,
	    full_rows[_i].room);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_TRANSIT].inuse,
	    full_rows[_i].room);
	verify();
	ck_assert_int_eq(c25_table_drop(f.t, first.ref), 0);
	ck_assert_int_eq(fx_reserve(&f, "now.example", "10.0.0.1", &a,
	    NULL), -ENOSPC);
	verify();
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(fx_reserve(&f, "now.example", "10.0.0.1", &a,
	    NULL), 0);
	ck_assert(c25_addr_eq(&a.magic, &first.magic) ||
	    full_rows[_i].full != C25_POOL_V4_MAGIC);
	verify();
}
END_TEST

START_TEST(no_pool_of_the_family)
{
	struct c25_assignment a;

	f.range_count = 2;
	fx_publish(&f);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "fd00::1", &a, NULL),
	    -EAFNOSUPPORT);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	verify();
}
END_TEST

START_TEST(connector_with_its_own_transit_pool)
{
	struct c25_assignment a;
	struct c25_addr own = fx_addr("169.254.65.0");

	fx_pool(&f, C25_POOL_V4_TRANSIT, 0, "169.254.65.0/24");
	fx_publish(&f);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(c25_addr_eq(&a.transit, &own));
	ck_assert_uint_eq(a.connector, 0);
	verify();
}
END_TEST

START_TEST(pool_change_keeps_living_assignments)
{
	struct c25_assignment a, b, c;
	struct c25_range now;

	ck_assert_int_eq(c25_range_parse(&now, "10.99.0.0/24", 12), 0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "10.99.0.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/18");
	fx_publish(&f);
	verify();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!b.created);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &c, NULL),
	    0);
	ck_assert(c25_range_contains(&now, &c.magic));
	ck_assert(!c25_addr_eq(&c.transit, &a.transit));
	ck_assert_int_eq(c25_table_drop(f.t, b.ref), 0);
	verify();
}
END_TEST

static size_t
formers(void)
{
	struct c25_spec_range r;
	size_t n = 0;

	while (c25_policy_former_at(f.p, n, &r))
		n++;
	return n;
}

/* Pools change again and again; who comes and knows only the last policy finds
 * what lives in any of them, and those in which nothing does are forgotten. */
START_TEST(pools_of_before_are_known_while_used)
{
	static const char *const pools[] = { "10.97.0.0/24", "10.98.0.0/24",
	    "10.99.0.0/24", "10.99.0.0/25" };
	struct c25_assignment first, a;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &first,
	    NULL), 0);
	for (int i = 0; i < 4; i++) {
		f.range_count = 0;
		fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, pools[i]);
		fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
		    "169.254.64.0/18");
		fx_publish(&f);
		ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a,
		    NULL), 0);
		ck_assert(!a.created && c25_addr_eq(&a.magic, &first.magic));
		/* the one of before and the one that is in use; or all of
		 * the beginning but for the transit pool that stays */
		ck_assert_uint_eq(formers(), i == 0 ? 3 : 2);
		fx_publish(&f);
		ck_assert_uint_eq(formers(), 1);
	}
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	fx_publish(&f);
	ck_assert_uint_eq(formers(), 0);
	verify();
}
END_TEST

/* Transit pools, too; and whatever has become of the file of before. */
START_TEST(transit_pools_of_before_are_known_while_used)
{
	static const char *const pools[] = { "169.254.0.0/24",
	    "169.254.1.0/24", "169.254.1.0/25" };
	struct c25_assignment a, b;
	char path[128];

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	for (int i = 0; i < 3; i++) {
		f.range_count = 0;
		fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE,
		    "100.64.0.0/16");
		fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
		    pools[i]);
		fx_publish(&f);
		(void)snprintf(path, sizeof(path), "%s/policy.%llu", f.dir,
		    (unsigned long long)c25_table_generation(f.t));
		ck_assert_int_eq(unlink(path), 0);
		fx_publish(&f);
		ck_assert_uint_eq(formers(), 1);
		ck_assert(!c25_policy_in_transit(f.p, &a.transit));
		ck_assert(c25_policy_allows_transit(f.p, &a.transit));
		ck_assert(!c25_policy_allows_magic(f.p, &a.transit));
		ck_assert(c25_table_admits(f.t, &a));
	}
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!b.created && c25_addr_eq(&a.transit, &b.transit));
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	fx_publish(&f);
	ck_assert_uint_eq(formers(), 0);
	ck_assert(!c25_policy_allows_transit(f.p, &a.transit));
	verify();
}
END_TEST

START_TEST(an_old_policy_is_stale)
{
	struct c25_policy *old = c25_policy_ref(f.p);
	struct c25_name n = fx_name("a.example");
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = 60 };
	struct c25_assignment a;

	fx_publish(&f);
	ck_assert_int_eq(c25_table_reserve(f.t, old, &w, &a, NULL), -ESTALE);
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	c25_policy_unref(old);
}
END_TEST

START_TEST(queue_and_push_state)
{
	struct c25_table *daemon;
	struct c25_assignment a, b;
	struct c25_error err;
	struct c25_usage u;
	struct c25_ref ref;

	ck_assert_int_eq(c25_table_attach(f.dir, &daemon, &err), 0);
	ck_assert_int_eq(c25_table_take(daemon, &ref), 0);
	ck_assert(c25_table_sleep(daemon));
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(c25_table_must_ring(f.t));
	ck_assert(!c25_table_must_ring(f.t));
	ck_assert(!c25_table_sleep(daemon));
	ck_assert_int_eq(c25_table_take(daemon, &ref), 1);
	ck_assert_uint_eq(ref.slot, a.ref.slot);
	ck_assert_uint_eq(ref.seq, a.ref.seq);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.pending, 1);
	ck_assert_int_eq(c25_table_set_push(daemon, ref, C25_PUSH_READY), 0);
	ck_assert_int_eq(c25_table_by_ref(f.t, ref, &b), 0);
	ck_assert_uint_eq(b.push, C25_PUSH_READY);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.pending, 0);
	ck_assert_int_eq(c25_table_drop(f.t, ref), 0);
	ck_assert_int_eq(c25_table_set_push(daemon, ref, C25_PUSH_PENDING),
	    -ENOENT);
	c25_table_detach(daemon);
}
END_TEST

START_TEST(overrun_ring_says_so_once)
{
	struct c25_table *daemon;
	struct c25_assignment a;
	struct c25_error err;
	struct c25_ref ref;

	ck_assert_int_eq(c25_table_attach(f.dir, &daemon, &err), 0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	for (unsigned i = 0; i < C25_RING_SIZE; i++)
		c25_enqueue(f.t, a.ref.slot, a.ref.seq);
	ck_assert_int_eq(c25_table_take(daemon, &ref), -EOVERFLOW);
	ck_assert_int_eq(c25_table_take(daemon, &ref), 0);
	c25_table_detach(daemon);
}
END_TEST

START_TEST(registry_is_stable)
{
	char name[16];

	ck_assert_int_eq(c25_table_connector_reg(f.t, "x"), 1);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "x"), 1);
	ck_assert_int_eq(c25_table_connector_reg(f.t, ""), -EINVAL);
	for (int i = 2; i < C25_CONNECTORS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		ck_assert_int_eq(c25_table_connector_reg(f.t, name), i);
	}
	ck_assert_int_eq(c25_table_connector_reg(f.t, "y"), -ENOSPC);
}
END_TEST

START_TEST(stats_add_up)
{
	c25_table_count(f.t, 0, C25_STAT_QUERIES, 2);
	c25_table_count(f.t, 1, C25_STAT_QUERIES, 3);
	c25_table_count(f.t, 1 + C25_WORKERS_MAX, C25_STAT_QUERIES, 4);
	ck_assert_uint_eq(c25_table_stat(f.t, C25_STAT_QUERIES), 9);
	ck_assert_uint_eq(c25_table_stat(f.t, C25_STAT_MATCHED), 0);
	for (int i = 0; i < C25_STAT_COUNT; i++)
		ck_assert_ptr_nonnull(c25_stat_name(i));
	ck_assert_ptr_null(c25_stat_name(C25_STAT_COUNT));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table");
	TCase *tc = tcase_create("table");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, same_key_same_addresses);
	tcase_add_test(tc, every_key_its_own_addresses);
	tcase_add_test(tc, found_by_every_index);
	ADD_ROWS(tc, names_of_any_length, lengths);
	ADD_ROWS(tc, exhausted_pools_leak_nothing, full_rows);
	tcase_add_test(tc, no_pool_of_the_family);
	tcase_add_test(tc, connector_with_its_own_transit_pool);
	tcase_add_test(tc, pool_change_keeps_living_assignments);
	tcase_add_test(tc, pools_of_before_are_known_while_used);
	tcase_add_test(tc, transit_pools_of_before_are_known_while_used);
	tcase_add_test(tc, an_old_policy_is_stale);
	tcase_add_test(tc, queue_and_push_state);
	tcase_add_test(tc, overrun_ring_says_so_once);
	tcase_add_test(tc, registry_is_stable);
	tcase_add_test(tc, stats_add_up);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
