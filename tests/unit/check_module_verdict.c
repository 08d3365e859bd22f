/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what the module decides to do with a question. */

#include <stdlib.h>
#include <string.h>

#include "conn25/policy.h"
#include "module/verdict.h"
#include "tests/unit/suite.h"

enum { A = 1, NS = 2, CNAME = 5, PTR = 12, MX = 15, AAAA = 28, SVCB = 64,
	HTTPS = 65, RRSIG = 46, ANY = 255, IN = 1, CH = 3, KEPT = 65300 };

static const struct {
	const char *name;
	uint16_t qtype, qclass;
	enum c25_do kind;
} verdict_rows[] = {
	{ "wiki.corp.example", A, IN, C25_DO_ADDRESS },
	{ "WiKi.CORP.example", AAAA, IN, C25_DO_ADDRESS },
	{ "wiki.corp.example", HTTPS, IN, C25_DO_SERVICE },
	{ "wiki.corp.example", SVCB, IN, C25_DO_SERVICE },
	{ "wiki.corp.example", MX, IN, C25_DO_OTHER },
	{ "wiki.corp.example", CNAME, IN, C25_DO_OTHER },
	{ "wiki.corp.example", RRSIG, IN, C25_DO_OTHER },
	{ "wiki.corp.example", 65280, IN, C25_DO_OTHER },
	{ "wiki.corp.example", ANY, IN, C25_DO_ANY },
	{ "wiki.corp.example", A, ANY, C25_DO_REFUSE },
	{ "wiki.corp.example", ANY, ANY, C25_DO_REFUSE },
	{ "wiki.corp.example", A, CH, C25_DO_PASS },
	{ "wiki.corp.example", A, KEPT, C25_DO_PASS },
	{ "below.wiki.corp.example", A, IN, C25_DO_PASS },
	{ "corp.example", A, IN, C25_DO_PASS },
	{ "example", NS, IN, C25_DO_PASS },
	{ ".", NS, IN, C25_DO_PASS },
	{ "wild.example", A, IN, C25_DO_ADDRESS },
	{ "a.b.wild.example", A, IN, C25_DO_ADDRESS },
	{ "awild.example", A, IN, C25_DO_PASS },
	{ "served.here.example", A, IN, C25_DO_PASS },
	{ "1.0.64.100.in-addr.arpa", PTR, IN, C25_DO_REVERSE },
	{ "1.0.64.100.IN-ADDR.ARPA", A, IN, C25_DO_REVERSE },
	{ "1.0.64.100.in-addr.arpa", PTR, ANY, C25_DO_REFUSE },
	{ "0.64.100.in-addr.arpa", NS, IN, C25_DO_PASS },
	{ "1.0.65.100.in-addr.arpa", PTR, IN, C25_DO_PASS },
	{ "1.64.254.169.in-addr.arpa", PTR, IN, C25_DO_PASS },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.5.2.d.f"
	  ".ip6.arpa", PTR, IN, C25_DO_REVERSE },
	{ "2.d.f.ip6.arpa", PTR, IN, C25_DO_PASS },
};

static struct c25_policy *policy;

static void
add_range(struct c25_spec_range *r, const char *text, enum c25_pool_kind kind)
{
	ck_assert_int_eq(c25_range_parse(&r->range, text, strlen(text)), 0);
	r->kind = kind;
	r->connector = C25_CONNECTOR_NONE;
}

static void
add_domain(struct c25_spec_domain *d, const char *text, bool wildcard,
    uint32_t app)
{
	ck_assert_int_eq(c25_name_from_text(&d->name, text, strlen(text)), 0);
	d->wildcard = wildcard;
	d->app = app;
}

static void
setup(void)
{
	static const uint16_t connectors[] = { 0 };
	static const uint8_t key[16] = "verdict";
	const struct c25_spec_app apps[] = {
		{ "wiki", connectors, 1, false },
		{ "mine", connectors, 1, true },
	};
	const struct c25_spec_connector connector = { "c", 0 };
	struct c25_spec_range ranges[4];
	struct c25_spec_domain domains[3];
	struct c25_policy_spec spec = {
		.apps = apps, .app_count = 2,
		.domains = domains, .domain_count = 3,
		.connectors = &connector, .connector_count = 1,
		.ranges = ranges, .range_count = 4,
		.max_ttl_s = 300,
	};
	struct c25_error err = { .text = "" };
	uint8_t *blob;
	size_t len;

	add_range(&ranges[0], "100.64.0.0/16", C25_POOL_V4_MAGIC);
	add_range(&ranges[1], "169.254.64.0/18", C25_POOL_V4_TRANSIT);
	add_range(&ranges[2], "fd25:1::/64", C25_POOL_V6_MAGIC);
	add_range(&ranges[3], "fd25:2::/64", C25_POOL_V6_TRANSIT);
	add_domain(&domains[0], "wiki.corp.example", false, 0);
	add_domain(&domains[1], "wild.example", true, 0);
	add_domain(&domains[2], "served.here.example", false, 1);
	ck_assert_msg(c25_policy_compile(&spec, 1, key, &blob, &len,
	    &err) == 0, "%s", err.text);
	ck_assert_msg(c25_policy_load(blob, len, &policy, &err) == 0, "%s",
	    err.text);
}

static void
teardown(void)
{
	c25_policy_unref(policy);
}

/* The name as it comes from the network: with its upper-case letters. */
static size_t
to_wire(const char *text, uint8_t wire[C25_NAME_MAX])
{
	size_t len = 0;

	while (*text != '\0' && strcmp(text, ".") != 0) {
		size_t label = strcspn(text, ".");

		wire[len++] = (uint8_t)label;
		memcpy(wire + len, text, label);
		len += label;
		text += label;
		text += *text == '.';
	}
	wire[len++] = 0;
	return len;
}

START_TEST(verdict)
{
	uint8_t wire[C25_NAME_MAX];
	size_t len = to_wire(verdict_rows[_i].name, wire);
	struct c25_verdict v;

	c25_verdict_of(policy, wire, len, verdict_rows[_i].qtype,
	    verdict_rows[_i].qclass, &v);
	ck_assert_msg(v.kind == verdict_rows[_i].kind, "%s %u %u: %d",
	    verdict_rows[_i].name, verdict_rows[_i].qtype,
	    verdict_rows[_i].qclass, (int)v.kind);
	ck_assert_int_eq(c25_verdict_is_ours(&v), v.kind != C25_DO_PASS);
	c25_verdict_of(NULL, wire, len, verdict_rows[_i].qtype,
	    verdict_rows[_i].qclass, &v);
	ck_assert_int_eq(v.kind, C25_DO_PASS);
}
END_TEST

START_TEST(details)
{
	uint8_t wire[C25_NAME_MAX];
	char text[C25_ADDR_TEXT_MAX];
	struct c25_verdict v;
	size_t len = to_wire("A.Wild.example", wire);

	c25_verdict_of(policy, wire, len, A, IN, &v);
	ck_assert(v.match.wildcard && v.match.rewrite);
	ck_assert_str_eq(c25_policy_app(policy, v.match.app), "wiki");
	ck_assert_uint_eq(v.name.len, len);
	ck_assert_mem_eq(v.name.wire, "\1a\4wild\7example", len);
	len = to_wire("7.1.64.100.in-addr.arpa", wire);
	c25_verdict_of(policy, wire, len, PTR, IN, &v);
	ck_assert_str_eq(c25_addr_format(&v.reverse, text), "100.64.1.7");
}
END_TEST

/* Names that the network may bring and that are none. */
static const struct {
	const char *wire;
	size_t len;
} malformed_rows[] = {
	{ "", 0 },
	{ "\4wiki", 5 },
	{ "\300\14", 2 },
	{ "\77x", 2 },
};

START_TEST(malformed)
{
	struct c25_verdict v;

	c25_verdict_of(policy, (const uint8_t *)malformed_rows[_i].wire,
	    malformed_rows[_i].len, A, IN, &v);
	ck_assert_int_eq(v.kind, C25_DO_PASS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module verdict");
	TCase *tc = tcase_create("verdict");

	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, verdict, verdict_rows);
	tcase_add_test(tc, details);
	ADD_ROWS(tc, malformed, malformed_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
