/* SPDX-License-Identifier: BSD-3-Clause */
/* What the log says of mappings that connectors refuse: each cause once in a
 * while, with what to do. */
#include <unistd.h>

#include "sidecar/push_private.h"
#include "tests/unit/push_world.h"

static FILE *captured;
static char logged[65536];

static void
setup_log(void)
{
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
	setup();
}

/* What is in the log so far. */
static const char *
log_text(void)
{
	ssize_t n = pread(fileno(captured), logged, sizeof(logged) - 1, 0);

	ck_assert_int_ge(n, 0);
	logged[n] = '\0';
	return logged;
}

static unsigned
lines_with(const char *what)
{
	unsigned n = 0;

	for (const char *t = log_text(); (t = strstr(t, what)) != NULL;
			t += strlen(what))
		n++;
	return n;
}

/* Refuse all that office is sent, for so long. */
static void
refuse_for(const char *code, uint64_t ms)
{
	uint64_t end = now + ms;

	while (now < end) {
		until_asked(OFFICE);
		codes(OFFICE, code, "e");
	}
}

static const struct {
	const char *codes;
	const char *remedy;
} remedy_rows[] = {
	{ "1", "\"destinations\" of that app" },
	{ "2", "a mistake of that connector" },
	{ "3", "add this host's address" },
	{ "4", "a mistake of that connector" },
	{ "5", "to \"apps\" there" },
	{ "6", "entry in \"peers\"" },
};

/* A hundred mappings, and again and again those that are sent again. */
START_TEST(a_cause_is_told_once)
{
	char said[64];

	configure(1, 1, 1);		/* wiki is office's alone */
	settle();
	for (uint32_t i = 0; i < 100; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	for (int i = 0; i < 6 && conn[OFFICE].request.count > 0; i++) {
		codes(OFFICE, remedy_rows[_i].codes, "e");
		if (remedy_rows[_i].codes[0] > '2')
			break;
		until_asked(OFFICE);
	}
	(void)snprintf(said, sizeof(said), "of wiki.example, app wiki, code "
		"%s (", remedy_rows[_i].codes);
	ck_assert_uint_eq(lines_with("connector office: refuses 10.0.0."), 1);
	ck_assert_uint_eq(lines_with(said), 1);
	ck_assert_uint_eq(lines_with(remedy_rows[_i].remedy), 1);
	ck_assert_uint_eq(c25_push_stats(q)->denied,
		c25_push_stats(q)->failed);
}
END_TEST

/* So is that nobody is left, app by app. */
START_TEST(nobody_left_is_told_once_for_each_app)
{
	configure(1, CONNECTORS, 1);
	settle();
	for (uint32_t i = 0; i < 10; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "6", "e");
	reserve(20, "own.example", OWNER);
	work();
	codes(OWNER, "6", "e");
	codes(OFFICE, "6", "e");
	ck_assert_int_eq(state(9), C25_PUSH_REFUSED);
	ck_assert_int_eq(state(20), C25_PUSH_REFUSED);
	ck_assert_uint_eq(lines_with("and no other is left"), 2);
	ck_assert_uint_eq(lines_with("connector office: refuses"), 2);
	ck_assert_uint_eq(lines_with("connector owner: refuses"), 1);
}
END_TEST

/* Which app's assignment that no connector takes is shown first, and how many
 * are; NULL: none. */
static const char *
shown(unsigned *count, struct c25_push_refusal *first)
{
	struct c25_push_refusal r;
	size_t cursor = 0;

	for (*count = 0; c25_push_next_refused(q, &cursor, &r); ++*count)
		if (*count == 0)
			*first = r;
	return *count > 0 ? first->app : NULL;
}

/* Of each app one is shown, with the code, until it is taken or over. */
START_TEST(what_no_connector_takes_is_shown)
{
	struct c25_push_refusal r;
	unsigned n;

	configure(1, CONNECTORS, 1);
	settle();
	ck_assert_ptr_null(shown(&n, &r));
	for (uint32_t i = 0; i < 10; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "6", "e");
	ck_assert_str_eq(shown(&n, &r), "wiki");
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(r.code, 6);
	ck_assert_uint_eq(r.assignment.push, C25_PUSH_REFUSED);
	reserve(20, "own.example", OWNER);
	work();
	codes(OWNER, "6", "e");
	(void)shown(&n, &r);
	ck_assert_uint_eq(n, 1);	/* office has not been asked yet */
	codes(OFFICE, "5", "e");
	(void)shown(&n, &r);
	ck_assert_uint_eq(n, 2);
	for (uint32_t i = 0; i < 10; i++)
		table[i].used = false;
	ck_assert_str_eq(shown(&n, &r), "own");
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(r.code, 5);
	configure(1, CONNECTORS, 2);
	settle();
	pass(2000);
	ck_assert_ptr_null(shown(&n, &r));
}
END_TEST

/* What is refused by one connector and then taken by the next one isn't shown
 * in the place of what nobody takes. The first is refused for good, with a code
 * or without one; or again and again, without one. */
START_TEST(what_is_still_refused_stays_shown)
{
	struct c25_push_refusal r;
	struct c25_ref x;
	unsigned n;

	configure(2, CONNECTORS, 1);	/* wiki is office's and branch's */
	settle();
	x = reserve(1, "wiki.example", OFFICE);
	work();
	if (_i < 2) {
		codes(OFFICE, "5", "e");
		ck_assert_ptr_null(shown(&n, &r));
		codes(BRANCH, "5", "e");
		ck_assert_int_eq(state(1), C25_PUSH_REFUSED);
	} else {
		answer(OFFICE, 400, "no", "e");
	}
	if (_i == 1)		/* as it is when conn25d has started anew */
		q->witnesses[0].code = C25_WIRE_OK;
	ck_assert_str_eq(shown(&n, &r), "wiki");
	x = newest(1)->ref;
	for (uint32_t i = 2; i < 5; i++) {
		reserve(i, "wiki.example", OFFICE);
		work();
		must(conn[OFFICE].request.count == 1);
		codes(OFFICE, "5", "e");
		ck_assert_str_eq(shown(&n, &r), "wiki");
		ck_assert_uint_eq(r.assignment.ref.slot, x.slot);
		codes(BRANCH, "0", "e");
		ck_assert_int_eq(state(i), C25_PUSH_READY);
		ck_assert_str_eq(shown(&n, &r), "wiki");
		ck_assert_uint_eq(n, 1);
		ck_assert_uint_eq(r.code, _i == 0 ? 5 : 0);
		ck_assert_uint_eq(r.assignment.ref.slot, x.slot);
	}
	table[x.slot].used = false;
	ck_assert_ptr_null(shown(&n, &r));
}
END_TEST

/* What is refused for good is shown rather than what may still be taken. */
START_TEST(what_is_refused_for_good_is_shown_first)
{
	struct c25_push_refusal r;
	unsigned n;

	configure(1, 1, 1);
	settle();
	reserve(1, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "1", "e");
	until_asked(OFFICE);
	codes(OFFICE, "1", "e");
	(void)shown(&n, &r);
	ck_assert_uint_eq(r.code, 1);
	reserve(2, "wiki.example", OFFICE);
	work();
	must(conn[OFFICE].request.count == 1);
	codes(OFFICE, "6", "e");
	(void)shown(&n, &r);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(r.code, 6);
	settle();
	pass(2000);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert_str_eq(shown(&n, &r), "wiki");
}
END_TEST

/* One that is taken when it comes again is no trouble. */
START_TEST(not_yet_is_not_told)
{
	reserve(1, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "1", "e");
	settle();
	pass(2000);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert_str_eq(log_text(), "");
}
END_TEST

/* It lasts: once in ten minutes, with how many there were, whatever
 * configurations come meanwhile. */
START_TEST(a_cause_that_stays_is_told_again)
{
	configure(1, 1, 1);
	settle();
	reserve(1, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "1", "e");
	refuse_for("1", 540000);
	ck_assert_uint_eq(lines_with("connector office: refuses"), 1);
	ck_assert_uint_eq(lines_with("such since"), 0);
	configure(1, 1, 1);
	refuse_for("1", 10000);
	ck_assert_uint_eq(lines_with("connector office: refuses"), 1);
	refuse_for("1", 120000);
	ck_assert_uint_eq(lines_with("connector office: refuses"), 2);
	ck_assert_uint_eq(lines_with("such since the last message)"), 1);
	/* and it is sent all the time */
	settle();
	pass(120000);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push_refused");
	TCase *tc = tcase_create("refused");

	tcase_add_checked_fixture(tc, setup_log, teardown);
	ADD_ROWS(tc, a_cause_is_told_once, remedy_rows);
	tcase_add_test(tc, nobody_left_is_told_once_for_each_app);
	tcase_add_test(tc, what_no_connector_takes_is_shown);
	tcase_add_loop_test(tc, what_is_still_refused_stays_shown, 0, 3);
	tcase_add_test(tc, what_is_refused_for_good_is_shown_first);
	tcase_add_test(tc, not_yet_is_not_told);
	tcase_add_test(tc, a_cause_that_stays_is_told_again);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
