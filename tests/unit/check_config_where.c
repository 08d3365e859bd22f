/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the configuration: which key a message is about, in full; and which
 * key was meant. */

#include <errno.h>

#include "sidecar/config_private.h"
#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

static const struct {
	const char *text, *begins;
} rows[] = {
	/* values */
	{ "{ 'apps': [], 'pools': { 'v4MagicIPPool': '10.0.0.0/8' } }",
		"pools.v4MagicIPPool: must be an array" },
	{ CLIENT("], 'dns': { 'maxTTL': -1 }"), "dns.maxTTL: must be a " },
	{ CLIENT("], 'limits': { 'admin': { 'connections': 'x' } }"),
		"limits.admin.connections: must be" },
	{ CLIENT("'wiki']"), "apps[0]: must be an object" },
	{ APP(", 'domains': ['a', 7]"), "apps[0].domains[1]: must be a text" },
	{ APP(", 'domains': ['a', 'b..c']"),
		"apps[0].domains[1]: domain \"b..c\": has" },
	{ APP(", 'destinations': ['10.0.0.0/8', '1']"),
		"apps[0].destinations[1] \"1\": " },
	{ CLIENT("{ 'name': 'a' }, { }]"), "apps[1]: \"name\" is missing" },
	{ "[]", "configuration: must be an object" },
	/* keys */
	{ CLIENT("], 'zebra': 1"), "zebra: unknown key: known here are" },
	{ CLIENT("{ 'name': 'a' }, { 'name': 'b', 'zebra': 1 }]"),
		"apps[1].zebra: unknown key: known here are name, " },
	{ CLIENT("], 'dns': { 'maxTTL': 1, 'maxTTL': 1 }"),
		"dns.maxTTL: the same key twice" },
	/* ... that are nearly right */
	{ CLIENT("], 'conectors': []"),
		"conectors: unknown key: did you mean \"connectors\"?" },
	{ CLIENT("{ 'nam': 'a', 'name': 'a' }]"),
		"apps[0].nam: unknown key: did you mean \"name\"?" },
	{ CLIENT("], 'conecttors': []"), "conecttors: unknown key: did you " },
	{ CLIENT("], 'DATAPTH': {}"), "DATAPTH: unknown key: did you mean "
		"\"datapath\"?" },
	{ CLIENT("], 'cnctors': []"), "cnctors: unknown key: known here" },
	{ CLIENT("], 'lo': 1"), "lo: unknown key: known here" },
	{ CLIENT("], 'l': 1"), "l: unknown key: known here" },
	{ CLIENT("], '': 1"), ": unknown key: known here" },
	{ CLIENT("], '" L63 L63 "': 1"), "aaa" },
	/* when all is read */
	{ "{ 'apps': [{ 'name': 'a' }, { 'name': 'a' }]," POOLS "}",
		"app \"a\": the name is taken" },
	/* whatever is in front of it */
	{ "{ /* [ \" { */ // [ ' { \n 'stateDir' /**/ : // ,,\n "
		"'/a]}{[\\\\', 'apps': [/*]*/], " POOLS ", 'dns': [1,],}",
		"dns: must be an object" },
	{ "{ /* [ \" { */ // [ ' { \n 'group' /**/ : // ,,\n 'x',"
		"'pools': { 'v4MagicIPPool': ['10.0.0.0/8', ],"
		"/***/ 'v4TransitIPPool': ['11.0.0.0/9', /*,*/ 'x' ,], }, "
		"'apps': [] }", "pools.v4TransitIPPool[1] \"x\": " },
	/* what isn't JSON has no keys yet */
	{ "{ 'apps': [ { 'name': x } ] }", "syntax: " },
};

START_TEST(where)
{
	struct c25_config_errors errs = { 0 };
	struct text t = text_of(rows[_i].text);
	struct c25_config *cfg;
	char lines[4096];

	ck_assert_int_eq(c25_config_parse(t.data, t.len, "test", &cfg, &errs),
		-EINVAL);
	all_lines(&errs, lines, sizeof(lines));
	ck_assert_uint_ge(errs.count, 1);
	ck_assert_msg(strncmp(errs.items[0].text, rows[_i].begins,
		strlen(rows[_i].begins)) == 0, "'%s' is not how it begins:\n"
		"%s", rows[_i].begins, lines);
	c25_config_errors_free(&errs);
	free(t.data);
}
END_TEST

/* No offset and no end of a text leads out of it. */
START_TEST(any_place)
{
	static const char text[] = "{ \"a\": [1, {\"b\\\"\": \"\\\\\"}, /* x"
		" */ 2], // y\n \"c\": {\"d\": [[[]]]} }}]] /* \"\\";

	for (size_t len = 0; len < sizeof(text); len++)
		for (size_t at = 0; at <= len; at++) {
			struct c25_config_error e = { .at = at,
				.text = "what: is wrong" };
			char *part = malloc(len + 1);

			ck_assert_ptr_nonnull(part);
			memcpy(part, text, len);
			part = realloc(part, len > 0 ? len : 1);
			c25_config_error_place(&e, part, len);
			ck_assert_ptr_nonnull(strstr(e.text,
				"what: is wrong"));
			free(part);
		}
}
END_TEST

/* A long message keeps its beginning. */
START_TEST(long_message)
{
	static const char text[] = "{ \"pools\": [ 1 ] }";
	struct c25_config_error e = { .at = 13 };

	memset(e.text, 'x', sizeof(e.text) - 1);
	c25_config_error_place(&e, text, sizeof(text) - 1);
	ck_assert_int_eq(strncmp(e.text, "pools[0]: xxx", 13), 0);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_where");
	TCase *tc = tcase_create("config_where");

	ADD_ROWS(tc, where, rows);
	tcase_add_test(tc, any_place);
	tcase_add_test(tc, long_message);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
