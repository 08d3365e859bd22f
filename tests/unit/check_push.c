/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the client role's state machine: queues, batches, what answers
 * mean, what is sent again. Which connector: check_push_choice.c. */

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
	tcase_add_test(tc, the_rest_goes_in_batches);
	tcase_add_test(tc,
	    the_next_batch_leaves_before_the_answer_is_looked_at);
	tcase_add_test(tc, the_next_batch_cannot_leave);
	tcase_add_test(tc, a_batch_that_is_made_goes_back_in_order);
	tcase_add_test(tc,
	    what_changed_in_a_batch_that_is_made_is_sent_again);
	tcase_add_test(tc, a_batch_that_is_made_ends_with_its_configuration);
	ADD_ROWS(tc, result_codes, code_rows);
	tcase_add_test(tc, refused_by_all);
	tcase_add_test(tc, no_addresses_there_is_as_good_as_refused);
	tcase_add_test(tc, a_stubborn_duplicate_is_put_off);
	tcase_add_test(tc, a_slow_connector_gets_smaller_batches);
	tcase_add_test(tc, a_refusal_is_shown_also_if_another_one_takes_it);
	tcase_add_test(tc, a_configuration_that_is_refused_changes_nothing);
	ADD_ROWS(tc, asked_to_come_later, retry_rows);
	ADD_ROWS(tc, failures_lose_nothing, failure_rows);
	tcase_add_test(tc, a_post_that_cannot_start_is_a_failure);
	tcase_add_test(tc, one_bad_entry_does_not_stop_the_others);
	tcase_add_test(tc, always_400_is_a_failure);
	tcase_add_test(tc, what_changed_is_left_out);
	ADD_ROWS(tc, an_old_version_does_not_come_back, old_rows);
	tcase_add_test(tc, idle_ones_are_asked_how_they_are);
	tcase_add_test(tc, down_and_idle_is_asked_too);
	ADD_ROWS(tc, epochs, epoch_rows);
	tcase_add_loop_test(tc, a_resync_that_is_put_off_is_not_lost, 0, 2);
	tcase_add_test(tc, an_epoch_that_always_changes_is_no_storm);
	tcase_add_test(tc, all_is_refreshed_within_the_hour);
	tcase_add_test(tc, after_a_long_sleep_all_is_sent_again);
	tcase_add_test(tc, without_connector_it_waits_for_one);
	tcase_add_test(tc, an_overrun_ring_loses_nothing);
	tcase_add_test(tc, another_address_is_another_connector);
	tcase_add_test(tc, before_configure_nothing_happens);
	ADD_ROWS(tc, bad_connectors_change_nothing, bad_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
