/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the HTTP server: answers that are made while they are sent, and who
 * doesn't take them. */

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/http_fixture.h"
#include "tests/unit/suite.h"

static const struct {
	const char *request;
	unsigned chunks, lines;		/* of a thousand bytes */
	bool breaks, more;		/* another request is answered */
} long_rows[] = {
	{ "GET /long HTTP/1.1\r\nHost: h\r\n\r\n"
	    "GET /get HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
	    11, 10, false, true },
	{ "GET /long HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
	    11, 10, false, false },
	{ "GET /long HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, 10,
	    false, false },
	{ "HEAD /long HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 0,
	    0, false, false },
	/* broken off, so that the client sees that it is not all */
	{ "GET /long HTTP/1.1\r\nHost: h\r\n\r\n", 5, 5, true, false },
};

START_TEST(long_answers)
{
	const char *request = long_rows[_i].request;
	char line[16];
	struct raw r;

	ended = 0;
	breaks = long_rows[_i].breaks;
	raw_connect(&r, request, strlen(request));
	while (!r.closed)
		once();
	ck_assert_uint_eq(count(&r.in, "HTTP/1.1 200 "),
	    1 + long_rows[_i].more);
	ck_assert_uint_eq(count(&r.in, "Transfer-Encoding: chunked\r\n"),
	    long_rows[_i].request[0] == 'H' || long_rows[_i].chunks > 0);
	ck_assert_uint_eq(count(&r.in, "3e8\r\n") +
	    count(&r.in, "\r\n0\r\n\r\n"), long_rows[_i].chunks);
	for (unsigned i = 1; i <= 10; i++) {
		(void)snprintf(line, sizeof(line), "0000%u\n", i);
		ck_assert_uint_eq(count(&r.in, line),
		    i <= long_rows[_i].lines);
	}
	ck_assert_uint_eq(ended, 1);
	raw_free(&r);
}
END_TEST

static struct c25_timer sip;
static size_t sipped;

static void
on_sip(void *ctx)
{
	char buf[100];
	ssize_t n = recv(*(int *)ctx, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		sipped += (size_t)n;
	c25_timer_set(&sip, 5);
}

/* Who takes an answer a byte now and then can't keep it in memory for ever. */
START_TEST(who_reads_slowly_is_cut)
{
	static const char request[] = "GET /sizable HTTP/1.1\r\nHost: h\r\n"
	    "Connection: close\r\n\r\n";
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(c25_http_port(listener)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct c25_limits limits = C25_LIMITS_DEFAULT;
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 500;

	limits.request_seconds = 1;
	c25_http_configure(listener, &limits, NULL);
	ended = 0;
	sipped = 0;
	ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &small,
	    sizeof(small)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small,
	    sizeof(small)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(send(fd, request, strlen(request), 0),
	    strlen(request));
	c25_timer_init(&sip, loop, on_sip, &fd);
	c25_timer_set(&sip, 1);
	while (ended == 0)
		once();
	c25_timer_stop(&sip);
	ck_assert_uint_gt(sipped, 0);
	ck_assert_uint_eq(pieces, 0);	/* what comes after that answer */
	close(fd);
}
END_TEST

START_TEST(long_answers_end_with_their_reader)
{
	static const char request[] = "GET /long HTTP/1.1\r\nHost: h\r\n\r\n";
	struct raw r;

	ended = 0;
	breaks = false;
	raw_connect(&r, request, strlen(request));
	while (pieces < 2)
		once();
	raw_free(&r);
	while (ended == 0)
		once();
	ck_assert_uint_eq(ended, 1);
	/* the next one, with the listener */
	raw_connect(&r, request, strlen(request));
	pieces = 0;
	while (pieces < 2)
		once();
	c25_http_unlisten(listener);
	listener = NULL;
	ck_assert_uint_eq(ended, 2);
	raw_free(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_long");
	TCase *tc = tcase_create("http_long");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, long_answers, long_rows);
	tcase_add_test(tc, long_answers_end_with_their_reader);
	tcase_add_test(tc, who_reads_slowly_is_cut);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
