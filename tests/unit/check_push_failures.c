/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the client role's state machine: all that a connector can do that is
 * no answer, and asking it how it is. */

#include "tests/unit/push_world.h"

static const struct {
	int status;
	unsigned says_s, waits_s;	/* 0: as after any failure */
} retry_rows[] = {
	{ 429, 3, 3 }, { 503, 3, 3 }, { 429, 1000000, 30 }, { 503, 30, 30 },
	{ 503, 0, 0 }, { 500, 3, 0 }, { 400, 3, 0 },
};

START_TEST(asked_to_come_later)
{
	uint64_t start, waits_ms = retry_rows[_i].waits_s * 1000;

	configure(1, CONNECTORS, 1);
	settle();
	reserve(0, "wiki.example", OFFICE);
	work();
	start = now;
	must(conn[OFFICE].busy);
	conn[OFFICE].busy = false;
	c25_push_done(q, OFFICE, &(struct c25_push_answer){
		.status = retry_rows[_i].status, .error = "", .body = "later",
		.body_len = 5, .epoch = "e",
		.retry_after_s = retry_rows[_i].says_s }, now);
	until_asked(OFFICE);
	ck_assert_uint_ge(now - start, waits_ms);
	ck_assert_uint_le(now - start, waits_ms + 1000);
	codes(OFFICE, "0", "e");
	settle();
	ck_assert_int_eq(state(0), C25_PUSH_READY);
}
END_TEST

/* Everything a connector can do that isn't an answer. */
static const struct {
	int status;
	const char *body;	/* or the error */
} failure_rows[] = {
	{ 0, "connection refused" },
	{ 0, "no answer in time" },
	{ 500, "oops\n" },
	{ 503, "" },
	{ 403, "unknown peer\n" },
	{ 404, "<html>\001\377" },
	{ 405, "" },
	{ 204, "" },
	{ 302, "" },
	{ 200, "" },
	{ 200, "<html>" },
	{ 200, "{}" },
	{ 200, "{\"transitIPs\":[{}]}" },
	{ 200, "{\"transitIPs\":[{},{},{},{}]}" },
	{ 200, "{\"transitIPs\":[{},{\"code\":9},{}]}" },
	{ 200, "{\"transitIPs\":[{},7,{}]}" },
};

START_TEST(failures_lose_nothing)
{
	/* who is late may be so because of the three */
	bool late = strcmp(failure_rows[_i].body, "no answer in time") == 0;
	uint32_t again = late ? 1 : 3;
	uint64_t start;

	configure(1, CONNECTORS, 1);	/* wiki is office's alone */
	settle();
	from_now();
	start = now;
	for (uint32_t i = 0; i < 3; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	for (int n = 0; n < 20; n++) {
		answer(OFFICE, failure_rows[_i].status, failure_rows[_i].body,
		    "e");
		ck_assert(conn[OFFICE].down);
		ck_assert(!info(OFFICE).healthy);
		ck_assert_str_ne(info(OFFICE).last_error, "");
		ck_assert_uint_eq(info(OFFICE).queued, 3);
		ck_assert(!conn[OFFICE].busy);
		until_asked(OFFICE);
		ck_assert_uint_eq(conn[OFFICE].request.count, again);
		/* in the order they came */
		for (uint32_t i = 0; i < again; i++)
			ck_assert_uint_eq(conn[OFFICE].request.entries[i].
			    transit.bytes[3], i);
	}
	/* 100 200 and then 400 ms until it counts as dead, after that up to
	 * 5000, each -+ 25 % */
	ck_assert_uint_ge(now - start, 3000 + 8 * 5000 * 3 / 4);
	ck_assert_uint_le(now - start, 4000 + 15 * 5000 * 5 / 4);
	codes(OFFICE, "0", "e");
	ck_assert(!conn[OFFICE].down);
	settle();
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	ck_assert_uint_eq(counted().failed, 3 + 19 * again);
	ck_assert_uint_eq(counted().retried, 3 + 19 * again);
	ck_assert_uint_eq(counted().acked, 3);
}
END_TEST

START_TEST(a_post_that_cannot_start_is_a_failure)
{
	reserve(0, "wiki.example", OFFICE);
	post_error = -ENOTCONN;
	work();
	ck_assert(conn[OFFICE].down);
	ck_assert_uint_eq(changed, 1);	/* nobody need wait for it */
	post_error = 0;
	until_asked(OFFICE);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
}
END_TEST

START_TEST(one_bad_entry_does_not_stop_the_others)
{
	unsigned ready = 0;

	for (uint32_t i = 0; i < 400; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	while (conn[OFFICE].busy) {
		ck_assert_uint_lt(conn[OFFICE].posts, 90);
		if (strstr(conn[OFFICE].body, "\"10.0.0.77\"") != NULL)
			answer(OFFICE, 400, "bad\n", "");
		else
			codes(OFFICE, "0", "e");
	}
	for (uint32_t i = 0; i < 400; i++)
		ready += state(i) == C25_PUSH_READY;
	ck_assert_uint_eq(ready, 399);
	ck_assert(!conn[OFFICE].down);
	until_asked(OFFICE);
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(77), C25_PUSH_READY);
}
END_TEST

START_TEST(always_400_is_a_failure)
{
	for (uint32_t i = 0; i < 50; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	while (conn[OFFICE].busy) {
		ck_assert_uint_lt(conn[OFFICE].posts, 60);
		answer(OFFICE, 400, "no\n", "");
	}
	ck_assert(conn[OFFICE].down);
	ck_assert_uint_eq(info(OFFICE).queued, 50);
	for (int i = 0; i < 1000 && info(OFFICE).queued != 0; i++) {
		advance();
		settle();
	}
	for (uint32_t i = 0; i < 50; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
}
END_TEST

START_TEST(idle_ones_are_asked_how_they_are)
{
	uint64_t start;
	unsigned n;

	reserve(0, "wiki.example", OFFICE);
	pass(12000);			/* the refresh is past it */
	start = now;
	from_now();
	n = conn[OFFICE].posts;
	while (now < start + 60000) {
		advance();
		if (conn[OFFICE].posts != n)
			ck_assert_str_eq(conn[OFFICE].body, "{}");
		settle();
	}
	ck_assert_uint_ge(conn[OFFICE].posts - n, 60 * 4 / 5 - 1);
	ck_assert_uint_le(conn[OFFICE].posts - n, 60 * 4 / 3 + 1);
	ck_assert_uint_eq(counted().probes, counted().requests);
}
END_TEST

START_TEST(down_and_idle_is_asked_too)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	answer(OFFICE, 0, "refused", "");
	table[0].used = false;
	while (!conn[OFFICE].busy)
		advance();
	ck_assert_str_eq(conn[OFFICE].body, "{}");
	answer(OFFICE, 0, "refused", "");
	while (!conn[OFFICE].busy)
		advance();
	answer(OFFICE, 200, "{}", "e");
	ck_assert(!conn[OFFICE].down);
	ck_assert(info(OFFICE).healthy);
	ck_assert(!conn[OFFICE].busy);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push_failures");
	TCase *tc = tcase_create("push_failures");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, asked_to_come_later, retry_rows);
	ADD_ROWS(tc, failures_lose_nothing, failure_rows);
	tcase_add_test(tc, a_post_that_cannot_start_is_a_failure);
	tcase_add_test(tc, one_bad_entry_does_not_stop_the_others);
	tcase_add_test(tc, always_400_is_a_failure);
	tcase_add_test(tc, idle_ones_are_asked_how_they_are);
	tcase_add_test(tc, down_and_idle_is_asked_too);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
