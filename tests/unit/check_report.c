/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what conn25-control prints: scripts depend on every byte. */

#include <string.h>

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

	c25_report_assignment(&b, &a, assignment_rows[_i].app,
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

	c25_report_mapping(&b, &m, 5000);
	expect(&b, "edge-1 169.254.64.1 10.1.2.3 our\\032wiki 3600\n");
	c25_report_mapping(&b, &m, 5000 + C25_MAPPING_LIFE_MS);
	expect(&b, "edge-1 169.254.64.1 10.1.2.3 our\\032wiki 0\n");
}
END_TEST

START_TEST(connector)
{
	struct c25_push_info info = { .name = "office-1", .healthy = true,
		.queued = 3, .acked = 17, .failed = 2 };
	struct c25_buf b = { 0 };

	c25_report_connector(&b, &info, "http://10.9.0.2:8025");
	expect(&b, "office-1 http://10.9.0.2:8025 healthy 3 17 -\n");
	info.health = C25_HEALTH_RETURNING;
	c25_report_connector(&b, &info, "http://10.9.0.2:8025");
	expect(&b, "office-1 http://10.9.0.2:8025 returning 3 17 -\n");
	c25_report_connector_stats(&b, &info);
	expect(&b, "connector.office-1.healthy=1\n"
		"connector.office-1.preferred=0\n"
		"connector.office-1.queued=3\n"
		"connector.office-1.acked=17\n"
		"connector.office-1.failed=2\n");
	info.healthy = false;
	info.health = C25_HEALTH_DOWN;
	strcpy(info.last_error, "connection\nrefused");
	c25_report_connector(&b, &info, NULL);
	expect(&b, "office-1 - down 3 17 connection?refused\n");
	c25_report_connector_stats(&b, &info);
	expect(&b, "connector.office-1.healthy=0\n"
		"connector.office-1.preferred=0\n"
		"connector.office-1.queued=3\n"
		"connector.office-1.acked=17\n"
		"connector.office-1.failed=2\n");
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
		.admin = "", .uptime_s = 99 };
	struct c25_buf b = { 0 };

	c25_report_status(&b, &s);
	expect(&b, "version: 1.2.3\nverbosity: 1\nconfig: /etc/c.json\n"
		"runDir: /run/conn25\nuser: conn25\n"
		"capabilities: net_admin\nseccomp: on\n"
		"roles: client connector\n"
		"table: 5 of 64 assignments, 2 pending\ngeneration: 3\n"
		"modules: 2 connected\nconnectors: 2, 1 healthy\n"
		"mappings: 7\nlisten.transitIP: http://10.9.0.1:8025\n"
		"listen.admin: -\nuptime: 99 seconds\n"
		"conn25d (pid 42) is running...\n");
	s.client = s.table = s.sandbox = false;
	c25_report_status(&b, &s);
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
	"serve.requests=40", "serve.denied=41", "serve.mappings.ok=42",
	"serve.mappings.refused=43", "serve.code.1=51", "serve.code.6=56",
	"serve.verify.ok=70", "serve.verify.nodomain=71",
	"serve.verify.foreign=72", "serve.verify.other=73",
	"serve.verify.bogus=74", "serve.verify.later=75",
	"serve.verify.waited=80", "serve.verify.lookups=81",
	"serve.verify.lookups.bogus=82", "serve.verify.lookups.failed=83",
	"serve.verify.names=84", "serve.verify.lookups.pending=85",
	"mappings.current=60", "time.now=1700000000.123000",
	"time.up=61.001000", "time.elapsed=0.007000",
};

static const struct c25_report_stats some_stats = {
	.total = { 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110 },
	.usage = { 1, 2, 3, 4, { { 10, 20 }, { 11, 21 }, { 12, 22 },
		{ 13, UINT64_MAX } } },
	.push = { .requests = 30, .acked = 31, .failed = 32, .retried = 33,
		.refused = 34, .moved = 36, .stuck = 37, .probes = 38 },
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

	c25_report_stats(&b, &some_stats);
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

	c25_report_stats(&b, &some_stats);
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

int
main(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("report");

	ADD_ROWS(t, field, field_rows);
	ADD_ROWS(t, assignment, assignment_rows);
	tcase_add_test(t, mapping);
	tcase_add_test(t, connector);
	tcase_add_test(t, status);
	ADD_ROWS(t, stats, stat_rows);
	tcase_add_test(t, stats_form);
	suite_add_tcase(s, t);
	return run_suite(s);
}
