/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of domain names between text and canonical wire form. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/addr.h"
#include "conn25/name.h"
#include "tests/unit/suite.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L62 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *text;
	int r;
	const char *out;
} text_rows[] = {
	{ "example.com", 0, "example.com" },
	{ "Example.COM.", 0, "example.com" },
	{ ".", 0, "." },
	{ "a", 0, "a" },
	{ "_srv._tcp.x", 0, "_srv._tcp.x" },
	{ "a\\.b.c", 0, "a\\.b.c" },
	{ "\\065bc", 0, "abc" },
	{ "a\\000b", 0, "a\\000b" },
	{ "a\\255", 0, "a\\255" },
	{ "sp\\032ace", 0, "sp\\032ace" },
	{ "", -EINVAL, NULL },
	{ "..", -EINVAL, NULL },
	{ ".a", -EINVAL, NULL },
	{ "a..b", -EINVAL, NULL },
	{ "a\\", -EINVAL, NULL },
	{ "a\\25", -EINVAL, NULL },
	{ "a\\256", -EINVAL, NULL },
	{ L63 ".x", 0, L63 ".x" },
	{ "b" L63 ".x", -ENAMETOOLONG, NULL },
	{ L63 "." L63 "." L63 "." L61, 0, L63 "." L63 "." L63 "." L61 },
	{ L63 "." L63 "." L63 "." L61 ".", 0, L63 "." L63 "." L63 "." L61 },
	{ L63 "." L63 "." L63 "." L62, -ENAMETOOLONG, NULL },
};

START_TEST(from_text)
{
	struct c25_name n, again;
	char buf[C25_NAME_TEXT_MAX];
	const char *text = text_rows[_i].text;

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)),
	    text_rows[_i].r);
	if (text_rows[_i].r != 0)
		return;
	ck_assert(c25_name_valid(n.wire, n.len));
	ck_assert_str_eq(c25_name_to_text(n.wire, n.len, buf),
	    text_rows[_i].out);
	ck_assert_int_eq(c25_name_from_text(&again, buf, strlen(buf)), 0);
	ck_assert(c25_name_eq(&n, &again));
}
END_TEST

static const struct {
	const char *wire;
	size_t len;
	int r;
} wire_rows[] = {
	{ "\3WWW\1x\0", 7, 0 },
	{ "\0", 1, 0 },
	{ "", 0, -EINVAL },
	{ "\3ww", 3, -EINVAL },		/* label runs out */
	{ "\3www", 4, -EINVAL },	/* no root */
	{ "\300\14", 2, -EINVAL },	/* compression pointer */
	{ "\100", 1, -EINVAL },
	{ "\1a\0junk", 7, 0 },		/* what follows is not ours */
};

START_TEST(from_wire)
{
	struct c25_name n;

	ck_assert_int_eq(c25_name_from_wire(&n,
	    (const uint8_t *)wire_rows[_i].wire, wire_rows[_i].len),
	    wire_rows[_i].r);
	if (wire_rows[_i].r == 0)
		ck_assert(c25_name_valid(n.wire, n.len));
}
END_TEST

/* Each byte in each place of labels of any alignment, and no other one. */
START_TEST(lowers_letters_only)
{
	uint8_t wire[32], want;
	struct c25_name n;

	want = (uint8_t)(_i >= 'A' && _i <= 'Z' ? _i + 'a' - 'A' : _i);
	for (uint8_t len = 1; len < 30; len++)
		for (unsigned at = 1; at <= len; at++) {
			memset(wire, '@', sizeof(wire));
			wire[0] = len;
			wire[at] = (uint8_t)_i;
			wire[len + 1] = 0;
			ck_assert_int_eq(c25_name_from_wire(&n, wire,
			    sizeof(wire)), 0);
			wire[at] = want;
			ck_assert_mem_eq(n.wire, wire, len + 2);
			ck_assert(c25_name_valid(n.wire, n.len));
		}
}
END_TEST

/* Of every length, with each byte another in turn. */
START_TEST(same_in_any_case)
{
	uint8_t lowered[40] = { 0 }, any[40] = { 0 };

	for (size_t len = 0; len <= sizeof(any); len++) {
		for (size_t i = 0; i < len; i++) {
			any[i] = (uint8_t)"aZ-0@[`{\x80\xc1"[(i + len) % 10];
			lowered[i] = any[i] == 'Z' ? 'z' : any[i];
		}
		ck_assert(c25_name_same(lowered, any, len));
		for (size_t i = 0; i < len; i++)
			for (unsigned v = 0; v < 256; v++) {
				uint8_t old = any[i];
				uint8_t c = v >= 'A' && v <= 'Z' ?
				    (uint8_t)(v + 32) : (uint8_t)v;

				any[i] = (uint8_t)v;
				ck_assert(c25_name_same(lowered, any, len) ==
				    (c == lowered[i]));
				any[i] = old;
			}
	}
}
END_TEST

START_TEST(wire_of_256_bytes_is_too_long)
{
	uint8_t wire[256];
	struct c25_name n;

	memset(wire, 'a', sizeof(wire));
	wire[0] = wire[64] = wire[128] = 63;
	wire[192] = 62;
	wire[255] = 0;
	ck_assert_int_eq(c25_name_from_wire(&n, wire, 256), -ENAMETOOLONG);
	wire[192] = 61;
	wire[254] = 0;
	ck_assert_int_eq(c25_name_from_wire(&n, wire, 255), 0);
	ck_assert_uint_eq(n.len, 255);
}
END_TEST

START_TEST(upper_case_is_not_canonical)
{
	ck_assert(!c25_name_valid((const uint8_t *)"\1A\0", 3));
	ck_assert(c25_name_valid((const uint8_t *)"\1a\0", 3));
	ck_assert(!c25_name_valid((const uint8_t *)"\1a\0", 4));
	ck_assert(!c25_name_valid((const uint8_t *)"\5a\0", 3));
}
END_TEST

/* Each byte at each place of a name, and only capitals are wrong. */
START_TEST(capitals_are_found_anywhere)
{
	uint8_t wire[32];

	for (unsigned at = 1; at < 29; at++)
		for (unsigned c = 0; c < 256; c++) {
			memset(wire, 'x', sizeof(wire));
			wire[0] = 28;
			wire[29] = 0;
			wire[at] = (uint8_t)c;
			ck_assert_msg(c25_name_valid(wire, 30) ==
			    !(c >= 'A' && c <= 'Z'), "%u at %u", c, at);
		}
}
END_TEST

static const struct {
	const char *name, *zone;
	bool below;
} below_rows[] = {
	{ "a.example.com", "example.com", true },
	{ "example.com", "example.com", true },
	{ "aexample.com", "example.com", false },
	{ "com", "example.com", false },
	{ "a.b", ".", true },
	{ "x\\003com", "com", false },
};

START_TEST(below)
{
	struct c25_name n, z;

	ck_assert_int_eq(c25_name_from_text(&n, below_rows[_i].name,
	    strlen(below_rows[_i].name)), 0);
	ck_assert_int_eq(c25_name_from_text(&z, below_rows[_i].zone,
	    strlen(below_rows[_i].zone)), 0);
	ck_assert_int_eq(c25_name_below(&n, &z), below_rows[_i].below);
}
END_TEST

static const struct {
	const char *name;
	const char *addr;	/* NULL: not a reverse name */
} reverse_rows[] = {
	{ "1.0.64.100.in-addr.arpa", "100.64.0.1" },
	{ "255.255.255.255.in-addr.arpa", "255.255.255.255" },
	{ "0.64.100.in-addr.arpa", NULL },
	{ "1.0.0.64.100.in-addr.arpa", NULL },
	{ "01.0.64.100.in-addr.arpa", NULL },
	{ "256.0.64.100.in-addr.arpa", NULL },
	{ "a.0.64.100.in-addr.arpa", NULL },
	{ "in-addr.arpa", NULL },
	{ "1.0.64.100.in-addr.arpa.x", NULL },
	{ "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.5.2.d.f."
	    "ip6.arpa", "fd25:1::a" },
	{ "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.5.2.d.f."
	    "ip6.arpa", NULL },
	{ "aa.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.5.2.d.f."
	    "ip6.arpa", NULL },
};

START_TEST(reverse)
{
	const char *text = reverse_rows[_i].name;
	struct c25_name n;
	struct c25_addr a;
	char buf[C25_ADDR_TEXT_MAX];

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)), 0);
	ck_assert_int_eq(c25_name_to_reverse(&n, &a),
	    reverse_rows[_i].addr != NULL);
	if (reverse_rows[_i].addr != NULL)
		ck_assert_str_eq(c25_addr_format(&a, buf),
		    reverse_rows[_i].addr);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("name");
	TCase *tc = tcase_create("name");

	ADD_ROWS(tc, from_text, text_rows);
	ADD_ROWS(tc, from_wire, wire_rows);
	tcase_add_loop_test(tc, lowers_letters_only, 0, 256);
	tcase_add_test(tc, same_in_any_case);
	tcase_add_test(tc, wire_of_256_bytes_is_too_long);
	tcase_add_test(tc, upper_case_is_not_canonical);
	tcase_add_test(tc, capitals_are_found_anywhere);
	ADD_ROWS(tc, below, below_rows);
	ADD_ROWS(tc, reverse, reverse_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
