/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of host.h: in which order addresses come, when a name is looked up
 * again, and what holds while lookups fail. DNS is played here, and so is the
 * clock.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sidecar/host.h"
#include "tests/unit/suite.h"

static struct c25_host *h;
static struct c25_host_query *v4, *v6;	/* under way */
static unsigned lookups, readies, cancels;
static int lookup_result;
static uint64_t now_ms;

static int
on_lookup(void *ctx, struct c25_host_query *q, const char *name,
	enum c25_family family)
{
	ck_assert_str_eq(name, "office.example");
	lookups++;
	if (lookup_result != 0)
		return lookup_result;
	*(family == C25_V4 ? &v4 : &v6) = q;
	return 0;
}

static void
on_cancel(void *ctx, struct c25_host_query *q)
{
	ck_assert(q == v4 || q == v6);
	cancels++;
}

static bool
on_refuses(void *ctx, const struct c25_addr *a)
{
	return a->family == C25_V4 && a->bytes[0] == 100;
}

static const struct c25_host_ops ops = { .lookup = on_lookup,
	.cancel = on_cancel, .refuses = on_refuses };

static void
on_ready(void *ctx)
{
	readies++;
}

static void
setup(void)
{
	v4 = v6 = NULL;
	lookups = readies = cancels = 0;
	lookup_result = 0;
	now_ms = 50000;
	ck_assert_int_eq(c25_host_new(&ops, NULL, "office.example", &h), 0);
	c25_host_ready(h, on_ready, NULL);
}

static void
teardown(void)
{
	c25_host_free(h);
}

static struct c25_addr
addr(const char *text)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	return a;
}

/* Answer a lookup: "found" and addresses, by blanks. */
static void
answer(struct c25_host_query **q, const char *texts)
{
	struct c25_addr list[16];
	struct c25_verify_answer a = { .addresses = list, .ttl_s = 5 };
	struct c25_host_query *to = *q;
	char copy[300], *rest = copy, *word;

	ck_assert_ptr_nonnull(to);
	if (strcmp(texts, "BOGUS") == 0)
		a.found = C25_FOUND_BOGUS;
	else if (strcmp(texts, "FAILURE") == 0)
		a.found = C25_FOUND_FAILURE;
	snprintf(copy, sizeof(copy), "%s", a.found == 0 ? texts : "");
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word != '\0')
			list[a.count++] = addr(word);
	*q = NULL;
	c25_host_answer(to, &a, now_ms);
}

static void
next_is(const char *text)
{
	char got[C25_ADDR_TEXT_MAX];
	struct c25_addr a;

	ck_assert_int_eq(c25_host_next(h, now_ms, &a), 0);
	ck_assert_str_eq(c25_addr_format(&a, got), text);
}

static void
next_fails(int error)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_host_next(h, now_ms, &a), error);
}

static void
found(const char *six, const char *four)
{
	struct c25_addr a;

	(void)!c25_host_next(h, now_ms, &a);
	answer(&v6, six);
	answer(&v4, four);
}

START_TEST(families_come_in_turn)
{
	next_fails(-EAGAIN);
	ck_assert_uint_eq(lookups, 2);
	answer(&v4, "10.0.0.1 10.0.0.2 10.0.0.3");
	next_fails(-EAGAIN);
	answer(&v6, "fd00::1 fd00::2");
	ck_assert_uint_eq(readies, 2);
	ck_assert_uint_eq(c25_host_count(h), 5);
	for (unsigned round = 0; round < 2; round++) {
		static const char *const order[] = { "fd00::1", "10.0.0.1",
			"fd00::2", "10.0.0.2", "10.0.0.3" };

		for (unsigned i = 0; i < 5; i++) {
			next_is(order[i]);
			c25_host_failed(h);
		}
	}
}
END_TEST

START_TEST(a_family_that_says_nothing_is_not_waited_for)
{
	next_fails(-EAGAIN);
	answer(&v4, "10.0.0.1");
	now_ms += C25_HOST_WAIT_MS - 1;
	next_fails(-EAGAIN);
	now_ms++;
	next_is("10.0.0.1");
	answer(&v6, "fd00::1");
	next_is("10.0.0.1");		/* the one in use */
	c25_host_failed(h);
	next_is("fd00::1");
}
END_TEST

START_TEST(it_is_looked_up_again_when_the_ttl_is_over)
{
	found("", "10.0.0.1");
	next_is("10.0.0.1");
	now_ms += 4999;
	next_is("10.0.0.1");
	ck_assert_uint_eq(lookups, 2);
	now_ms++;
	next_is("10.0.0.1");		/* nobody waits */
	ck_assert_uint_eq(lookups, 4);
	next_is("10.0.0.1");
	ck_assert_uint_eq(lookups, 4);
	answer(&v6, "");
	answer(&v4, "10.0.0.2");
	ck_assert(!c25_host_has(h, &(struct c25_addr){ 0 }));
	next_is("10.0.0.2");
}
END_TEST

START_TEST(it_is_looked_up_after_a_failure_but_once_a_second)
{
	found("", "10.0.0.1 10.0.0.2");
	for (unsigned i = 0; i < 10; i++) {
		c25_host_failed(h);
		next_is(i % 2 == 0 ? "10.0.0.2" : "10.0.0.1");
	}
	ck_assert_uint_eq(lookups, 2);
	now_ms += C25_HOST_AGAIN_MS - 1;
	next_is("10.0.0.1");
	ck_assert_uint_eq(lookups, 2);
	now_ms++;
	next_is("10.0.0.1");
	ck_assert_uint_eq(lookups, 4);
	now_ms += 60000;		/* that one is still under way */
	next_is("10.0.0.1");
	ck_assert_uint_eq(lookups, 4);
}
END_TEST

static const struct {
	const char *six, *four;
	const char *known;		/* next if fd00::1 was known before */
	const char *fresh;		/* ... if nothing was; NULL: none */
	const char *error;
} again_rows[] = {
	{ "FAILURE", "FAILURE", "fd00::1", NULL, "no answer" },
	{ "BOGUS", "", "fd00::1", NULL, "DNSSEC" },
	{ "", "BOGUS", "fd00::1", NULL, "DNSSEC" },
	{ "", "100.64.0.1", "fd00::1", NULL, "magic IP" },
	{ "", "", NULL, NULL, "has no address" },
	{ "FAILURE", "10.0.0.9", "fd00::1", "10.0.0.9", "" },
	{ "", "10.0.0.9", "10.0.0.9", "10.0.0.9", "" },
	{ "fd00::7", "FAILURE", "fd00::7", "fd00::7", "" },
};

static void
outcome_is(const char *next, const char *error)
{
	if (next != NULL)
		next_is(next);
	else
		next_fails(-ENOENT);
	if (*error == '\0')
		return;
	ck_assert_msg(strstr(c25_host_error(h), error) != NULL, "%s",
	    c25_host_error(h));
	ck_assert_ptr_nonnull(strstr(c25_host_error(h), "office.example"));
}

START_TEST(again)
{
	found("fd00::1", "10.0.0.1");
	now_ms += 5000;
	found(again_rows[_i].six, again_rows[_i].four);
	outcome_is(again_rows[_i].known, again_rows[_i].error);
}
END_TEST

START_TEST(for_the_first_time)
{
	found(again_rows[_i].six, again_rows[_i].four);
	outcome_is(again_rows[_i].fresh, again_rows[_i].error);
	now_ms += C25_HOST_AGAIN_MS;
	if (again_rows[_i].fresh == NULL)
		next_fails(-EAGAIN);
}
END_TEST

START_TEST(own_addresses_are_left_out)
{
	found("", "100.64.0.1 10.0.0.1 100.64.0.2");
	ck_assert_uint_eq(c25_host_count(h), 1);
	next_is("10.0.0.1");
}
END_TEST

START_TEST(many_addresses)
{
	found("fd00::1 fd00::2 fd00::3 fd00::4 fd00::5 fd00::6 fd00::7 "
	    "fd00::8 fd00::9 fd00::a", "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 "
	    "10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 10.0.0.9 10.0.0.10");
	ck_assert_uint_eq(c25_host_count(h), 2 * C25_HOST_FAMILY_MAX);
	now_ms += 5000;
	found("FAILURE", "10.0.0.11");
	ck_assert_uint_eq(c25_host_count(h), C25_HOST_FAMILY_MAX + 1);
}
END_TEST

START_TEST(lookups_that_cannot_begin)
{
	lookup_result = -ENOSYS;
	next_fails(-ENOENT);
	next_fails(-ENOENT);
	ck_assert_uint_eq(lookups, 2);
	lookup_result = 0;
	now_ms += C25_HOST_AGAIN_MS;
	next_fails(-EAGAIN);
	found("fd00::1", "");
	next_is("fd00::1");
}
END_TEST

START_TEST(freed_while_asking)
{
	next_fails(-EAGAIN);
	answer(&v6, "");
	c25_host_free(h);
	ck_assert_uint_eq(cancels, 1);
	setup();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host");
	TCase *tc = tcase_create("host");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, families_come_in_turn);
	tcase_add_test(tc, a_family_that_says_nothing_is_not_waited_for);
	tcase_add_test(tc, it_is_looked_up_again_when_the_ttl_is_over);
	tcase_add_test(tc, it_is_looked_up_after_a_failure_but_once_a_second);
	ADD_ROWS(tc, again, again_rows);
	ADD_ROWS(tc, for_the_first_time, again_rows);
	tcase_add_test(tc, own_addresses_are_left_out);
	tcase_add_test(tc, many_addresses);
	tcase_add_test(tc, lookups_that_cannot_begin);
	tcase_add_test(tc, freed_while_asking);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
