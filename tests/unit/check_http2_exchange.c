/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of HTTP/2 as a filter against nghttp2's server, in memory. */

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/http2_client.h"
#include "tests/unit/suite.h"

/* ---- nghttp2's server ---------------------------------------------------- */

static nghttp2_session *server;
static struct c25_buf server_out, got_fields, got_body;
static size_t answer_len, answer_sent;

static ssize_t
server_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t len,
	uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	size_t left = answer_len - answer_sent;

	len = len < left ? len : left;
	memset(to, 'a', len);
	answer_sent += len;
	if (answer_sent == answer_len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

#define NV(name, value) { (uint8_t *)name, (uint8_t *)value, \
	sizeof(name) - 1, sizeof(value) - 1, 0 }

static int
server_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	static const nghttp2_nv interim[] = { NV(":status", "103"),
		NV("conn25-epoch", "early") };
	static const nghttp2_nv nv[] = { NV(":status", "200"),
		NV("conn25-epoch", "e1"), NV("signature", "r=:AAAA:"),
		NV("x", "first"), NV("x", "second") };
	nghttp2_data_provider body = { .read_callback = server_body };

	if ((frame->hd.type != NGHTTP2_DATA &&
	    frame->hd.type != NGHTTP2_HEADERS) ||
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	answer_sent = 0;
	ck_assert_int_eq(nghttp2_submit_headers(session, 0,
	    frame->hd.stream_id, NULL, interim, 2, NULL), 0);
	return nghttp2_submit_response(session, frame->hd.stream_id, nv, 5,
	    answer_len != 0 ? &body : NULL);
}

static int
server_field(nghttp2_session *session, const nghttp2_frame *frame,
	const uint8_t *name, size_t name_len, const uint8_t *value,
	size_t value_len, uint8_t flags, void *ctx)
{
	c25_buf_format(&got_fields, "%.*s=%.*s\n", (int)name_len, name,
	    (int)value_len, value);
	return 0;
}

static int
server_data(nghttp2_session *session, uint8_t flags, int32_t stream,
	const uint8_t *data, size_t len, void *ctx)
{
	c25_buf_add(&got_body, data, len);
	return 0;
}

static void
server_start(void)
{
	nghttp2_session_callbacks *on;

	setup();
	ck_assert_int_eq(nghttp2_session_callbacks_new(&on), 0);
	nghttp2_session_callbacks_set_on_frame_recv_callback(on,
	    server_frame);
	nghttp2_session_callbacks_set_on_header_callback(on, server_field);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(on,
	    server_data);
	ck_assert_int_eq(nghttp2_session_server_new(&server, on, NULL), 0);
	nghttp2_session_callbacks_del(on);
	ck_assert_int_eq(nghttp2_submit_settings(server, 0, NULL, 0), 0);
}

static void
server_stop(void)
{
	nghttp2_session_del(server);
	c25_buf_free(&server_out);
	c25_buf_free(&got_fields);
	c25_buf_free(&got_body);
	teardown();
}

/* Carry bytes both ways, `piece` at a time to the client, until nothing
 * moves. Returns: what the client says at last. */
static int
pump(size_t piece)
{
	const uint8_t *data;
	ssize_t n;
	int r = 0;

	do {
		ck_assert(!out.failed);
		n = nghttp2_session_mem_recv(server, (uint8_t *)out.data,
		    out.len);
		ck_assert_int_eq(n, (ssize_t)out.len);
		c25_buf_clear(&out);
		c25_buf_clear(&server_out);
		while ((n = nghttp2_session_mem_send(server, &data)) > 0)
			c25_buf_add(&server_out, data, (size_t)n);
		ck_assert_int_eq(n, 0);
		for (size_t at = 0; at < server_out.len && r == 0;
		    at += piece)
			r = c25_http2_in(client, server_out.data + at,
			    piece < server_out.len - at ? piece :
			    server_out.len - at, &out);
	} while (r == 0 && (out.len != 0 || server_out.len != 0));
	return r;
}

static const struct {
	size_t body, answer, piece;
} exchange_rows[] = {
	{ 0, 0, 1 }, { 2, 2, 1 }, { 2, 2, 100000 }, { 16384, 16384, 7 },
	{ 65535, 65535, 4096 }, { 200000, 100000, 16384 },
};

START_TEST(exchange)
{
	char *body = malloc(200000);
	const char *value;

	server_start();
	memset(body, 'b', 200000);
	answer_len = exchange_rows[_i].answer;
	/* one after the other */
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(ask("User-Agent: conn25\r\n"
		    "Content-Digest: sha-256=:AA==:\r\n", body,
		    exchange_rows[_i].body), 0);
		ck_assert(!c25_http2_usable(client));
		ck_assert_int_eq(pump(exchange_rows[_i].piece), 0);
		ck_assert_int_eq(c25_http2_state(client),
		    C25_HTTP2_ANSWERED);
		ck_assert(c25_http2_usable(client));
		ck_assert_str_eq(got_fields.data, ":method=POST\n"
		    ":scheme=https\n:authority=Office.example:8025\n"
		    ":path=/p\nuser-agent=conn25\n"
		    "content-digest=sha-256=:AA==:\n");
		ck_assert_uint_eq(got_body.len, exchange_rows[_i].body);
		ck_assert_int_eq(got_body.len == 0 || memcmp(got_body.data,
		    body, got_body.len) == 0, 1);
		ck_assert_uint_eq(answer.len, exchange_rows[_i].answer);
		ck_assert_int_eq(head.status, 200);
		ck_assert_uint_eq(head.field_count, 4);
		ck_assert_int_eq(c25_http1_get(&head, "Conn25-Epoch",
		    &value), 2);
		ck_assert_int_eq(memcmp(value, "e1", 2), 0);
		ck_assert_int_eq(c25_http1_get(&head, "x", &value), 5);
		ck_assert_int_eq(memcmp(value, "first", 5), 0);
		c25_buf_clear(&got_fields);
		c25_buf_clear(&got_body);
	}
	ck_assert_str_eq(c25_http2_error(client), "");
	server_stop();
	free(body);
}
END_TEST

START_TEST(answers_that_are_too_large)
{
	server_start();
	answer_len = ANSWER_MAX + 1;
	ck_assert_int_eq(ask("", "{}", 2), 0);
	ck_assert_int_eq(pump(16384), -EPROTO);
	ck_assert_str_eq(c25_http2_error(client), "response too large");
	ck_assert(!c25_http2_usable(client));
	server_stop();
}
END_TEST

START_TEST(a_long_life)
{
	server_start();
	answer_len = 20;
	for (int i = 0; i < 20000; i++) {
		ck_assert_int_eq(ask("X: y\r\n", "{}", 2), 0);
		ck_assert_int_eq(pump(16384), 0);
		ck_assert(c25_http2_usable(client));
		c25_buf_clear(&got_fields);
		c25_buf_clear(&got_body);
	}
	server_stop();
}
END_TEST

START_TEST(goodbye)
{
	server_start();
	answer_len = 2;
	ck_assert_int_eq(ask("", "{}", 2), 0);
	ck_assert_int_eq(pump(16384), 0);
	ck_assert_int_eq(nghttp2_submit_goaway(server, 0, 1, 0, NULL, 0), 0);
	ck_assert_int_eq(pump(1), 0);
	ck_assert_int_eq(c25_http2_state(client), C25_HTTP2_ANSWERED);
	ck_assert(!c25_http2_usable(client));
	server_stop();
}
END_TEST

static const char *const bad_lines[] = {
	"nonsense\r\n", ": x\r\n", "X: y", "X: y\r\n\r\n",
};

START_TEST(lines_that_are_none)
{
	ck_assert_int_eq(ask(bad_lines[_i], "{}", 2), -EINVAL);
}
END_TEST

START_TEST(too_many_lines)
{
	char lines[(C25_HTTP2_FIELDS_MAX + 1) * 6 + 1] = "";

	for (int i = 0; i < C25_HTTP2_FIELDS_MAX; i++)
		strcat(lines, "X: y\r\n");
	ck_assert_int_eq(ask(lines, "{}", 2), 0);
	c25_http2_free(client);
	ck_assert_int_eq(c25_http2_new(&client), 0);
	strcat(lines, "X: y\r\n");
	ck_assert_int_eq(ask(lines, "{}", 2), -EINVAL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http2_exchange");
	TCase *tc = tcase_create("exchange");

	tcase_set_timeout(tc, 60);
	ADD_ROWS(tc, exchange, exchange_rows);
	tcase_add_test(tc, answers_that_are_too_large);
	tcase_add_test(tc, a_long_life);
	tcase_add_test(tc, goodbye);
	suite_add_tcase(s, tc);
	tc = tcase_create("lines");
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, lines_that_are_none, bad_lines);
	tcase_add_test(tc, too_many_lines);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
