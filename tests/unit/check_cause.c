/* SPDX-License-Identifier: BSD-3-Clause */
/* Which causes of refusals the log is to have, and when. */

#include "sidecar/cause.h"
#include "tests/unit/suite.h"

static struct c25_cause causes[C25_CAUSES];
static uint64_t count;

static void
setup(void)
{
	memset(causes, 0, sizeof(causes));
}

static enum c25_cause_verdict
seen(const char *name, uint8_t code, uint8_t more, uint64_t now_ms)
{
	return c25_cause_seen(causes, c25_cause_key(name, code, more), now_ms,
		&count);
}

START_TEST(a_cause_is_told_once_in_a_while)
{
	ck_assert_int_eq(seen("wiki", 1, 0, 1000), C25_CAUSE_DUE);
	ck_assert_uint_eq(count, 1);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(seen("wiki", 1, 0, 2000), C25_CAUSE_TOLD);
	ck_assert_int_eq(seen("wiki", 1, 0, 999 + C25_CAUSE_MS),
		C25_CAUSE_TOLD);
	ck_assert_int_eq(seen("wiki", 1, 0, 1000 + C25_CAUSE_MS),
		C25_CAUSE_DUE);
	ck_assert_uint_eq(count, 1002);
	ck_assert_int_eq(seen("wiki", 1, 0, 1001 + C25_CAUSE_MS),
		C25_CAUSE_TOLD);
}
END_TEST

START_TEST(another_name_or_code_is_another_cause)
{
	ck_assert_int_eq(seen("w", 1, 0, 1), C25_CAUSE_DUE);
	ck_assert_int_eq(seen("w", 2, 0, 1), C25_CAUSE_DUE);
	ck_assert_int_eq(seen("w", 1, 1, 1), C25_CAUSE_DUE);
	ck_assert_int_eq(seen("v", 1, 0, 1), C25_CAUSE_DUE);
	ck_assert_int_eq(seen("w", 1, 0, 2), C25_CAUSE_TOLD);
}
END_TEST

/* More causes than there is room for, for ever: bounded, and none is kept
 * back for ever. */
START_TEST(many_causes_are_bounded)
{
	unsigned told[3 * C25_CAUSES] = { 0 }, all = 0;

	/* a day, in tens of seconds */
	for (uint64_t t = 1000; t < 1000 + 86400000; t += 10000)
		for (uint8_t i = 0; i < 3 * C25_CAUSES; i++)
			if (seen("wiki", 6, i, t) == C25_CAUSE_DUE) {
				told[i]++;
				all++;
			}
	ck_assert_uint_le(all, 144 * C25_CAUSES);
	ck_assert_uint_ge(all, 100 * C25_CAUSES);
	for (unsigned i = 0; i < 3 * C25_CAUSES; i++)
		ck_assert_uint_ge(told[i], 1);
}
END_TEST

/* Each of another name, for an hour: what is beyond the bound is told of
 * together, and who comes when they are gone is heard before long. */
START_TEST(a_crowd_fills_no_log)
{
	struct c25_cause more = { 0 };
	uint64_t after = 1000 + 3600000 + C25_CAUSE_MS;
	unsigned lines = 0, many = 0, tries = 0;
	char name[16];

	for (unsigned i = 0; i < 36000; i++) {
		uint64_t now = 1000 + 100 * i;

		(void)snprintf(name, sizeof(name), "%u", i);
		switch (seen(name, 0, 0, now)) {
		case C25_CAUSE_DUE:
			lines++;
			break;
		case C25_CAUSE_CROWDED:
			many += c25_cause_due(&more, now, &count);
			break;
		case C25_CAUSE_TOLD:
			ck_abort();
		}
	}
	ck_assert_uint_le(lines, 6 * C25_CAUSES);
	ck_assert_uint_ge(lines, 5 * C25_CAUSES);
	ck_assert_uint_eq(many, 6);
	ck_assert_uint_ge(count, 5900);
	while (seen("late", 0, 0, after + tries) != C25_CAUSE_DUE)
		ck_assert_uint_le(++tries, 100);
}
END_TEST

START_TEST(a_clock_set_back_keeps_nothing_secret)
{
	ck_assert_int_eq(seen("w", 1, 0, 1000000), C25_CAUSE_DUE);
	ck_assert_int_eq(seen("w", 1, 0, 1000), C25_CAUSE_DUE);
	ck_assert_int_eq(seen("w", 1, 0, 1001), C25_CAUSE_TOLD);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cause");
	TCase *tc = tcase_create("cause");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_cause_is_told_once_in_a_while);
	tcase_add_test(tc, another_name_or_code_is_another_cause);
	tcase_add_test(tc, many_causes_are_bounded);
	tcase_add_test(tc, a_crowd_fills_no_log);
	tcase_add_test(tc, a_clock_set_back_keeps_nothing_secret);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
