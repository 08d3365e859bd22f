/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of forwards.h: which zones a configuration has, their file, and what
 * is said to an Unbound that has this or that.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sidecar/forwards.h"
#include "tests/unit/demo.h"
#include "tests/unit/suite.h"

#define HEADER "# Written by conn25d, which overwrites it: the forward " \
	"zones of the apps with\n# \"resolveAt\" in demo\n"

/* The zones of apps, given with single quotes. */
static struct c25_forwards
zones_of(const char *apps)
{
	struct c25_forwards f = { 0 };
	struct c25_config *cfg;
	char *text;

	ck_assert_int_ge(asprintf(&text, "{ 'pools': { 'v4MagicIPPool': "
		"['100.64.0.0/16'], 'v4TransitIPPool': ['169.254.64.0/18'] }, "
		"'unbound': { 'includeFile': '/f' }, 'apps': [ %s ] }", apps),
		0);
	cfg = parse(text);
	ck_assert_int_eq(c25_forwards_make(&f, cfg), 0);
	c25_config_free(cfg);
	free(text);
	return f;
}

#define AT(servers) "'resolveAt': 'connector', 'dnsServers': [" servers "]"
#define APP(name, domains, more) \
	"{ 'name': '" name "', 'domains': [" domains "], " more " },"
#define ZONE(name, address) "forward-zone:\n\tname: \"" name "\"\n" \
	"\tforward-addr: " address "\n"

/* ---- from the configuration to the file and back ----------------------- */

static const struct {
	const char *apps, *text;
} file_rows[] = {
	{ "", "" },
	{ APP("a", "'a.example'", "'connectors': []"), "" },
	{ APP("a", "'B.example', '*.a.example', 'c._x.a.example'",
		AT("'10.0.0.1'")), ZONE("a.example", "10.0.0.1@53")
		ZONE("b.example", "10.0.0.1@53")
		ZONE("c._x.a.example", "10.0.0.1@53") },
	{ APP("a", "'a.example'", AT("'10.0.0.1@5353', 'fd00::1', "
		"'::ffff:10.0.0.2'")), ZONE("a.example", "10.0.0.1@5353\n"
		"\tforward-addr: fd00::1@53\n\tforward-addr: 10.0.0.2@53") },
	{ APP("a", "'a.example'", AT("'10.0.0.1'") ", 'dnsInsecure': true")
		APP("b", "'b.example'", AT("'10.0.0.1'")),
		"server:\n\tdomain-insecure: \"a.example\"\n"
		ZONE("a.example", "10.0.0.1@53")
		ZONE("b.example", "10.0.0.1@53") },
	{ APP("b", "'b.example'", AT("'10.0.0.1'")) APP("a", "'c.example'",
		AT("'10.0.0.1'") ", 'dnsInsecure': true"),
		ZONE("b.example", "10.0.0.1@53")
		"server:\n\tdomain-insecure: \"c.example\"\n"
		ZONE("c.example", "10.0.0.1@53") },
	/* one zone for the name and what is below it */
	{ APP("a", "'a.example', '*.a.example'", AT("'10.0.0.1'")),
		ZONE("a.example", "10.0.0.1@53") },
	/* the first app counts, with or without */
	{ APP("a", "'a.example'", AT("'10.0.0.1'"))
		APP("b", "'a.example'", AT("'10.0.0.2'")),
		ZONE("a.example", "10.0.0.1@53") },
	{ APP("b", "'a.example'", "'connectors': []")
		APP("a", "'A.example.'", AT("'10.0.0.1'")), "" },
	{ APP("b", "'a.example'", "'connectors': []")
		APP("a", "'*.a.example'", AT("'10.0.0.1'")),
		ZONE("a.example", "10.0.0.1@53") },
};

START_TEST(file)
{
	struct c25_forwards f = zones_of(file_rows[_i].apps), back = { 0 };
	struct c25_buf text = { 0 }, again = { 0 };

	c25_forwards_text(&f, "demo", &text);
	ck_assert_int_eq(strncmp(text.data, HEADER, strlen(HEADER)), 0);
	ck_assert_str_eq(text.data + strlen(HEADER), file_rows[_i].text);
	ck_assert_int_eq(c25_forwards_parse(&back, text.data, text.len), 0);
	c25_forwards_text(&back, "demo", &again);
	ck_assert_str_eq(again.data, text.data);
	c25_buf_free(&text);
	c25_buf_free(&again);
	c25_forwards_free(&f);
	c25_forwards_free(&back);
}
END_TEST

START_TEST(file_name_on_one_line)
{
	struct c25_forwards f = { 0 };
	struct c25_buf text = { 0 };

	c25_forwards_text(&f, "a\nserver:\n", &text);
	ck_assert_ptr_null(strstr(text.data, "\nserver:"));
	c25_buf_free(&text);
}
END_TEST

static const char *const bad_files[] = {
	"server:\n\tdomain-insecure: \"a.example\"\n",
	"server:\n\tdomain-insecure: \"b.example\"\n"
		ZONE("a.example", "10.0.0.1@53"),
	"forward-zone:\n\tname: \"a.example\"\n",
	ZONE("a.example", "10.0.0.1@53") "\tname: \"b.example\"\n",
	ZONE("a.example", "10.0.0.1@0"),
	ZONE("a.example", "10.0.0.1@65536"),
	ZONE("a.example", "10.0.0.1@53x"),
	ZONE("a.example", "10.0.0.1@"),
	ZONE("a.example", "ns.example"),
	ZONE("a\nb", "10.0.0.1@53"),
	ZONE("a b", "10.0.0.1@53"),
	ZONE("", "10.0.0.1@53"),
	"\tforward-addr: 10.0.0.1@53\n",
	"forward-zone:\n\tname: \"\n",
	"forward-zone:\n\tname: a.example\n",
	"include: /etc/passwd\n",
	"# no newline at the end",
	ZONE("a.example", "10.0.0.1@53\n\tforward-addr: 10.0.0.1@53"
		"\n\tforward-addr: 10.0.0.1@53\n\tforward-addr: 10.0.0.1@53"
		"\n\tforward-addr: 10.0.0.1@53\n\tforward-addr: 10.0.0.1@53"
		"\n\tforward-addr: 10.0.0.1@53\n\tforward-addr: 10.0.0.1@53"
		"\n\tforward-addr: 10.0.0.1@53"),
};

START_TEST(file_not_ours)
{
	struct c25_forwards f = { 0 };
	const char *text = bad_files[_i];

	ck_assert_int_eq(c25_forwards_parse(&f, text, strlen(text)), -EINVAL);
	ck_assert_uint_eq(f.count, 0);
	ck_assert_ptr_null(f.items);
}
END_TEST

/* ---- what Unbound is told ---------------------------------------------- */

#define ONE APP("a", "'a.example'", AT("'10.0.0.1'"))
#define TWO APP("a", "'a.example', 'b.example'", AT("'10.0.0.1'"))
#define INSECURE APP("a", "'a.example'", AT("'10.0.0.1'") \
	", 'dnsInsecure': true")
#define ADD "forward_add a.example 10.0.0.1@53\n"
#define FLUSH "flush_zone a.example\n"

static const struct {
	const char *want, *former, *listed, *plan;
} plan_rows[] = {
	{ "", "", "", NULL },
	{ ONE, "", "", ADD FLUSH },
	{ ONE, "", "a.example. IN forward 10.0.0.1\n", NULL },
	{ ONE, ONE, "a.example. IN forward 10.0.0.1\n", NULL },
	{ ONE, "", "a.example. IN forward 10.0.0.2\n", ADD FLUSH },
	{ ONE, "", "a.example. IN forward 10.0.0.1 10.0.0.2\n", ADD FLUSH },
	{ ONE, "", "a.example. IN forward ns.example. 10.0.0.1\n",
		ADD FLUSH },
	{ ONE, "", "a.example. IN forward \n", ADD FLUSH },
	{ ONE, "", "a.example. CH forward 10.0.0.1\n", ADD FLUSH },
	{ ONE, "", "b.a.example. IN forward 10.0.0.1\n", ADD FLUSH },
	/* servers in another order, and twice */
	{ APP("a", "'a.example'", AT("'10.0.0.1', '10.0.0.2'")), "",
		"a.example. IN forward 10.0.0.2 10.0.0.1\n", NULL },
	{ APP("a", "'a.example'", AT("'10.0.0.1', '10.0.0.2'")), "",
		"a.example. IN forward 10.0.0.1 10.0.0.1\n",
		"forward_add a.example 10.0.0.1@53 10.0.0.2@53\n" FLUSH },
	/* only the port: it isn't listed */
	{ ONE, APP("a", "'a.example'", AT("'10.0.0.1@5353'")),
		"a.example. IN forward 10.0.0.1\n", ADD FLUSH },
	/* insecure, and no longer */
	{ INSECURE, "", "", "forward_add +i a.example 10.0.0.1@53\n" FLUSH },
	{ INSECURE, "", "a.example. IN forward +i 10.0.0.1\n", NULL },
	{ INSECURE, "", "a.example. IN forward 10.0.0.1\n",
		"forward_add +i a.example 10.0.0.1@53\n" FLUSH },
	{ ONE, INSECURE, "a.example. IN forward +i 10.0.0.1\n",
		"forward_remove +i a.example\n" ADD FLUSH },
	/* what goes; others' zones stay */
	{ "", ONE, "a.example. IN forward 10.0.0.1\n",
		"forward_remove a.example\n" FLUSH },
	{ "", INSECURE, "a.example. IN forward +i 10.0.0.1\n",
		"forward_remove +i a.example\n" FLUSH },
	{ "", ONE, "a.example. IN forward +i 10.0.0.1\n",
		"forward_remove a.example\n" FLUSH },
	{ "", ONE, "", NULL },
	{ "", "", "a.example. IN forward 10.0.0.1\n", NULL },
	{ ONE, TWO, "b.example. IN forward 10.0.0.1\n. IN forward 10.0.0.9\n"
		"x.example. IN forward 10.0.0.9\na.example. IN forward "
		"10.0.0.1\n", "forward_remove b.example\n"
		"flush_zone b.example\n" },
	{ TWO, "", "", ADD "forward_add b.example 10.0.0.1@53\n" FLUSH
		"flush_zone b.example\n" },
};

static const struct {
	const char *former, *want, *gone;
} gone_rows[] = {
	{ "", "", NULL }, { "", ONE, NULL }, { ONE, ONE, NULL },
	{ ONE, TWO, NULL }, { TWO, ONE, "b.example" }, { TWO, "", "a.example" },
};

START_TEST(gone)
{
	struct c25_forwards former = zones_of(gone_rows[_i].former);
	struct c25_forwards want = zones_of(gone_rows[_i].want);
	const char *name = c25_forwards_gone(&former, &want);

	if (gone_rows[_i].gone == NULL)
		ck_assert_ptr_null(name);
	else
		ck_assert_str_eq(name, gone_rows[_i].gone);
	c25_forwards_free(&former);
	c25_forwards_free(&want);
}
END_TEST

/* Feed the lines. Returns: the first failure. */
static int
list(struct c25_forwards *listed, const struct c25_forwards *want,
	const struct c25_forwards *former, const char *lines)
{
	int r = 0;

	while (r == 0 && *lines != '\0') {
		size_t n = strcspn(lines, "\n");

		r = c25_forwards_listed(listed, want, former, lines, n);
		lines += n + 1;
	}
	c25_forwards_sort(listed);
	return r;
}

START_TEST(plan)
{
	struct c25_forwards want = zones_of(plan_rows[_i].want);
	struct c25_forwards former = zones_of(plan_rows[_i].former);
	struct c25_forwards listed = { 0 };
	struct c25_buf out = { 0 };
	size_t n;

	ck_assert_int_eq(list(&listed, &want, &former, plan_rows[_i].listed),
		0);
	n = c25_forwards_plan(&want, &former, &listed, &out);
	if (plan_rows[_i].plan == NULL) {
		ck_assert_uint_eq(n, 0);
		ck_assert_uint_eq(out.len, 0);
	} else {
		ck_assert_uint_gt(n, 0);
		ck_assert_str_eq(out.data, plan_rows[_i].plan);
	}
	c25_buf_free(&out);
	c25_forwards_free(&want);
	c25_forwards_free(&former);
	c25_forwards_free(&listed);
}
END_TEST

static const char *const bad_lines[] = {
	"error unknown command 'list_forwards'", "", "a.example.",
	"a.example. IN", "a.example. IN ", "a.example. IN stub 10.0.0.1",
	" IN forward", "ok",
};

START_TEST(listed_bad)
{
	struct c25_forwards want = zones_of(ONE), none = { 0 }, listed = { 0 };

	ck_assert_int_eq(c25_forwards_listed(&listed, &want, &none,
		bad_lines[_i], strlen(bad_lines[_i])), -EPROTO);
	c25_forwards_free(&want);
}
END_TEST

/* More servers than anybody has, and bytes that no name has. */
START_TEST(listed_odd)
{
	struct c25_forwards want = zones_of(ONE), none = { 0 }, listed = { 0 };
	struct c25_buf line = { 0 };

	c25_buf_lit(&line, "a.example. IN forward");
	for (int i = 0; i < 1000; i++)
		c25_buf_lit(&line, " 10.0.0.1");
	ck_assert_int_eq(c25_forwards_listed(&listed, &want, &none,
		line.data, line.len), 0);
	ck_assert_uint_eq(listed.count, 1);
	ck_assert_uint_eq(listed.items[0].server_count, 0);
	ck_assert_int_eq(c25_forwards_listed(&listed, &want, &none,
		"a.ex\0mple. IN forward 10.0.0.1", 30), 0);
	ck_assert_int_eq(c25_forwards_listed(&listed, &want, &none,
		". IN forward 10.0.0.1", 21), 0);
	ck_assert_uint_eq(listed.count, 1);
	c25_buf_free(&line);
	c25_forwards_free(&listed);
	c25_forwards_free(&want);
}
END_TEST

/* Zones of many names: at most so many changes are planned. */
static struct c25_forwards
many(size_t n)
{
	struct c25_forwards f = { 0 };
	struct c25_buf text = { 0 };

	for (size_t i = 0; i < n; i++)
		c25_buf_format(&text, ZONE("n%zu.example", "10.0.0.1@53"), i);
	ck_assert_int_eq(c25_forwards_parse(&f, text.data, text.len), 0);
	c25_buf_free(&text);
	return f;
}

static const struct {
	size_t count;
	const char *flush;		/* the last command; NULL: none */
} many_rows[] = {
	{ C25_FORWARDS_FLUSH_MAX, "flush_zone n9.example\n" },
	{ C25_FORWARDS_FLUSH_MAX + 1, "flush_zone .\n" },
	{ C25_FORWARDS_PLAN_MAX, "flush_zone .\n" },
	{ C25_FORWARDS_PLAN_MAX + 1, NULL },
};

START_TEST(plan_many)
{
	struct c25_forwards want = many(many_rows[_i].count), none = { 0 };
	const char *flush = many_rows[_i].flush;
	struct c25_buf out = { 0 };

	ck_assert_uint_eq(c25_forwards_plan(&want, &none, &none, &out),
		many_rows[_i].count);
	if (flush == NULL)
		ck_assert_uint_eq(out.len, 0);
	else
		ck_assert_str_eq(out.data + out.len - strlen(flush), flush);
	/* the servers are kept once */
	ck_assert_uint_eq(want.server_count, 1);
	c25_buf_free(&out);
	c25_forwards_free(&want);
}
END_TEST

/* Told, and then interrupted before the cache was flushed. */
START_TEST(interrupted)
{
	struct c25_forwards want = zones_of(ONE), former = zones_of(TWO);
	struct c25_forwards listed = { 0 };
	struct c25_buf out = { 0 };

	former.items[0].changed = former.items[1].changed = true;
	ck_assert_int_eq(list(&listed, &want, &former,
		"a.example. IN forward 10.0.0.1\n"), 0);
	ck_assert_uint_eq(c25_forwards_plan(&want, &former, &listed, &out),
		2);
	ck_assert_str_eq(out.data, ADD "forward_remove b.example\n" FLUSH
		"flush_zone b.example\n");
	c25_buf_free(&out);
	c25_forwards_free(&want);
	c25_forwards_free(&former);
	c25_forwards_free(&listed);
}
END_TEST

/* What Unbound may have of several configurations that it wasn't told of. */
START_TEST(merge)
{
	struct c25_forwards f = zones_of(TWO), other = zones_of(
		APP("a", "'b.example'", AT("'10.0.0.1@5353'"))
		APP("c", "'c.example'", AT("'10.0.0.1'")));
	struct c25_forwards want = zones_of(TWO), listed = { 0 };
	struct c25_buf out = { 0 };

	ck_assert_int_eq(c25_forwards_merge(&f, &other), 0);
	ck_assert_uint_eq(f.count, 3);
	ck_assert_str_eq(c25_forward_name(&f, 2), "c.example");
	ck_assert(!f.items[0].changed && f.items[1].changed);
	ck_assert_int_eq(list(&listed, &want, &f, "a.example. IN forward "
		"10.0.0.1\nb.example. IN forward 10.0.0.1\n"
		"c.example. IN forward 10.0.0.1\n"), 0);
	ck_assert_uint_eq(c25_forwards_plan(&want, &f, &listed, &out), 2);
	ck_assert_str_eq(out.data, "forward_add b.example 10.0.0.1@53\n"
		"forward_remove c.example\n"
		"flush_zone b.example\nflush_zone c.example\n");
	c25_buf_free(&out);
	c25_forwards_free(&f);
	c25_forwards_free(&other);
	c25_forwards_free(&want);
	c25_forwards_free(&listed);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("forwards");
	TCase *tc = tcase_create("forwards");

	ADD_ROWS(tc, file, file_rows);
	tcase_add_test(tc, file_name_on_one_line);
	ADD_ROWS(tc, file_not_ours, bad_files);
	ADD_ROWS(tc, plan, plan_rows);
	ADD_ROWS(tc, gone, gone_rows);
	ADD_ROWS(tc, listed_bad, bad_lines);
	tcase_add_test(tc, listed_odd);
	ADD_ROWS(tc, plan_many, many_rows);
	tcase_add_test(tc, merge);
	tcase_add_test(tc, interrupted);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
