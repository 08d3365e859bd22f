/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of HTTP's syntax. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sidecar/http1.h"
#include "tests/unit/suite.h"

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST /p HTTP/1.1\r\n"

static const struct {
	const char *data;
	int r;			/* -1: all of it */
	const char *path;
	int64_t length;
	bool keep;
} request_rows[] = {
	{ GET "\r\n", -1, "/", 0, true },
	{ GET "\r\nrest", 18, "/", 0, true },
	{ "GET / HTTP/1.0\r\n\r\n", -1, "/", 0, false },
	{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", -1, "/", 0,
	    true },
	{ "GET / HTTP/1.9\r\n\r\n", -1, "/", 0, true },
	{ "\r\n" GET "\r\n", -1, "/", 0, true },
	{ "GET /a/b?c=d?e HTTP/1.1\r\n\r\n", -1, "/a/b", 0, true },
	{ "GET http://x:1/a?b HTTP/1.1\r\n\r\n", -1, "/a", 0, true },
	{ "GET http://x HTTP/1.1\r\n\r\n", -1, "", 0, true },
	{ "OPTIONS * HTTP/1.1\r\n\r\n", -1, "*", 0, true },
	{ "FOO-bar /x HTTP/1.1\r\n\r\n", -1, "/x", 0, true },
	{ POST "Content-Length: 5\r\n\r\nhello", 39, "/p", 5, true },
	{ POST "content-LENGTH:5\r\n\r\n", -1, "/p", 5, true },
	{ POST "Content-Length: \t 0007 \r\n\r\n", -1, "/p", 7, true },
	{ POST "Transfer-Encoding: Chunked\r\n\r\n", -1, "/p", -1, true },
	{ POST "Connection: close\r\n\r\n", -1, "/p", 0, false },
	{ POST "Connection: TE , Close\r\n\r\n", -1, "/p", 0, false },
	{ POST "Connection: closed\r\n\r\n", -1, "/p", 0, true },
	{ POST "X: a\tb\300\r\nY:\r\n\r\n", -1, "/p", 0, true },
	/* more to come */
	{ "", 0, NULL, 0, false },
	{ "G", 0, NULL, 0, false },
	{ GET, 0, NULL, 0, false },
	{ GET "X: y\r\n\r", 0, NULL, 0, false },
	/* no HTTP */
	{ "hello\r\n\r\n", -400, NULL, 0, false },
	{ " " GET "\r\n", -400, NULL, 0, false },
	{ "GET  / HTTP/1.1\r\n\r\n", -400, NULL, 0, false },
	{ "GET /\r\n\r\n", -400, NULL, 0, false },
	{ "GET / \r\n\r\n", -400, NULL, 0, false },
	{ "GET / HTTP/1.1 \r\n\r\n", -400, NULL, 0, false },
	{ "GET / HTTP/11\r\n\r\n", -400, NULL, 0, false },
	{ "GET / http/1.1\r\n\r\n", -400, NULL, 0, false },
	{ "GET /a b HTTP/1.1\r\n\r\n", -400, NULL, 0, false },
	{ "GET /\001 HTTP/1.1\r\n\r\n", -400, NULL, 0, false },
	{ "GET / HTTP/2.0\r\n\r\n", -505, NULL, 0, false },
	{ "GET / HTTP/1.1\n\n", -400, NULL, 0, false },
	{ GET "X: y\n\r\n\r\n", -400, NULL, 0, false },
	{ GET "X: y\r\r\n\r\n", -400, NULL, 0, false },
	{ "GET / HTTP/1.1\rX: y\r\n\r\n", -400, NULL, 0, false },
	{ GET "nonsense\r\n\r\n", -400, NULL, 0, false },
	{ GET "X : y\r\n\r\n", -400, NULL, 0, false },
	{ GET ": y\r\n\r\n", -400, NULL, 0, false },
	{ GET "X: y\r\n folded\r\n\r\n", -400, NULL, 0, false },
	{ GET "X: \001\r\n\r\n", -400, NULL, 0, false },
	/* bodies that are long in two ways */
	{ POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", -400, NULL,
	    0, false },
	{ POST "Content-Length: 5, 5\r\n\r\n", -400, NULL, 0, false },
	{ POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    -400, NULL, 0, false },
	{ POST "Transfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n", -400, NULL, 0, false },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -400, NULL,
	    0, false },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", -501, NULL, 0,
	    false },
	{ POST "Content-Length: -5\r\n\r\n", -400, NULL, 0, false },
	{ POST "Content-Length: +5\r\n\r\n", -400, NULL, 0, false },
	{ POST "Content-Length: 0x5\r\n\r\n", -400, NULL, 0, false },
	{ POST "Content-Length:\r\n\r\n", -400, NULL, 0, false },
	{ POST "Content-Length: 9999999999999999999999\r\n\r\n", -413, NULL,
	    0, false },
};

START_TEST(request)
{
	const char *data = request_rows[_i].data;
	size_t len = strlen(data);
	int want = request_rows[_i].r;
	struct c25_http1 h;
	int r;

	/* no byte after the end may be read */
	char *copy = malloc(len + (len == 0));

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	r = c25_http1_request(&h, copy, len);
	ck_assert_int_eq(r, want == -1 ? (int)len : want);
	if (r > 0) {
		ck_assert(c25_http1_is(h.base + h.path, h.path_len,
		    request_rows[_i].path));
		ck_assert_int_eq(h.length, request_rows[_i].length);
		ck_assert_int_eq(h.keep, request_rows[_i].keep);
	}
	/* byte by byte it is the same, and never an error too early */
	for (size_t i = 0; i < len; i++) {
		int part = c25_http1_request(&h, copy, i);

		ck_assert(part == 0 || part == r);
	}
	free(copy);
}
END_TEST

START_TEST(sizes)
{
	struct c25_buf b = { 0 };
	struct c25_http1 h;

	c25_buf_lit(&b, GET);
	for (int i = 0; i < C25_HTTP1_FIELDS_MAX; i++)
		c25_buf_format(&b, "X-%d: y\r\n", i);
	c25_buf_lit(&b, "\r\n");
	ck_assert_int_eq(c25_http1_request(&h, b.data, b.len), (int)b.len);
	b.len -= 2;
	c25_buf_lit(&b, "One: more\r\n\r\n");
	ck_assert_int_eq(c25_http1_request(&h, b.data, b.len), -431);
	c25_buf_clear(&b);
	c25_buf_lit(&b, GET "X: ");
	while (b.len < C25_HTTP1_HEAD_MAX - 4)
		c25_buf_lit(&b, "x");
	c25_buf_lit(&b, "\r\n\r\n");
	ck_assert_int_eq(c25_http1_request(&h, b.data, b.len), (int)b.len);
	b.len -= 4;
	c25_buf_lit(&b, "x\r\n\r\n");
	ck_assert_int_eq(c25_http1_request(&h, b.data, b.len), -431);
	c25_buf_free(&b);
}
END_TEST

START_TEST(fields)
{
	const char *text = GET "One: 1\r\nTWO:  a b \r\nExpect: 100-Continue"
	    "\r\ntwo: c\r\n\r\n", *value;
	struct c25_http1 h;

	ck_assert_int_gt(c25_http1_request(&h, text, strlen(text)), 0);
	ck_assert_int_eq(c25_http1_get(&h, "two", &value), 3);
	ck_assert_int_eq(memcmp(value, "a b", 3), 0);
	ck_assert_int_eq(c25_http1_get(&h, "three", &value), -ENOENT);
	ck_assert(h.expect);
	ck_assert(c25_http1_is(h.base + h.method, h.method_len, "GET"));
}
END_TEST

static const struct {
	const char *data;
	int r;
	int status;
	int64_t length;
	bool keep;
} response_rows[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 38, 200, 2,
	    true },
	{ "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n", -1, 200, 2, true },
	{ "HTTP/1.1 200 \r\n\r\n", -1, 200, -2, false },
	{ "HTTP/1.0 500 Oh no\r\nContent-Length: 2\r\n\r\n", -1, 500, 2,
	    false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1, 200,
	    -1, true },
	{ "HTTP/1.1 204 No\r\n\r\n", -1, 204, 0, true },
	{ "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", -1, 304, 0, true },
	{ "HTTP/1.1 100 Continue\r\n\r\n", -1, 100, 0, true },
	{ "HTTP/1.1 200 OK\r\n", 0, 0, 0, false },
	{ "", 0, 0, 0, false },
	{ "hello\r\n\r\n", -400, 0, 0, false },
	{ "HTTP/1.1 20 OK\r\n\r\n", -400, 0, 0, false },
	{ "HTTP/1.1 2000\r\n\r\n", -400, 0, 0, false },
	{ "HTTP/1.1  200 OK\r\n\r\n", -400, 0, 0, false },
	{ "HTTP/2.0 200 OK\r\n\r\n", -400, 0, 0, false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
	    -400, 0, 0, false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", -400, 0, 0, false },
};

START_TEST(response)
{
	const char *data = response_rows[_i].data;
	int want = response_rows[_i].r;
	struct c25_http1 h;
	int r = c25_http1_response(&h, data, strlen(data));

	ck_assert_int_eq(r, want == -1 ? (int)strlen(data) : want);
	if (r <= 0)
		return;
	ck_assert_int_eq(h.status, response_rows[_i].status);
	ck_assert_int_eq(h.length, response_rows[_i].length);
	ck_assert_int_eq(h.keep, response_rows[_i].keep);
}
END_TEST

static const struct {
	const char *data;
	ssize_t r;		/* -1: all of it */
	const char *body;	/* NULL: not complete */
} chunk_rows[] = {
	{ "5\r\nhello\r\n0\r\n\r\n", -1, "hello" },
	{ "5\r\nhello\r\n0\r\n\r\nrest", 15, "hello" },
	{ "2\r\nhe\r\n00003 ; x=y\r\nllo\r\n0\r\nA: b\r\nC: d\r\n\r\n", -1,
	    "hello" },
	{ "A\r\n0123456789\r\n0\r\n\r\n", -1, "0123456789" },
	{ "0\r\n\r\n", -1, "" },
	{ "", -1, NULL },
	{ "5\r\nhel", -1, NULL },
	{ "5\r\nhello\r\n0\r\n", -1, NULL },
	{ "zz\r\n", -EINVAL, NULL },
	{ "\r\n", -EINVAL, NULL },
	{ "-1\r\n", -EINVAL, NULL },
	{ "+1\r\n", -EINVAL, NULL },
	{ "0x5\r\nhello\r\n", -EINVAL, NULL },
	{ "5\nhello", -EINVAL, NULL },
	{ "5\r\nhello0\r\n\r\n", -EINVAL, NULL },
	{ "5;\nhello\r\n", -EINVAL, NULL },
	{ "123456789\r\n", -EINVAL, NULL },
	{ "0\r\n\rx", -EINVAL, NULL },
	{ "41\r\n0123456789", -E2BIG, NULL },
	{ "40\r\n0123456789012345678901234567890123456789012345678901234567890"
	    "123\r\n1\r\nx", -E2BIG, NULL },
	{ "ffffffff\r\nx", -E2BIG, NULL },
};

START_TEST(chunks)
{
	const char *data = chunk_rows[_i].data;
	size_t len = strlen(data);
	ssize_t want = chunk_rows[_i].r;

	/* in pieces of each size */
	for (size_t piece = 1; piece <= len + 1; piece++) {
		struct c25_chunk c = { 0 };
		struct c25_buf out = { 0 };
		ssize_t r = 0, sum = 0;

		for (size_t at = 0; at < len && r >= 0 &&
		    c.state != C25_CHUNK_DONE; at += piece) {
			r = c25_chunk_feed(&c, data + at, piece < len - at ?
			    piece : len - at, &out, 64);
			sum += r;
		}
		ck_assert_int_eq(r < 0 ? r : sum, want == -1 ? (ssize_t)len :
		    want);
		ck_assert_int_eq(c.state == C25_CHUNK_DONE,
		    chunk_rows[_i].body != NULL);
		if (chunk_rows[_i].body != NULL)
			ck_assert(c25_http1_is(out.len != 0 ? out.data : "",
			    out.len, chunk_rows[_i].body));
		ck_assert_uint_le(out.len, 64);
		c25_buf_free(&out);
	}
}
END_TEST

START_TEST(endless_trailers_end)
{
	struct c25_chunk c = { 0 };
	struct c25_buf out = { 0 };
	ssize_t r = c25_chunk_feed(&c, "0\r\n", 3, &out, 64);

	for (int i = 0; i < 1000 && r >= 0; i++)
		r = c25_chunk_feed(&c, "a: b\r\n", 6, &out, 64);
	ck_assert_int_eq(r, -EINVAL);
	c25_buf_free(&out);
}
END_TEST

/* Random changes of good heads; the sanitizers look on. */
START_TEST(mutations)
{
	static const char *const good[] = {
		"POST /p?q HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
		"Expect: 100-continue\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"5;x\r\nhello\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n",
	};
	unsigned seed = (unsigned)time(NULL) * 31 + (unsigned)_i;

	printf("mutations: seed %u\n", seed);
	for (int n = 0; n < 60000; n++) {
		size_t len = strlen(good[n % 3]);
		struct c25_chunk c = { 0 };
		struct c25_buf out = { 0 };
		struct c25_http1 h;
		char *copy = malloc(len);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, good[n % 3], len);
		for (int k = 0; k <= n % 4; k++) {
			seed = seed * 1103515245 + 12345;
			copy[(seed >> 8) % len] = seed & 0x1000000 ?
			    "\r\n: \t;0a/"[seed >> 25 & 7] :
			    (char)(seed >> 22);
		}
		if (c25_http1_request(&h, copy, len) > 0)
			ck_assert_uint_le((size_t)(h.base - copy) + h.path +
			    h.path_len, len);
		(void)!c25_http1_response(&h, copy, len);
		ck_assert_int_le(c25_chunk_feed(&c, copy, len, &out, 64),
		    (ssize_t)len);
		c25_buf_free(&out);
		free(copy);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http1");
	TCase *tc = tcase_create("http1");

	tcase_set_timeout(tc, 60);
	ADD_ROWS(tc, request, request_rows);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, fields);
	ADD_ROWS(tc, response, response_rows);
	ADD_ROWS(tc, chunks, chunk_rows);
	tcase_add_test(tc, endless_trailers_end);
	tcase_add_loop_test(tc, mutations, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
