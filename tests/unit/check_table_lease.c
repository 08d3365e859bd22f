/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the shared table: leases, what is dropped, and the quarantine in
 * which nobody else gets its addresses. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "table/internal.h"
#include "tests/unit/suite.h"
#include "tests/unit/table_fixture.h"

START_TEST(addresses_go_round)
{
	struct c25_assignment a, b;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!c25_addr_eq(&a.magic, &b.magic));
	ck_assert(!c25_addr_eq(&a.transit, &b.transit));
}
END_TEST

START_TEST(lease_then_quarantine_then_reuse)
{
	struct c25_assignment a;
	uint64_t end;

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	end = a.lease_end_ms;
	ck_assert_uint_ge(end, fake_now_ms + 300000);
	fake_now_ms = end + C25_QUARANTINE_S * 1000;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 0);
	/* renewed in its quarantine it lives on with the same addresses */
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(!a.created);
	pass_ms(2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 0);
	verify();
	fake_now_ms = a.lease_end_ms + C25_QUARANTINE_S * 1000;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 0);
	fake_now_ms += 2 * C25_WHEEL_TICK_MS;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 1);
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), -ENOENT);
	verify();
}
END_TEST

/* The clock of the table says anything at all after a suspend. */
START_TEST(reclaims_after_a_long_sleep)
{
	struct c25_assignment a;
	char domain[32];

	pass_ms(0);
	for (int i = 0; i < 500; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
	}
	pass_ms(1000ull * 24 * 3600 * 1000);
	while (c25_table_reclaim(f.t, 100) > 0)
		;
	verify();
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), -ENOENT);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(a.created);
	verify();
}
END_TEST

START_TEST(dropped_keeps_its_addresses_for_the_quarantine)
{
	struct c25_assignment a, b;
	struct c25_usage u;

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(c25_table_push_state(f.t, a.ref), -ENOENT);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 0);
	ck_assert_uint_eq(u.ended, 1);
	ck_assert_uint_eq(u.pending, 0);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_MAGIC].inuse, 1);
	/* asked for again it is another one */
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(b.created);
	ck_assert(!c25_addr_eq(&a.magic, &b.magic));
	verify();
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	verify();
	ck_assert_int_eq(c25_table_by_ref(f.t, b.ref, &b), 0);
}
END_TEST

START_TEST(ended_but_in_use_keeps_its_addresses)
{
	uint64_t quarantine = C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS;
	struct c25_assignment a;
	struct c25_usage u;

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	/* it lives: c25_table_extend() is for that */
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.magic,
	    fake_now_ms + 1000000), 0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.destination,
	    fake_now_ms + 1000000), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(c25_table_extend_ended(f.t, i % 2 == 0 ?
		    &a.magic : &a.transit, fake_now_ms + 100000), 1);
		/* never shortened */
		ck_assert_int_eq(c25_table_extend_ended(f.t, &a.magic,
		    fake_now_ms), 1);
		verify();
		pass_ms(100000);
		ck_assert_int_eq(c25_table_reclaim(f.t, 64), 0);
		ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), -ENOENT);
	}
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_MAGIC].inuse, 1);
	pass_ms(quarantine);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.magic,
	    fake_now_ms + 100000), 0);
	verify();
}
END_TEST

/* Far more often than a chain may be long. Neither it nor its neighbours in the
 * index come to harm, and it takes no more than some slots and addresses. */
START_TEST(dropped_over_and_over)
{
	struct c25_assignment a, b;
	struct c25_usage u;
	char domain[32];

	pass_ms(0);
	for (int i = 0; i < 400; i++) {
		(void)snprintf(domain, sizeof(domain), "o%d.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &b, NULL),
		    0);
	}
	for (int i = 0; i < 2 * C25_CHAIN_MAX; i++) {
		ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &a,
		    NULL), 0);
		ck_assert(a.created);
		ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), 0);
		ck_assert(c25_name_eq(&a.domain, &b.domain));
		ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	}
	verify();
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 400);
	ck_assert_uint_le(u.ended, 32);
	ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &a, NULL),
	    0);
	for (int i = 0; i < 400; i++) {
		struct c25_name n;
		struct c25_addr d = fx_addr("10.0.0.1");

		(void)snprintf(domain, sizeof(domain), "o%d.example", i);
		n = fx_name(domain);
		ck_assert_int_eq(c25_table_by_key(f.t, &n, &d, &b), 0);
	}
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_gt(c25_table_reclaim(f.t, 1000), 0);
	verify();
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &b), 0);
}
END_TEST

/* Its former addresses are of no pool now: it gets others. */
START_TEST(dropped_over_and_over_before_a_reload)
{
	struct c25_assignment a, b;

	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &a,
		    NULL), 0);
		ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
		if (i % 50 != 49)
			continue;
		f.range_count = 0;
		fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, i % 100 ==
		    49 ? "100.65.0.0/16" : "100.64.0.0/16");
		fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
		    "169.254.64.0/18");
		fx_publish(&f);
	}
	ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &b, NULL),
	    0);
	verify();
}
END_TEST

/* Let somebody else's ended slot have the address of a living one. */
static void
give_away(const struct c25_assignment *living, uint32_t ended, bool magic)
{
	struct c25_slot_d *s = c25_slot(f.t, ended);
	struct c25_addr was = { .family = C25_V4 };
	union c25_content_d c;

	ck_assert_int_eq(c25_lock(f.t), 0);
	ck_assert_uint_ne(c25_slot_read(s, &c), 1);
	ck_assert(c25_unlink(f.t, ended, &c));
	memcpy(was.bytes, magic ? c.live.magic : c.live.transit, 16);
	memcpy(magic ? c.live.magic : c.live.transit, magic ?
	    living->magic.bytes : living->transit.bytes, 16);
	(void)c25_slot_write(s, &c);
	c25_link(f.t, ended, &c);
	c25_pool_give(f.t, &was);
	c25_unlock(f.t);
}

/* An address is somebody's before another one's quarantine is over: verify
 * sees it. It may be the same one's. */
START_TEST(verify_sees_a_broken_quarantine)
{
	struct c25_assignment a, b;
	struct c25_error err = { "" };

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, _i < 2 ? "b.example" : "a.example",
	    _i < 2 ? "10.0.0.1" : "10.0.0.2", &b, NULL), 0);
	ck_assert_int_eq(c25_table_drop(f.t, b.ref), 0);
	verify();
	give_away(&a, b.ref.slot, _i % 2);
	ck_assert_int_eq(c25_table_verify(f.t, &err), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(err.text, "quarantine"));
	pass_ms(C25_QUARANTINE_S * 1000 + 1);
	verify();
}
END_TEST

START_TEST(lease_is_clamped)
{
	struct c25_name n = fx_name("a.example"), m = fx_name("b.example");
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = 0 };
	struct c25_assignment a;

	uint64_t now;

	pass_ms(0);
	now = fake_now_ms;
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_uint_ge(a.lease_end_ms, now + 60 * 1000);
	ck_assert_uint_lt(a.lease_end_ms, now + 90 * 1000);
	w.name = &m;
	w.ttl_s = UINT32_MAX;
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_uint_lt(a.lease_end_ms, now + 72ull * 3600 * 1000 +
	    30000);
	/* a shorter TTL never shortens a lease */
	w.ttl_s = 60;
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_uint_ge(a.lease_end_ms, now + 72ull * 3600 * 1000);
}
END_TEST

START_TEST(full_pool_takes_back_expired)
{
	struct c25_assignment a;

	pass_ms(0);
	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/31");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/31");
	fx_publish(&f);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    0);
	fake_now_ms = a.lease_end_ms;
	ck_assert_int_eq(fx_reserve(&f, "c.example", "10.0.0.1", &a, NULL),
	    -ENOSPC);
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(fx_reserve(&f, "c.example", "10.0.0.1", &a, NULL),
	    0);
	verify();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table_lease");
	TCase *tc = tcase_create("table_lease");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, addresses_go_round);
	tcase_add_test(tc, lease_then_quarantine_then_reuse);
	tcase_add_test(tc, reclaims_after_a_long_sleep);
	tcase_add_test(tc, dropped_keeps_its_addresses_for_the_quarantine);
	tcase_add_test(tc, ended_but_in_use_keeps_its_addresses);
	tcase_add_test(tc, dropped_over_and_over);
	tcase_add_test(tc, dropped_over_and_over_before_a_reload);
	tcase_add_loop_test(tc, verify_sees_a_broken_quarantine, 0, 4);
	tcase_add_test(tc, lease_is_clamped);
	tcase_add_test(tc, full_pool_takes_back_expired);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
