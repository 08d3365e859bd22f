/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of what conn25-checkconf warns of though conn25d takes it, and that
 * it doesn't of what is usual.
 *
 * In texts of tables ' stands for ", and @@ for the place of the message.
 */

#include "sidecar/config.h"
#include "tests/unit/config_said.h"
#include "tests/unit/suite.h"

#define KEY_TEXT "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="

static struct c25_config_errors errs;
static unsigned line, column;		/* of @@ */

static void
setup(void)
{
	errs = (struct c25_config_errors){ .advice = true };
}

static void
teardown(void)
{
	c25_config_errors_free(&errs);
}

/* Read it; it must be good. */
static void
read_row(const char *row)
{
	char *text = malloc(strlen(row) + 1), shown[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg = NULL;
	size_t n = 0;

	ck_assert_ptr_nonnull(text);
	line = column = 0;
	for (const char *p = row; *p != '\0'; p++) {
		if (p[0] == '@' && p[1] == '@') {
			line = 1;
			column = (unsigned)n + 1;
			p++;
		} else {
			text[n++] = *p == '\'' ? '"' : *p;
		}
	}
	ck_assert_msg(c25_config_parse(text, n, "test", &cfg, &errs) == 0,
		"%s", c25_config_error_line(&errs, 0, shown));
	c25_config_free(cfg);
	free(text);
}

#define POOLS4(magic, transit) "{ 'pools': { 'v4MagicIPPool': [" magic "], " \
	"'v4TransitIPPool': [" transit "] }, 'apps': []"
#define POOLS6(magic, transit) "{ 'pools': { 'v6MagicIPPool': [" magic "], " \
	"'v6TransitIPPool': [" transit "] }, 'apps': []"
#define USUAL POOLS4("'100.64.0.0/16'", "'169.254.64.0/18'")
#define URL(url) USUAL ", 'connectors': [{ 'name': @@'c', 'url': '" url \
	"' }] }"
#define OWN(transit, rest) ", 'connectors': [{ 'name': 'c', 'url': " \
	"'http://10.9.0.2:8025', 'transit': { " transit " } }" rest "] }"
#define SERVE(listen, destinations, peer, rest) "{ 'listen': { " listen \
	" }, 'apps': [{ 'name': 'a', 'destinations': [" destinations "] " \
	rest "}], 'peers': [{ 'name': 'p', 'addresses': ['10.9.0.1'], " \
	"'apps': ['a']" peer " }] }"
#define OFFICE "'transitIP': 'http://10.9.0.2:8025'"
#define SIGNS ", 'publicKey': '" KEY_TEXT "'"
#define DOTS(n) URL("http://" n ":8025")

static const struct {
	const char *config, *says;
} advice_rows[] = {
	/* a connector in a pool: of each kind, and any connector's own */
	{ URL("http://100.64.3.1:8025"), "connector \"c\": url "
		"http://100.64.3.1:8025 is within v4MagicIPPool "
		"100.64.0.0/16" },
	{ URL("https://169.254.64.9"), "is within v4TransitIPPool "
		"169.254.64.0/18" },
	{ URL("http://[::ffff:100.64.3.1]:8025"), "is within v4MagicIPPool" },
	{ POOLS6("'fd25:1::/64'", "'fd25:2::/64'") ", 'connectors': [{ "
		"'name': @@'c', 'url': 'http://[fd25:1::9]' }] }",
		"is within v6MagicIPPool fd25:1::/64" },
	{ POOLS6("'fd25:1::/64'", "'fd25:2::/64'") ", 'connectors': [{ "
		"'name': @@'c', 'url': 'http://[fd25:2::9]' }] }",
		"is within v6TransitIPPool" },
	{ USUAL ", 'connectors': [{ 'name': @@'c', 'url': 'http://10.1.0.1', "
		"'transit': { 'v4': ['10.1.0.0/16'] } }] }",
		"is within transit 10.1.0.0/16, and so leads" },
	{ USUAL ", 'connectors': [{ 'name': 'c', 'url': 'http://10.9.0.2', "
		"'transit': { 'v6': ['fd00::/64'] } }, { 'name': @@'d', "
		"'url': 'http://[fd00::7]' }] }",
		"connector \"d\": url http://[fd00::7] is within transit" },
	/* public addresses, also in part */
	{ POOLS4("@@'8.8.0.0/16'", "'10.0.0.0/16'") " }", "v4MagicIPPool: "
		"8.8.0.0/16 are addresses of the Internet" },
	{ POOLS4("'10.0.0.0/16'", "@@'172.31.0.0-172.32.0.0'") " }",
		"v4TransitIPPool: 172.31.0.0-172.32.0.0 are addresses" },
	{ POOLS4("'10.0.0.0/16', @@'100.128.0.0/16'", "'10.1.0.0/16'") " }",
		"take private ones, such as of 100.64.0.0/10" },
	{ POOLS6("@@'2a00:1::/64'", "'fd25:2::/64'") " }", "v6MagicIPPool: "
		"2a00:1::/64 are addresses of the Internet" },
	{ POOLS6("'fd25:1::/64'", "@@'2001:4860::/64'") " }",
		"take private ones, such as of fd00::/8" },
	{ USUAL OWN("'v4': [@@'9.0.0.0/16']", ""),
		"transit: 9.0.0.0/16 are addresses of the Internet" },
	/* too few transit addresses */
	{ POOLS4("'100.64.0.0/16'", "@@'169.254.64.0/21'") " }",
		"v4TransitIPPool: has 2048 addresses, without those of "
		"\"transit\", for up to 65536 assignments" },
	{ POOLS4("'100.64.0.0/16'", "@@'169.254.64.1'") " }",
		"v4TransitIPPool: has 1 addresses" },
	{ POOLS4("'100.64.0.0/22'", "@@'169.254.64.1-169.254.64.63'") " }",
		"has 63 addresses, without those of \"transit\", for up to "
		"1024 assignments" },
	{ POOLS6("'fd25:1::/64'", "@@'fd25:2::/120'") " }",
		"v6TransitIPPool: has 256 addresses" },
	{ USUAL OWN("'v4': [@@'169.254.64.0/24']", ""), "connector \"c\": "
		"transit has 256 IPv4 addresses for up to 65536" },
	{ POOLS6("'fd25:1::/64'", "'fd25:2::/64'")
		OWN("'v6': [@@'fd25:2::/126']", ""), "connector \"c\": "
		"transit has 4 IPv6 addresses" },
	/* ... when the first connector's own are cut out of the pool, as the
	 * second one has none */
	{ POOLS4("'100.64.0.0/16'", "@@'169.254.64.0/18'")
		OWN("'v4': ['169.254.64.0-169.254.127.0']", ", { 'name': 'd', "
		"'url': 'http://10.9.0.3' }"), "has 255 addresses" },
	/* names */
	{ DOTS("office"), "connector \"c\": url http://office:8025 has a "
		"name of one label" },
	{ DOTS("office."), "has a name of one label" },
	/* listeners */
	{ USUAL ", 'listen': { 'admin': @@'http://0.0.0.0:8026' } }",
		"admin: http://0.0.0.0:8026 shows all names" },
	{ USUAL ", 'listen': { 'admin': @@'http://[::]:8026' } }",
		"admin: http://[::]:8026 shows all names" },
	{ SERVE("'transitIP': @@'http://0.0.0.0:8025'", "'10.0.0.0/8'", "",
		""), "transitIP: http://0.0.0.0:8025 is not on the overlay" },
	{ SERVE("'transitIP': @@'http://[::]:8025'", "'10.0.0.0/8'", "", ""),
		"this host's address there, or give peers a \"publicKey\"" },
	{ SERVE("'transitIP': @@'http://[::]:8025'", "'10.0.0.0/8'", SIGNS
		" }, { 'name': 'q', 'addresses': ['10.9.0.3'], 'apps': ['a']",
		""), "or give each peer a \"publicKey\"" },
	/* what is no limit */
	{ SERVE(OFFICE, "'10.0.0.0/8', @@'0.0.0.0/0'", "", ""),
		"app \"a\": destinations 0.0.0.0/0 are no limit" },
	{ SERVE(OFFICE, "@@'::/0'", "", ""),
		"app \"a\": destinations ::/0 are no limit" },
	{ USUAL ", 'dns': { 'maxTTL': @@0 } }", "maxTTL: 0 lets nobody" },
	/* what nothing leads to */
	{ "{ 'pools': { 'v4MagicIPPool': ['100.64.0.0/16'], "
		"'v4TransitIPPool': ['169.254.64.0/18'] }, 'apps': [{ "
		"'name': 'a', 'domains': ['a.example'], 'connectors': ['*'] "
		"}, { 'name': @@'b', 'connectors': ['*'] }], 'connectors': "
		"[{ 'name': 'c', 'url': 'http://10.9.0.2:8025' }] }",
		"app \"b\": has no \"domains\"" },
};

START_TEST(advice)
{
	const struct c25_config_error *e;

	read_row(advice_rows[_i].config);
	ck_assert_uint_eq(errs.count, 1);
	e = &errs.items[0];
	ck_assert(e->warning);
	ck_assert_uint_eq(errs.errors, 0);
	ck_assert_msg(is_said(e->text, advice_rows[_i].says), "%s", e->text);
	ck_assert_uint_eq(e->line, line);
	ck_assert_uint_eq(e->column, column);
}
END_TEST

/* conn25d doesn't ask for it. */
START_TEST(unasked_for)
{
	errs.advice = false;
	read_row(advice_rows[_i].config);
	ck_assert_uint_eq(errs.count, 0);
}
END_TEST

static const char *const usual_rows[] = {
	USUAL " }",
	DOTS("10.9.0.2"), DOTS("office.example"), DOTS("localhost"),
	DOTS("[fd00::2]"), DOTS("[::1]"),
	/* what isn't the Internet's */
	POOLS4("'10.0.0.0/8'", "'172.16.0.0/12'") " }",
	POOLS4("'192.168.0.0/16'", "'198.18.0.0/15'") " }",
	POOLS4("'192.0.2.0/24'", "'198.51.100.0/24', '203.0.113.0/24'") " }",
	POOLS4("'240.0.0.0/16'", "'100.127.0.0-100.127.255.255'") " }",
	POOLS6("'fd25:1::/64'", "'fe80:1::/64'") " }",
	POOLS6("'2001:db8::/48'", "'3fff:1::/64'") " }",
	/* few, but as many as the rest is for */
	POOLS4("'100.64.0.0/22'", "'169.254.64.0-169.254.64.63'") " }",
	POOLS4("'100.64.0.0/16'", "'169.254.64.0/20'") " }",
	POOLS4("'100.64.0.0/16'", "'169.254.64.0/24'") ", 'table': { "
		"'maxAssignments': 4096 } }",
	POOLS6("'fd25:1::/64'", "'fd25:2::/116'") " }",
	USUAL OWN("'v4': ['169.254.64.0/20']", ""),
	/* all of the pool is the only connector's */
	USUAL OWN("'v4': ['169.254.64.0/18']", ""),
	/* listeners */
	USUAL ", 'listen': { 'admin': 'http://127.0.0.1:8026' } }",
	USUAL ", 'listen': { 'admin': 'http://10.0.0.0:8026' } }",
	SERVE(OFFICE, "'10.0.0.0/8', '::/1', '0.0.0.0/1'", "", ""),
	SERVE("'transitIP': 'http://0.0.0.0:8025'", "'10.0.0.0/8'", SIGNS,
		""),
	/* its domains are the limit */
	SERVE(OFFICE, "'0.0.0.0/0', '::/0'", "", ", 'verifyDestinations': "
		"true, 'domains': ['a.example'] "),
	/* on a client that is no connector it means nothing */
	"{ 'pools': { 'v4MagicIPPool': ['100.64.0.0/16'], "
		"'v4TransitIPPool': ['169.254.64.0/18'] }, 'apps': [{ "
		"'name': 'a', 'domains': ['a.example'], 'connectors': ['*'], "
		"'destinations': ['0.0.0.0/0'] }], 'connectors': [{ 'name': "
		"'c', 'url': 'http://10.9.0.2' }] }",
	USUAL ", 'dns': { 'maxTTL': 1 } }",
	/* whom to ask for the connector's name */
	USUAL ", 'resolver': {}, 'connectors': [{ 'name': 'c', 'url': "
		"'http://office.example' }] }",
};

START_TEST(usual)
{
	char shown[C25_CONFIG_LINE_MAX];

	read_row(usual_rows[_i]);
	ck_assert_msg(errs.count == 0, "%s",
		c25_config_error_line(&errs, 0, shown));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_advice");
	TCase *tc = tcase_create("advice");

	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, advice, advice_rows);
	ADD_ROWS(tc, unasked_for, advice_rows);
	ADD_ROWS(tc, usual, usual_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
