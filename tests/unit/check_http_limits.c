/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the HTTP server: how much of it one may have, and whose turn it
 * is. */

#include <string.h>

#include "tests/unit/http_fixture.h"
#include "tests/unit/suite.h"

#define STRANGER (INADDR_LOOPBACK + 2)

/* Whatever one has asked for, on however many connections: another one waits
 * for a turn, not for all of it. */
START_TEST(each_has_a_turn)
{
	static struct raw many[8];
	struct raw r;
	struct c25_buf b = { 0 };
	unsigned before;

	for (int i = 0; i < 50; i++)
		c25_buf_lit(&b, "GET /slow HTTP/1.1\r\n\r\n");
	for (int i = 0; i < 8; i++)
		raw_connect(&many[i], b.data, b.len);
	while (handled < 20)
		once();
	ck_assert_uint_lt(handled, 30);		/* one in each round */
	raw_connect_from(&r, OTHER, HELLO HELLO, strlen(HELLO HELLO));
	before = handled;
	while (count(&r.in, "hello") < 2)
		once();
	/* of the other one, two of these, and what a few rounds have */
	ck_assert_uint_le(handled - before, 10);
	while (handled < 8 * 50 + 2)
		once();		/* and nobody is forgotten */
	for (int i = 0; i < 8; i++) {
		while (count(&many[i].in, "HTTP/1.1 200 OK") < 50)
			once();
		raw_free(&many[i]);
	}
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

START_TEST(requests_per_second)
{
	struct c25_limits limits = C25_LIMITS_DEFAULT;
	struct c25_buf b = { 0 };
	unsigned refused = 0;
	struct raw r;

	limits.requests_per_second = 1;
	c25_http_configure(listener, &limits, NULL);
	for (int i = 0; i < 1000; i++)
		c25_buf_lit(&b, HELLO);
	raw_connect(&r, b.data, b.len);
	while (count(&r.in, "HTTP/1.1 ") < 1000)
		once();
	ck_assert_uint_ge(count(&r.in, "HTTP/1.1 200 OK"), 1);
	ck_assert_uint_ge(count(&r.in, "HTTP/1.1 429 "), 900);
	ck_assert_uint_eq(count(&r.in, "Retry-After: 1\r\n"),
	    count(&r.in, "HTTP/1.1 429 "));
	raw_free(&r);
	/* it has no other allowance with another connection, others have */
	for (int i = 0; i < 5; i++) {
		raw_connect(&r, HELLO, strlen(HELLO));
		while (count(&r.in, "HTTP/1.1 ") == 0)
			once();
		refused += count(&r.in, "HTTP/1.1 429 ");
		raw_free(&r);
		for (int n = 0; n < 20; n++)
			ck_assert_int_eq(c25_loop_once(loop, false), 0);
	}
	ck_assert_uint_ge(refused, 1);
	raw_connect_from(&r, OTHER, HELLO, strlen(HELLO));
	while (count(&r.in, "hello") == 0)
		once();
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

static bool
knows(void *ctx, const struct c25_addr *source)
{
	char text[C25_ADDR_TEXT_MAX];

	return strcmp(c25_addr_format(source, text), "127.0.0.1") == 0;
}

/* Eight connections: two for strangers, who are told so, and one known gets in
 * in any case, if not with all of them. */
START_TEST(room_for_those_who_are_known)
{
	struct c25_http_listen h = how("127.0.0.1", 0);
	struct raw strangers[3], known[7];
	struct c25_error err;

	c25_http_unlisten(listener);
	h.knows = knows;
	h.limits = C25_LIMITS_DEFAULT;
	h.limits.connections = 8;
	h.limits.connections_per_address = 5;
	ck_assert_int_eq(c25_http_listen(loop, &h, &listener, &err), 0);
	for (int i = 0; i < 3; i++)
		raw_connect_from(&strangers[i], STRANGER + (uint32_t)i, "", 0);
	while (!strangers[2].closed)
		once();
	ck_assert_uint_eq(count(&strangers[2].in, "HTTP/1.1 503 "), 1);
	ck_assert_uint_eq(count(&strangers[2].in, "the listener is full"), 1);
	ck_assert_uint_eq(count(&strangers[2].in, "Connection: close"), 1);
	for (int i = 0; i < 7; i++)
		raw_connect(&known[i], "", 0);
	while (!known[6].closed)
		once();
	ck_assert_uint_eq(count(&known[6].in, "HTTP/1.1 429 "), 1);
	for (int i = 0; i < 5; i++) {
		raw_send(&known[i], HELLO, strlen(HELLO));
		while (count(&known[i].in, "hello") == 0)
			once();
	}
	/* a stranger that goes leaves its place to another */
	raw_free(&strangers[0]);
	do {
		raw_free(&strangers[2]);
		raw_connect_from(&strangers[2], STRANGER + 9, HELLO,
		    strlen(HELLO));
		while (count(&strangers[2].in, "HTTP/1.1 ") == 0)
			once();
	} while (count(&strangers[2].in, "HTTP/1.1 503 ") != 0);
	ck_assert_uint_eq(count(&strangers[2].in, "hello"), 1);
	for (int i = 0; i < 7; i++)
		raw_free(&known[i]);
	raw_free(&strangers[1]);
	raw_free(&strangers[2]);
}
END_TEST

START_TEST(not_too_many_from_one_place)
{
	static struct raw r[70];
	unsigned closed = 0;

	for (int i = 0; i < 70; i++)
		raw_connect(&r[i], "", 0);
	while (closed < 6) {
		once();
		closed = 0;
		for (int i = 0; i < 70; i++)
			closed += r[i].closed;
	}
	ck_assert_uint_eq(closed, 6);
	raw_send(&r[0], HELLO, strlen(HELLO));
	while (count(&r[0].in, "hello") == 0)
		once();
	for (int i = 0; i < 70; i++)
		raw_free(&r[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_limits");
	TCase *tc = tcase_create("http_limits");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, not_too_many_from_one_place);
	tcase_add_test(tc, each_has_a_turn);
	tcase_add_test(tc, requests_per_second);
	tcase_add_test(tc, room_for_those_who_are_known);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
