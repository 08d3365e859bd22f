/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the client role's state machine: how many go at once, and the batch
 * that is made while another one is on the way. */

#include "tests/unit/push_world.h"

START_TEST(the_rest_goes_in_batches)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	for (uint32_t i = 1; i <= 500; i++)
		reserve(i, "wiki.example", OFFICE);
	reserve(700, "own.example", OWNER);
	work();
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	ck_assert_uint_eq(conn[OWNER].request.count, 1);
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 256);
	ck_assert_uint_eq(info(OFFICE).queued, 500);
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 244);
	codes(OFFICE, "0", "e");
	ck_assert(!conn[OFFICE].busy);
	ck_assert_uint_eq(counted().acked, 501);
	ck_assert_uint_eq(changed, 3);
}
END_TEST

/* One is on the way, and the next batch is made. */
static void
make_next(void)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	for (uint32_t i = 1; i <= 300; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	ck_assert_uint_eq(info(OFFICE).queued, 301);
}

START_TEST(the_next_batch_leaves_before_the_answer_is_looked_at)
{
	make_next();
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 256);
	ck_assert_int_eq(pending_at_post, 301);
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	settle();
	ck_assert_uint_eq(counted().acked, 301);
}
END_TEST

/* What was answered before that is answered all the same. */
START_TEST(the_next_batch_cannot_leave)
{
	make_next();
	post_error = -ENOMEM;
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_uint_eq(counted().acked, 1);
	ck_assert_uint_eq(counted().failed, 256);
	ck_assert_uint_eq(info(OFFICE).queued, 300);
	ck_assert(conn[OFFICE].down);
	post_error = 0;
	settle();
	until_asked(OFFICE);
	settle();
	ck_assert_uint_eq(counted().acked, 301);
}
END_TEST

START_TEST(a_batch_that_is_made_goes_back_in_order)
{
	make_next();
	answer(OFFICE, 0, "reset", "");
	ck_assert_uint_eq(info(OFFICE).queued, 301);
	ck_assert_uint_eq(counted().failed, 1);
	until_asked(OFFICE);
	ck_assert_uint_eq(conn[OFFICE].request.count, 256);
	for (unsigned i = 0; i < 256; i++)
		ck_assert_uint_eq(conn[OFFICE].request.entries[i].
		    destination.bytes[3], i);
	settle();
	ck_assert_uint_eq(counted().acked, 301);
}
END_TEST

START_TEST(what_changed_in_a_batch_that_is_made_is_sent_again)
{
	make_next();
	reserve(5, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "0", "e");
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(5), C25_PUSH_PENDING);
	ck_assert_uint_eq(conn[OFFICE].request.count, 45);
	settle();
	ck_assert_int_eq(state(5), C25_PUSH_READY);
}
END_TEST

START_TEST(a_batch_that_is_made_ends_with_its_configuration)
{
	make_next();
	configure(2, CONNECTORS, 2);	/* another address */
	settle();
	for (uint32_t i = 0; i <= 300; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	reserve(400, "wiki.example", OFFICE);
	work();
	reserve(401, "wiki.example", OFFICE);
	configure(2, CONNECTORS, 2);	/* the same */
	settle();
	ck_assert_int_eq(state(400), C25_PUSH_READY);
	ck_assert_int_eq(state(401), C25_PUSH_READY);
	ck_assert_uint_eq(info(OFFICE).queued, 0);
}
END_TEST

/* It can do 125 before we give up: it gets them all, in batches that it can
 * do, and the pace isn't lost with each empty request between. */
START_TEST(a_slow_connector_gets_smaller_batches)
{
	uint64_t end = now + 120000;
	unsigned late = 0;

	configure(1, CONNECTORS, 1);	/* wiki is office's alone */
	for (uint32_t i = 0; i < 1000; i++)
		reserve(i, "wiki.example", OFFICE);
	while (now < end && state(999) != C25_PUSH_READY) {
		size_t n = conn[OFFICE].request.count;

		if (!conn[OFFICE].busy) {
			advance();
		} else if (n > 125) {
			now += 2500;
			late++;
			answer(OFFICE, 0, "no answer in time", "");
		} else {
			now += 20 * n;
			codes(OFFICE, "0", "e");
		}
		for (uint16_t i = BRANCH; i < CONNECTORS; i++)
			if (conn[i].busy)
				codes(i, "0", "e");
	}
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	ck_assert_uint_le(late, 4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push_batches");
	TCase *tc = tcase_create("push_batches");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_rest_goes_in_batches);
	tcase_add_test(tc,
	    the_next_batch_leaves_before_the_answer_is_looked_at);
	tcase_add_test(tc, the_next_batch_cannot_leave);
	tcase_add_test(tc, a_batch_that_is_made_goes_back_in_order);
	tcase_add_test(tc,
	    what_changed_in_a_batch_that_is_made_is_sent_again);
	tcase_add_test(tc, a_batch_that_is_made_ends_with_its_configuration);
	tcase_add_test(tc, a_slow_connector_gets_smaller_batches);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
