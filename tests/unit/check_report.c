/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what conn25-control prints: scripts depend on every byte. */

#include <string.h>

#include "sidecar/json.h"
#include "sidecar/metric.h"
#include "sidecar/report.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suite.h"

/* Compare and empty a buffer. */
static void
expect(struct c25_buf *b, const char *text)
{
	ck_assert(!b->failed);
	ck_assert_str_eq(b->data == NULL ? "" : b->data, text);
	c25_buf_free(b);
}

/* ---- fields ------------------------------------------------------------ */

static const struct {
	const char *in;
	const char *out;
} field_rows[] = {
	{ NULL, "-" },
	{ "", "-" },
	{ "wiki", "wiki" },
	{ "our wiki", "our\\032wiki" },
	{ "a\\b", "a\\092b" },
	{ "a\tb\nc\x7f", "a\\009b\\010c\\127" },
	{ "b\303\274cher", "b\303\274cher" },
	{ " ", "\\032" },
};

START_TEST(field)
{
	struct c25_buf b = { 0 };

	c25_report_field(&b, field_rows[_i].in);
	expect(&b, field_rows[_i].out);
}
END_TEST

/* ---- lists ------------------------------------------------------------- */

static const struct {
	const char *domain, *destination, *magic, *transit;
	const char *app, *connector;
	int push;
	uint64_t end_ms, now_ms;
	const char *out;
} assignment_rows[] = {
	{ "wiki.corp.example", "10.1.2.3", "100.64.0.1", "169.254.64.1",
		"wiki", "office-1", C25_PUSH_READY, 61000, 1000,
		"wiki.corp.example 10.1.2.3 100.64.0.1 169.254.64.1 wiki "
		"office-1 ready 60\n" },
	{ "a.example", "2001:db8::1", "fd25:1::5", "fd25:2::5", NULL, NULL,
		C25_PUSH_PENDING, 1001, 1000,
		"a.example 2001:db8::1 fd25:1::5 fd25:2::5 - - pending 1\n" },
	{ "b\\ c.example", "10.0.0.1", "100.64.0.2", "169.254.64.2",
		"two words", "c", C25_PUSH_REFUSED, 1000, 1000,
		"b\\092032c.example 10.0.0.1 100.64.0.2 169.254.64.2 "
		"two\\032words c refused 0\n" },
	{ ".", "10.0.0.1", "100.64.0.2", "169.254.64.2", "x", "c", 77, 0,
		1000, ". 10.0.0.1 100.64.0.2 169.254.64.2 x c unknown 0\n" },
};

START_TEST(assignment)
{
	struct c25_assignment a = {
		.destination = fx_addr(assignment_rows[_i].destination),
		.magic = fx_addr(assignment_rows[_i].magic),
		.transit = fx_addr(assignment_rows[_i].transit),
		.domain = fx_name(assignment_rows[_i].domain),
		.lease_end_ms = assignment_rows[_i].end_ms,
		.push = (uint8_t)assignment_rows[_i].push,
	};
	struct c25_buf b = { 0 };

	c25_report_assignment(&b, false, &a, assignment_rows[_i].app,
		assignment_rows[_i].connector, assignment_rows[_i].now_ms);
	expect(&b, assignment_rows[_i].out);
}
END_TEST

START_TEST(mapping)
{
	struct c25_mapping m = { .peer = "edge-1", .app = "our wiki",
		.transit = fx_addr("169.254.64.1"),
		.destination = fx_addr("10.1.2.3"), .sent_ms = 5000 };
	struct c25_buf b = { 0 };

	c25_report_mapping(&b, false, &m, 5000);
	expect(&b, "edge-1 169.254.64.1 10.1.2.3 our\\032wiki 3600\n");
	c25_report_mapping(&b, false, &m, 5000 + C25_MAPPING_LIFE_MS);
	expect(&b, "edge-1 169.254.64.1 10.1.2.3 our\\032wiki 0\n");
}
END_TEST

START_TEST(connector)
{
	struct c25_push_info info = { .name = "office-1", .healthy = true,
		.queued = 3, .acked = 17, .failed = 2 };
	struct c25_buf b = { 0 };

	c25_report_connector(&b, false, &info, "http://10.9.0.2:8025", 9, 9);
	expect(&b, "office-1 http://10.9.0.2:8025 healthy 3 17 -\n");
	info.health = C25_HEALTH_RETURNING;
	c25_report_connector(&b, false, &info, "http://10.9.0.2:8025", 9, 9);
	expect(&b, "office-1 http://10.9.0.2:8025 returning 3 17 -\n");
	info.healthy = false;
	info.health = C25_HEALTH_DOWN;
	strcpy(info.last_error, "connection\nrefused");
	info.last_error_ms = 5000;
	c25_report_connector(&b, false, &info, NULL, 17000, 9);
	expect(&b, "office-1 - down 3 17 12 s ago: connection?refused\n");
}
END_TEST

static const struct {
	uint64_t ms;
	const char *text;
} age_rows[] = {
	{ 0, " 0 s ago: no\n" },
	{ 999, " 0 s ago: no\n" },
	{ 119999, " 119 s ago: no\n" },
	{ 120000, " 2 min ago: no\n" },
	{ 7199999, " 119 min ago: no\n" },
	{ 7200000, " 2 h ago: no\n" },
	{ 172799999, " 47 h ago: no\n" },
	{ 172800000, " 2 d ago: no\n" },
	{ 8640000000, " 100 d ago: no\n" },
};

START_TEST(age_of_an_error)
{
	struct c25_push_info info = { .name = "office-1", .last_error = "no",
		.last_error_ms = 777 };
	struct c25_buf b = { 0 };

	c25_report_connector(&b, false, &info, NULL, 777 + age_rows[_i].ms,
		0);
	ck_assert(!b.failed);
	ck_assert_msg(strstr(b.data, age_rows[_i].text) != NULL, "%s",
		b.data);
	c25_buf_free(&b);
}
END_TEST

/* 13 s before 2023-11-14T22:13:20Z. */
START_TEST(time_of_an_error)
{
	struct c25_push_info info = { .name = "c", .last_error = "no",
		.last_error_ms = 5000 };
	struct c25_buf b = { 0 };

	c25_report_connector(&b, true, &info, NULL, 18000, 1700000000000);
	expect(&b, "{\"name\":\"c\",\"url\":null,\"health\":\"healthy\","
		"\"queued\":0,\"acked\":0,\"lastError\":\"no\","
		"\"lastErrorTime\":\"2023-11-14T22:13:07Z\"}");
}
END_TEST

START_TEST(as_json)
{
	struct c25_assignment a = { .destination = fx_addr("10.1.2.3"),
		.magic = fx_addr("100.64.0.1"),
		.transit = fx_addr("169.254.64.1"),
		.domain = fx_name("a.example"), .lease_end_ms = 61000 };
	struct c25_mapping m = { .peer = "edge-1", .app = "two \"words\"",
		.transit = fx_addr("169.254.64.1"),
		.destination = fx_addr("10.1.2.3"), .sent_ms = 5000 };
	struct c25_push_info info = { .name = "c", .queued = 3, .acked = 17 };
	struct c25_buf b = { 0 };

	c25_report_assignment(&b, true, &a, NULL, "c", 1000);
	expect(&b, "{\"domain\":\"a.example\",\"destination\":\"10.1.2.3\","
		"\"magic\":\"100.64.0.1\",\"transit\":\"169.254.64.1\","
		"\"app\":null,\"connector\":\"c\",\"state\":\"pending\","
		"\"leaseSeconds\":60}");
	c25_report_mapping(&b, true, &m, 5000);
	expect(&b, "{\"peer\":\"edge-1\",\"transit\":\"169.254.64.1\","
		"\"destination\":\"10.1.2.3\","
		"\"app\":\"two \\\"words\\\"\",\"expiresInSeconds\":3600}");
	c25_report_connector(&b, true, &info, NULL, 9, 9);
	expect(&b, "{\"name\":\"c\",\"url\":null,\"health\":\"healthy\","
		"\"queued\":3,\"acked\":17,\"lastError\":null,"
		"\"lastErrorTime\":null}");
}
END_TEST

static const struct {
	const char *in, *out;
} string_rows[] = {
	{ NULL, "null" },
	{ "", "\"\"" },
	{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
	{ "\n\x01\x7f", "\"\\u000a\\u0001\\u007f\"" },
	{ "b\303\274", "\"b\303\274\"" },
	{ "\360\237\230\200", "\"\360\237\230\200\"" },
	/* bytes that are no UTF-8: alone, overlong, a surrogate, cut */
	{ "\200x", "\"\357\277\275x\"" },
	{ "\300\257", "\"\357\277\275\357\277\275\"" },
	{ "\355\240\200", "\"\357\277\275\357\277\275\357\277\275\"" },
	{ "\364\220\200\200", "\"\357\277\275\357\277\275\357\277\275"
		"\357\277\275\"" },
	{ "\303", "\"\357\277\275\"" },
};

START_TEST(json_string)
{
	struct c25_buf b = { 0 };

	c25_json_string(&b, string_rows[_i].in);
	expect(&b, string_rows[_i].out);
}
END_TEST

/* ---- status and statistics --------------------------------------------- */

START_TEST(status)
{
	struct c25_report_status s = { .version = "1.2.3", .verbosity = 1,
		.pid = 42, .config = "/etc/c.json", .run_dir = "/run/conn25",
		.user = "conn25", .capabilities = "net_admin",
		.sandbox = true,
		.client = true, .connector = true, .table = true,
		.assignments = 5, .pending = 2, .capacity = 64,
		.generation = 3, .modules = 2, .connectors = 2, .healthy = 1,
		.mappings = 7, .transit_ip = "http://10.9.0.1:8025",
		.admin = "", .not_ready = "", .degraded = "",
		.uptime_s = 99 };
	struct c25_buf b = { 0 };

	c25_report_status(&b, false, &s);
	expect(&b, "version: 1.2.3\nverbosity: 1\nconfig: /etc/c.json\n"
		"runDir: /run/conn25\nuser: conn25\n"
		"capabilities: net_admin\nseccomp: on\n"
		"roles: client connector\n"
		"table: 5 of 64 assignments, 2 pending\ngeneration: 3\n"
		"modules: 2 connected\nconnectors: 2, 1 healthy\n"
		"mappings: 7\nlisten.transitIP: http://10.9.0.1:8025\n"
		"listen.admin: -\nready: yes\nuptime: 99 seconds\n"
		"conn25d (pid 42) is running...\n");
	s.degraded = "a is full: mend it\nb\n";
	c25_report_status(&b, false, &s);
	ck_assert_ptr_nonnull(strstr(b.data, "\nready: yes\n"
		"degraded: a is full: mend it\ndegraded: b\nuptime: "));
	c25_buf_free(&b);
	s.client = s.table = s.sandbox = false;
	c25_report_status(&b, false, &s);
	ck_assert_ptr_nonnull(strstr(b.data, "\nroles: connector\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "\nseccomp: off\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "\ntable: none\n"));
	ck_assert_ptr_null(strstr(b.data, "modules:"));
	c25_buf_free(&b);
}
END_TEST

/* Every name of DESIGN 11 but connector.NAME.healthy, with its value. */
static const char *const stat_rows[] = {
	"total.num.queries=100", "total.num.matched=101",
	"total.num.rewritten=102", "total.num.emptied=103",
	"total.num.servfail=104", "total.num.reserved=105",
	"total.num.renewed=106", "total.num.held=107",
	"total.num.hold_timeout=108", "total.num.passed=109",
	"total.num.ptr=110", "assignments.current=1",
	"assignments.pending=3", "assignments.quarantined=2",
	"assignments.capacity=4",
	"pool.v4magic.inuse=10", "pool.v4magic.capacity=20",
	"pool.v4transit.inuse=11", "pool.v4transit.capacity=21",
	"pool.v6magic.inuse=12", "pool.v6magic.capacity=22",
	"pool.v6transit.inuse=13",
	"pool.v6transit.capacity=18446744073709551615",
	"push.requests=30", "push.acked=31", "push.failed=32",
	"push.retried=33", "push.refused=34", "push.parked=35",
	"push.moved=36", "push.stuck=37", "push.probes=38",
	"push.denied=39",
	"serve.requests=40", "serve.denied=41", "serve.mappings.ok=42",
	"serve.mappings.refused=43", "serve.code.1=51", "serve.code.6=56",
	"serve.verify.ok=70", "serve.verify.nodomain=71",
	"serve.verify.foreign=72", "serve.verify.other=73",
	"serve.verify.bogus=74", "serve.verify.later=75",
	"serve.verify.waited=80", "serve.verify.lookups=81",
	"serve.verify.lookups.bogus=82", "serve.verify.lookups.failed=83",
	"serve.verify.names=84", "serve.verify.lookups.pending=85",
	"resolve.forwards=90", "resolve.pending=1", "resolve.changes=92",
	"resolve.failed=93", "mappings.current=60",
	"time.now=1700000000.123000",
	"time.up=61.001000", "time.elapsed=0.007000",
};

static const struct c25_report_stats some_stats = {
	.total = { 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110 },
	.usage = { 1, 2, 3, 4, { { 10, 20 }, { 11, 21 }, { 12, 22 },
		{ 13, UINT64_MAX } } },
	.forwarding = { 90, 1, 92, 93 },
	.push = { .requests = 30, .acked = 31, .failed = 32, .retried = 33,
		.refused = 34, .moved = 36, .stuck = 37, .probes = 38,
		.denied = 39 },
	.parked = 35,
	.serve = { 40, 41, 42, 43, { 50, 51, 52, 53, 54, 55, 56 } },
	.verify = { .verdicts = { 70, 71, 72, 73, 74, 75 }, .waited = 80,
		.lookups = 81, .bogus = 82, .failures = 83, .names = 84,
		.pending = 85 },
	.mappings = 60,
	.now_ms = 1700000000123,
	.up_ms = 61001,
	.elapsed_ms = 7,
};

START_TEST(stats)
{
	struct c25_buf b = { 0 };
	char line[100];

	c25_report_stats(&b, false, &some_stats, NULL, 0);
	ck_assert(!b.failed);
	/* Each line is name=value: find it between newlines. */
	(void)snprintf(line, sizeof(line), "\n%s\n", stat_rows[_i]);
	ck_assert_msg(strstr(b.data, line) != NULL ||
		strncmp(b.data, line + 1, strlen(line) - 1) == 0,
		"%s is missing", stat_rows[_i]);
	c25_buf_free(&b);
}
END_TEST

START_TEST(stats_form)
{
	struct c25_buf b = { 0 };
	char *line, *rest, *equals;

	c25_report_stats(&b, false, &some_stats, NULL, 0);
	rest = b.data;
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		equals = strchr(line, '=');
		ck_assert_ptr_nonnull(equals);
		ck_assert_uint_eq(strcspn(line, " "), strlen(line));
		ck_assert_uint_eq(strspn(equals + 1, "0123456789."),
			strlen(equals + 1));
	}
	c25_buf_free(&b);
}
END_TEST

static const struct c25_report_peer some_peers[] = {
	{ .name = "office-1", .healthy = 1, .preferred = 1, .queued = 2,
		.acked = 70, .failed = 3 },
	{ .name = "a\"b", .reg = 1, .queued = 4 },
};

START_TEST(stats_of_connectors)
{
	struct c25_buf b = { 0 };

	c25_report_stats(&b, false, &some_stats, some_peers, 2);
	ck_assert_ptr_nonnull(strstr(b.data,
		"\nconnector.office-1.healthy=1\n"
		"connector.office-1.preferred=1\n"
		"connector.office-1.queued=2\n"
		"connector.office-1.acked=70\n"
		"connector.office-1.failed=3\nconnector.a"));
	c25_buf_free(&b);
	c25_report_stats(&b, true, &some_stats, some_peers, 1);
	ck_assert_int_eq(strncmp(b.data, "{\"ready\":0,", 11), 0);
	ck_assert_ptr_nonnull(strstr(b.data,
		",\"connector.office-1.failed\":3}\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "\"time.up\":61.001000,"));
	c25_buf_free(&b);
}
END_TEST

/* Which class counts a time. */
static const struct { uint64_t us; unsigned class; } class_rows[] = {
	{ 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 },
	{ 1000, 10 }, { 1024, 10 }, { 1025, 11 },
	{ 524288, 19 }, { 524289, 20 }, { 1000000, 20 }, { 1000001, 21 },
	{ 2000000, 21 }, { 2000001, 22 }, { UINT64_C(524288000000), 39 },
	{ UINT64_C(1) << 40, 39 },
	{ UINT64_MAX, 39 },
};

START_TEST(class_of)
{
	unsigned class = c25_histogram_class(class_rows[_i].us);

	ck_assert_uint_eq(class, class_rows[_i].class);
	ck_assert(class == 39 || class_rows[_i].us <=
		c25_histogram_upper_us(class));
}
END_TEST

START_TEST(histograms)
{
	struct c25_report_stats s = { 0 };
	struct c25_buf b = { 0 };

	c25_histogram_add(&s.push.time, 1);
	c25_histogram_add(&s.push.time, 40);
	c25_histogram_add(&s.push.time, 1500000);
	c25_histogram_add(&s.push.time, 20000000);
	c25_report_stats(&b, false, &s, NULL, 0);
	ck_assert_ptr_nonnull(strstr(b.data, "\n"
		"push.histogram.000000.000000.to.000000.000001=1\n"
		"push.histogram.000000.000001.to.000000.000002=0\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "\n"
		"push.histogram.000000.000032.to.000000.000064=1\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "\n"
		"push.histogram.000001.000000.to.000002.000000=1\n"));
	c25_buf_clear(&b);
	c25_report_metrics(&b, &s, NULL, 0);
	ck_assert_ptr_nonnull(strstr(b.data, "\n"
		"# TYPE conn25_push_duration_seconds histogram\n"
		"conn25_push_duration_seconds_bucket{le=\"0.000032\"} 1\n"
		"conn25_push_duration_seconds_bucket{le=\"0.000064\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "\n"
		"conn25_push_duration_seconds_bucket{le=\"16.000000\"} 3\n"
		"conn25_push_duration_seconds_bucket{le=\"+Inf\"} 4\n"
		"conn25_push_duration_seconds_sum 21.500041\n"
		"conn25_push_duration_seconds_count 4\n"));
	c25_buf_free(&b);
}
END_TEST

START_TEST(prometheus)
{
	struct c25_buf b = { 0 };

	c25_report_metrics(&b, &some_stats, some_peers, 2);
	ck_assert_ptr_nonnull(strstr(b.data, "\n"
		"# HELP conn25_pool_addresses Addresses of a pool.\n"
		"# TYPE conn25_pool_addresses gauge\n"
		"conn25_pool_addresses{pool=\"v4magic\"} 20\n"
		"conn25_pool_addresses{pool=\"v4transit\"} 21\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "\n"
		"# TYPE conn25_connector_mappings_acked_total counter\n"
		"conn25_connector_mappings_acked_total"
		"{connector=\"office-1\"} 70\n"
		"conn25_connector_mappings_acked_total"
		"{connector=\"a\\\"b\"} 0\n"));
	ck_assert_ptr_nonnull(strstr(b.data,
		"\nconn25_uptime_seconds 61.001\n"));
	ck_assert_ptr_null(strstr(b.data, "time_now"));
	c25_buf_free(&b);
}
END_TEST

/* Each statistic has a name of its own, those of the module the table's, and
 * each metric has the samples of its family next to each other. */
START_TEST(list)
{
	const struct c25_metric *m, *n;
	int stat = 0;

	for (m = c25_metrics; m->stat != NULL; m++) {
		for (n = c25_metrics; n < m; n++) {
			ck_assert_str_ne(n->stat, m->stat);
			if (m->name != NULL && n->name != NULL &&
					n[1].name != NULL &&
					strcmp(n->name, m->name) == 0)
				ck_assert_str_eq(n[1].name, m->name);
		}
		if (strncmp(m->stat, "total.", 6) == 0)
			ck_assert_str_eq(m->stat + 6,
				c25_stat_name((enum c25_stat)stat++));
	}
	ck_assert_int_eq(stat, C25_STAT_COUNT);
}
END_TEST

START_TEST(since)
{
	struct c25_report_stats s = some_stats, base = some_stats;

	base.push.acked = 21;
	base.total[C25_STAT_QUERIES] = 1000;	/* a table made anew */
	base.usage.assignments = 1;
	c25_histogram_add(&s.push.time, 3);
	c25_histogram_add(&s.push.time, 3);
	c25_histogram_add(&base.push.time, 3);
	c25_metrics_since(c25_metrics, &s, &base);
	ck_assert_uint_eq(s.push.acked, 10);
	ck_assert_uint_eq(s.push.failed, 0);
	ck_assert_uint_eq(s.total[C25_STAT_QUERIES], 100);
	ck_assert_uint_eq(s.usage.assignments, 1);
	ck_assert_uint_eq(s.now_ms, some_stats.now_ms);
	ck_assert_uint_eq(s.push.time.count[2], 1);
	ck_assert_uint_eq(s.push.time.sum_us, 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("report");

	ADD_ROWS(t, field, field_rows);
	ADD_ROWS(t, assignment, assignment_rows);
	tcase_add_test(t, mapping);
	tcase_add_test(t, connector);
	ADD_ROWS(t, age_of_an_error, age_rows);
	tcase_add_test(t, time_of_an_error);
	tcase_add_test(t, status);
	ADD_ROWS(t, stats, stat_rows);
	tcase_add_test(t, stats_form);
	tcase_add_test(t, as_json);
	ADD_ROWS(t, json_string, string_rows);
	tcase_add_test(t, stats_of_connectors);
	ADD_ROWS(t, class_of, class_rows);
	tcase_add_test(t, histograms);
	tcase_add_test(t, prometheus);
	tcase_add_test(t, list);
	tcase_add_test(t, since);
	suite_add_tcase(s, t);
	return run_suite(s);
}
