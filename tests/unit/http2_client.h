/* SPDX-License-Identifier: BSD-3-Clause */
/* The client of the suites of HTTP/2, and what it is given and gives. */
#ifndef CONN25_TESTS_HTTP2_CLIENT_H
#define CONN25_TESTS_HTTP2_CLIENT_H

#include <check.h>

#include "sidecar/http2.h"

#define ANSWER_MAX 100000u

static struct c25_http2 *client;
static struct c25_http1 head;
static struct c25_buf fields, head_bytes, answer, out;

static inline void
setup(void)
{
	ck_assert_int_eq(c25_http2_new(&client), 0);
	ck_assert_int_eq(c25_http2_state(client), C25_HTTP2_IDLE);
	ck_assert(c25_http2_usable(client));
}

static inline void
teardown(void)
{
	c25_http2_free(client);
	c25_http2_free(NULL);
	c25_buf_free(&fields);
	c25_buf_free(&head_bytes);
	c25_buf_free(&answer);
	c25_buf_free(&out);
}

static inline int
ask(const char *lines, const char *body, size_t len)
{
	c25_buf_clear(&fields);
	c25_buf_str(&fields, lines);
	return c25_http2_request(client, &(struct c25_http2_request){
	    .path = "/p", .authority = "Office.example:8025",
	    .fields = &fields, .body = body, .body_len = len,
	    .head = &head, .head_bytes = &head_bytes, .answer = &answer,
	    .answer_max = ANSWER_MAX }, &out);
}

#endif
