/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of compiling, loading and matching policies. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conn25/policy.h"
#include "table/policy_d.h"
#include "tests/unit/suite.h"

static const uint8_t key[16] = "0123456789abcdef";

static struct c25_name
name(const char *text)
{
	struct c25_name n;

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)), 0);
	return n;
}

static struct c25_range
range(const char *text)
{
	struct c25_range r;

	ck_assert_int_eq(c25_range_parse(&r, text, strlen(text)), 0);
	return r;
}

static struct c25_addr
addr(const char *text)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	return a;
}

static const uint16_t two[] = { 3, 1 };
static const struct c25_spec_app apps[] = {
	{ .name = "wiki", .connectors = two, .connector_count = 2 },
	{ .name = "deep" },
	{ .name = "mine", .self = true },
	{ .name = "late" },
};

static struct c25_policy *
compile_demo(void)
{
	struct c25_spec_domain d[] = {
		{ name("wiki.example"), false, 0 },
		{ name("example.com"), true, 0 },
		{ name("a.example.com"), true, 1 },
		{ name("x.a.example.com"), false, 3 },
		{ name("both.example"), false, 1 },
		{ name("both.example"), true, 3 },
		{ name("twice.example"), false, 1 },
		{ name("twice.example"), false, 3 },
		{ name("self.example"), false, 1 },
		{ name("self.example"), false, 2 },
	};
	struct c25_spec_connector c[] = {
		{ "one", 1 }, { "three", 3 },
	};
	struct c25_spec_range r[] = {
		{ range("100.64.0.0/16"), C25_POOL_V4_MAGIC,
		    C25_CONNECTOR_NONE },
		{ range("169.254.64.0/24"), C25_POOL_V4_TRANSIT,
		    C25_CONNECTOR_NONE },
		{ range("169.254.64.16/28"), C25_POOL_V4_TRANSIT, 1 },
		{ range("169.254.64.64/26"), C25_POOL_V4_TRANSIT, 3 },
		{ range("fd25:1::/64"), C25_POOL_V6_MAGIC,
		    C25_CONNECTOR_NONE },
	};
	struct c25_range exclude[] = { range("10.9.0.0/16") };
	struct c25_policy_spec spec = {
		.apps = apps, .app_count = 4, .domains = d,
		.domain_count = sizeof(d) / sizeof(d[0]),
		.connectors = c, .connector_count = 2, .ranges = r,
		.range_count = sizeof(r) / sizeof(r[0]), .exclude = exclude,
		.exclude_count = 1, .max_ttl_s = 300, .hold_ms = 250,
		.log_queries = true,
	};
	struct c25_policy *p;
	struct c25_error err = { "" };
	uint8_t *blob;
	size_t len;

	ck_assert_msg(c25_policy_compile(&spec, 7, key, &blob, &len,
	    &err) == 0, "%s", err.text);
	ck_assert_msg(c25_policy_load(blob, len, &p, &err) == 0, "%s",
	    err.text);
	return p;
}

static const struct {
	const char *name;
	const char *app;	/* NULL: no match */
	bool rewrite, wildcard;
} match_rows[] = {
	{ "wiki.example", "wiki", true, false },
	{ "a.wiki.example", NULL, false, false },
	{ "xwiki.example", NULL, false, false },
	{ "example", NULL, false, false },
	{ ".", NULL, false, false },
	{ "example.com", "wiki", true, true },
	{ "b.example.com", "wiki", true, true },
	{ "b.b.b.b.example.com", "wiki", true, true },
	{ "a.example.com", "deep", true, true },
	{ "b.a.example.com", "deep", true, true },
	{ "x.a.example.com", "late", true, false },
	{ "y.x.a.example.com", "deep", true, true },
	{ "notexample.com", NULL, false, false },
	{ "both.example", "deep", true, false },
	{ "sub.both.example", "late", true, true },
	{ "twice.example", "deep", true, false },
	{ "self.example", "deep", false, false },
};

START_TEST(match)
{
	struct c25_policy *p = compile_demo();
	struct c25_name n = name(match_rows[_i].name);
	struct c25_match m;
	bool hit = c25_policy_match(p, n.wire, n.len, &m);

	ck_assert_int_eq(hit, match_rows[_i].app != NULL);
	if (hit) {
		ck_assert_str_eq(c25_policy_app(p, m.app),
		    match_rows[_i].app);
		ck_assert_int_eq(m.rewrite, match_rows[_i].rewrite);
		ck_assert_int_eq(m.wildcard, match_rows[_i].wildcard);
	}
	c25_policy_unref(p);
}
END_TEST

START_TEST(malformed_names_do_not_match)
{
	struct c25_policy *p = compile_demo();
	struct c25_match m;

	ck_assert(!c25_policy_match(p, (const uint8_t *)"", 0, &m));
	ck_assert(!c25_policy_match(p, (const uint8_t *)"\300\14", 2, &m));
	ck_assert(!c25_policy_match(p, (const uint8_t *)"\4wiki", 5, &m));
	c25_policy_unref(p);
}
END_TEST

START_TEST(properties)
{
	struct c25_policy *p = compile_demo();
	struct c25_addr a;
	const uint16_t *list;
	uint32_t count;

	ck_assert_uint_eq(c25_policy_generation(p), 7);
	ck_assert_uint_eq(c25_policy_max_ttl(p), 300);
	ck_assert_uint_eq(c25_policy_hold(p), 250);
	ck_assert(c25_policy_log_queries(p));
	ck_assert(c25_policy_has_pool(p, C25_V4));
	ck_assert(!c25_policy_has_pool(p, C25_V6));	/* no transit */
	list = c25_policy_app_connectors(p, 0, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(list[0], 3);
	ck_assert_str_eq(c25_policy_connector(p, 3), "three");
	ck_assert_ptr_null(c25_policy_connector(p, 2));
	ck_assert_ptr_null(c25_policy_connector(p, C25_CONNECTOR_NONE));
	ck_assert_ptr_null(c25_policy_app(p, 4));
	a = addr("100.64.255.255");
	ck_assert(c25_policy_in_magic(p, &a));
	a = addr("100.65.0.0");
	ck_assert(!c25_policy_in_magic(p, &a));
	a = addr("169.254.64.1");
	ck_assert(!c25_policy_in_magic(p, &a));
	a = addr("fd25:1::ffff");
	ck_assert(c25_policy_in_magic(p, &a));
	a = addr("10.9.1.1");
	ck_assert(c25_policy_excluded(p, &a));
	a = addr("::ffff:10.9.1.1");
	ck_assert(c25_policy_excluded(p, &a));
	a = addr("0.0.0.0");
	ck_assert(c25_policy_excluded(p, &a));
	a = addr("10.8.1.1");
	ck_assert(!c25_policy_excluded(p, &a));
	c25_policy_unref(p);
}
END_TEST

START_TEST(own_transit_is_cut_out_of_the_shared_pool)
{
	static const struct { const char *range; uint16_t reg; } want[] = {
		{ "100.64.0.0/16", C25_CONNECTOR_NONE },
		{ "169.254.64.0/28", C25_CONNECTOR_NONE },
		{ "169.254.64.16/28", 1 },
		{ "169.254.64.32/27", C25_CONNECTOR_NONE },
		{ "169.254.64.64/26", 3 },
		{ "169.254.64.128/25", C25_CONNECTOR_NONE },
		{ "fd25:1::/64", C25_CONNECTOR_NONE },
	};
	struct c25_policy *p = compile_demo();
	struct c25_spec_range r;
	char buf[2 * C25_ADDR_TEXT_MAX];

	for (size_t i = 0; i < 7; i++) {
		ck_assert(c25_policy_range_at(p, i, &r));
		ck_assert_str_eq(c25_range_format(&r.range, buf),
		    want[i].range);
		ck_assert_uint_eq(r.connector, want[i].reg);
	}
	ck_assert(!c25_policy_range_at(p, 7, &r));
	c25_policy_unref(p);
}
END_TEST

START_TEST(overlapping_pools_are_refused)
{
	struct c25_spec_range r[] = {
		{ range("10.0.0.0/8"), C25_POOL_V4_MAGIC,
		    C25_CONNECTOR_NONE },
		{ range("10.255.0.0/16"), C25_POOL_V4_TRANSIT,
		    C25_CONNECTOR_NONE },
	};
	struct c25_policy_spec spec = { .ranges = r, .range_count = 2 };
	struct c25_error err;
	uint8_t *blob;
	size_t len;

	ck_assert_int_eq(c25_policy_compile(&spec, 1, key, &blob, &len,
	    &err), -EINVAL);
	ck_assert_ptr_null(blob);
}
END_TEST

/* What follows on another allows the pools of that, and of those before that
 * the caller asks for, but nothing else; and is all else that it was. */
START_TEST(follows_on_another)
{
	static const char *const pools[] = { "10.1.0.0/24", "10.2.0.0/24",
	    "10.2.0.0/25", "10.3.0.0/24" };
	static const char *const transits[] = { "169.254.64.0/24",
	    "169.254.64.0/25", "10.3.0.0/28", "10.1.0.0/28" };
	static const struct {
		const char *addr;
		bool in, allowed, unused;	/* as a magic address */
		bool tin, tallowed, tunused;	/* as a transit address */
	} rows[] = {
		{ "10.3.0.9", true, true, true, false, true, true },
		{ "10.3.0.16", true, true, true, false, false, false },
		{ "10.2.0.1", false, true, true, false, false, false },
		{ "10.2.0.200", false, true, false, false, false, false },
		{ "10.1.0.1", false, true, false, true, true, true },
		{ "10.1.0.16", false, true, false, false, false, false },
		{ "10.1.1.0", false, false, false, false, false, false },
		{ "169.254.64.1", false, false, false, false, true, false },
		{ "169.254.64.200", false, false, false, false, true, false },
		{ "169.254.65.0", false, false, false, false, false, false },
	};
	static const bool used[8] = { true, true, true, true, true, true,
	    true, true }, none[8];
	struct c25_policy *last = NULL, *p, *before = NULL;
	struct c25_error err = { "" };
	uint8_t *blob, *followed;
	size_t len;

	for (size_t i = 0; i < 4; i++) {
		struct c25_spec_range r[] = {
			{ range(pools[i]), C25_POOL_V4_MAGIC,
			    C25_CONNECTOR_NONE },
			{ range(transits[i]), C25_POOL_V4_TRANSIT,
			    C25_CONNECTOR_NONE },
		};
		struct c25_policy_spec spec = { .ranges = r,
		    .range_count = 2, .max_ttl_s = 300 };

		ck_assert_int_eq(c25_policy_compile(&spec, i + 1, key, &blob,
		    &len, &err), 0);
		ck_assert_int_eq(c25_policy_load(blob, len, &p, &err), 0);
		if (last == NULL) {
			last = p;
			continue;
		}
		c25_policy_unref(before);
		before = last;
		ck_assert_int_eq(c25_policy_follow(p, before, used, &followed,
		    &len), 0);
		ck_assert_msg(c25_policy_load(followed, len, &last, &err) ==
		    0, "%s", err.text);
		ck_assert_uint_eq(c25_policy_generation(last), i + 1);
		ck_assert_uint_eq(c25_policy_max_ttl(last), 300);
		c25_policy_unref(p);
	}
	ck_assert_int_eq(c25_policy_follow(last, before, none, &followed,
	    &len), 0);
	ck_assert_int_eq(c25_policy_load(followed, len, &p, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct c25_addr a = addr(rows[i].addr);

		ck_assert_msg(c25_policy_in_magic(last, &a) == rows[i].in &&
		    c25_policy_allows_magic(last, &a) == rows[i].allowed,
		    "%s", rows[i].addr);
		ck_assert_msg(c25_policy_allows_magic(p, &a) ==
		    rows[i].unused, "%s, unused", rows[i].addr);
		ck_assert_msg(c25_policy_in_transit(last, &a) ==
		    rows[i].tin && c25_policy_allows_transit(last, &a) ==
		    rows[i].tallowed && c25_policy_allows_transit(p, &a) ==
		    rows[i].tunused, "%s, transit", rows[i].addr);
	}
	c25_policy_unref(p);
	c25_policy_unref(before);
	c25_policy_unref(last);
}
END_TEST

/* Any change of any byte is either refused or, with the checksum made
 * right again, safe: every lookup stays inside the blob (ASan looks on). */
START_TEST(damage_is_harmless)
{
	struct c25_policy *p = compile_demo(), *q;
	struct c25_policy_d *h;
	uint8_t *blob, *copy;
	size_t len, after = offsetof(struct c25_policy_d, check) + 8;
	unsigned seed = 25 + (unsigned)_i, loaded = 0;
	struct c25_spec_domain d[] = { { name("wiki.example"), true, 0 } };
	struct c25_policy_spec spec = { .apps = apps, .app_count = 2,
	    .domains = d, .domain_count = 1 };
	struct c25_error err;

	c25_policy_unref(p);
	ck_assert_int_eq(c25_policy_compile(&spec, 1, key, &blob, &len,
	    &err), 0);
	for (int n = 0; n < 2000; n++) {
		struct c25_name who = name("a.b.wiki.example");
		struct c25_match m;
		struct c25_addr a = addr("10.0.0.1");
		uint32_t count;

		copy = malloc(len);
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, blob, len);
		for (int k = 0; k < 1 + n % 3; k++) {
			seed = seed * 1103515245 + 12345;
			copy[(seed >> 8) % len] = (uint8_t)(seed >> 24);
		}
		h = (void *)copy;
		if (n % 2 == 0)
			h->check = c25_hash(h->hash_key, copy + after,
			    len - after);
		if (c25_policy_load(copy, len, &q, &err) != 0) {
			free(copy);
			continue;
		}
		loaded++;
		(void)c25_policy_match(q, who.wire, who.len, &m);
		(void)c25_policy_excluded(q, &a);
		(void)c25_policy_allows_magic(q, &a);
		(void)c25_policy_allows_transit(q, &a);
		for (uint32_t i = 0; i < c25_policy_app_count(q); i++) {
			ck_assert_ptr_nonnull(c25_policy_app(q, i));
			(void)c25_policy_app_connectors(q, i, &count);
		}
		c25_policy_unref(q);
	}
	ck_assert_uint_gt(loaded, 0);
	for (size_t n = 0; n < len; n++)	/* cut short */
		ck_assert_int_ne(c25_policy_load(blob, n, &q, &err), 0);
	free(blob);
}
END_TEST

START_TEST(a_hundred_thousand_domains)
{
	size_t n = 100000, cursor = 0;
	struct c25_match exact;
	struct c25_name who;
	struct c25_spec_domain *d = calloc(n, sizeof(*d));
	struct c25_policy_spec spec = { .apps = apps, .app_count = 4,
	    .domains = d, .domain_count = n };
	struct c25_policy *p;
	struct c25_error err;
	struct c25_match m;
	uint8_t *blob;
	size_t len;
	char text[64];

	ck_assert_ptr_nonnull(d);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "d%zu.example", i);
		d[i] = (struct c25_spec_domain){ name(text), i % 2, i % 4 };
	}
	ck_assert_int_eq(c25_policy_compile(&spec, 1, key, &blob, &len,
	    &err), 0);
	ck_assert_int_eq(c25_policy_load(blob, len, &p, &err), 0);
	ck_assert_uint_eq(c25_policy_domain_count(p), n);
	for (size_t i = 0; i < n; i++) {
		ck_assert(c25_policy_match(p, d[i].name.wire, d[i].name.len,
		    &m));
		ck_assert_uint_eq(m.app, i % 4);
		ck_assert(c25_policy_domain_next(p, &cursor, &who, &exact,
		    &m));
		ck_assert(c25_name_eq(&who, &d[i].name));
		ck_assert_uint_eq(exact.app, i % 2 ? C25_APP_NONE : i % 4);
		ck_assert_uint_eq(m.app, i % 2 ? i % 4 : C25_APP_NONE);
	}
	ck_assert(!c25_policy_domain_next(p, &cursor, &who, &exact, &m));
	c25_policy_unref(p);
	free(d);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("policy");
	TCase *tc = tcase_create("policy");

	tcase_set_timeout(tc, 60);
	ADD_ROWS(tc, match, match_rows);
	tcase_add_test(tc, malformed_names_do_not_match);
	tcase_add_test(tc, properties);
	tcase_add_test(tc, own_transit_is_cut_out_of_the_shared_pool);
	tcase_add_test(tc, overlapping_pools_are_refused);
	tcase_add_test(tc, follows_on_another);
	tcase_add_loop_test(tc, damage_is_harmless, 0, 4);
	tcase_add_test(tc, a_hundred_thousand_domains);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
