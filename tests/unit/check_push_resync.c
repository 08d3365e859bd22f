/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the client role's state machine: what is sent again, as a connector
 * has started anew or would forget it. */

#include "tests/unit/push_world.h"

/* What the connector says of itself, before and after. */
static const struct {
	const char *before, *after;
	bool failed;		/* in between */
	bool cut;		/* ... its connection was, unseen */
	bool again;		/* is everything sent again? */
} epoch_rows[] = {
	{ "a", "a", false, false, false },
	{ "a", "a", true, false, false },
	{ "a", "a", false, true, false },
	{ "a", "b", false, false, true },
	{ "a", "", false, false, true },
	{ "", "", false, false, false },
	{ "", "", true, false, true },
	{ "", "", false, true, true },
	{ "", "a", false, false, true },
};

/* Whoever waits for an answer gets 0 with this epoch. */
static void
all_with(const char *epoch)
{
	for (uint16_t reg = 0; reg < CONNECTORS; reg++)
		while (conn[reg].busy)
			codes(reg, "0", epoch);
}

START_TEST(epochs)
{
	struct c25_push_answer last = { .status = 200, .error = "",
		.epoch = epoch_rows[_i].after, .cut = epoch_rows[_i].cut,
		.body = "{\"transitIPs\":[{}]}", .body_len = 19 };

	teardown();
	begin();
	configure(2, CONNECTORS, 1);
	all_with(epoch_rows[_i].before);
	for (uint32_t i = 0; i < 300; i++)
		reserve(i, "wiki.example", OFFICE);
	reserve(400, "wiki.example", BRANCH);
	work();
	all_with(epoch_rows[_i].before);
	ck_assert_uint_eq(info(OFFICE).acked, 300);
	ck_assert(!conn[OFFICE].busy);
	/* past what is least between two such; nothing else is due then */
	for (uint64_t end = now + 8000; now < end;) {
		advance();
		all_with(epoch_rows[_i].before);
	}
	now += 2500;
	work();
	all_with(epoch_rows[_i].before);
	from_now();
	reserve(500, "wiki.example", OFFICE);
	work();
	if (epoch_rows[_i].failed) {
		answer(OFFICE, 0, "reset", "");
		while (!conn[OFFICE].busy) {
			advance();
			for (uint16_t reg = BRANCH; reg <= OWNER; reg++)
				if (conn[reg].busy)
					codes(reg, "0",
					    epoch_rows[_i].before);
		}
	}
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	conn[OFFICE].busy = false;
	c25_push_done(q, OFFICE, &last, now);
	from_now();
	while (c25_push_due(q) <= now || conn[OFFICE].busy) {
		work();
		if (conn[OFFICE].busy)
			codes(OFFICE, "0", epoch_rows[_i].after);
	}
	if (epoch_rows[_i].again)
		ck_assert_uint_ge(info(OFFICE).acked, 301);
	else
		ck_assert_uint_le(info(OFFICE).acked, 50);
	ck_assert_uint_le(info(BRANCH).acked, 1);
}
END_TEST

/* For so long OFFICE answers with this epoch, NULL: not at all. */
static void
office_says(const char *epoch, uint64_t ms)
{
	for (uint64_t end = now + ms; now < end;) {
		until_called(OFFICE);
		if (epoch == NULL)
			answer(OFFICE, 0, "reset", "");
		else
			codes(OFFICE, "0", epoch);
	}
}

/* It starts anew twice within the time in which that is put off; the second
 * time it may be away, too, when that time is over. */
START_TEST(a_resync_that_is_put_off_is_not_lost)
{
	teardown();
	begin();
	configure(1, CONNECTORS, 1);	/* wiki has OFFICE only */
	settle();
	for (uint32_t i = 0; i < 300; i++)
		reserve(i, "wiki.example", OFFICE);
	office_says("e", 20000);
	from_now();
	office_says("b", 2000);
	ck_assert_uint_ge(info(OFFICE).acked, 300);
	from_now();
	office_says("c", 5000);
	ck_assert_uint_le(info(OFFICE).acked, 50);
	office_says(_i == 1 ? NULL : "c", 4000);
	office_says("c", 7000);
	ck_assert_uint_ge(info(OFFICE).acked, 300);
}
END_TEST

START_TEST(an_epoch_that_always_changes_is_no_storm)
{
	char epoch[16];
	uint64_t start = now;
	unsigned n = 0;

	reserve(0, "wiki.example", OFFICE);
	work();
	while (now < start + 60000) {
		if (conn[OFFICE].busy) {
			snprintf(epoch, sizeof(epoch), "e%u", n++);
			codes(OFFICE, "0", epoch);
		} else {
			advance();
		}
	}
	ck_assert_uint_gt(n, 40);
	ck_assert_uint_le(info(OFFICE).acked, 9);
}
END_TEST

START_TEST(all_is_refreshed_within_the_hour)
{
	uint64_t start = now;
	unsigned most = 0;

	for (uint32_t i = 0; i < 900; i++)
		reserve(i, "wiki.example", i % 2 ? OFFICE : BRANCH);
	work();
	pass(60000);		/* all are at the better one */
	from_now();
	start = now;
	while (now < start + 6 * 3600 * 1000ull) {
		unsigned posts = conn[OFFICE].posts;

		advance();
		settle();
		if (conn[OFFICE].posts - posts > most)
			most = conn[OFFICE].posts - posts;
		for (uint32_t i = 0; i < 900 && now / 60000 % 10 == 0; i++)
			must(now - table[newest(i)->ref.slot].sent_ms <
			    3600 * 1000);
	}
	/* a little each time, and not too often */
	ck_assert_uint_le(most, 1);
	ck_assert_uint_le(counted().acked, 900 * 10);
	ck_assert_uint_ge(counted().acked, 900 * 7);
}
END_TEST

START_TEST(after_a_long_sleep_all_is_sent_again)
{
	for (uint32_t i = 0; i < 100; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	settle();
	now += 8 * 3600 * 1000ull;
	work();
	settle();
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(table[newest(i)->ref.slot].sent_ms, now);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push_resync");
	TCase *tc = tcase_create("push_resync");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, epochs, epoch_rows);
	tcase_add_loop_test(tc, a_resync_that_is_put_off_is_not_lost, 0, 2);
	tcase_add_test(tc, an_epoch_that_always_changes_is_no_storm);
	tcase_add_test(tc, all_is_refreshed_within_the_hour);
	tcase_add_test(tc, after_a_long_sleep_all_is_sent_again);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
