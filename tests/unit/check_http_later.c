/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the HTTP server: requests that are answered later, or that take many
 * turns. */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/http_fixture.h"
#include "tests/unit/suite.h"

#define LATER(head, body) "POST /later HTTP/1.1\r\nHost: x\r\n" head \
	"\r\n\r\n" body

/* Each twice on one connection, a request that needn't wait between them. */
static const struct {
	const char *data;
	const char *answer;
} later_rows[] = {
	{ LATER("X-Test: abc\r\nContent-Length: 5", "hello"),
	    "X-Echo: abc\r\nConn25-Epoch: e1\r\n"
	    "Connection: keep-alive\r\n\r\nhello" },
	{ LATER("Transfer-Encoding: chunked", "2\r\nhe\r\n3\r\nllo\r\n"
	    "0\r\n\r\n"), "\r\n\r\nhello" },
	{ LATER("Transfer-Encoding: chunked", "0\r\n\r\n"),
	    "Content-Length: 0\r\n" },
	{ LATER("Content-Length: 0", ""), "Content-Length: 0\r\n" },
	{ "\r\nGET /idle HTTP/1.1\r\nHost: y\r\n\r\n",
	    "Content-Length: 0\r\n" },
};
#define LATER_ROWS (int)(sizeof(later_rows) / sizeof(*later_rows))

/* Answers keep the order of the requests, and nothing is answered early. */
START_TEST(answered_later)
{
	const char *data = later_rows[_i % LATER_ROWS].data;
	size_t piece = _i < LATER_ROWS ? 4096 : 1, sent;
	struct c25_buf b = { 0 };
	struct raw r;

	c25_buf_str(&b, data);
	c25_buf_lit(&b, HELLO);
	c25_buf_str(&b, data);
	sent = piece < b.len ? piece : b.len;
	raw_connect(&r, b.data, sent);
	for (int n = 1; n <= 2; n++) {
		while (later == NULL) {
			once();
			if (r.len == 0 && sent < b.len)
				raw_send(&r, b.data + sent++, 1);
		}
		settle();
		ck_assert_uint_eq(resumed, n - 1);
		ck_assert_uint_eq(count(&r.in, "HTTP/1.1 "),
		    n == 1 ? 0 : 2);
		resume();
	}
	while (count(&r.in, "HTTP/1.1 ") < 3)
		once();
	ck_assert_uint_eq(resumed, 2);
	ck_assert_uint_ge(count(&r.in, later_rows[_i % LATER_ROWS].answer),
	    2);
	ck_assert_uint_eq(count(&r.in, "\r\n\r\nhello"),
	    strstr(data, "llo") != NULL ? 3 : 1);
	ck_assert(!r.closed);
	c25_buf_free(&b);
	raw_free(&r);
}
END_TEST

/* While it waits nothing is read, so that nothing has to be kept. */
START_TEST(who_waits_is_not_read)
{
	size_t len = 64u << 20, left;
	char *data = calloc(1, len + 1);
	struct raw r;
	int same = 0;

	ck_assert_ptr_nonnull(data);
	memset(data, 'x', len);
	memcpy(data, later_rows[0].data, strlen(later_rows[0].data));
	raw_connect(&r, data, len);
	for (left = len; same < 50; same = left == r.len ? same + 1 : 0) {
		left = r.len;
		settle();
	}
	ck_assert_ptr_nonnull(later);
	ck_assert_uint_gt(r.len, len / 2);
	raw_free(&r);
	settle();
	resume();
	free(data);
}
END_TEST

/* Nobody is there any more, for one reason or the other. */
START_TEST(nobody_to_answer)
{
	struct raw r;

	raw_connect(&r, later_rows[0].data, strlen(later_rows[0].data));
	while (later == NULL)
		once();
	if (_i == 0) {
		struct linger now = { .l_onoff = 1 };

		setsockopt(c25_watch_fd(r.watch), SOL_SOCKET, SO_LINGER,
		    &now, sizeof(now));
		raw_free(&r);
		settle();
	} else {
		c25_http_unlisten(listener);
		listener = NULL;
		while (!r.closed)
			once();
		raw_free(&r);
	}
	resume();
	ck_assert_uint_eq(resumed, 0);
}
END_TEST

#define BIT "POST /bits HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"

/* What takes many turns is answered in the end, in its order, and others have
 * theirs meanwhile. */
START_TEST(handled_in_pieces)
{
	struct raw many[4], r;
	unsigned before;

	for (int i = 0; i < 4; i++)
		raw_connect(&many[i], BIT HELLO BIT, strlen(BIT HELLO BIT));
	while (bits < 20)
		once();
	raw_connect_from(&r, OTHER, HELLO HELLO, strlen(HELLO HELLO));
	before = bits;
	while (count(&r.in, "hello") < 2)
		once();
	ck_assert_uint_le(bits - before, 10);
	for (int i = 0; i < 4; i++) {
		while (count(&many[i].in, "\r\n\r\nhello") < 3)
			once();
		ck_assert_uint_eq(count(&many[i].in, "HTTP/1.1 200 OK"), 3);
		raw_free(&many[i]);
	}
	ck_assert_uint_eq(bits, 4 * 2 * BITS);
	ck_assert_uint_eq(bits_gone, 0);
	raw_free(&r);
}
END_TEST

/* Half way the connection or the listener goes. */
START_TEST(gone_between_pieces)
{
	struct raw r;

	raw_connect(&r, BIT, strlen(BIT));
	while (bits == 0)
		once();
	if (_i == 0) {
		struct linger now = { .l_onoff = 1 };

		setsockopt(c25_watch_fd(r.watch), SOL_SOCKET, SO_LINGER,
		    &now, sizeof(now));
		raw_free(&r);
		while (bits_gone == 0)
			once();
	} else {
		c25_http_unlisten(listener);
		listener = NULL;
		ck_assert_uint_eq(bits_gone, 1);
		while (!r.closed)
			once();
		raw_free(&r);
	}
	ck_assert_uint_lt(bits, BITS + 1);
	ck_assert_uint_eq(bits_gone, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_later");
	TCase *tc = tcase_create("http_later");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, answered_later, 0, 2 * LATER_ROWS);
	tcase_add_test(tc, who_waits_is_not_read);
	tcase_add_test(tc, handled_in_pieces);
	tcase_add_loop_test(tc, gone_between_pieces, 0, 2);
	tcase_add_loop_test(tc, nobody_to_answer, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
