/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the client role's state machine: what is sent of an assignment, what
 * the codes of an answer mean, and its configuration. Batches, failures and
 * what is sent again are in check_push_batches.c, _failures.c and _resync.c;
 * which connector, in _choice.c.
 */

#include "tests/unit/push_world.h"

START_TEST(a_lone_one_leaves_at_once)
{
	reserve(7, "a.wiki.example", OFFICE);
	work();
	ck_assert_str_eq(conn[OFFICE].body, "{\"transitIPs\":[{\"transitIP\":"
	    "\"169.254.64.7\",\"destinationIP\":\"10.0.0.7\",\"app\":\"wiki\","
	    "\"domain\":\"a.wiki.example\"}]}");
	ck_assert_int_eq(state(7), C25_PUSH_PENDING);
	ck_assert_uint_eq(info(OFFICE).in_flight, 1);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(7), C25_PUSH_READY);
	ck_assert_uint_eq(changed, 1);
	ck_assert_uint_eq(counted().requests, 1);
	ck_assert_uint_eq(counted().acked, 1);
	ck_assert_uint_eq(info(OFFICE).queued, 0);
	ck_assert_uint_eq(info(OFFICE).last_ok_ms, now);
	ck_assert_str_eq(info(OFFICE).epoch, "e");
	work();
	ck_assert(!conn[OFFICE].busy);
}
END_TEST

/* How many times of each class there were, all of them. */
static uint64_t
times(unsigned class)
{
	struct c25_histogram h = counted().time;
	uint64_t all = 0;

	for (unsigned i = 0; i < C25_HISTOGRAM_CLASSES; i++)
		all += h.count[i];
	ck_assert_uint_eq(all, h.count[class]);
	return all;
}

START_TEST(how_long_new_ones_take_is_counted)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	now += 7;
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(times(13), 1);	/* up to 8.192 ms */
	ck_assert_uint_ge(counted().time.sum_us, 6984);
	ck_assert_uint_le(counted().time.sum_us, 7016);
	/* what is sent again is nothing new */
	configure(1, CONNECTORS, 1);
	settle();
	ck_assert_uint_eq(counted().acked, 2);
	ck_assert_uint_eq(times(13), 1);
	/* from the first try on */
	from_now();
	reserve(1, "wiki.example", OFFICE);
	work();
	now += 5000;
	answer(OFFICE, 0, "reset", "");
	until_asked(OFFICE);
	codes(OFFICE, "0", "f");
	ck_assert_uint_eq(times(23), 1);	/* up to 8 s */
}
END_TEST

/* What a code does to the second of three mappings. */
static const struct {
	const char *codes;
	uint8_t state;		/* of the second, once all is answered */
	uint16_t next;		/* connector that gets it next, or NONE */
	bool waits;		/* ... after a backoff */
} code_rows[] = {
	{ "000", C25_PUSH_READY, C25_CONNECTOR_NONE, false },
	{ "010", C25_PUSH_PENDING, OFFICE, true },
	{ "020", C25_PUSH_PENDING, OFFICE, false },
	{ "030", C25_PUSH_PENDING, BRANCH, false },
	{ "040", C25_PUSH_PENDING, BRANCH, false },
	{ "050", C25_PUSH_PENDING, BRANCH, false },
	{ "060", C25_PUSH_PENDING, BRANCH, false },
};

START_TEST(result_codes)
{
	uint16_t next = code_rows[_i].next;

	for (uint32_t i = 0; i < 3; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	ck_assert_uint_eq(conn[OFFICE].request.count, 3);
	codes(OFFICE, code_rows[_i].codes, "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_int_eq(state(2), C25_PUSH_READY);
	ck_assert_int_eq(state(1), code_rows[_i].state);
	if (next == C25_CONNECTOR_NONE) {
		ck_assert(!conn[OFFICE].busy && !conn[BRANCH].busy);
		return;
	}
	ck_assert_int_eq(conn[next].busy, !code_rows[_i].waits);
	if (code_rows[_i].waits)
		until_asked(next);
	ck_assert_int_eq(owner(1), next);
	ck_assert_uint_eq(moves, next == OFFICE ? 0 : 1);
	ck_assert_uint_eq(counted().moved, moves);
	ck_assert_uint_eq(conn[next].request.count, 1);
	ck_assert_uint_eq(conn[next].request.entries[0].transit.bytes[3], 1);
	ck_assert_uint_eq(counted().retried, 1);
	ck_assert_uint_eq(counted().failed, 1);
	ck_assert(info(OFFICE).healthy);
	codes(next, "0", "e");
	ck_assert_int_eq(state(1), C25_PUSH_READY);
}
END_TEST

START_TEST(refused_by_all)
{
	reserve(1, "wiki.example", OFFICE);
	reserve(2, "own.example", OWNER);
	work();
	codes(OFFICE, "6", "e");
	codes(BRANCH, "3", "e");
	ck_assert_int_eq(state(1), C25_PUSH_REFUSED);
	/* it gets an address that is routed to the next one */
	ck_assert_uint_eq(newest(2)->transit.bytes[2], 96);
	codes(OWNER, "6", "e");
	ck_assert_uint_eq(newest(2)->transit.bytes[2], 64);
	ck_assert_int_eq(owner(2), OFFICE);
	ck_assert_int_eq(state(2), C25_PUSH_PENDING);
	codes(OFFICE, "5", "e");
	ck_assert_int_eq(state(2), C25_PUSH_REFUSED);
	ck_assert_uint_eq(counted().refused, 2);
	ck_assert_uint_eq(changed, 2);
	/* and that is that, however long */
	from_now();
	pass(3 * C25_PUSH_REFRESH_MS);
	ck_assert_uint_eq(counted().acked, 0);
	ck_assert_uint_eq(counted().moved, 0);
	/* a reload may have mended it */
	configure(2, CONNECTORS, 1);
	settle();
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert_int_eq(state(2), C25_PUSH_READY);
}
END_TEST

/* A connector without transit addresses of the family can't have it. */
START_TEST(no_addresses_there_is_as_good_as_refused)
{
	move_error[OFFICE] = -EAFNOSUPPORT;
	reserve(2, "own.example", OWNER);
	work();
	codes(OWNER, "6", "e");
	ck_assert_int_eq(state(2), C25_PUSH_REFUSED);
}
END_TEST

START_TEST(a_stubborn_duplicate_is_put_off)
{
	for (uint32_t i = 0; i < 3; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "022", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "2", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "2", "e");
	ck_assert(!conn[OFFICE].busy);
	until_asked(OFFICE);
	codes(OFFICE, "0", "e");
	settle();
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert_int_eq(state(2), C25_PUSH_READY);
}
END_TEST

START_TEST(a_refusal_is_shown_also_if_another_one_takes_it)
{
	reserve(1, "wiki.example", OFFICE);
	until_asked(OFFICE);
	codes(OFFICE, "6", "e");
	settle();
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert_ptr_nonnull(strstr(info(OFFICE).last_error, "code 6"));
}
END_TEST

START_TEST(a_configuration_that_is_refused_changes_nothing)
{
	static const struct c25_push_connector twice[] = {
		{ .name = "office", .reg = OFFICE, .id = 99 },
		{ .name = "office", .reg = OFFICE, .id = 99 },
	};

	mute[OFFICE] = true;
	until_called(OFFICE);
	for (uint32_t i = 0; i < 5; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	ck_assert_uint_eq(info(OFFICE).queued, 5);
	ck_assert_int_eq(c25_push_configure(q, policy, twice, 2, now),
		-EINVAL);
	ck_assert_uint_eq(info(OFFICE).queued, 5);
}
END_TEST

START_TEST(what_changed_is_left_out)
{
	struct c25_ref old = reserve(0, "wiki.example", OFFICE);

	reserve(1, "wiki.example", OFFICE);
	work();			/* both are in flight */
	reserve(2, "wiki.example", OFFICE);
	reserve(3, "wiki.example", OFFICE);
	work();			/* both wait */
	reserve(0, "wiki.example", BRANCH);
	table[2].used = false;
	table[3].a.ref.seq += 2;
	work();
	ck_assert(conn[BRANCH].busy);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert(!conn[OFFICE].busy);
	ck_assert_uint_ne(table[0].a.ref.seq, old.seq);
	codes(BRANCH, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_uint_eq(info(OFFICE).queued, 0);
	ck_assert_uint_eq(c25_push_parked(q), 0);
}
END_TEST

/* What becomes of the request with the old version. */
static const char *const old_rows[] = { NULL, "0", "1", "2", "3", "6" };

START_TEST(an_old_version_does_not_come_back)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	reserve(0, "wiki.example", OFFICE);
	work();
	if (old_rows[_i] == NULL) {
		answer(OFFICE, 0, "reset", "");
		ck_assert_uint_eq(info(OFFICE).queued, 1);
		until_asked(OFFICE);
	} else {
		codes(OFFICE, old_rows[_i], "e");
	}
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	ck_assert(conn[OFFICE].busy);
	ck_assert(!conn[BRANCH].busy);
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert(!conn[OFFICE].busy);
}
END_TEST

START_TEST(without_connector_it_waits_for_one)
{
	reserve(0, "lone.example", C25_CONNECTOR_NONE);
	reserve(1, "wiki.example", C25_CONNECTOR_NONE);
	reserve(2, "gone.example", OFFICE);
	work();
	ck_assert_uint_eq(c25_push_parked(q), 2);
	settle();
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	configure(2, 0, 2);	/* no connectors at all */
	settle();
	ck_assert_uint_eq(c25_push_parked(q), 2);
	reserve(3, "wiki.example", OFFICE);
	work();
	ck_assert_uint_eq(c25_push_parked(q), 3);
	configure(2, CONNECTORS, 3);
	settle();
	ck_assert_int_eq(state(3), C25_PUSH_READY);
	ck_assert_uint_eq(c25_push_parked(q), 2);
}
END_TEST

START_TEST(an_overrun_ring_loses_nothing)
{
	for (uint32_t i = 0; i < 500; i++)
		reserve(i, "wiki.example", i % 2 ? OFFICE : BRANCH);
	overflow = true;
	work();
	settle();
	for (uint32_t i = 0; i < 500; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	ck_assert_uint_eq(counted().acked, 500);
}
END_TEST

START_TEST(another_address_is_another_connector)
{
	reserve(0, "wiki.example", OFFICE);
	reserve(1, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "0", "e");
	reserve(1, "wiki.example", OFFICE);
	work();
	ck_assert(conn[OFFICE].busy);
	configure(2, CONNECTORS, 1);	/* the same: goes on */
	ck_assert_uint_eq(aborts, 0);
	configure(2, CONNECTORS, 2);
	ck_assert_uint_eq(aborts, 1);
	from_now();
	settle();
	ck_assert_uint_eq(counted().acked, 2);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
}
END_TEST

START_TEST(before_configure_nothing_happens)
{
	struct c25_pushq *fresh;

	ck_assert_int_eq(c25_push_new(&ops, NULL, SLOTS, 1, &fresh), 0);
	reserve(0, "wiki.example", OFFICE);
	c25_push_work(fresh, now);
	ck_assert_uint_eq(c25_push_due(fresh), 0);
	ck_assert_ptr_null(c25_push_policy(fresh));
	c25_push_free(fresh);
	ck_assert_uint_ne(ring_head, ring_tail);
}
END_TEST

static const struct {
	struct c25_push_connector list[2];
	size_t count;
} bad_rows[] = {
	{ { { "x", C25_CONNECTORS_MAX, 1, false } }, 1 },
	{ { { "x", 3, 1, false }, { "y", 3, 1, false } }, 2 },
	{ { { "office", OFFICE, 1, false }, { "office", OFFICE, 1, false } },
	    2 },
};

START_TEST(bad_connectors_change_nothing)
{
	ck_assert_int_eq(c25_push_configure(q, policy, bad_rows[_i].list,
	    bad_rows[_i].count, now), -EINVAL);
	reserve(0, "own.example", OWNER);
	work();
	ck_assert(conn[OWNER].busy);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push");
	TCase *tc = tcase_create("push");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_lone_one_leaves_at_once);
	tcase_add_test(tc, how_long_new_ones_take_is_counted);
	ADD_ROWS(tc, result_codes, code_rows);
	tcase_add_test(tc, refused_by_all);
	tcase_add_test(tc, no_addresses_there_is_as_good_as_refused);
	tcase_add_test(tc, a_stubborn_duplicate_is_put_off);
	tcase_add_test(tc, a_refusal_is_shown_also_if_another_one_takes_it);
	tcase_add_test(tc, a_configuration_that_is_refused_changes_nothing);
	tcase_add_test(tc, what_changed_is_left_out);
	ADD_ROWS(tc, an_old_version_does_not_come_back, old_rows);
	tcase_add_test(tc, without_connector_it_waits_for_one);
	tcase_add_test(tc, an_overrun_ring_loses_nothing);
	tcase_add_test(tc, another_address_is_another_connector);
	tcase_add_test(tc, before_configure_nothing_happens);
	ADD_ROWS(tc, bad_connectors_change_nothing, bad_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
