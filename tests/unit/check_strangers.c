/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what is told of addresses that are no peer's. */

#include "sidecar/strangers.h"
#include "tests/unit/suite.h"

static struct c25_strangers s;
static uint64_t count;

static void
setup(void)
{
	memset(&s, 0, sizeof(s));
}

static enum c25_stranger_verdict
seen(unsigned address, uint64_t now_ms)
{
	struct c25_addr a = c25_addr_v4((uint8_t[]){ 10,
		(uint8_t)(address >> 16), (uint8_t)(address >> 8),
		(uint8_t)address });

	return c25_strangers_seen(&s, &a, now_ms, &count);
}

START_TEST(an_address_is_told_of_once_in_a_while)
{
	ck_assert_int_eq(seen(1, 1000), C25_STRANGER_NEW);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(seen(2, 1000), C25_STRANGER_NEW);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(seen(1, 2000), C25_STRANGER_TOLD);
	ck_assert_int_eq(seen(1, 999 + C25_STRANGERS_MS), C25_STRANGER_TOLD);
	ck_assert_int_eq(seen(1, 1000 + C25_STRANGERS_MS), C25_STRANGER_NEW);
	ck_assert_uint_eq(count, 1002);
	ck_assert_int_eq(seen(1, 1001 + C25_STRANGERS_MS), C25_STRANGER_TOLD);
}
END_TEST

/* Another family is another address, whatever its bytes. */
START_TEST(families_are_told_apart)
{
	static const uint8_t bytes[16] = { 10, 0, 0, 1 };
	struct c25_addr v4 = c25_addr_v4(bytes), v6 = c25_addr_v6(bytes);

	ck_assert_int_eq(c25_strangers_seen(&s, &v4, 1, &count),
		C25_STRANGER_NEW);
	ck_assert_int_eq(c25_strangers_seen(&s, &v6, 1, &count),
		C25_STRANGER_NEW);
	ck_assert_int_eq(c25_strangers_seen(&s, &v6, 1, &count),
		C25_STRANGER_TOLD);
}
END_TEST

/* Each request from an address of its own, for an hour. */
START_TEST(a_crowd_fills_no_log)
{
	unsigned lines = 0, many = 0;
	uint64_t all = 0;

	for (unsigned i = 0; i < 36000; i++) {
		enum c25_stranger_verdict v = seen(i, 1000 + 100 * i);

		lines += v != C25_STRANGER_TOLD;
		many += v == C25_STRANGER_MANY;
		if (v != C25_STRANGER_TOLD)
			all += count;
	}
	ck_assert_uint_le(lines, 6 * (C25_STRANGERS_MAX + 1));
	ck_assert_uint_eq(many, 6);
	/* all but those since the last line are in some line's count */
	ck_assert_uint_ge(all, 36000 - 6100);
	ck_assert_uint_le(all, 36000);
	/* who asks when the crowd is gone is told of */
	ck_assert_int_eq(seen(99999999, 1000 + 3600000 + C25_STRANGERS_MS),
		C25_STRANGER_NEW);
}
END_TEST

START_TEST(a_clock_set_back_keeps_nothing_secret)
{
	ck_assert_int_eq(seen(1, 1000000), C25_STRANGER_NEW);
	ck_assert_int_eq(seen(1, 1000), C25_STRANGER_NEW);
	ck_assert_int_eq(seen(1, 1001), C25_STRANGER_TOLD);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("strangers");
	TCase *tc = tcase_create("strangers");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, an_address_is_told_of_once_in_a_while);
	tcase_add_test(tc, families_are_told_apart);
	tcase_add_test(tc, a_crowd_fills_no_log);
	tcase_add_test(tc, a_clock_set_back_keeps_nothing_secret);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
