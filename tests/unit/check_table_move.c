/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the shared table: an assignment gets another connector. */

#include <errno.h>
#include <stdio.h>

#include "tests/unit/suite.h"
#include "tests/unit/table_fixture.h"

START_TEST(moved_to_another_connector)
{
	struct c25_addr want = fx_addr("169.254.66.0");
	struct c25_assignment a, b, c;
	struct c25_ref ref;
	struct c25_usage u;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	while (c25_table_take(f.t, &ref) != 0)
		;
	ck_assert_int_eq(c25_table_set_push(f.t, a.ref, C25_PUSH_READY), 0);
	ck_assert_int_eq(c25_table_extend(f.t, a.ref, fake_now_ms + 1000000),
	    0);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &b), 0);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert(c25_addr_eq(&b.transit, &want));
	ck_assert_uint_eq(b.connector, 1);
	ck_assert_uint_eq(b.push, C25_PUSH_PENDING);
	ck_assert_uint_ge(b.lease_end_ms, fake_now_ms + 1000000);
	ck_assert_int_eq(c25_table_take(f.t, &ref), 1);
	ck_assert_uint_eq(ref.slot, b.ref.slot);
	verify();
	/* the old version is gone, its transit address is in quarantine */
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &c), -ENOENT);
	ck_assert_int_eq(c25_table_by_transit(f.t, &a.transit, &c), -ENOENT);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &c), 0);
	ck_assert(c25_addr_eq(&c.transit, &b.transit));
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 0, &c), -ENOENT);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 1);
	ck_assert_uint_eq(u.ended, 1);
	/* a flow by the old transit address keeps that, and nothing else */
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.transit,
	    fake_now_ms + 2000000), 1);
	ck_assert_int_eq(c25_table_extend_ended(f.t, &b.transit,
	    fake_now_ms + 2000000), 0);
	verify();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &c, NULL),
	    0);
	ck_assert(!c.created);
	/* the end of the old version takes nothing from the new one */
	ck_assert_int_eq(c25_table_extend(f.t, c.ref, fake_now_ms +
	    100000000), 0);
	pass_ms(90000000);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	verify();
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &c), 0);
}
END_TEST

START_TEST(moved_within_one_pool_keeps_its_transit_address)
{
	struct c25_assignment a, b, c;
	struct c25_usage u;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 2, &b), 0);
	ck_assert(!c25_addr_eq(&a.transit, &b.transit));
	ck_assert_int_eq(c25_table_move(f.t, b.ref, 3, &c), 0);
	ck_assert(c25_addr_eq(&b.transit, &c.transit));
	verify();
	/* the version in between has left nothing behind */
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.ended, 1);
	ck_assert_int_eq(c25_table_by_ref(f.t, b.ref, &a), -ENOENT);
	ck_assert_int_eq(c25_table_drop(f.t, c.ref), 0);
	verify();
	pass_ms(400000000);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 2);
	verify();
}
END_TEST

static uint64_t
transits_in_use(void)
{
	struct c25_usage u;

	c25_table_usage(f.t, &u);
	return u.pool[C25_POOL_V4_TRANSIT].inuse;
}

START_TEST(moved_back_and_forth_takes_one_address_of_each_pool)
{
	struct c25_addr transit[3];
	struct c25_assignment a, b;
	struct c25_usage u;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	for (int i = 0; i < 30; i++) {
		uint16_t from = (uint16_t)(i % 3), to = (uint16_t)((i + 1) % 3);

		if (i < 3)
			transit[from] = a.transit;
		ck_assert_uint_eq(a.connector, from);
		ck_assert(c25_addr_eq(&a.transit, &transit[from]));
		pass_ms(1000);
		ck_assert_int_eq(c25_table_move(f.t, a.ref, to, &b), 0);
		ck_assert(c25_addr_eq(&a.magic, &b.magic));
		ck_assert_uint_eq(b.push, C25_PUSH_PENDING);
		verify();
		a = b;
	}
	ck_assert_uint_eq(transits_in_use(), 3);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.ended, 2);
	ck_assert_uint_eq(u.assignments, 1);
	/* what it left is free again after lease and quarantine, and is not
	 * its any more */
	ck_assert_int_eq(c25_table_extend(f.t, a.ref, fake_now_ms +
	    100000000), 0);
	pass_ms(90000000);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 2);
	ck_assert_uint_eq(transits_in_use(), 1);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &b), 0);
	ck_assert(!c25_addr_eq(&b.transit, &transit[1]));
	verify();
}
END_TEST

/* What a client was told before a drop is not what it is told after it. */
START_TEST(moved_back_takes_nothing_of_one_that_was_dropped)
{
	struct c25_assignment a, b, c;
	struct c25_addr magic;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	magic = a.magic;
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!c25_addr_eq(&b.magic, &magic));
	ck_assert_int_eq(c25_table_move(f.t, b.ref, 1, &c), 0);
	ck_assert_int_eq(c25_table_move(f.t, c.ref, 0, &c), 0);
	ck_assert(c25_addr_eq(&c.transit, &b.transit));
	ck_assert(!c25_addr_eq(&c.transit, &a.transit));
	verify();
}
END_TEST

START_TEST(moving_in_a_full_table)
{
	struct c25_assignment a[1024], b;
	char name[32];
	uint32_t n = 0;

	pass_ms(0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c1"), 1);
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "169.254.66.0/24");
	fx_publish(&f);
	ck_assert_uint_eq(c25_table_capacity(f.t), 1024);
	for (; n < c25_table_capacity(f.t); n++) {
		(void)snprintf(name, sizeof(name), "n%u.example", n);
		ck_assert_int_eq(fx_reserve(&f, name, "10.0.0.1", &a[n],
		    NULL), 0);
	}
	ck_assert_int_eq(c25_table_move(f.t, a[0].ref, 1, &b), -ENOSPC);
	ck_assert_int_eq(c25_table_by_ref(f.t, a[0].ref, &b), 0);
	ck_assert_uint_eq(transits_in_use(), n);
	verify();
	/* room, as soon as one is over, if nobody has taken it back yet */
	ck_assert_int_eq(c25_table_extend(f.t, a[0].ref, fake_now_ms +
	    100000000), 0);
	pass_ms(600000);
	ck_assert_int_eq(c25_table_move(f.t, a[0].ref, 1, &b), 0);
	verify();
}
END_TEST

/* Who remembers an assignment by its version may go by that alone. */
START_TEST(extended_is_one_version_only)
{
	struct c25_assignment a, b, c;
	struct c25_ref none[] = { { UINT32_MAX, 2 }, { UINT32_MAX - 1, 0 },
	    { 0, 0 }, { 0, 0 }, { 0, 0 } };

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_extend(f.t, a.ref, fake_now_ms + 3600000),
	    0);
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), 0);
	ck_assert_uint_ge(a.lease_end_ms, fake_now_ms + 3600000);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &b), 0);
	none[2] = a.ref;
	none[3] = (struct c25_ref){ b.ref.slot, b.ref.seq + 1 };
	none[4] = (struct c25_ref){ b.ref.slot + 1, 0 };
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(c25_table_extend(f.t, none[i], fake_now_ms +
		    7200000), -ENOENT);
	ck_assert_int_eq(c25_table_extend(f.t, b.ref, fake_now_ms + 3600000),
	    0);
	ck_assert_int_eq(c25_table_drop(f.t, b.ref), 0);
	ck_assert_int_eq(c25_table_extend(f.t, b.ref, fake_now_ms + 3600000),
	    -ENOENT);
	pass_ms(90000000);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 2);
	/* the slot is another's now */
	for (int i = 0; i < 2; i++) {
		char name[] = "0.example";

		name[0] = (char)('0' + i);
		ck_assert_int_eq(fx_reserve(&f, name, "10.0.0.1", &c, NULL),
		    0);
	}
	ck_assert_int_eq(c25_table_extend(f.t, a.ref, fake_now_ms + 7200000),
	    -ENOENT);
	ck_assert_int_eq(c25_table_extend(f.t, b.ref, fake_now_ms + 7200000),
	    -ENOENT);
	verify();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table_move");
	TCase *tc = tcase_create("table_move");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, moved_to_another_connector);
	tcase_add_test(tc, moved_within_one_pool_keeps_its_transit_address);
	tcase_add_test(tc, moved_back_and_forth_takes_one_address_of_each_pool);
	tcase_add_test(tc, moved_back_takes_nothing_of_one_that_was_dropped);
	tcase_add_test(tc, moving_in_a_full_table);
	tcase_add_test(tc, extended_is_one_version_only);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
