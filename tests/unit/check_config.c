/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the configuration that is good: the sample, defaults, and what is
 * accepted. What isn't is in check_config_errors.c and _warnings.c, how it is
 * read from a file in _load.c, and what it means in _policy.c.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

/* ---- the sample --------------------------------------------------------- */

static struct c25_config *
load_sample(void)
{
	static const char text[] = SAMPLE(KEY_TEXT);
	struct c25_config_errors errs = { 0 };
	struct c25_config *cfg;
	char lines[4096];
	int r;

	r = c25_config_parse(text, sizeof(text) - 1, "conn25.json", &cfg,
		&errs);
	all_lines(&errs, lines, sizeof(lines));
	ck_assert_msg(r == 0, "%s", lines);
	ck_assert_uint_eq(errs.count, 0);
	c25_config_errors_free(&errs);
	return cfg;
}

static const char *
range_text(const struct c25_config_ranges *ranges, size_t i)
{
	static char text[2 * C25_ADDR_TEXT_MAX];

	ck_assert_uint_lt(i, ranges->count);
	return c25_range_format(&ranges->items[i].range, text);
}

START_TEST(sample_client)
{
	struct c25_config *cfg = load_sample();
	const struct c25_config_connector *c = cfg->connectors;
	char text[C25_NAME_TEXT_MAX];

	ck_assert_str_eq(cfg->file, "conn25.json");
	ck_assert_str_eq(cfg->run_dir, "/run/conn25");
	ck_assert_str_eq(cfg->state_dir, "/var/lib/conn25");
	ck_assert_str_eq(cfg->group, "conn25");
	ck_assert_str_eq(range_text(&cfg->pools[C25_POOL_V4_MAGIC], 0),
		"100.64.0.0/16");
	ck_assert_str_eq(range_text(&cfg->pools[C25_POOL_V4_TRANSIT], 0),
		"169.254.64.0/18");
	ck_assert_str_eq(range_text(&cfg->pools[C25_POOL_V6_MAGIC], 0),
		"fd25:1::/64");
	ck_assert_str_eq(range_text(&cfg->pools[C25_POOL_V6_TRANSIT], 0),
		"fd25:2::/64");
	ck_assert_uint_eq(cfg->app_count, 1);
	ck_assert_str_eq(cfg->apps[0].name, "wiki");
	ck_assert_uint_eq(cfg->apps[0].domain_count, 2);
	ck_assert_ptr_eq(cfg->apps[0].domains, cfg->domains);
	for (size_t i = 0; i < 2; i++) {
		const struct c25_spec_domain *d = &cfg->domains[i];

		ck_assert_str_eq(c25_name_to_text(d->name.wire, d->name.len,
			text), "wiki.corp.example");
		ck_assert(d->wildcard == (i == 1));
		ck_assert_uint_eq(d->app, 0);
	}
	ck_assert_uint_eq(cfg->apps[0].connectors.count, 1);
	ck_assert_str_eq(cfg->apps[0].connectors.items[0], "tag:office");
	ck_assert(cfg->apps[0].destinations_given);
	ck_assert_str_eq(range_text(&cfg->apps[0].destinations, 0),
		"10.0.0.0/8");
	ck_assert_uint_eq(cfg->connector_count, 1);
	ck_assert_str_eq(c->name, "office-1");
	ck_assert_str_eq(c->tags.items[0], "tag:office");
	ck_assert_str_eq(c->url.text, "http://10.9.0.2:8025");
	ck_assert_str_eq(c->url.host, "10.9.0.2");
	ck_assert_int_eq(c->url.addr.family, C25_V4);
	ck_assert_uint_eq(c->url.port, 8025);
	ck_assert(!c->url.tls);
	ck_assert_int_eq(c->priority, 0);
	ck_assert_uint_eq(c->public_keys.count, 1);
	ck_assert_uint_eq(c->public_keys.items[0].bytes[0], 0x26);
	ck_assert_uint_eq(c->public_keys.items[0].bytes[31], 0xbb);
	ck_assert_str_eq(range_text(&c->transit_v4, 0), "169.254.64.0/19");
	ck_assert_uint_eq(c->transit_v6.count, 0);
	c25_config_free(cfg);
}
END_TEST

START_TEST(sample_rest)
{
	struct c25_config *cfg = load_sample();
	char text[C25_ADDR_TEXT_MAX];

	ck_assert_uint_eq(cfg->self.tags.count, 1);
	ck_assert_str_eq(cfg->self.tags.items[0], "tag:edge");
	ck_assert_str_eq(cfg->self.private_key_file, "/etc/conn25/node.key");
	ck_assert(cfg->listen.transit_ip.set);
	ck_assert_str_eq(c25_addr_format(&cfg->listen.transit_ip.addr, text),
		"10.9.0.1");
	ck_assert_uint_eq(cfg->listen.transit_ip.port, 8025);
	ck_assert(cfg->listen.admin.set);
	ck_assert_uint_eq(cfg->listen.admin.port, 8026);
	ck_assert_uint_eq(cfg->peer_count, 1);
	ck_assert_str_eq(cfg->peers[0].name, "edge-1");
	ck_assert_uint_eq(cfg->peers[0].address_count, 2);
	ck_assert_str_eq(c25_addr_format(&cfg->peers[0].addresses[1], text),
		"fd00::1");
	ck_assert_uint_eq(cfg->peers[0].public_keys.count, 1);
	ck_assert_uint_eq(cfg->peers[0].app_count, 1);
	ck_assert_uint_eq(cfg->peers[0].apps[0], 0);
	ck_assert_uint_eq(cfg->dns.max_ttl_s, 300);
	ck_assert_uint_eq(cfg->dns.exclude.count, 0);
	ck_assert_uint_eq(cfg->dns.hold_ms, 250);
	ck_assert_uint_eq(cfg->table.max_assignments, 65536);
	ck_assert(!cfg->datapath.nftables);
	ck_assert_str_eq(cfg->datapath.overlay, "wg0");
	ck_assert(c25_config_is_client(cfg));
	ck_assert(c25_config_is_connector(cfg));
	ck_assert(!c25_config_app_self(cfg, 0));
	c25_config_free(cfg);
}
END_TEST

/* The "…" that stands for a key in the design is no key. */
START_TEST(sample_placeholder)
{
	static const char text[] = SAMPLE("\xe2\x80\xa6");
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg;

	ck_assert_int_eq(c25_config_parse(text, sizeof(text) - 1, "f", &cfg,
		&errs), -EINVAL);
	ck_assert_ptr_null(cfg);
	ck_assert_uint_eq(c25_config_error_count(&errs), 2);
	ck_assert_str_eq(c25_config_error_line(&errs, 0, line), "f:17:20: "
		"error: "
		"connectors[0].publicKey \"\xe2\x80\xa6\": is not base64: an "
		"Ed25519 public key is 44 characters, the last of them '='");
	ck_assert_uint_eq(errs.items[1].line, 22);
	ck_assert_str_eq(c25_config_error_line(&errs, 2, line), "");
	c25_config_errors_free(&errs);
}
END_TEST

/* ---- defaults ----------------------------------------------------------- */

START_TEST(user)
{
	struct c25_config *cfg = good(CLIENT("], 'user': 'conn25d'"));

	ck_assert_str_eq(cfg->user, "conn25d");
	ck_assert_ptr_null(cfg->group);
	c25_config_free(cfg);
}
END_TEST

START_TEST(defaults)
{
	struct c25_config *cfg = good(CLIENT("]"));

	ck_assert_str_eq(cfg->run_dir, "/run/conn25");
	ck_assert_str_eq(cfg->state_dir, "/var/lib/conn25");
	ck_assert_ptr_null(cfg->user);
	ck_assert_ptr_null(cfg->group);
	ck_assert_ptr_null(cfg->self.private_key_file);
	ck_assert_ptr_null(cfg->datapath.overlay);
	ck_assert(!cfg->datapath.nftables);
	ck_assert(!cfg->listen.transit_ip.set && !cfg->listen.admin.set);
	ck_assert_str_eq(cfg->listen.admin.text, "");
	ck_assert_uint_eq(cfg->dns.max_ttl_s, 300);
	ck_assert_uint_eq(cfg->dns.hold_ms, 250);
	ck_assert_uint_eq(cfg->table.max_assignments, 65536);
	ck_assert_uint_eq(cfg->limits.transit_ip.connections, 4096);
	ck_assert_uint_eq(cfg->limits.transit_ip.connections_per_address, 64);
	ck_assert_uint_eq(cfg->limits.admin.requests_per_second, 100000);
	ck_assert_uint_eq(cfg->limits.admin.request_seconds, 10);
	ck_assert_uint_eq(cfg->limits.mappings_per_peer, 1048576);
	ck_assert_ptr_null(cfg->listen.certificate_file);
	ck_assert_uint_eq(cfg->app_count + cfg->connector_count +
		cfg->peer_count + cfg->domain_count, 0);
	ck_assert(c25_config_is_client(cfg));
	ck_assert(!c25_config_is_connector(cfg));
	c25_config_free(cfg);
}
END_TEST

START_TEST(resolver)
{
	struct c25_config *cfg = good("{" POOLS ", 'apps': [{ 'name': 'a', "
		"'domains': ['a.example'], 'verifyDestinations': true, "
		"'connectors': ['*'], 'destinations': [] }, { 'name': 'b' }], "
		"'connectors': [{ 'name': 'c', 'url': 'http://h' }], "
		"'listen': { 'transitIP': 'http://127.0.0.1:1' }, "
		"'peers': [{ 'name': 'p', 'addresses': ['::1'], "
		"'apps': ['a'] }], "
		"'resolver': { 'forward': ['10.0.0.53', "
		"'::ffff:10.0.0.54@5353'], 'insecureDomains': ['CORP.'] } }");

	ck_assert(cfg->apps[0].verify_destinations);
	ck_assert(!cfg->apps[1].verify_destinations);
	ck_assert_uint_eq(cfg->resolver.forward_count, 2);
	ck_assert_uint_eq(cfg->resolver.forward[0].port, 53);
	ck_assert_uint_eq(cfg->resolver.forward[1].port, 5353);
	ck_assert_uint_eq(cfg->resolver.forward[1].addr.family, C25_V4);
	ck_assert(!cfg->resolver.anchors_given);
	ck_assert_uint_eq(cfg->resolver.insecure.count, 1);
	ck_assert_str_eq(cfg->resolver.insecure.items[0], "corp");
	c25_config_free(cfg);
}
END_TEST

/* ---- good ones ---------------------------------------------------------- */

#define SIGNED(keys) CLIENT("], 'self': { 'privateKeyFile': '/k' }, " \
	"'connectors': [{ 'name': 'c', 'publicKey': " keys ", " URL " }]")

static const char *const good_rows[] = {
	APP(""),
	CLIENT("], 'log': { 'to': 'syslog', 'queries': true }"),
	CLIENT("], 'log': { 'to': 'stderr' }"),
	APP(", 'domains': []"),
	APP(", 'domains': ['a', 'A.Example.', '_x.y-z.example', '*.com']"),
	APP(", 'domains': ['xn--bcher-kva.example', '1.2.3.4a']"),
	APP(", 'domains': ['" L63 "." L63 "." L63 "." L61 "']"),
	APP(", 'domains': ['a.example', 'a.example']"),
	APP(", 'destinations': ['0.0.0.0/0', '::/0', '10.0.0.1']"),
	CLIENT("], 'limits': { 'transitIP': { 'connections': 8 } }"),
	APP(", 'verifyDestinations': false"),
	RESOLVE_AT("'10.0.0.53', '10.0.0.53@5353', 'fd00::1@53'"),
	CLIENT("], 'unbound': {}"),
	RESOLVER(""),
	RESOLVER("'forward': ['10.0.0.53', '10.0.0.53@5353', 'fd00::1@53']"),
	RESOLVER("'trustAnchors': []"),
	RESOLVER("'trustAnchors': ['/a.key', '/b.key'], 'insecureDomains': "
		"['corp', 'Home.Arpa.']"),
	CLIENT("{ 'name': 'caf\xc3\xa9 & co' }]"),
	CONNECTOR("," URL),
	CONNECTOR(", 'url': 'https://connector.example'"),
	CONNECTOR(", 'url': 'HTTP://[fd00::1]:8025/'"),
	CONNECTOR(", 'priority': 1000000, " URL),
	CONNECTOR(", 'priority': 1e3, " URL),
	SIGNED("'" KEY_TEXT "'"),
	SIGNED("['" KEY_TEXT "', '" KEY_TEXT "']"),
	PEER(", 'publicKey': '" KEY_TEXT "'"),
	"{ 'listen': { 'transitIP': 'http://127.0.0.1:1', 'authorities': "
		"['Example.com', 'a:81'] }, 'apps': [{ 'name': 'a', "
		"'destinations': [] }], 'peers': [{ 'name': "
		"'p', 'addresses': ['10.0.0.1'], 'apps': ['a'] }] }",
	/* within the shared pool, outside of it, and both */
	CONNECTOR(", 'transit': { 'v4': ['169.254.64.0/18'] }, " URL),
	CONNECTOR(", 'transit': { 'v4': ['10.0.0.0/8', '169.254.64.7'], "
		"'v6': ['fd00::1-fd00::9'] }, " URL),
	"{ 'pools': { 'v4MagicIPPool': ['10.0.0.0-10.0.0.9', '10.0.0.10'], "
		"'v4TransitIPPool': ['10.0.0.11', '10.0.0.12/30'] }, "
		"'apps': [] }",
	PEER(""),
	PEER_APPS(", 'apps': ['a', 'a']"),
	SERVE("{ 'name': 'p', 'apps': ['a'], 'addresses': ['::1', "
		"'::ffff:10.0.0.1'] }"),
	CLIENT("], 'dns': { 'maxTTL': 0, 'holdMilliseconds': 0 }"),
	CLIENT("], 'dns': { 'maxTTL': 259200, 'holdMilliseconds': 10000 }"),
	CLIENT("], 'dns': { 'exclude': ['10.0.0.0/8', 'fd00::/8'] }"),
	CLIENT("], 'table': { 'maxAssignments': 16 }"),
	CLIENT("], 'table': { 'maxAssignments': 16777216 }"),
	CLIENT("], 'datapath': { 'nftables': true, 'overlay': "
		"'tailscale0' }"),
	CLIENT("], 'listen': { 'admin': 'http://[::1]:8026' }"),
	HTTPS("'tls': { 'caFile': '/ca' }"),
	HTTPS("'tls': { 'pin': '" PIN "' }"),
	HTTPS("'tls': { 'caFile': '/ca', 'pin': ['" PIN "', '" PIN "'] }"),
	"{ 'listen': { 'transitIP': 'https://127.0.0.1:1', 'tls': " TLS_FILES
		" }, 'apps': [{ 'name': 'a', 'destinations': [] }], "
		"'peers': [{ 'name': 'p', 'apps': ['a'], 'addresses': "
		"['::1'] }] }",
	SERVE("{ 'name': 'p', 'addresses': ['::1'], 'apps': ['a'] }], "
		"'limits': { "
		"'transitIP': { 'connections': 16000, "
		"'connectionsPerAddress': 1, 'requestsPerSecond': 0, "
		"'requestSeconds': 300 }, 'admin': {}, 'mappingsPerPeer': "
		"8388608 }, 'connectors': ["),
	CLIENT("], 'listen': {}, 'self': {}, 'dns': {}, 'table': {}, "
		"'datapath': {}, 'peers': [], 'connectors': []"),
};

START_TEST(good_ones)
{
	c25_config_free(good(good_rows[_i]));
}
END_TEST

static const struct {
	const char *url;
	const char *text, *host;
	uint16_t port;
	uint8_t family;
	bool tls;
} url_rows[] = {
	{ "http://h", "http://h", "h", 80, C25_UNSET, false },
	{ "https://h.example/", "https://h.example", "h.example", 443,
		C25_UNSET, true },
	{ "HTTPS://10.0.0.1:65535", "HTTPS://10.0.0.1:65535", "10.0.0.1",
		65535, C25_V4, true },
	{ "http://[fd00::1]/", "http://[fd00::1]", "fd00::1", 80, C25_V6,
		false },
	{ "http://[fd00::1]:1", "http://[fd00::1]:1", "fd00::1", 1, C25_V6,
		false },
};

START_TEST(urls)
{
	const struct c25_config_url *u;
	struct c25_config *cfg;
	char row[256];

	(void)snprintf(row, sizeof(row), "{ 'pools': {}, 'apps': [], "
		"'connectors': [{ 'name': 'c', 'url': '%s' }] }",
		url_rows[_i].url);
	cfg = good(row);
	u = &cfg->connectors[0].url;
	ck_assert_str_eq(u->text, url_rows[_i].text);
	ck_assert_str_eq(u->host, url_rows[_i].host);
	ck_assert_uint_eq(u->port, url_rows[_i].port);
	ck_assert_uint_eq(u->addr.family, url_rows[_i].family);
	ck_assert(u->tls == url_rows[_i].tls);
	c25_config_free(cfg);
}
END_TEST

/* A peer that names an app twice has it once. */
START_TEST(peer_app_twice)
{
	struct c25_config *cfg = good(PEER_APPS(", 'apps': ['a', 'a']"));

	ck_assert_uint_eq(cfg->peers[0].app_count, 1);
	c25_config_free(cfg);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *tc = tcase_create("config");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, sample_client);
	tcase_add_test(tc, sample_rest);
	tcase_add_test(tc, sample_placeholder);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, user);
	tcase_add_test(tc, resolver);
	ADD_ROWS(tc, good_ones, good_rows);
	ADD_ROWS(tc, urls, url_rows);
	tcase_add_test(tc, peer_app_twice);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
