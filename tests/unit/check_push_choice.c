/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the client role's state machine: which connector has an assignment,
 * when one fails, returns, refuses, starts anew. The rest: check_push.c. */

#include "tests/unit/push_world.h"

START_TEST(an_app_that_loses_its_connector_goes_to_the_next)
{
	reserve(0, "wiki.example", BRANCH);
	work();
	codes(BRANCH, "0", "e");
	from_now();
	configure(1, CONNECTORS, 1);	/* wiki is office's alone */
	ck_assert_int_eq(owner(0), OFFICE);
	settle();
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_uint_eq(info(OFFICE).acked, 1);
	ck_assert_uint_eq(info(BRANCH).acked, 0);
}
END_TEST

/* While a batch is on the way the app moves to another connector. */
START_TEST(moved_in_flight_it_goes_to_the_new_one)
{
	reserve(0, "wiki.example", BRANCH);
	work();
	ck_assert(conn[BRANCH].busy);
	configure(1, CONNECTORS, 1);	/* wiki is office's alone */
	codes(BRANCH, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	settle();
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_uint_eq(info(OFFICE).acked, 1);
}
END_TEST

/* What is there when the connector fails: at each of these places. */
enum where { READY, IN_FLIGHT, WAITING, PUT_OFF };
static const struct {
	enum where where;
	const char *domain;
	uint16_t first, next;
} failover_rows[] = {
	{ READY, "wiki.example", OFFICE, BRANCH },
	{ IN_FLIGHT, "wiki.example", OFFICE, BRANCH },
	{ WAITING, "wiki.example", OFFICE, BRANCH },
	{ PUT_OFF, "wiki.example", OFFICE, BRANCH },
	{ READY, "own.example", OWNER, OFFICE },
	{ IN_FLIGHT, "own.example", OWNER, OFFICE },
};

START_TEST(what_a_failed_one_had_goes_to_the_next)
{
	uint16_t first = failover_rows[_i].first;
	uint16_t next = failover_rows[_i].next;
	uint64_t start;

	pass(30000);
	reserve(7, failover_rows[_i].domain, first);
	work();
	ck_assert(conn[first].busy);
	if (failover_rows[_i].where == READY) {
		settle();
	} else if (failover_rows[_i].where == PUT_OFF) {
		codes(first, "1", "e");
	} else if (failover_rows[_i].where == WAITING) {
		reserve(8, failover_rows[_i].domain, first);
		work();
	}
	start = now;
	mute[first] = true;
	while (owner(7) == first) {
		ck_assert_uint_lt(now, start + 4000);
		pass(10);
		/* new ones go elsewhere as soon as it is known to be down */
		ck_assert(owner(7) == first || conn[first].down);
	}
	ck_assert_uint_ge(now, start + C25_PUSH_FAILOVER_MS - 1250);
	ck_assert_int_eq(owner(7), next);
	ck_assert_int_eq(state(7), C25_PUSH_READY);
	ck_assert_uint_eq(newest(7)->magic.bytes[3], 7);
	ck_assert_uint_eq(newest(7)->transit.bytes[2], 64);
	ck_assert(info(first).health == C25_HEALTH_DOWN);
	ck_assert(!info(first).healthy);
	if (failover_rows[_i].where == WAITING)
		ck_assert_int_eq(state(8), C25_PUSH_READY);
	/* and nothing of it waits there any more */
	ck_assert_uint_eq(info(first).queued, 0);
}
END_TEST

START_TEST(back_in_time_it_keeps_what_it_has)
{
	for (uint32_t i = 0; i < 100; i++)
		reserve(i, "wiki.example", OFFICE);
	pass(30000);
	from_now();
	for (int n = 0; n < 100; n++) {
		mute[OFFICE] = true;
		pass(1200);
		mute[OFFICE] = false;
		pass(3000);
	}
	ck_assert_uint_eq(moves, 0);
	ck_assert(info(OFFICE).health == C25_HEALTH_GOOD);
	/* what was reserved for others meanwhile comes home */
	mute[OFFICE] = true;
	pass(1300);
	ck_assert(conn[OFFICE].down);
	reserve(200, "wiki.example", BRANCH);
	mute[OFFICE] = false;
	pass(3000);
	ck_assert_int_eq(owner(200), BRANCH);
	pass(2 * C25_PUSH_RETURN_MS);
	ck_assert_int_eq(owner(200), OFFICE);
	ck_assert_uint_eq(moves, 1);
}
END_TEST

/* How long until it has its assignments back, of which it was away `away`. */
static uint64_t
out_and_back(uint64_t away)
{
	uint64_t start;

	mute[OFFICE] = true;
	pass(away);
	ck_assert_int_eq(owner(0), BRANCH);
	mute[OFFICE] = false;
	start = now;
	while (owner(0) == BRANCH) {
		ck_assert_uint_lt(now, start + 3600 * 1000);
		/* not trusted yet */
		ck_assert(conn[OFFICE].health != C25_HEALTH_GOOD);
		pass(100);
	}
	settle();
	ck_assert(conn[OFFICE].health == C25_HEALTH_GOOD);
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	return now - start;
}

START_TEST(it_returns_when_it_has_been_well_for_a_while)
{
	/* + the time until it is asked again */
	const uint64_t slack = C25_PUSH_BACKOFF_MAX_MS * 5 / 4 + 200;
	uint64_t took, least = C25_PUSH_RETURN_MS;

	for (uint32_t i = 0; i < 100; i++)
		reserve(i, "wiki.example", OFFICE);
	pass(30000);
	took = out_and_back(20000);
	ck_assert_uint_ge(took, least);
	ck_assert_uint_le(took, least + slack);
	/* the oftener it fails the longer that takes, up to a limit */
	for (int n = 0; n < 8; n++) {
		least = least * 2 < 300000 ? least * 2 : 300000;
		took = out_and_back(20000);
		ck_assert_uint_ge(took, least);
		ck_assert_uint_le(took, least + slack);
	}
	/* forgotten when it has been well for long */
	pass(2 * 3600 * 1000);
	took = out_and_back(20000);
	ck_assert_uint_le(took, C25_PUSH_RETURN_MS + slack);
}
END_TEST

START_TEST(away_again_before_it_is_trusted_moves_nothing)
{
	for (uint32_t i = 0; i < 100; i++)
		reserve(i, "wiki.example", OFFICE);
	pass(30000);
	mute[OFFICE] = true;
	pass(10000);
	ck_assert_uint_eq(moves, 100);
	for (int n = 0; n < 20; n++) {
		mute[OFFICE] = false;
		pass(8000);
		mute[OFFICE] = true;
		pass(8000);
	}
	ck_assert_uint_eq(moves, 100);
	ck_assert_int_eq(owner(0), BRANCH);
}
END_TEST

START_TEST(when_all_fail_the_first_who_answers_has_it)
{
	reserve(0, "wiki.example", OFFICE);
	reserve(1, "wiki.example", BRANCH);
	pass(5000);
	mute[OFFICE] = mute[BRANCH] = true;
	pass(20000);
	ck_assert_uint_le(moves, 1);	/* they failed one after the other */
	reserve(2, "wiki.example", OFFICE);
	pass(20000);
	ck_assert_int_eq(state(2), C25_PUSH_PENDING);
	mute[BRANCH] = false;
	pass(7000);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(owner(i), BRANCH);
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	}
	/* the better one comes back, but that takes its time */
	mute[OFFICE] = false;
	pass(9000);
	ck_assert_int_eq(owner(0), BRANCH);
	pass(15000);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(owner(i), OFFICE);
}
END_TEST

/* A late answer of the old one changes nothing. */
START_TEST(answer_from_one_that_was_given_up)
{
	pass(20000);
	reserve(0, "wiki.example", OFFICE);
	work();
	ck_assert(conn[OFFICE].busy);
	now += 2000;
	answer(OFFICE, 0, "no answer in time", "");
	while (!conn[OFFICE].busy)
		advance();
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	while (owner(0) == OFFICE)
		advance();
	ck_assert(conn[BRANCH].busy);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	while (conn[BRANCH].request.count == 0)
		codes(BRANCH, "0", "e");
	codes(BRANCH, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_int_eq(owner(0), BRANCH);
}
END_TEST

/* We were stopped for a while, not the connector. */
START_TEST(late_to_read_is_not_silent)
{
	reserve(0, "wiki.example", OFFICE);
	pass(20000);
	reserve(1, "wiki.example", OFFICE);
	work();
	now += 60000;
	answer(OFFICE, 0, "no answer in time", "");
	ck_assert(conn[OFFICE].down);
	pass(1000);
	ck_assert_uint_eq(moves, 0);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
}
END_TEST

START_TEST(no_room_where_it_should_go)
{
	move_error[BRANCH] = -ENOSPC;
	for (uint32_t i = 0; i < 100; i++)
		reserve(i, "wiki.example", OFFICE);
	pass(20000);
	mute[OFFICE] = true;
	pass(30000);
	ck_assert_int_eq(owner(0), OFFICE);
	ck_assert_uint_ge(counted().stuck, 100);
	ck_assert_uint_le(counted().stuck, 700);
	/* it goes as soon as there is */
	move_error[BRANCH] = 0;
	pass(6000);
	for (uint32_t i = 0; i < 100; i++) {
		ck_assert_int_eq(owner(i), BRANCH);
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	}
}
END_TEST

/* Nowhere to be: its own one refuses it, and the next has no room. */
START_TEST(no_room_and_refused)
{
	move_error[BRANCH] = -ENOSPC;
	reserve(0, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "6", "e");
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	ck_assert_uint_eq(c25_push_parked(q), 1);
	move_error[BRANCH] = 0;
	pass(6000);
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_int_eq(owner(0), BRANCH);
	ck_assert_uint_eq(c25_push_parked(q), 0);
}
END_TEST

/* Before anybody has answered nothing is known of who is better. */
START_TEST(a_new_process_moves_nothing_at_once)
{
	for (uint32_t i = 0; i < 100; i++) {
		reserve(i, "wiki.example", BRANCH);
		table[i].a.push = C25_PUSH_READY;
	}
	c25_push_free(q);
	for (uint16_t i = 0; i < CONNECTORS; i++)
		c25_wire_request_free(&conn[i].request);
	memset(conn, 0, sizeof(conn));
	were_down[OFFICE] = true;
	mute[OFFICE] = true;
	ck_assert_int_eq(c25_push_new(&ops, NULL, SLOTS, 43, &q), 0);
	configure(2, CONNECTORS, 1);
	ck_assert(conn[OFFICE].down);	/* as it was */
	ck_assert(!conn[BRANCH].down);
	pass(60000);
	ck_assert_uint_eq(moves, 0);
	ck_assert(conn[OFFICE].down);
	mute[OFFICE] = false;
	pass(30000);
	ck_assert_uint_eq(moves, 100);
	ck_assert(!conn[OFFICE].down);
}
END_TEST

START_TEST(other_priorities_move_at_once_what_they_concern)
{
	reserve(0, "wiki.example", BRANCH);
	reserve(1, "own.example", OFFICE);
	configure(1, 1, 1);		/* office only */
	pass(30000);
	ck_assert_int_eq(owner(0), OFFICE);
	ck_assert_int_eq(owner(1), OFFICE);
	/* owner is better for the second; but it is new */
	configure(2, CONNECTORS, 1);
	pass(5000);
	ck_assert_int_eq(owner(1), OFFICE);
	pass(20000);
	ck_assert_int_eq(owner(1), OWNER);
	ck_assert_uint_eq(newest(1)->transit.bytes[2], 96);
	/* those who are known to be well get theirs at once */
	reserve(2, "own.example", OFFICE);
	work();
	ck_assert_int_eq(owner(2), OWNER);
	reserve(3, "wiki.example", BRANCH);
	configure(2, CONNECTORS, 1);
	ck_assert_int_eq(owner(3), OFFICE);
}
END_TEST

/* A refusal is final: it doesn't return to who refused it. */
START_TEST(refused_stays_with_the_second_choice)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "6", "e");
	settle();
	ck_assert_int_eq(owner(0), BRANCH);
	pass(2 * C25_PUSH_REFRESH_MS);
	ck_assert_uint_eq(moves, 1);
	/* not even when the second choice fails */
	mute[BRANCH] = true;
	pass(20000);
	ck_assert_uint_eq(moves, 1);
	ck_assert_int_eq(owner(0), BRANCH);
	mute[BRANCH] = false;
	pass(20000);
	/* but to what it becomes when it starts anew */
	until_called(OFFICE);
	codes(OFFICE, "0", "f");
	for (uint64_t end = now + 30000; now < end;) {
		advance();
		for (uint16_t reg = 0; reg < CONNECTORS; reg++)
			while (conn[reg].busy)
				codes(reg, "0", reg == OFFICE ? "f" : "e");
	}
	ck_assert_int_eq(owner(0), OFFICE);
	ck_assert_int_eq(state(0), C25_PUSH_READY);
}
END_TEST

/* What it holds only because a better one refused is sent again, too. */
START_TEST(second_choice_that_starts_anew_gets_all_again)
{
	pass(C25_PUSH_RETURN_MS + 3000);
	reserve(100, "wiki.example", OFFICE);
	reserve(101, "wiki.example", BRANCH);
	work();
	codes(OFFICE, "6", "e");
	settle();
	ck_assert_int_eq(state(100), C25_PUSH_READY);
	ck_assert_int_eq(owner(101), BRANCH);
	from_now();
	reserve(102, "wiki.example", BRANCH);
	work();
	until_asked(BRANCH);
	codes(BRANCH, "0", "f");
	while (c25_push_due(q) <= now || conn[BRANCH].busy) {
		work();
		if (conn[BRANCH].busy)
			codes(BRANCH, "0", "f");
	}
	ck_assert_uint_eq(info(BRANCH).acked, 4);
}
END_TEST

/* Refused is final for a connector, not for the one it becomes. */
START_TEST(refused_is_tried_again_when_one_starts_anew)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "6", "e");
	codes(BRANCH, "6", "e");
	ck_assert_int_eq(state(0), C25_PUSH_REFUSED);
	pass(12000);
	until_called(BRANCH);
	codes(BRANCH, "0", "f");
	while (c25_push_due(q) <= now || conn[OFFICE].busy ||
	    conn[BRANCH].busy) {
		work();
		if (conn[OFFICE].busy)
			codes(OFFICE, "6", "e");
		if (conn[BRANCH].busy)
			codes(BRANCH, "0", "f");
	}
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_int_eq(owner(0), BRANCH);
}
END_TEST

START_TEST(fresh_goes_before_moved_before_refreshed)
{
	reserve(0, "own.example", OFFICE);
	for (uint32_t i = 1000; i < 1300; i++)
		reserve(i, "own.example", OWNER);
	pass(20000);
	ck_assert_int_eq(owner(1000), OWNER);
	/* a busy connector, and all at once: owner fails */
	mute[OWNER] = true;
	mute[OFFICE] = true;
	reserve(1, "wiki.example", OFFICE);
	work();
	ck_assert(conn[OFFICE].busy);
	while (owner(1000) == OWNER) {
		advance();
		if (conn[OWNER].busy)
			answer(OWNER, 0, "refused", "");
		if (conn[BRANCH].busy)
			codes(BRANCH, "0", "e");
	}
	while (c25_push_due(q) <= now)
		work();
	mute[OFFICE] = false;
	reserve(2, "wiki.example", OFFICE);
	work();
	/* it has started anew: everything is to be sent again */
	codes(OFFICE, "0", "f");
	ck_assert_uint_eq(conn[OFFICE].request.count, C25_PUSH_BATCH);
	ck_assert_uint_eq(conn[OFFICE].request.entries[0].destination.
	    bytes[3], 2);
	ck_assert_uint_eq(conn[OFFICE].request.entries[1].destination.
	    bytes[2], 1000 / 256);
	codes(OFFICE, "0", "f");
	ck_assert_uint_eq(conn[OFFICE].request.entries[0].destination.
	    bytes[2], 1256 / 256);
	ck_assert_uint_gt(conn[OFFICE].request.count, 40);
	ck_assert_uint_lt(conn[OFFICE].request.entries[conn[OFFICE].request.
	    count - 1].destination.bytes[2], 3);
}
END_TEST

/* However many there are, each call does a bounded part of it. */
START_TEST(a_failover_goes_in_pieces)
{
	unsigned before, most = 0, calls = 0;

	for (uint32_t i = 0; i < 4000; i++)
		reserve(i, "wiki.example", OFFICE);
	pass(20000);
	mute[OFFICE] = true;
	while (moves < 4000) {
		ck_assert_uint_lt(calls++, 10000);
		before = moves;
		advance();
		if (moves - before > most)
			most = moves - before;
		if (conn[OFFICE].busy)
			answer(OFFICE, 0, "refused", "");
		for (uint16_t reg = BRANCH; reg < CONNECTORS; reg++)
			if (conn[reg].busy)
				codes(reg, "0", "e");
	}
	ck_assert_uint_le(most, 1024);
	settle();
	for (uint32_t i = 0; i < 4000; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
}
END_TEST

/* One that comes and goes all the time keeps no sweep from its end. */
START_TEST(unrest_delays_nobody)
{
	reserve(0, "own.example", OFFICE);
	for (uint32_t i = 1; i < 4000; i++)
		reserve(i, "wiki.example", BRANCH);
	work();
	settle();
	ck_assert_int_eq(owner(0), OFFICE);
	for (int n = 0; n < 300; n++) {
		/* each time something that makes a sweep */
		mute[BRANCH] = n % 2 == 0;
		overflow = true;
		pass(100);
	}
	ck_assert_int_eq(owner(0), OWNER);
}
END_TEST

/* Anything, in any order; in the end all is well. */
START_TEST(at_random)
{
	unsigned seed = (unsigned)time(NULL) * 7 + (unsigned)_i, start = seed;
	static const char *const domains[] = { "wiki.example", "own.example",
		"x.wiki.example", "lone.example" };

	printf("at_random: seed %u\n", start);
	for (int n = 0; n < 20000; n++) {
		uint32_t slot;
		uint16_t reg;

		seed = seed * 1103515245 + 12345;
		slot = seed >> 8 & 127;
		reg = (uint16_t)((seed >> 16) % CONNECTORS);
		switch (seed >> 20 & 15) {
		case 0: case 1: case 2: case 3: case 4:
			reserve(slot, domains[seed >> 24 & 3], seed & 0x4000 ?
			    C25_CONNECTOR_NONE : reg);
			work();
			break;
		case 5:
			table[newest(slot)->ref.slot].used = false;
			break;
		case 6:
			overflow = true;
			move_error[reg] = seed & 0x4000 ? 0 :
			    seed & 0x2000 ? -ENOSPC : -EAFNOSUPPORT;
			break;
		case 7:
			configure(1 + (seed >> 10 & 1), seed >> 12 & 3, 1 +
			    (seed >> 14 & 1));
			break;
		case 8:
			now += seed >> 12 & 1023;
			advance();
			break;
		case 9:
			if (conn[reg].busy)
				answer(reg, 0, "lost", "");
			break;
		case 10:
			if (conn[reg].busy)
				answer(reg, 400, "bad", "");
			break;
		case 11:
			if (conn[reg].busy)
				codes(reg, "0123456", "f");
			break;
		default:
			if (conn[reg].busy)
				codes(reg, "00000001", "e");
		}
	}
	memset(move_error, 0, sizeof(move_error));
	configure(2, CONNECTORS, 9);
	pass(60000);
	for (uint32_t i = 0; i < 128; i++) {
		const struct c25_assignment *a = newest(i);
		char what = (char)a->domain.wire[1];	/* w, x, o or l */

		if (!table[a->ref.slot].used)
			continue;
		ck_assert_msg(state(i) == (what == 'l' ? C25_PUSH_PENDING :
		    C25_PUSH_READY), "seed %u slot %u", start, i);
		/* all are well: so each is with its first choice */
		ck_assert_msg(what == 'l' || a->connector == (what == 'o' ?
		    OWNER : OFFICE), "seed %u slot %u", start, i);
		ck_assert_msg(a->magic.bytes[3] == i, "seed %u slot %u",
		    start, i);
		ck_assert_msg(what == 'l' || (a->transit.bytes[2] == 96) ==
		    (what == 'o'), "seed %u slot %u", start, i);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push_choice");
	TCase *tc = tcase_create("push_choice");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_app_that_loses_its_connector_goes_to_the_next);
	tcase_add_test(tc, moved_in_flight_it_goes_to_the_new_one);
	ADD_ROWS(tc, what_a_failed_one_had_goes_to_the_next,
	    failover_rows);
	tcase_add_test(tc, back_in_time_it_keeps_what_it_has);
	tcase_add_test(tc, it_returns_when_it_has_been_well_for_a_while);
	tcase_add_test(tc, away_again_before_it_is_trusted_moves_nothing);
	tcase_add_test(tc, when_all_fail_the_first_who_answers_has_it);
	tcase_add_test(tc, answer_from_one_that_was_given_up);
	tcase_add_test(tc, late_to_read_is_not_silent);
	tcase_add_test(tc, no_room_where_it_should_go);
	tcase_add_test(tc, no_room_and_refused);
	tcase_add_test(tc, a_new_process_moves_nothing_at_once);
	tcase_add_test(tc, other_priorities_move_at_once_what_they_concern);
	tcase_add_test(tc, refused_stays_with_the_second_choice);
	tcase_add_test(tc, second_choice_that_starts_anew_gets_all_again);
	tcase_add_test(tc, refused_is_tried_again_when_one_starts_anew);
	tcase_add_test(tc, fresh_goes_before_moved_before_refreshed);
	tcase_add_test(tc, a_failover_goes_in_pieces);
	tcase_add_test(tc, unrest_delays_nobody);
	tcase_add_loop_test(tc, at_random, 0, 4);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
