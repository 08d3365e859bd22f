/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of addresses and ranges. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/addr.h"
#include "tests/unit/suite.h"

static const struct {
	const char *text;
	int r;
	const char *out;
} parse_rows[] = {
	{ "100.64.0.1", 0, "100.64.0.1" },
	{ "0.0.0.0", 0, "0.0.0.0" },
	{ "FD25:1::A", 0, "fd25:1::a" },
	{ "::ffff:10.0.0.1", 0, "::ffff:10.0.0.1" },
	{ "", -EINVAL, NULL },
	{ "10.0.0", -EINVAL, NULL },
	{ "10.0.0.01", -EINVAL, NULL },
	{ "10.0.0.1 ", -EINVAL, NULL },
	{ " 10.0.0.1", -EINVAL, NULL },
	{ "10.0.0.1:53", -EINVAL, NULL },
	{ "10.0.0.256", -EINVAL, NULL },
	{ "0x0a.0.0.1", -EINVAL, NULL },
	{ "167772161", -EINVAL, NULL },
	{ "[::1]", -EINVAL, NULL },
	{ "fe80::1%eth0", -EINVAL, NULL },
	{ "1:2:3:4:5:6:7:8:9", -EINVAL, NULL },
	{ "::1::", -EINVAL, NULL },
};

START_TEST(parse)
{
	struct c25_addr a;
	char buf[C25_ADDR_TEXT_MAX];
	const char *text = parse_rows[_i].text;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)),
	    parse_rows[_i].r);
	if (parse_rows[_i].r == 0)
		ck_assert_str_eq(c25_addr_format(&a, buf),
		    parse_rows[_i].out);
}
END_TEST

START_TEST(format_is_as_inet_ntop_has_it)
{
	char buf[C25_ADDR_TEXT_MAX], want[C25_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < 256; i++) {
		uint8_t b[4] = { (uint8_t)i, (uint8_t)(255 - i),
			(uint8_t)(i * 7), (uint8_t)(i * 11) };
		struct c25_addr a = c25_addr_v4(b);

		ck_assert_ptr_nonnull(inet_ntop(AF_INET, b, want,
		    sizeof(want)));
		ck_assert_str_eq(c25_addr_format(&a, buf), want);
	}
	ck_assert_str_eq(c25_addr_format(&(struct c25_addr){ 0 }, buf), "-");
}
END_TEST

START_TEST(parse_takes_no_nul)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, "10.0.0.1\0.5", 11), -EINVAL);
}
END_TEST

static const struct {
	const char *text;
	int r;
	const char *out;
	uint64_t count;
} range_rows[] = {
	{ "10.0.0.0/8", 0, "10.0.0.0/8", 1u << 24 },
	{ "10.0.0.0/0", -ERANGE, NULL, 0 },
	{ "0.0.0.0/0", 0, "0.0.0.0/0", 1ull << 32 },
	{ "10.0.0.1/8", -ERANGE, NULL, 0 },
	{ "10.0.0.1", 0, "10.0.0.1/32", 1 },
	{ "10.0.0.1-10.0.0.9", 0, "10.0.0.1-10.0.0.9", 9 },
	{ "10.0.0.0-10.0.0.255", 0, "10.0.0.0/24", 256 },
	{ "10.0.0.9-10.0.0.1", -ERANGE, NULL, 0 },
	{ "10.0.0.1-::1", -EINVAL, NULL, 0 },
	{ "10.0.0.0/33", -EINVAL, NULL, 0 },
	{ "10.0.0.0/", -EINVAL, NULL, 0 },
	{ "10.0.0.0/08", -EINVAL, NULL, 0 },
	{ "10.0.0.0/8x", -EINVAL, NULL, 0 },
	{ "fd25:1::/64", 0, "fd25:1::/64", UINT64_MAX },
	{ "fd25:1::/127", 0, "fd25:1::/127", 2 },
	{ "fd25:1::1/127", -ERANGE, NULL, 0 },
	{ "::/0", 0, "::/0", UINT64_MAX },
	{ "-", -EINVAL, NULL, 0 },
	{ "", -EINVAL, NULL, 0 },
};

START_TEST(range)
{
	struct c25_range r;
	char buf[2 * C25_ADDR_TEXT_MAX];
	const char *text = range_rows[_i].text;

	ck_assert_int_eq(c25_range_parse(&r, text, strlen(text)),
	    range_rows[_i].r);
	if (range_rows[_i].r != 0)
		return;
	ck_assert_str_eq(c25_range_format(&r, buf), range_rows[_i].out);
	ck_assert_uint_eq(c25_range_count(&r), range_rows[_i].count);
}
END_TEST

static struct c25_addr
addr(const char *text)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	return a;
}

static const struct {
	const char *a;
	uint64_t n;
	const char *sum;	/* NULL: -ERANGE */
} add_rows[] = {
	{ "10.0.0.0", 0, "10.0.0.0" },
	{ "10.0.0.255", 1, "10.0.1.0" },
	{ "10.0.0.0", 65536, "10.1.0.0" },
	{ "255.255.255.255", 1, NULL },
	{ "0.0.0.0", 1ull << 32, NULL },
	{ "fd00::ffff", 1, "fd00::1:0" },
	{ "fd00::", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff" },
	{ "fd00::1", UINT64_MAX, "fd00:0:0:1::" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, NULL },
};

START_TEST(add)
{
	struct c25_addr a = addr(add_rows[_i].a), out;
	char buf[C25_ADDR_TEXT_MAX];

	if (add_rows[_i].sum == NULL) {
		ck_assert_int_eq(c25_addr_add(&out, &a, add_rows[_i].n),
		    -ERANGE);
		return;
	}
	ck_assert_int_eq(c25_addr_add(&out, &a, add_rows[_i].n), 0);
	ck_assert_str_eq(c25_addr_format(&out, buf), add_rows[_i].sum);
	ck_assert_uint_eq(c25_addr_distance(&a, &out), add_rows[_i].n);
}
END_TEST

static const struct {
	const char *text;
	bool special;
} special_rows[] = {
	{ "0.0.0.0", true }, { "0.1.2.3", true }, { "127.0.0.1", true },
	{ "127.255.255.255", true }, { "169.254.169.254", true },
	{ "224.0.0.1", true }, { "239.1.1.1", true },
	{ "255.255.255.255", true }, { "10.0.0.1", false },
	{ "240.0.0.1", false }, { "169.253.0.1", false },
	{ "8.8.8.8", false }, { "::", true }, { "::1", true },
	{ "::2", false }, { "fe80::1", true }, { "febf::1", true },
	{ "fec0::1", false }, { "ff02::1", true }, { "fd00::1", false },
	{ "::ffff:127.0.0.1", true }, { "::ffff:10.0.0.1", false },
	{ "::ffff:169.254.169.254", true },
};

START_TEST(special)
{
	struct c25_addr a = addr(special_rows[_i].text);

	ck_assert_int_eq(c25_addr_is_special(&a), special_rows[_i].special);
}
END_TEST

static const struct {
	const char *text;
	const char *inner;
} inner_rows[] = {
	{ "10.0.0.1", "10.0.0.1" }, { "fd00::1", "fd00::1" },
	{ "::ffff:10.0.0.1", "10.0.0.1" }, { "::10.0.0.1", "10.0.0.1" },
	{ "64:ff9b::7f00:1", "127.0.0.1" },
	{ "64:ff9b:0:0:0:1:7f00:1", "64:ff9b::1:7f00:1" },
	{ "64:ff9b:1::7f00:1", "64:ff9b:1::7f00:1" },
	{ "2002:a9fe:a9fe::1", "169.254.169.254" },
	{ "2003:a9fe:a9fe::1", "2003:a9fe:a9fe::1" },
};

START_TEST(inner)
{
	struct c25_addr a = addr(inner_rows[_i].text);
	struct c25_addr b = c25_addr_inner(&a);
	char buf[C25_ADDR_TEXT_MAX];

	ck_assert_str_eq(c25_addr_format(&b, buf), inner_rows[_i].inner);
}
END_TEST

static const struct {
	const char *text;
	bool forbidden;
} forbidden_rows[] = {
	{ "0.0.0.0", true }, { "127.0.0.1", true }, { "::", true },
	{ "::1", true }, { "fe80::1", true }, { "::ffff:127.0.0.1", true },
	{ "10.0.0.1", false }, { "8.8.8.8", false }, { "fd00::1", false },
	{ "2001:db8::1", false }, { "::ffff:10.0.0.1", false },
	/* reserved, site-local */
	{ "239.255.255.255", true }, { "240.0.0.0", true },
	{ "250.1.2.3", true }, { "::ffff:240.0.0.1", true },
	{ "fec0::1", false }, { "febf::1", true }, { "fe7f::1", false },
	/* metadata */
	{ "100.100.100.200", true }, { "100.100.100.199", false },
	{ "100.100.100.201", false }, { "192.0.0.192", true },
	{ "192.0.0.191", false }, { "fd00:ec2::254", true },
	{ "fd00:ec2::253", false }, { "fd00:ec2:0:1::254", false },
	{ "fd20:ce::254", true }, { "fd20:ce::255", false },
	{ "::ffff:100.100.100.200", true },
	/* IPv4 within */
	{ "64:ff9b::127.0.0.1", true }, { "64:ff9b::10.0.0.1", false },
	{ "64:ff9b::169.254.169.254", true },
	{ "64:ff9b::100.100.100.200", true }, { "64:ff9b::240.0.0.1", true },
	{ "64:ff9b:0:0:0:1:7f00:1", false },
	{ "2002:7f00:1::1", true }, { "2002:a00:1::1", false },
	{ "2002:a9fe:a9fe::", true }, { "2002:f000:1::", true },
	{ "2003:7f00:1::1", false },
	{ "::127.0.0.1", true }, { "::2", true }, { "::10.0.0.1", false },
	{ "::169.254.169.254", true }, { "::1:7f00:1", false },
};

START_TEST(forbidden)
{
	struct c25_addr a = addr(forbidden_rows[_i].text);

	ck_assert_int_eq(c25_addr_is_forbidden(&a),
	    forbidden_rows[_i].forbidden);
}
END_TEST

START_TEST(overlap_and_contain)
{
	struct c25_range a, b;
	struct c25_addr in = addr("10.0.0.5"), six = addr("::5");

	ck_assert_int_eq(c25_range_parse(&a, "10.0.0.0/29", 11), 0);
	ck_assert_int_eq(c25_range_parse(&b, "10.0.0.7-10.0.0.9", 17), 0);
	ck_assert(c25_range_overlaps(&a, &b));
	ck_assert(c25_range_contains(&a, &in));
	ck_assert(!c25_range_contains(&b, &in));
	ck_assert(!c25_range_contains(&a, &six));
	ck_assert_int_eq(c25_range_parse(&b, "10.0.0.8/30", 11), 0);
	ck_assert(!c25_range_overlaps(&a, &b));
	ck_assert_int_eq(c25_range_parse(&b, "::/0", 4), 0);
	ck_assert(!c25_range_overlaps(&a, &b));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("addr");
	TCase *tc = tcase_create("addr");

	ADD_ROWS(tc, parse, parse_rows);
	tcase_add_test(tc, parse_takes_no_nul);
	tcase_add_test(tc, format_is_as_inet_ntop_has_it);
	ADD_ROWS(tc, range, range_rows);
	ADD_ROWS(tc, add, add_rows);
	ADD_ROWS(tc, special, special_rows);
	ADD_ROWS(tc, inner, inner_rows);
	ADD_ROWS(tc, forbidden, forbidden_rows);
	tcase_add_test(tc, overlap_and_contain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
