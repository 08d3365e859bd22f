/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of HTTP/2 as a filter against servers that send what the rows below
 * say, frame by frame: what an answer is, and what is none.
 */

#include <errno.h>
#include <string.h>

#include "tests/unit/http2_client.h"
#include "tests/unit/suite.h"

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW,
	CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };

struct frame {
	int type;
	int flags;
	uint32_t stream;
	const char *payload;
	size_t len;
};

#define FRAMES_MAX 10

#define FRAME(type, flags, stream, text) \
	{ type, flags, stream, text, sizeof(text) - 1 }

/* Fields that are in no table: "\0", length, name, length, value. */
#define STATUS(code) "\0\7:status\3" code
#define OK STATUS("200")
#define HEAD(flags, text) FRAME(HEADERS, (flags) | END_HEADERS, 1, text)
#define GOOD HEAD(0, OK "\0\1x\1y"), FRAME(DATA, END_STREAM, 1, "{}")
#define PROMISE FRAME(PUSH, END_HEADERS, 1, \
	"\0\0\0\2\202\206\204\0\12:authority\1x")

static const struct frame good[FRAMES_MAX] = { GOOD };
static const struct frame ok[FRAMES_MAX] = { HEAD(0, OK) };

/* ---- what the server says ------------------------------------------------ */

static struct c25_buf said;

static void
say(int type, int flags, uint32_t stream, const void *payload, size_t len)
{
	uint8_t h[9] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8),
		(uint8_t)len, (uint8_t)type, (uint8_t)flags,
		(uint8_t)(stream >> 24), (uint8_t)(stream >> 16),
		(uint8_t)(stream >> 8), (uint8_t)stream };

	c25_buf_add(&said, h, sizeof(h));
	if (len != 0)
		c25_buf_add(&said, payload, len);
}

static void
say_all(const struct frame *frames)
{
	for (size_t i = 0; i < FRAMES_MAX && frames[i].payload != NULL; i++)
		say(frames[i].type, frames[i].flags, frames[i].stream,
		    frames[i].payload, frames[i].len);
}

static void
garbage_later(void)
{
	say_all(good);
	c25_buf_lit(&said, "\377\377\377SSH-2.0-OpenSSH_9.2\r\n");
}

static void
long_frame(void)
{
	static const char zeros[16385];

	say(DATA, 0, 1, zeros, sizeof(zeros));
}

static void
more_than_our_window(void)
{
	static const char zeros[16384];

	say_all(ok);
	for (int i = 0; i < 7; i++)
		say(DATA, 0, 1, zeros, sizeof(zeros));
}

static void
large_table(void)
{
	/* 4000 bytes into the table, then named again and again */
	static char head_block[4200] = "\x40\1x\x7f\xa1\x1e";

	memset(head_block + 6, 'v', 4000);
	memset(head_block + 4006, 0xbe, 194);
	say(HEADERS, END_HEADERS, 1, head_block, sizeof(head_block));
}

static void
many_fields(void)
{
	struct c25_buf b = { 0 };

	c25_buf_lit(&b, OK);
	for (int i = 0; i <= C25_HTTP1_FIELDS_MAX; i++)
		c25_buf_lit(&b, "\0\1x\1y");
	say(HEADERS, END_HEADERS | END_STREAM, 1, b.data, b.len);
	c25_buf_free(&b);
}

static void
large_trailers(void)
{
	static char block[8300] = "\0\1x\x7f\x81\x3f";

	say_all(ok);
	memset(block + 6, 'v', 8192);
	say(HEADERS, END_HEADERS | END_STREAM, 1, block, 6 + 8192);
}

static void
garbage(void)
{
	c25_buf_lit(&said, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void
padding(void)
{
	static const char zeros[256] = "\377";

	say(DATA, PADDED, 1, zeros, sizeof(zeros));
}

/* ---- answers, and what is none ------------------------------------------- */

#define RULES "HTTP/2: the server is against the rules: "
#define DOES_NOT "HTTP/2: the server chose it and does not speak it"
#define PUSHES "HTTP/2: the server pushes"
#define UNASKED "HTTP/2: an answer that nobody asked for"
#define NO_HTTP "the answer is not HTTP"

#define ANSWERED(body) .error = "", .answer = body, .usable = true
#define LAST(body) .error = "", .answer = body
#define FAILS(text) .error = text
#define REFUSED .error = NULL

static const struct {
	const char *name;
	struct frame frames[FRAMES_MAX];
	void (*say)(void);	/* more that is said; or NULL */
	const char *error;	/* what it starts with; "": answered; NULL:
				 * refused */
	const char *answer;	/* body */
	bool usable;		/* afterwards */
	bool bare;		/* no SETTINGS first */
	bool whole;		/* not byte by byte: nghttp2 counts pieces of
				 * a CONTINUATION, and reads a window full
				 * before we send for more */
} rows[] = {
	{ "good", { GOOD },
	    ANSWERED("{}") },
	{ "no body", { HEAD(END_STREAM, OK) }, ANSWERED("") },
	{ "other things between",
	    { FRAME(SETTINGS, ACK, 0, ""), FRAME(PING, 0, 0, "12345678"),
	    FRAME(WINDOW, 0, 0, "\0\0\1\0"), FRAME(0x77, 0xff, 5, "whatever"),
	    HEAD(0, OK "\0\1x\1y"), FRAME(WINDOW, 0, 1, "\0\0\1\0"),
	    FRAME(DATA, 0, 1, ""), FRAME(DATA, PADDED, 1, "\3{   "),
	    FRAME(PRIORITY, 0, 1, "\0\0\0\0\1"),
	    FRAME(DATA, END_STREAM, 1, "}") },
	    ANSWERED("{}") },
	{ "continued",
	    { FRAME(HEADERS, 0, 1, "\0\7:sta"),
	    FRAME(CONTINUATION, 0, 1, "tus\003200\0\1x"),
	    FRAME(CONTINUATION, END_HEADERS, 1, "\1y"),
	    FRAME(DATA, END_STREAM, 1, "{}") },
	    ANSWERED("{}"), .whole = true },
	{ "interim",
	    { HEAD(0, STATUS("100")), HEAD(0, STATUS("103") "\0\1x\1n\0\1z\1n"),
	    GOOD },
	    ANSWERED("{}") },
	{ "trailers",
	    { HEAD(0, OK "\0\1x\1y"), FRAME(DATA, 0, 1, "{}"),
	    HEAD(END_STREAM, "\0\1x\1n\0\1z\1n") },
	    ANSWERED("{}") },
	{ "length right",
	    { HEAD(0, OK "\0\1x\1y\0\016content-length\0012"),
	    FRAME(DATA, END_STREAM, 1, "{}") },
	    ANSWERED("{}") },
	{ "reset after the end", { GOOD, FRAME(RST, 0, 1, "\0\0\0\0") },
	    ANSWERED("{}") },
	{ "good and more", { GOOD, FRAME(DATA, END_STREAM, 1, "more") },
	    ANSWERED("{}") },
	{ "goodbye and answer",
	    { FRAME(GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0"), GOOD },
	    LAST("{}") },
	{ "garbage later", .say = garbage_later, LAST("{}") },
	{ "goodbye before ours", { FRAME(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0") },
	    REFUSED },
	{ "refused", { FRAME(RST, 0, 1, "\0\0\0\7") }, REFUSED },
	{ "reset", { HEAD(0, OK), FRAME(RST, 0, 1, "\0\0\0\2") },
	    FAILS("HTTP/2: the server gave the request up: INTERNAL_ERROR") },
	{ "reset without a reason", { FRAME(RST, 0, 1, "\0\0\0\0") },
	    FAILS("HTTP/2: the server gave the request up: NO_ERROR") },
	{ "goodbye with error",
	    { FRAME(GOAWAY, 0, 0, "\0\0\0\1\0\0\0\013calm\n\377") },
	    FAILS("HTTP/2: the server gave the connection up: "
	    "ENHANCE_YOUR_CALM") },
	{ "pushes",
	    { PROMISE },
	    FAILS(PUSHES) },
	{ "pushes after it has agreed",
	    { FRAME(SETTINGS, ACK, 0, ""), PROMISE },
	    FAILS(PUSHES) },
	{ "no status", { HEAD(0, "\0\1x\1y") }, FAILS(RULES) },
	{ "two statuses", { HEAD(0, OK STATUS("204")) }, FAILS(RULES) },
	{ "status last", { HEAD(0, "\0\1x\1y" OK) }, FAILS(RULES) },
	{ "status of letters", { HEAD(0, STATUS("2x0")) }, FAILS(RULES) },
	{ "status too short", { HEAD(0, "\0\7:status\00220") }, FAILS(RULES) },
	{ "switching", { HEAD(0, STATUS("101")) }, FAILS(RULES) },
	{ "interim is the end", { HEAD(END_STREAM, STATUS("103")) },
	    FAILS(RULES) },
	{ "a requests field", { HEAD(0, OK "\0\7:method\4POST") },
	    FAILS(RULES) },
	{ "upper case", { HEAD(0, OK "\0\1X\1y") }, FAILS(RULES) },
	{ "line break", { HEAD(0, OK "\0\1x\012y\r\nAge: 12") },
	    FAILS(NO_HTTP) },
	{ "nul in a value", { HEAD(0, OK "\0\1x\3y\0z") }, FAILS(NO_HTTP) },
	{ "control in a value", { HEAD(0, OK "\0\1x\3y\001z") },
	    FAILS(NO_HTTP) },
	{ "delete in a value", { HEAD(0, OK "\0\1x\3y\177z") },
	    FAILS(NO_HTTP) },
	{ "blank in a name", { HEAD(0, OK "\0\3x y\1y") }, FAILS(NO_HTTP) },
	{ "empty name", { HEAD(0, OK "\0\0\1y") }, FAILS(NO_HTTP) },
	{ "connection field", { HEAD(0, OK "\0\012connection\5close") },
	    FAILS(RULES) },
	{ "chunked", { HEAD(0, OK "\0\021transfer-encoding\7chunked") },
	    FAILS(RULES) },
	{ "two lengths",
	    { HEAD(0, OK "\0\016content-length\0012"
		"\0\016content-length\0012") },
	    FAILS(RULES) },
	{ "no length", { HEAD(0, OK "\0\016content-length\1x") },
	    FAILS(RULES) },
	{ "length too large",
	    { HEAD(0, OK "\0\016content-length\01699999999999999") },
	    FAILS("response too large") },
	{ "over the maximum", { HEAD(0, OK "\0\016content-length\006100001") },
	    FAILS("response too large") },
	{ "more than its length",
	    { HEAD(0, OK "\0\016content-length\0012"),
	    FRAME(DATA, END_STREAM, 1, "{} ") },
	    FAILS(RULES) },
	{ "less than its length",
	    { HEAD(0, OK "\0\016content-length\0013"),
	    FRAME(DATA, END_STREAM, 1, "{}") },
	    FAILS(RULES) },
	{ "data first", { FRAME(DATA, END_STREAM, 1, "{}") }, FAILS(RULES) },
	{ "data after an interim",
	    { HEAD(0, STATUS("103")), FRAME(DATA, END_STREAM, 1, "{}") },
	    FAILS(RULES) },
	{ "data of another", { FRAME(DATA, END_STREAM, 3, "{}") },
	    FAILS(RULES) },
	{ "data of none", { FRAME(DATA, END_STREAM, 0, "{}") }, FAILS(RULES) },
	{ "answer to another", { FRAME(HEADERS, END_HEADERS, 3, OK) },
	    FAILS(UNASKED) },
	{ "request of the server", { FRAME(HEADERS, END_HEADERS, 2, OK) },
	    FAILS(UNASKED) },
	{ "two answers", { HEAD(0, OK), HEAD(0, OK) }, FAILS(RULES) },
	{ "trailers without end", { HEAD(0, OK), HEAD(0, "\0\1x\1y") },
	    FAILS(RULES) },
	{ "trailers with status", { HEAD(0, OK), HEAD(END_STREAM, OK) },
	    FAILS(RULES) },
	{ "bad index", { HEAD(0, OK "\377\377\377\377\17") }, FAILS(RULES) },
	{ "cut fields", { HEAD(0, OK "\0\1") }, FAILS(RULES) },
	{ "another frame in the fields",
	    { FRAME(HEADERS, 0, 1, OK), FRAME(PING, 0, 0, "12345678") },
	    FAILS(RULES), .whole = true },
	{ "long frame", .say = long_frame, FAILS(RULES) },
	{ "padding longer than it",
	    { HEAD(0, OK), FRAME(DATA, PADDED, 1, "\7{}") },
	    FAILS(RULES) },
	{ "window overflow", { FRAME(WINDOW, 0, 0, "\177\377\377\377") },
	    FAILS(RULES) },
	{ "window of nothing", { FRAME(WINDOW, 0, 0, "\0\0\0\0") },
	    FAILS(RULES) },
	{ "window overflow by settings",
	    { FRAME(SETTINGS, 0, 0, "\0\4\377\377\377\377") },
	    FAILS(RULES) },
	{ "more than our window", .say = more_than_our_window,
	    FAILS(RULES "FLOW_CONTROL"), .whole = true },
	{ "settings acknowledged twice",
	    { FRAME(SETTINGS, ACK, 0, ""), FRAME(SETTINGS, ACK, 0, "") },
	    FAILS(RULES) },
	{ "large table", .say = large_table, FAILS("response head too large") },
	{ "many fields", .say = many_fields, FAILS(NO_HTTP) },
	{ "large trailers", .say = large_trailers,
	    FAILS("response head too large") },
	{ "garbage", .say = garbage, FAILS(DOES_NOT), .bare = true },
	{ "no settings", { GOOD }, FAILS(DOES_NOT), .bare = true },
};

static void
check_row(size_t row)
{
	enum c25_http2_state state = c25_http2_state(client);
	const char *error = rows[row].error, *value;
	struct c25_http1 again;

	ck_assert_int_eq(c25_http2_usable(client), rows[row].usable);
	if (error == NULL) {
		ck_assert_int_eq(state, C25_HTTP2_REFUSED);
	} else if (error[0] != '\0') {
		ck_assert_int_eq(state, C25_HTTP2_ASKED);
		ck_assert_msg(strncmp(c25_http2_error(client), error,
		    strlen(error)) == 0, "%s", c25_http2_error(client));
	} else {
		ck_assert_int_eq(state, C25_HTTP2_ANSWERED);
		ck_assert(c25_http1_is(answer.len != 0 ? answer.data : "",
		    answer.len, rows[row].answer));
		ck_assert_int_eq(head.status, 200);
		ck_assert_ptr_eq(head.base, head_bytes.data);
		ck_assert_int_eq(c25_http1_response(&again, head_bytes.data,
		    head_bytes.len), (int)head_bytes.len);
		ck_assert_int_eq(c25_http1_get(&head, "z", &value), -ENOENT);
		if (answer.len != 0) {
			ck_assert_int_eq(c25_http1_get(&head, "x", &value),
			    1);
			ck_assert_int_eq(*value, 'y');
		}
	}
}

/* In one piece, and byte by byte; no byte after the end may be read. */
START_TEST(meets)
{
	size_t pieces[] = { 1, 7, 1000000 };

	for (size_t i = rows[_i].whole ? 2 : 0; i < 3; i++) {
		int r = 0;

		setup();
		ck_assert_int_eq(ask("X: y\r\n", "{}", 2), 0);
		if (!rows[_i].bare)
			say(SETTINGS, 0, 0, NULL, 0);
		say_all(rows[_i].frames);
		if (rows[_i].say != NULL)
			rows[_i].say();
		for (size_t at = 0; at < said.len && r == 0;) {
			size_t n = pieces[i] < said.len - at ? pieces[i] :
			    said.len - at;
			char *copy = malloc(n);

			memcpy(copy, said.data + at, n);
			r = c25_http2_in(client, copy, n, &out);
			free(copy);
			at += n;
		}
		ck_assert_int_eq(r == 0, c25_http2_error(client)[0] ==
		    '\0');
		check_row((size_t)_i);
		c25_buf_free(&said);
		teardown();
	}
}
END_TEST

/* ---- floods -------------------------------------------------------------- */

static const struct {
	const char *name;
	struct frame frame;
	const char *first;	/* what is said before: h head, c one that is
				 * not complete, a answer (idle then) */
	void (*say)(void);	/* instead of frame; or NULL */
} floods[] = {
	{ "pings", FRAME(PING, 0, 0, "12345678"), "", NULL },
	{ "settings", FRAME(SETTINGS, 0, 0, "\0\3\0\0\0\1"), "", NULL },
	{ "empty settings", FRAME(SETTINGS, 0, 0, ""), "", NULL },
	{ "windows", FRAME(WINDOW, 0, 0, "\0\0\0\1"), "", NULL },
	{ "unknown", FRAME(0x77, 0, 0, ""), "", NULL },
	{ "priorities", FRAME(PRIORITY, 0, 99, "\0\0\0\0\1"), "", NULL },
	{ "interims", HEAD(0, STATUS("103")), "", NULL },
	{ "empty data", FRAME(DATA, 0, 1, ""), "h", NULL },
	{ "padding", .say = padding, .first = "h" },
	{ "continuations", FRAME(CONTINUATION, 0, 1, ""), "c", NULL },
	{ "table sizes",
	    FRAME(CONTINUATION, 0, 1, "\40\40\40\40\40\40\40\40\40\40"), "c",
	    NULL },
	{ "one byte data", FRAME(DATA, 0, 1, "x"), "h", NULL },
	{ "pings", FRAME(PING, 0, 0, "12345678"), "a", NULL },
	{ "empty settings", FRAME(SETTINGS, 0, 0, ""), "a", NULL },
	{ "unknown", FRAME(0x77, 0, 0, ""), "a", NULL },
	{ "windows", FRAME(WINDOW, 0, 0, "\0\0\0\1"), "a", NULL },
};

static void
say_first(char what)
{
	static const struct frame cut[FRAMES_MAX] = {
		FRAME(HEADERS, 0, 1, OK) };

	say(SETTINGS, 0, 0, NULL, 0);
	if (what == 'h')
		say_all(ok);
	else if (what == 'c')
		say_all(cut);
	else if (what == 'a')
		say_all(good);
}

/* It ends, and what we would send for it doesn't pile up. */
START_TEST(flood)
{
	size_t sum = 0;
	int r = 0;

	setup();
	ck_assert_int_eq(ask("", "{}", 2), 0);
	say_first(floods[_i].first[0]);
	while (r == 0) {
		const struct frame *f = &floods[_i].frame;

		if (floods[_i].say != NULL)
			floods[_i].say();
		else
			say(f->type, f->flags, f->stream, f->payload,
			    f->len);
		if (said.len < 4096)
			continue;
		r = c25_http2_in(client, said.data, said.len, &out);
		sum += said.len;
		ck_assert_uint_lt(sum, 2 * C25_HTTP2_OTHER_MAX);
		c25_buf_clear(&said);
	}
	ck_assert_int_eq(r, -EPROTO);
	ck_assert_int_eq(strncmp(c25_http2_error(client), "HTTP/2: ", 8), 0);
	ck_assert(!c25_http2_usable(client));
	ck_assert_uint_lt(out.len, 2 * C25_HTTP2_OTHER_MAX);
	/* and it stays so */
	ck_assert_int_eq(c25_http2_in(client, "x", 1, &out), -EPROTO);
	c25_buf_free(&said);
	teardown();
}
END_TEST

/* A server that opens no window, or no stream: nothing but the clock ends it,
 * and what is there is not sent. */
static const struct {
	const char *settings;
	size_t sent;		/* bytes of the body */
} window_rows[] = {
	{ "\0\4\0\0\0\0", 0 },
	{ "\0\4\0\0\0\1", 1 },
	{ "\0\3\0\0\0\0", 0 },
};

START_TEST(no_window)
{
	static char body[1000];
	size_t sent = 0;

	setup();
	say(SETTINGS, 0, 0, window_rows[_i].settings, 6);
	ck_assert_int_eq(c25_http2_in(client, said.data, said.len, &out), 0);
	memset(body, '~', sizeof(body));
	c25_buf_clear(&out);
	ck_assert_int_eq(ask("", body, sizeof(body)), 0);
	ck_assert_int_eq(c25_http2_state(client), C25_HTTP2_ASKED);
	for (size_t i = 0; i < out.len; i++)
		sent += out.data[i] == '~';
	ck_assert_uint_eq(sent, window_rows[_i].sent);
	/* an answer before the request is whole is one, but the last */
	c25_buf_clear(&said);
	if (_i < 2) {
		say_all(good);
		ck_assert_int_eq(c25_http2_in(client, said.data, said.len,
		    &out), 0);
		ck_assert_int_eq(c25_http2_state(client),
		    C25_HTTP2_ANSWERED);
		ck_assert(!c25_http2_usable(client));
	}
	c25_buf_free(&said);
	teardown();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http2");
	TCase *tc = tcase_create("servers");

	tcase_set_timeout(tc, 60);
	ADD_ROWS(tc, meets, rows);
	ADD_ROWS(tc, flood, floods);
	ADD_ROWS(tc, no_window, window_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
