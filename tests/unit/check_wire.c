/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the transit-ip JSON. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conn25/name.h"
#include "conn25/policy.h"
#include "sidecar/wire.h"
#include "tests/unit/suite.h"

#define ENTRY "{\"transitIP\":\"169.254.64.1\",\"destinationIP\":" \
	"\"10.1.2.3\",\"app\":\"wiki\"}"
#define LIST(x) "{\"transitIPs\":[" x "]}"

/* In pieces it has to come out as in one. */
static void
same_in_pieces(const char *body, size_t len, size_t max)
{
	struct c25_wire_request whole = { 0 }, q = { 0 };
	struct c25_error want = { "" }, err = { "" };
	struct c25_buf a = { 0 }, b = { 0 };
	struct c25_wire_pieces pieces;
	int r = c25_wire_request_parse(&whole, body, len, &want);
	int s = c25_wire_pieces_start(&pieces, &q, body, len, &err);

	while (s == 0 && pieces.more) {
		size_t before = q.count;

		s = c25_wire_pieces_next(&pieces, &q, body, max, &err);
		ck_assert(q.count <= before + max);
	}
	ck_assert_int_eq(s, r);
	ck_assert_str_eq(err.text, want.text);
	c25_wire_request_write(&a, whole.entries, whole.count);
	c25_wire_request_write(&b, q.entries, q.count);
	ck_assert_str_eq(b.data, a.data);
	c25_buf_free(&a);
	c25_buf_free(&b);
	c25_wire_request_free(&whole);
	c25_wire_request_free(&q);
}

static const struct {
	const char *body;
	int r;
	const char *again;	/* what writing it gives */
} request_rows[] = {
	{ LIST(ENTRY), 0, LIST(ENTRY) },
	{ LIST(ENTRY "," ENTRY), 0, LIST(ENTRY "," ENTRY) },
	{ " \t\r\n" LIST(ENTRY) "\n", 0, LIST(ENTRY) },
	{ "{}", 0, "{}" },
	{ "null", 0, "{}" },
	{ LIST(""), 0, "{}" },
	{ "{\"transitIPs\":null}", 0, "{}" },
	{ "{\"other\":[1,{\"a\":null}]}", 0, "{}" },
	{ LIST("{}"), 0, LIST("{}") },
	{ LIST("null"), 0, LIST("{}") },
	{ LIST("{\"transitIP\":null,\"app\":null}"), 0, LIST("{}") },
	{ LIST("{\"transitIP\":\"\",\"app\":\"\"}"), 0, LIST("{}") },
	/* keys in any case, the last one counts, unknown ones are ignored */
	{ "{\"TRANSITips\":[{\"transitip\":\"1.2.3.4\",\"APP\":\"a\","
	    "\"x\":{\"y\":[]}}]}", 0,
	    LIST("{\"transitIP\":\"1.2.3.4\",\"app\":\"a\"}") },
	{ "{\"transitIPs\":[{}],\"transitips\":[]}", 0, "{}" },
	{ "{\"transitIP\":[{}],\"transitIPsX\":[{}]}", 0, "{}" },
	{ "{\"tr\\u0061nsit\\u0049Ps\":[{}]}", 0, LIST("{}") },
	{ "{\"tr\\u0161nsitIPs\":[{}],\"tr\\ansitIPs\":[{}]}", -EINVAL,
	    NULL },
	{ "{\"tr\\u0161nsitIPs\":[{}],\"tr\\nnsitIPs\":[{}]}", 0, "{}" },
	{ " { \"a\" : \"]},{\" , \"transitIPs\" : [ {} , { } ] , \"b\" : [ ]"
	    " } ", 0, LIST("{},{}") },
	{ "{\"transitIPs\":[{}],\"transitips\":null}", 0, "{}" },
	{ "{\"transitIPs\":null,\"transitips\":[{}]}", 0, LIST("{}") },
	{ LIST("{\"app\":\"a\",\"App\":\"b\"}"), 0, LIST("{\"app\":\"b\"}") },
	{ LIST("{\"app\":\"a\",\"App\":null}"), 0, LIST("{\"app\":\"a\"}") },
	{ LIST("{\"transitIP\":\"FD25::0001\",\"destinationIP\":"
	    "\"::ffff:10.0.0.1\"}"), 0,
	    LIST("{\"transitIP\":\"fd25::1\",\"destinationIP\":"
	    "\"::ffff:10.0.0.1\"}") },
	{ LIST("{\"app\":\"a\\\"b\\\\\\u00e4\\n\"}"), 0,
	    LIST("{\"app\":\"a\\u0022b\\u005c\303\244\\u000a\"}") },
	{ LIST("{\"domain\":\"wiki.corp.example\"}"), 0,
	    LIST("{\"domain\":\"wiki.corp.example\"}") },
	/* what is no request */
	{ "", -EINVAL, NULL },
	{ "  ", -EINVAL, NULL },
	{ "[]", -EINVAL, NULL },
	{ "\"x\"", -EINVAL, NULL },
	{ "1", -EINVAL, NULL },
	{ "{", -EINVAL, NULL },
	{ "{} {}", -EINVAL, NULL },
	{ "{}x", -EINVAL, NULL },
	{ "{},", -EINVAL, NULL },
	{ "// no\n{}", -EINVAL, NULL },
	{ "{/* no */}", -EINVAL, NULL },
	{ LIST("{},"), -EINVAL, NULL },
	{ "{\"a\":1,}", -EINVAL, NULL },
	{ "\357\273\277{}", -EINVAL, NULL },
	{ "{\"a\":01}", -EINVAL, NULL },
	{ "{\"a\":\"\001\"}", -EINVAL, NULL },
	{ "{\"a\":\"\\u0000\"}", -EINVAL, NULL },
	{ "{\"a\":\"\377\"}", -EINVAL, NULL },
	{ "{'a':1}", -EINVAL, NULL },
	{ "{\"transitIPs\":{}}", -EINVAL, NULL },
	{ "{\"transitIPs\":\"x\"}", -EINVAL, NULL },
	{ LIST("1"), -EINVAL, NULL },
	{ LIST("[]"), -EINVAL, NULL },
	{ LIST("{\"transitIP\":1}"), -EINVAL, NULL },
	{ LIST("{\"app\":1}"), -EINVAL, NULL },
	{ LIST("{\"domain\":[]}"), -EINVAL, NULL },
	{ LIST("{\"transitIP\":\"1.2.3\"}"), -EINVAL, NULL },
	{ LIST("{\"transitIP\":\"01.2.3.4\"}"), -EINVAL, NULL },
	{ LIST("{\"transitIP\":\"1.2.3.4:80\"}"), -EINVAL, NULL },
	{ LIST("{\"transitIP\":\" 1.2.3.4\"}"), -EINVAL, NULL },
	{ LIST("{\"destinationIP\":\"x\"}"), -EINVAL, NULL },
	{ LIST("{\"destinationIP\":\"fe80::1%eth0\"}"), -EINVAL, NULL },
};

START_TEST(request)
{
	struct c25_wire_request q = { 0 };
	struct c25_buf out = { 0 };
	struct c25_error err = { "" };
	const char *body = request_rows[_i].body;
	int r = c25_wire_request_parse(&q, body, strlen(body), &err);

	ck_assert_msg(r == request_rows[_i].r, "%d: %s", r, err.text);
	if (r == 0) {
		c25_wire_request_write(&out, q.entries, q.count);
		ck_assert_str_eq(out.data, request_rows[_i].again);
	} else {
		ck_assert_uint_eq(q.count, 0);
		ck_assert_str_ne(err.text, "");
	}
	for (size_t max = 1; max < 4; max++)
		same_in_pieces(body, strlen(body), max);
	c25_buf_free(&out);
	c25_wire_request_free(&q);
}
END_TEST

/* The longest texts, of bytes that all have to be escaped. */
START_TEST(the_longest_entry_is_written)
{
	static char app[C25_APP_NAME_MAX + 1], domain[C25_NAME_TEXT_MAX];
	static const struct c25_addr six = { .family = C25_V6, .bytes = {
		[0] = 0xfd, 0x25, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
		0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e } };
	struct c25_wire_entry e = { .transit = six, .destination = six,
		.app = app, .domain = domain };
	struct c25_wire_request q = { 0 };
	struct c25_buf out = { 0 };
	struct c25_error err = { "" };

	memset(app, 1, sizeof(app) - 1);
	memset(domain, '"', sizeof(domain) - 1);
	c25_wire_request_write(&out, (struct c25_wire_entry[]){ e, e, e }, 3);
	ck_assert(!out.failed);
	ck_assert_int_eq(c25_wire_request_parse(&q, out.data, out.len, &err),
	    0);
	ck_assert_uint_eq(q.count, 3);
	ck_assert_str_eq(q.entries[2].app, app);
	ck_assert_str_eq(q.entries[2].domain, domain);
	ck_assert(c25_addr_eq(&q.entries[2].transit, &six));
	same_in_pieces(out.data, out.len, 2);
	c25_buf_free(&out);
	c25_wire_request_free(&q);
}
END_TEST

START_TEST(too_large)
{
	struct c25_wire_request q = { 0 };
	struct c25_error err;
	struct c25_buf b = { 0 };

	c25_buf_lit(&b, "{\"transitIPs\":[{}");
	for (unsigned i = 0; i < C25_WIRE_ENTRIES_MAX; i++)
		c25_buf_lit(&b, ",{}");
	c25_buf_lit(&b, "]}");
	ck_assert_int_eq(c25_wire_request_parse(&q, b.data, b.len, &err),
	    -E2BIG);
	same_in_pieces(b.data, b.len, 1000);
	while (b.len <= C25_WIRE_BODY_MAX)
		c25_buf_lit(&b, " ");
	ck_assert_int_eq(c25_wire_request_parse(&q, b.data, b.len, &err),
	    -E2BIG);
	same_in_pieces(b.data, b.len, 1000);
	c25_buf_clear(&b);
	for (unsigned i = 0; i < 100000; i++)
		c25_buf_lit(&b, "[");
	ck_assert_int_eq(c25_wire_request_parse(&q, b.data, b.len, &err),
	    -EINVAL);
	same_in_pieces(b.data, b.len, 1000);
	c25_buf_free(&b);
	c25_wire_request_free(&q);
}
END_TEST

/* One entry must not take as long as all of a body, however long it is. */
START_TEST(a_piece_has_an_end)
{
	struct c25_wire_request q = { 0 };
	struct c25_wire_pieces pieces;
	struct c25_error err = { "" };
	struct c25_buf b = { 0 };

	c25_buf_lit(&b, "{\"transitIPs\":[{},{\"x\":[1");
	for (int i = 1; i < C25_WIRE_VALUES_MAX - 2; i++)
		c25_buf_lit(&b, ",1");
	c25_buf_lit(&b, "],\"app\":\"");
	for (int i = 0; i < C25_WIRE_VALUES_MAX; i++)
		c25_buf_lit(&b, ",[{\\\"");
	c25_buf_lit(&b, "\"}]}");
	same_in_pieces(b.data, b.len, 1);
	c25_buf_clear(&b);
	c25_buf_lit(&b, "{\"transitIPs\":[{},{\"x\":[1");
	for (int i = 1; i < C25_WIRE_VALUES_MAX; i++)
		c25_buf_lit(&b, ",1");
	c25_buf_lit(&b, "]}]}");
	ck_assert_int_eq(c25_wire_pieces_start(&pieces, &q, b.data, b.len,
	    &err), 0);
	ck_assert_int_eq(c25_wire_pieces_next(&pieces, &q, b.data, 1,
	    &err), 0);
	ck_assert_uint_eq(q.count, 1);
	ck_assert_int_eq(c25_wire_pieces_next(&pieces, &q, b.data, 1,
	    &err), -E2BIG);
	ck_assert_str_eq(err.text, "transitIPs[1] has too many values in it: "
	    "at most 32768");
	ck_assert_uint_eq(q.count, 0);
	ck_assert(!pieces.more);
	c25_buf_free(&b);
	c25_wire_request_free(&q);
}
END_TEST

static const struct {
	const char *body;
	size_t expected;
	int r;
	const char *codes;	/* a digit each */
} response_rows[] = {
	{ LIST("{}"), 1, 0, "0" },
	{ LIST("{},{\"code\":2,\"message\":\"twice\"}"), 2, 0, "02" },
	{ LIST("{\"CODE\":6}"), 1, 0, "6" },
	{ LIST("null"), 1, 0, "0" },
	{ "{}", 0, 0, "" },
	{ LIST("{\"code\":1.0}"), 1, 0, "1" },
	{ "{}", 1, -EINVAL, NULL },
	{ LIST("{}"), 2, -EINVAL, NULL },
	{ LIST("{},{}"), 1, -EINVAL, NULL },
	{ LIST("{\"code\":7}"), 1, -EINVAL, NULL },
	{ LIST("{\"code\":-1}"), 1, -EINVAL, NULL },
	{ LIST("{\"code\":1.5}"), 1, -EINVAL, NULL },
	{ LIST("{\"code\":1e99}"), 1, -EINVAL, NULL },
	{ LIST("{\"code\":\"0\"}"), 1, -EINVAL, NULL },
	{ LIST("{\"message\":1}"), 1, -EINVAL, NULL },
	{ LIST("1"), 1, -EINVAL, NULL },
	{ "<html>", 1, -EINVAL, NULL },
	{ "", 1, -EINVAL, NULL },
};

START_TEST(response)
{
	struct c25_wire_response p = { 0 };
	struct c25_error err = { "" };
	const char *body = response_rows[_i].body;
	int r = c25_wire_response_parse(&p, body, strlen(body),
	    response_rows[_i].expected, &err);

	ck_assert_msg(r == response_rows[_i].r, "%d: %s", r, err.text);
	for (size_t i = 0; r == 0 && i < p.count; i++)
		ck_assert_int_eq(p.results[i].code,
		    response_rows[_i].codes[i] - '0');
	c25_wire_response_free(&p);
}
END_TEST

START_TEST(response_messages_are_tamed)
{
	struct c25_wire_response p = { 0 };
	struct c25_buf b = { 0 };
	struct c25_error err;

	c25_buf_lit(&b, "{\"transitIPs\":[{\"code\":1,\"message\":\"a\\nb");
	for (int i = 0; i < 500; i++)
		c25_buf_lit(&b, "x");
	c25_buf_lit(&b, "\"}]}");
	ck_assert_int_eq(c25_wire_response_parse(&p, b.data, b.len, 1, &err),
	    0);
	ck_assert_uint_eq(strlen(p.results[0].message),
	    C25_WIRE_MESSAGE_MAX - 1);
	ck_assert_int_eq(strncmp(p.results[0].message, "a?bx", 4), 0);
	c25_buf_free(&b);
	c25_wire_response_free(&p);
}
END_TEST

START_TEST(response_is_written)
{
	static const uint8_t codes[] = { 0, 2, 0 };
	struct c25_buf b = { 0 };

	c25_wire_response_write(&b, codes, 0);
	ck_assert_str_eq(b.data, "{}");
	c25_wire_response_write(&b, codes, 3);
	ck_assert_str_eq(b.data, "{\"transitIPs\":[{},{\"code\":2,"
	    "\"message\":\"transit IP occurs twice in this request\"},{}]}");
	c25_buf_free(&b);
}
END_TEST

static const char *
why(void *ctx, size_t i, char buf[static C25_WIRE_WHY_MAX])
{
	ck_assert_ptr_eq(ctx, &why);
	(void)snprintf(buf, C25_WIRE_WHY_MAX, "\"%zu\\\n", i);
	return i == 3 ? NULL : buf;
}

START_TEST(response_is_written_with_other_messages)
{
	static const uint8_t codes[] = { 0, 1, 0, 3 };
	struct c25_buf b = { 0 };

	c25_wire_response_write_why(&b, codes, 4, why, (void *)&why);
	ck_assert_str_eq(b.data, "{\"transitIPs\":[{},{\"code\":1,"
	    "\"message\":\"\\u00221\\u005c\\u000a\"},{},{\"code\":3,"
	    "\"message\":\"peer has no address of that family\"}]}");
	c25_buf_free(&b);
}
END_TEST

/* Random changes of good bodies; the sanitizers look on. */
START_TEST(mutations)
{
	unsigned seed = (unsigned)time(NULL) * 31 + (unsigned)_i;
	const char *good = LIST(ENTRY ",{\"code\":1,\"message\":\"m\"}");
	struct c25_wire_response p = { 0 };
	struct c25_error err;
	char body[256];

	printf("mutations: seed %u\n", seed);
	for (int n = 0; n < 20000; n++) {
		size_t len = strlen(good);

		memcpy(body, good, len);
		for (int k = 0; k <= n % 4; k++) {
			seed = seed * 1103515245 + 12345;
			body[(seed >> 8) % len] = (char)(seed >> 22);
		}
		if (n % 5 == 0)
			len = (seed >> 9) % len;
		same_in_pieces(body, len, 1);
		(void)!c25_wire_response_parse(&p, body, len, 2, &err);
	}
	c25_wire_response_free(&p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire");
	TCase *tc = tcase_create("wire");

	tcase_set_timeout(tc, 60);
	ADD_ROWS(tc, request, request_rows);
	tcase_add_test(tc, the_longest_entry_is_written);
	tcase_add_test(tc, too_large);
	tcase_add_test(tc, a_piece_has_an_end);
	ADD_ROWS(tc, response, response_rows);
	tcase_add_test(tc, response_messages_are_tamed);
	tcase_add_test(tc, response_is_written);
	tcase_add_test(tc, response_is_written_with_other_messages);
	tcase_add_loop_test(tc, mutations, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
