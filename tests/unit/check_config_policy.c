/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the configuration: what it means for an app, and the policy that
 * it compiles to. */

#include <stdio.h>
#include <string.h>

#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

/* ---- apps --------------------------------------------------------------- */

#define C(name, tags, priority) "{ 'name': '" name "', 'tags': [" tags \
	"], " URL ", 'priority': " priority " }"
#define BOTH_ROLES(self) CLIENT( \
	"{ 'name': 'x', 'connectors': ['t1'], 'destinations': [], " \
		"'domains': ['x.example', '*.x.example'] }, " \
	"{ 'name': 'y', 'connectors': ['t2', 't3'], " \
		"'domains': ['y.example', 'x.example'], " \
		"'destinations': ['10.0.0.0/8', 'fd00::/8', '127.0.0.0/8'] " \
		"}, " \
	"{ 'name': 'z', 'connectors': ['*'] }, " \
	"{ 'name': 'n' }], " \
	"'connectors': [" C("b", "'t1', 't2'", "0") "," \
		C("a", "'t1'", "0") "," C("c", "'t3', 't1'", "5") "," \
		C("0", "", "7") "], 'self': { 'tags': [" self "] }, " \
	"'listen': { 'transitIP': 'http://127.0.0.1:1' }, 'peers': " \
	"[{ 'name': 'p', 'addresses': ['::1'], 'apps': ['y', 'x'] }]")

START_TEST(app_connectors)
{
	static const struct {
		size_t count;
		uint16_t list[4];
	} want[] = {
		{ 3, { 1, 0, 2 } }, { 2, { 0, 2 } }, { 4, { 1, 0, 2, 3 } },
		{ 0, { 0 } }, { 0, { 0 } },
	};
	struct c25_config *cfg = warned(BOTH_ROLES(""), 1);
	uint16_t list[C25_CONNECTORS_MAX];

	for (size_t app = 0; app < 5; app++) {
		ck_assert_uint_eq(c25_config_app_connectors(cfg, app, list),
			want[app].count);
		for (size_t i = 0; i < want[app].count; i++)
			ck_assert_uint_eq(list[i], want[app].list[i]);
	}
	c25_config_free(cfg);
}
END_TEST

START_TEST(app_self)
{
	struct c25_config *cfg = warned(BOTH_ROLES("'t3', '**'"), 0);

	ck_assert(!c25_config_app_self(cfg, 0));
	ck_assert(c25_config_app_self(cfg, 1));
	ck_assert(!c25_config_app_self(cfg, 2));	/* "*" */
	ck_assert(!c25_config_app_self(cfg, 99));
	c25_config_free(cfg);
	/* without peers the tags mean nothing */
	cfg = good(CLIENT("{ 'name': 'y', 'connectors': ['t'] }], "
		"'connectors': [" C("c", "'t'", "0") "], "
		"'self': { 'tags': ['t'] }"));
	ck_assert(!c25_config_app_self(cfg, 0));
	c25_config_free(cfg);
}
END_TEST

static const struct {
	size_t app;
	const char *addr;
	bool allowed;
} allow_rows[] = {
	{ 0, "10.0.0.1", false },
	{ 1, "10.0.0.1", true },
	{ 1, "11.0.0.1", false },
	{ 1, "fd00::1", true },
	{ 1, "127.0.0.1", false },
	{ 2, "192.0.2.1", true },
	{ 2, "169.254.169.254", false },
	{ 2, "::1", false },
	{ 2, "::ffff:127.0.0.1", false },
	{ 2, "64:ff9b::127.0.0.1", false },
	{ 2, "100.100.100.200", false },
	{ 9, "10.0.0.1", false },
};

START_TEST(app_allows)
{
	struct c25_config *cfg = warned(BOTH_ROLES(""), 1);
	const char *text = allow_rows[_i].addr;
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	ck_assert(c25_config_app_allows(cfg, allow_rows[_i].app, &a) ==
		allow_rows[_i].allowed);
	c25_config_free(cfg);
}
END_TEST

START_TEST(app_find)
{
	struct c25_config *cfg = warned(BOTH_ROLES(""), 1);

	ck_assert_uint_eq(c25_config_app_find(cfg, "y"), 1);
	ck_assert_uint_eq(c25_config_app_find(cfg, "Y"), C25_APP_NONE);
	/* a peer's apps are in the order of "apps" */
	ck_assert_uint_eq(cfg->peers[0].app_count, 2);
	ck_assert_uint_eq(cfg->peers[0].apps[0], 0);
	ck_assert_uint_eq(cfg->peers[0].apps[1], 1);
	c25_config_free(cfg);
}
END_TEST

/* ---- the policy --------------------------------------------------------- */

static bool
matches(const struct c25_policy *policy, const char *text,
	struct c25_match *m)
{
	struct c25_name n;

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)), 0);
	return c25_policy_match(policy, n.wire, n.len, m);
}

START_TEST(compile_matches)
{
	static const uint16_t regs[] = { 40, 41, 42, 43 };
	struct c25_config *cfg = warned(BOTH_ROLES(""), 1);
	struct c25_policy *policy = compile(cfg, regs);
	const uint16_t *list;
	struct c25_match m;
	uint32_t n;

	ck_assert_uint_eq(c25_policy_generation(policy), 7);
	ck_assert_uint_eq(c25_policy_max_ttl(policy), 300);
	ck_assert_uint_eq(c25_policy_hold(policy), 250);
	ck_assert(matches(policy, "x.example", &m));
	ck_assert(m.app == 0 && m.rewrite && !m.wildcard);
	ck_assert(matches(policy, "www.x.example", &m));
	ck_assert(m.app == 0 && m.rewrite && m.wildcard);
	ck_assert(matches(policy, "y.example", &m));
	ck_assert(m.app == 1);
	ck_assert(!matches(policy, "www.y.example", &m));
	list = c25_policy_app_connectors(policy, 0, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert(list[0] == 41 && list[1] == 40 && list[2] == 42);
	(void)c25_policy_app_connectors(policy, 3, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(c25_policy_app(policy, 1), "y");
	ck_assert_str_eq(c25_policy_connector(policy, 43), "0");
	ck_assert(c25_policy_has_pool(policy, C25_V4));
	ck_assert(!c25_policy_has_pool(policy, C25_V6));
	c25_policy_unref(policy);
	c25_config_free(cfg);
}
END_TEST

/* x.example belongs to x and y; this host serves y, so it is left alone. */
START_TEST(compile_self)
{
	struct c25_config *cfg = warned(BOTH_ROLES("'t3'"), 0);
	struct c25_policy *policy = compile(cfg, NULL);
	struct c25_match m;

	ck_assert(matches(policy, "x.example", &m) && !m.rewrite);
	ck_assert(matches(policy, "y.example", &m) && !m.rewrite);
	ck_assert(matches(policy, "www.x.example", &m) && m.rewrite);
	c25_policy_unref(policy);
	c25_config_free(cfg);
}
END_TEST

/* Without the client role nothing is matched: answers stay as they are. */
START_TEST(compile_connector_only)
{
	struct c25_config *cfg = good("{ 'apps': [{ 'name': 'a', 'domains': "
		"['a.example'], 'destinations': [] }], 'peers': "
		"[{ 'name': 'p', 'addresses': ['::1'], 'apps': ['a'] }], "
		"'listen': { 'transitIP': 'http://127.0.0.1:1' } }");
	struct c25_policy *policy = compile(cfg, NULL);
	struct c25_match m;

	ck_assert_uint_eq(c25_policy_app_count(policy), 1);
	ck_assert(!matches(policy, "a.example", &m));
	c25_policy_unref(policy);
	c25_config_free(cfg);
}
END_TEST

/* Own transit ranges are cut out of the shared one, in whatever order. */
START_TEST(compile_ranges)
{
	static const char *const want[] = {
		"0 100.64.0.0/16 65535", "1 169.254.64.0/24 65535",
		"1 169.254.65.0/24 1", "1 169.254.66.0/23 65535",
		"1 169.254.68.0/24 0", "1 169.254.69.0-169.254.127.255 65535",
	};
	struct c25_config *cfg = good(CLIENT("], 'connectors': ["
		"{ 'name': 'b', 'transit': { 'v4': ['169.254.68.0/24'] }, "
		URL "}, { 'name': 'a', 'transit': { 'v4': "
		"['169.254.65.0/24'] }, " URL "}], 'dns': { 'exclude': "
		"['192.0.2.0/24'] }"));
	struct c25_policy *policy = compile(cfg, NULL);
	char range[2 * C25_ADDR_TEXT_MAX], line[128];
	struct c25_spec_range r;
	struct c25_addr a;
	size_t n = 0;

	for (; c25_policy_range_at(policy, n, &r); n++) {
		(void)snprintf(line, sizeof(line), "%d %s %u", (int)r.kind,
			c25_range_format(&r.range, range), r.connector);
		ck_assert_uint_lt(n, sizeof(want) / sizeof(*want));
		ck_assert_str_eq(line, want[n]);
	}
	ck_assert_uint_eq(n, sizeof(want) / sizeof(*want));
	ck_assert_int_eq(c25_addr_parse(&a, "192.0.2.7", 9), 0);
	ck_assert(c25_policy_excluded(policy, &a));
	c25_policy_unref(policy);
	c25_config_free(cfg);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_policy");
	TCase *tc = tcase_create("config_policy");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, app_connectors);
	tcase_add_test(tc, app_self);
	ADD_ROWS(tc, app_allows, allow_rows);
	tcase_add_test(tc, app_find);
	tcase_add_test(tc, compile_matches);
	tcase_add_test(tc, compile_self);
	tcase_add_test(tc, compile_connector_only);
	tcase_add_test(tc, compile_ranges);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
