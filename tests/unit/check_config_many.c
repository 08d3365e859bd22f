/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the configuration: many messages, connectors and domains, in their
 * order, and where it ends. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

START_TEST(all_in_order)
{
	struct c25_config_errors errs = { 0 };
	struct text t = text_of("{ 'peers': [ { 'name': 'p',\n"
		"'addresses': ['10.0.0.1', '10.0.0.1'], 'apps': ['x'] } ],\n"
		"'apps': [{ 'name': 'a', 'domains': ['a b', '-..'] }],\n"
		"'dns': { 'maxTTL': {}, 'x': 1 }, 'pools': 3 }");
	/* two are warnings: nothing listens, and there is no app "x" */
	static const unsigned lines[] = { 1, 2, 2, 3, 3, 4, 4, 4 };
	struct c25_config *cfg;

	ck_assert_int_eq(c25_config_parse(t.data, t.len, "f", &cfg, &errs),
		-EINVAL);
	ck_assert_uint_eq(errs.count, sizeof(lines) / sizeof(*lines));
	ck_assert_uint_eq(errs.errors, errs.count - 2);
	for (size_t i = 0; i < errs.count; i++) {
		ck_assert_uint_eq(errs.items[i].line, lines[i]);
		ck_assert(i == 0 || errs.items[i].at >= errs.items[i - 1].at);
	}
	c25_config_errors_free(&errs);
	free(t.data);
}
END_TEST

/* A wide range meets all that lie in it, not only the next one. */
START_TEST(wide_overlap)
{
	struct c25_config_errors errs = { 0 };
	struct text t = text_of("{ 'apps': [], 'pools': {\n"
		"'v4MagicIPPool': ['10.0.0.0/8'],\n"
		"'v4TransitIPPool': ['10.0.0.1',\n'10.0.0.9'] } }");
	struct c25_config *cfg;

	ck_assert_int_eq(c25_config_parse(t.data, t.len, "f", &cfg, &errs),
		-EINVAL);
	ck_assert_uint_eq(errs.errors, 2);
	ck_assert_uint_eq(errs.items[0].line, 3);
	ck_assert_uint_eq(errs.items[1].line, 4);
	c25_config_errors_free(&errs);
	free(t.data);
}
END_TEST

/* A growing text. */
struct grow {
	char *data;
	size_t len, room;
};

static void
grow_add(struct grow *g, const char *text)
{
	size_t n = strlen(text);

	if (g->len + n + 1 > g->room) {
		g->room = (g->len + n + 1) * 2;
		g->data = realloc(g->data, g->room);
		ck_assert_ptr_nonnull(g->data);
	}
	memcpy(g->data + g->len, text, n + 1);
	g->len += n;
}

START_TEST(more_than_shown)
{
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg;
	struct grow g = { 0 };

	/* warnings, which must not keep errors out */
	grow_add(&g, "{\"apps\":[{\"name\":\"a\",\"connectors\":[");
	for (int i = 0; i < 70; i++)
		grow_add(&g, "7,");
	grow_add(&g, "],\"domains\":[");
	for (int i = 0; i < 70; i++)
		grow_add(&g, "\n\"a b\",");
	grow_add(&g, "]}]}");
	ck_assert_int_eq(c25_config_parse(g.data, g.len, "f", &cfg, &errs),
		-EINVAL);
	ck_assert_uint_eq(errs.count, 100);
	ck_assert_uint_eq(errs.errors, 141);	/* and the missing role */
	ck_assert_uint_eq(c25_config_error_count(&errs), 101);
	ck_assert_str_eq(c25_config_error_line(&errs, 100, line), "f: "
		"error: and 41 more, not shown: correct the first ones");
	ck_assert_uint_eq(errs.items[99].line, 31);
	c25_config_errors_free(&errs);
	free(g.data);
}
END_TEST

START_TEST(many_warnings)
{
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg;
	struct grow g = { 0 };

	grow_add(&g, "{\"pools\":{\"v4MagicIPPool\":[\"10.0.0.0\"],"
		"\"v4TransitIPPool\":[\"10.0.0.1\"]},"
		"\"apps\":[{\"name\":\"a\",\"connectors\":[");
	for (int i = 0; i < 70; i++)
		grow_add(&g, "\"t\",");
	grow_add(&g, "]}]}");
	ck_assert_int_eq(c25_config_parse(g.data, g.len, "f", &cfg, &errs),
		0);
	ck_assert_uint_eq(errs.errors, 0);
	ck_assert_uint_eq(errs.count, 50);
	ck_assert_str_eq(c25_config_error_line(&errs, 50, line), "f: "
		"warning: and 20 more, not shown: correct the first ones");
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
	free(g.data);
}
END_TEST

START_TEST(too_many_connectors)
{
	struct c25_config_errors errs = { 0 };
	struct c25_config *cfg;
	struct grow g = { 0 };
	char item[80];

	grow_add(&g, "{\"pools\":{},\"apps\":[],\"connectors\":[");
	for (int i = 0; i < _i; i++) {
		(void)snprintf(item, sizeof(item), "{\"name\":\"c%d\","
			"\"url\":\"http://h\"},", i);
		grow_add(&g, item);
	}
	grow_add(&g, "]}");
	ck_assert_int_eq(c25_config_parse(g.data, g.len, "f", &cfg, &errs),
		_i > C25_CONNECTORS_MAX ? -EINVAL : 0);
	if (_i > C25_CONNECTORS_MAX)
		ck_assert_str_eq(errs.items[0].text, "connectors: there are "
			"257 of them: 256 are the most");
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
	free(g.data);
}
END_TEST

START_TEST(hundred_thousand_domains)
{
	struct c25_config_errors errs = { 0 };
	const size_t count = 100000;
	char item[64], text[C25_NAME_TEXT_MAX];
	struct c25_config *cfg;
	struct grow g = { 0 };

	grow_add(&g, "{\"pools\":{\"v4MagicIPPool\":[\"10.0.0.0\"],"
		"\"v4TransitIPPool\":[\"10.0.0.1\"]},\"apps\":["
		"{\"name\":\"a\",\"domains\":[");
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(item, sizeof(item), "\"*.n%zu.example\",\n",
			i);
		grow_add(&g, item);
	}
	grow_add(&g, "]},{\"name\":\"b\",\"domains\":[\"last.example\"]}]}");
	ck_assert_int_eq(c25_config_parse(g.data, g.len, "f", &cfg, &errs),
		0);
	ck_assert_uint_eq(cfg->domain_count, count + 1);
	ck_assert_uint_eq(cfg->apps[0].domain_count, count);
	ck_assert_ptr_eq(cfg->apps[1].domains, cfg->domains + count);
	ck_assert_uint_eq(cfg->domains[count].app, 1);
	ck_assert_str_eq(c25_name_to_text(cfg->domains[count - 1].name.wire,
		cfg->domains[count - 1].name.len, text), "n99999.example");
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
	free(g.data);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_many");
	TCase *tc = tcase_create("config_many");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, all_in_order);
	tcase_add_test(tc, wide_overlap);
	tcase_add_test(tc, more_than_shown);
	tcase_add_test(tc, many_warnings);
	tcase_add_loop_test(tc, too_many_connectors, C25_CONNECTORS_MAX,
		C25_CONNECTORS_MAX + 2);
	tcase_add_test(tc, hundred_thousand_domains);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
