/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the HTTP server: what it answers to which bytes. Answers that are
 * long are in check_http_long.c, those that come later in _later.c; its limits
 * are in _limits.c, the client in _client.c.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/http_fixture.h"
#include "tests/unit/suite.h"

static const struct {
	const char *data;
	const char *answer;	/* in what comes */
	unsigned answers;
	bool closes;
} server_rows[] = {
	{ HELLO, "\r\n\r\nhello", 1, false },
	{ HELLO HELLO HELLO, "\r\n\r\nhello", 3, false },
	{ ECHO "X-Test: abc\r\nContent-Length: 0\r\n\r\n",
	    "X-Echo: abc\r\n", 1, false },
	{ "POST /echo?x HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
	    "\r\n\r\nx", 1, true },
	{ ECHO "Connection: close\r\nContent-Length: 1\r\n\r\nx" HELLO,
	    "Connection: close\r\n", 1, true },
	{ ECHO "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	    HELLO, "\r\n\r\nabc", 2, false },
	{ ECHO "Transfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 400 ", 1,
	    true },
	{ ECHO "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
	    "HTTP/1.1 100 Continue\r\n\r\n", 1, false },
	{ "GET /get HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", 1, false },
	{ "HEAD /get HTTP/1.1\r\n\r\n", "Content-Length: 0\r\n", 1, false },
	{ "GET /echo HTTP/1.1\r\n\r\n", "Allow: POST\r\n", 1, false },
	{ "TRACE /echo HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", 1, false },
	{ "PUT /get HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
	    "Allow: GET, HEAD\r\n", 1, false },
	{ "PUT /get HTTP/1.1\r\nContent-Length: 2\r\n\r\nx",
	    "Allow: GET, HEAD\r\n", 1, true },
	{ "GET /get HTTP/1.1\r\nOrigin: http://page.example\r\n\r\n",
	    "HTTP/1.1 403 ", 1, false },
	{ ECHO "sec-fetch-site: none\r\nContent-Length: 1\r\n\r\nx",
	    "HTTP/1.1 403 ", 1, false },
	{ "GET /none HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", 1, false },
	{ "GET /get/ HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", 1, false },
	{ "POST /deny HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
	    "HTTP/1.1 403 Forbidden\r\n", 1, true },
	{ ECHO "Content-Length: 1001\r\n\r\n", "HTTP/1.1 413 ", 1, true },
	{ ECHO "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", "HTTP/1.1 413 ",
	    1, true },
	{ "nonsense\r\n\r\n", "HTTP/1.1 400 ", 1, true },
	{ "GET /get HTTP/3.0\r\n\r\n", "HTTP/1.1 505 ", 1, true },
	{ ECHO "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
	    "HTTP/1.1 400 ", 1, true },
};

/* Written at once. */
START_TEST(server)
{
	const char *data = server_rows[_i].data;
	struct raw r;

	raw_connect(&r, data, strlen(data));
	while (count(&r.in, "HTTP/1.1 ") < server_rows[_i].answers ||
	    count(&r.in, server_rows[_i].answer) == 0 ||
	    r.closed != server_rows[_i].closes)
		once();
	if (!server_rows[_i].closes) {
		/* it still serves */
		unsigned before = count(&r.in, "HTTP/1.1 ");

		if (strstr(data, "100-continue") != NULL)
			raw_send(&r, "x" HELLO, strlen("x" HELLO));
		else
			raw_send(&r, HELLO, strlen(HELLO));
		while (count(&r.in, "HTTP/1.1 ") == before)
			once();
	}
	raw_free(&r);
}
END_TEST

/* Byte by byte. */
START_TEST(server_in_pieces)
{
	const char *data = server_rows[_i].data;
	struct raw r;

	raw_connect(&r, data, 1);
	for (size_t i = 1; data[i] != '\0' && !r.closed; i++) {
		while (r.len != 0 && !r.closed)
			once();
		if (!r.closed)
			raw_send(&r, data + i, 1);
	}
	while (count(&r.in, "HTTP/1.1 ") < server_rows[_i].answers ||
	    count(&r.in, server_rows[_i].answer) == 0 ||
	    r.closed != server_rows[_i].closes)
		once();
	raw_free(&r);
}
END_TEST

START_TEST(a_thousand_on_one_connection)
{
	struct c25_buf b = { 0 };
	struct raw r;

	for (int i = 0; i < 1000; i++)
		c25_buf_lit(&b, HELLO);
	raw_connect(&r, b.data, b.len);
	while (count(&r.in, "\r\n\r\nhello") < 1000)
		once();
	ck_assert_uint_eq(handled, 1000);
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

/* Answers of 10 MB each: they must not pile up in the server. */
START_TEST(who_does_not_read_is_not_read)
{
	static const char get[] = "GET /big HTTP/1.1\r\n\r\n";
	struct c25_buf b = { 0 };
	struct raw r;

	for (int i = 0; i < 6; i++)
		c25_buf_str(&b, get);
	raw_connect(&r, b.data, b.len);
	while (r.len != 0)
		once();
	c25_watch_events(r.watch, 0);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(c25_loop_once(loop, false), 0);
	ck_assert_uint_le(handled, 2);
	c25_watch_events(r.watch, C25_READ);
	while (r.in.len < 6 * 10000000)
		once();
	ck_assert_uint_eq(count(&r.in, "HTTP/1.1 200 OK\r\n"), 6);
	ck_assert_uint_eq(count(&r.in, "99999\n"), 6);
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

START_TEST(huge_heads_are_refused)
{
	struct c25_buf b = { 0 };
	struct raw r;

	c25_buf_lit(&b, "GET /get HTTP/1.1\r\nX: ");
	while (b.len < 200000)
		c25_buf_lit(&b, "xxxxxxxxxx");
	raw_connect(&r, b.data, b.len);
	while (count(&r.in, "HTTP/1.1 431 ") == 0 || !r.closed)
		once();
	ck_assert_uint_eq(handled, 0);
	raw_free(&r);
	c25_buf_free(&b);
}
END_TEST

START_TEST(an_address_that_cannot_be)
{
	struct c25_http_listen h = how("127.0.0.1", c25_http_port(listener));
	struct c25_http_listener *l;
	struct c25_error err;
	char want[64];

	ck_assert_int_eq(c25_http_listen(loop, &h, &l, &err), -EADDRINUSE);
	snprintf(want, sizeof(want), "listen.test: can't listen on "
	    "127.0.0.1:%u: ", h.port);
	ck_assert_msg(strncmp(err.text, want, strlen(want)) == 0, "%s",
	    err.text);
	h = how("192.0.2.1", 0);
	ck_assert_int_eq(c25_http_listen(loop, &h, &l, &err),
	    -EADDRNOTAVAIL);
}
END_TEST

START_TEST(unlisten_drops_connections)
{
	struct raw idle, half;

	raw_connect(&idle, HELLO, strlen(HELLO));
	raw_connect(&half, HELLO, strlen(HELLO) - 2);
	while (count(&idle.in, "hello") == 0 || half.len != 0)
		once();
	c25_http_unlisten(listener);
	listener = NULL;
	while (!idle.closed || !half.closed)
		once();
	raw_free(&idle);
	raw_free(&half);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, server, server_rows);
	ADD_ROWS(tc, server_in_pieces, server_rows);
	tcase_add_test(tc, a_thousand_on_one_connection);
	tcase_add_test(tc, who_does_not_read_is_not_read);
	tcase_add_test(tc, huge_heads_are_refused);
	tcase_add_test(tc, an_address_that_cannot_be);
	tcase_add_test(tc, unlisten_drops_connections);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
