/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the configuration: what is read, what is refused and where, the
 * questions it answers, and what it compiles to.
 *
 * In texts of tables ' stands for ", and @@ for the place of the message.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conn25/table.h"
#include "sidecar/compile.h"
#include "sidecar/config.h"
#include "tests/unit/suite.h"

/* Key bytes 0..31, in base64. */
#define KEY_TEXT "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="

/* ---- helpers ------------------------------------------------------------ */

struct text {
	char *data;
	size_t len;
	unsigned line, column;		/* of @@, or 0 */
};

/* Quotes put in, the marker taken out. */
static struct text
text_of(const char *row)
{
	struct text t = { .data = malloc(strlen(row) + 1) };
	unsigned line = 1, column = 1;

	ck_assert_ptr_nonnull(t.data);
	for (const char *p = row; *p != '\0'; p++) {
		if (p[0] == '@' && p[1] == '@') {
			t.line = line;
			t.column = column;
			p++;
			continue;
		}
		t.data[t.len++] = *p == '\'' ? '"' : *p;
		column += ((unsigned char)*p & 0xc0) != 0x80;
		if (*p == '\n') {
			line++;
			column = 1;
		}
	}
	t.data[t.len] = '\0';
	return t;
}

static void
all_lines(const struct c25_config_errors *errs, char *buf, size_t size)
{
	char line[C25_CONFIG_LINE_MAX];
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < c25_config_error_count(errs) && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s\n",
			c25_config_error_line(errs, i, line));
}

/* A configuration that must be good, with so many warnings. */
static struct c25_config *
warned(const char *row, size_t warnings)
{
	struct c25_config_errors errs = { 0 };
	struct text t = text_of(row);
	struct c25_config *cfg;
	char lines[4096];
	int r = c25_config_parse(t.data, t.len, "test", &cfg, &errs);

	all_lines(&errs, lines, sizeof(lines));
	ck_assert_msg(r == 0 && errs.count == warnings, "%d:\n%s", r, lines);
	c25_config_errors_free(&errs);
	free(t.data);
	return cfg;
}

static struct c25_config *
good(const char *row)
{
	return warned(row, 0);
}

/* ---- the sample of DESIGN 5, word for word ------------------------------ */

#define SAMPLE(key) \
"{\n" \
"  \"runDir\": \"/run/conn25\",            // table, doorbell and control soc" \
    "ket (tmpfs)\n" \
"  \"stateDir\": \"/var/lib/conn25\",      // SQLite database\n" \
"  \"group\": \"conn25\",                  // group that shares runDir with U" \
    "nbound's user\n" \
"  \"pools\": {                          // CIDR or \"first-last\", any numbe" \
    "r of each\n" \
"    \"v4MagicIPPool\":  [\"100.64.0.0/16\"], \"v4TransitIPPool\": [\"169.254" \
    ".64.0/18\"],\n" \
"    \"v6MagicIPPool\":  [\"fd25:1::/64\"],   \"v6TransitIPPool\": [\"fd25:2:" \
    ":/64\"]\n" \
"  },\n" \
"  \"apps\": [                           // as in tailscale.com/app-connector" \
    "s-experimental\n" \
"    { \"name\": \"wiki\", \"domains\": [\"wiki.corp.example\", \"*.wiki.corp" \
    ".example\"],\n" \
"      \"connectors\": [\"tag:office\"],   // tags, or \"*\"\n" \
"      \"destinations\": [\"10.0.0.0/8\"]  // connector role: where this app " \
    "may lead; see 9\n" \
"    }\n" \
"  ],\n" \
"  \"connectors\": [                     // client role: whom to tell\n" \
"    { \"name\": \"office-1\", \"tags\": [\"tag:office\"], \"url\": \"http://" \
    "10.9.0.2:8025\", \"priority\": 0,\n" \
"      \"publicKey\": \"" key "\", \"transit\": { \"v4\": [\"169.254.64.0/19" \
    "\"] } }   // both optional\n" \
"  ],\n" \
"  \"self\": { \"tags\": [\"tag:edge\"], \"privateKeyFile\": \"/etc/conn25/no" \
    "de.key\" },\n" \
"  \"listen\": { \"transitIP\": \"http://10.9.0.1:8025\", \"admin\": \"http:/" \
    "/127.0.0.1:8026\" },\n" \
"  \"peers\": [                          // connector role: who may tell us\n" \
"    { \"name\": \"edge-1\", \"addresses\": [\"10.9.0.1\", \"fd00::1\"], \"pu" \
    "blicKey\": \"" key "\", \"apps\": [\"wiki\"] }\n" \
"  ],\n" \
"  \"dns\": { \"maxTTL\": 300, \"exclude\": [], \"holdMilliseconds\": 250 }," \
    "\n" \
"  \"table\": { \"maxAssignments\": 65536 },\n" \
"  \"datapath\": { \"nftables\": false, \"overlay\": \"wg0\" }\n" \
"}\n"

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
		"error: publicKey \"\xe2\x80\xa6\": is not base64: an "
		"Ed25519 public key is 44 characters, the last of them '='");
	ck_assert_uint_eq(errs.items[1].line, 22);
	ck_assert_str_eq(c25_config_error_line(&errs, 2, line), "");
	c25_config_errors_free(&errs);
}
END_TEST

/* ---- defaults ----------------------------------------------------------- */

#define POOLS "'pools': { 'v4MagicIPPool': ['100.64.0.0/16'], " \
	"'v4TransitIPPool': ['169.254.64.0/18'] }"
#define CLIENT(rest) "{" POOLS ", 'apps': [" rest "}"

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

#define APP(rest) CLIENT("{ 'name': 'a', 'connectors': ['t']" rest " }]" \
	", 'connectors': [{ 'name': 'c', 'url': 'http://h', 'tags': ['t'] }]")
#define CONNECTOR(rest) CLIENT("], 'connectors': [{ 'name': 'c'" rest " }]")
#define URL "'url': 'http://h'"
#define KEYS_4 "'" KEY_TEXT "','" KEY_TEXT "','" KEY_TEXT "','" KEY_TEXT "'"
#define SIGNED(keys) CLIENT("], 'self': { 'privateKeyFile': '/k' }, " \
	"'connectors': [{ 'name': 'c', 'publicKey': " keys ", " URL " }]")
#define SERVE(rest) "{ 'listen': { 'transitIP': 'http://127.0.0.1:1' }, " \
	"'apps': [{ 'name': 'a', 'destinations': [] }], 'peers': [" rest "] }"
#define PEER_APPS(rest) SERVE("{ 'name': 'p', 'addresses': ['10.0.0.1']" rest \
	" }")
#define PEER(rest) PEER_APPS(", 'apps': ['a']" rest)

#define PIN "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HTTPS(tls) CONNECTOR(", 'url': 'https://h', " tls)
#define TLS_FILES "{ 'certificateFile': '/c', 'privateKeyFile': '/k' }"
#define SECURE(scheme, rest) "{ 'listen': { 'transitIP': @@'" scheme \
	"://127.0.0.1:1'" rest " }, 'apps': [{ 'name': 'a', " \
	"'destinations': [] }], 'peers': " \
	"[{ 'name': 'p', 'addresses': ['::1'], 'apps': ['a'] }] }"
#define LIMITS(rest) CLIENT("], 'limits': { " rest " }")
#define RESOLVER(rest) "{ 'listen': { 'transitIP': 'http://127.0.0.1:1' }, " \
	"'apps': [{ 'name': 'a', 'domains': ['a.example'], 'destinations': " \
	"[], 'verifyDestinations': true }], 'peers': [{ 'name': 'p', " \
	"'addresses': ['::1'], 'apps': ['a'] }], 'resolver': { " rest " } }"

#define RESOLVE_AT(servers) CLIENT("{ 'name': 'a', 'domains': " \
	"['a.example'], 'connectors': ['*'], 'resolveAt': 'connector', " \
	"'dnsServers': [" servers "], 'dnsInsecure': true }], 'connectors': " \
	"[{ 'name': 'c', 'url': 'http://h' }], 'unbound': { 'includeFile': " \
	"'/f.conf', 'controlSocket': '/run/unbound.ctl' }")

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define E5 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
#define E45 E5 E5 E5 E5 E5 E5 E5 E5 E5

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

/* ---- bad ones: one message each ----------------------------------------- */

struct bad_row {
	const char *text;
	const char *why;		/* how the message begins */
};

static const struct bad_row bad_rows[] = {
	/* the file as a whole */
	{ "@@", "syntax: there is nothing in this file" },
	{ "{\n 'apps': [\n@@", "syntax: the file ends here, but the '[' of "
		"line 2 is not closed" },
	{ "{ // \xc3\xa9\n 'apps' /* \xc3\xa9 */ @@'x' }",
		"syntax: ':' and a value is expected" },
	{ "@@[]", "configuration: must be an object {...}, not an array" },
	{ "{}", "configuration: has neither \"pools\" (for a client) nor "
		"\"peers\" (for a connector): add one of them" },
	{ "{" POOLS "}", "configuration: \"apps\" is missing" },
	{ "{ 'peers': [] }", "configuration: \"apps\" is missing" },
	{ CLIENT("], 'log': { 'to': @@'journal' }"), "to: must be \"stderr\" "
		"or \"syslog\"" },
	/* keys */
	{ CLIENT("], @@'poools': 1"), "poools: unknown key: known here are "
		"runDir, stateDir, user, group, pools, apps, connectors, self, "
		"listen, limits, peers, resolver, dns, table, datapath, "
		"unbound and log" },
	{ CLIENT("], @@'RunDir': 1"), "RunDir: unknown key: did you mean "
		"\"runDir\"?" },
	{ CLIENT("], 'table': { @@'x': 1 }"), "x: unknown key: known here "
		"is maxAssignments" },
	{ CLIENT("], @@'bad\\u0001\\n': 1"), "bad??: unknown key" },
	{ CLIENT("], @@'apps': []"), "apps: the same key twice" },
	{ CLIENT("], 'dns': { 'maxTTL': 1,\n @@'maxTTL': 1 }"),
		"maxTTL: the same key twice: remove one of them" },
	/* types */
	{ CLIENT("], 'runDir': @@1"), "runDir: must be a text in quotes, "
		"not a number" },
	{ CLIENT("], 'runDir': @@null"), "runDir: must be a text in quotes, "
		"not null" },
	{ CLIENT("], 'dns': @@[]"), "dns: must be an object {...}, not an "
		"array [...]" },
	{ CLIENT("], 'connectors': @@{}"), "connectors: must be an array "
		"[...], not an object {...}" },
	{ CLIENT("@@'wiki']"), "apps: must be an object {...}, not a text" },
	{ CLIENT("], 'datapath': { 'nftables': @@'no' }"), "nftables: must "
		"be true or false, not a text" },
	{ "{ 'apps': [], 'pools': { 'v4MagicIPPool': @@'10.0.0.0/8' } }",
		"v4MagicIPPool: must be an array [...], not a text" },
	{ APP(", 'domains': @@'a.example'"), "domains: must be an array "
		"[...], not a text" },
	{ APP(", 'domains': ['a', @@7]"), "domains: must be a text in "
		"quotes, not a number" },
	/* texts */
	{ CLIENT("], 'runDir': @@''"), "runDir: is empty" },
	{ CLIENT("], 'stateDir': @@'a\\nb'"), "stateDir: has a control "
		"character (0x0a) in it" },
	{ CLIENT("], 'runDir': @@'/" L63 "/" L63 "'"), "runDir: is too long "
		"for the sockets in it: 93 bytes are the most" },
	{ CLIENT("], 'user': @@'" L63 "x'"), "user: is 64 bytes long: 63 "
		"is the most" },
	{ CLIENT("], 'group': @@'" L63 "x'"), "group: is 64 bytes long: 63 "
		"is the most" },
	{ CLIENT("], 'datapath': { 'overlay': @@'abcdefghijklmnop' }"),
		"overlay: is 16 bytes long: 15 is the most" },
	{ CLIENT("], 'datapath': { 'overlay': @@'wg 0' }"), "overlay: not "
		"the name of an interface" },
	/* numbers */
	{ CLIENT("], 'dns': { 'maxTTL': @@-1 }"), "maxTTL: must be a whole "
		"number from 0 to 259200, not -1" },
	{ CLIENT("], 'dns': { 'maxTTL': @@259201 }"), "maxTTL: must be a "
		"whole number from 0 to 259200, not 259201" },
	{ CLIENT("], 'dns': { 'maxTTL': @@1.5 }"), "maxTTL: must be a whole "
		"number from 0 to 259200, not 1.5" },
	{ CLIENT("], 'dns': { 'holdMilliseconds': @@1e99 }"),
		"holdMilliseconds: must be a whole number from 0 to 10000, "
		"not 1e+99" },
	{ CLIENT("], 'dns': { 'holdMilliseconds': @@1e999 }"),
		"holdMilliseconds: must be a whole number from 0 to 10000, "
		"not inf" },
	{ CLIENT("], 'dns': { 'holdMilliseconds': @@'5' }"),
		"holdMilliseconds: must be a number, not a text" },
	{ CLIENT("], 'table': { 'maxAssignments': @@15 }"),
		"maxAssignments: must be a whole number from 16 to 16777216" },
	{ CLIENT("], 'table': { 'maxAssignments': @@16777217 }"),
		"maxAssignments: must be a whole number from 16 to 16777216" },
	{ CONNECTOR(", 'priority': @@-1, " URL), "priority: must be a whole "
		"number from 0 to 1000000, not -1" },
	/* domains */
	{ APP(", 'domains': [@@'']"), "domain \"\": is empty" },
	{ APP(", 'domains': [@@'.']"), "domain \".\": is the root" },
	{ APP(", 'domains': [@@'*']"), "domain \"*\": would match every" },
	{ APP(", 'domains': ['x', @@'a..b']"), "domain \"a..b\": has an "
		"empty label: remove the extra dot" },
	{ APP(", 'domains': [@@'.a']"), "domain \".a\": has an empty label" },
	{ APP(", 'domains': [@@'a..']"), "domain \"a..\": has an empty "
		"label" },
	{ APP(", 'domains': [@@'x" L63 ".b']"), "domain \"x" L63 ".b\": has "
		"a label of 64 characters: 63 is the most" },
	{ APP(", 'domains': [@@'" L63 "." L63 "." L63 "." L61 "a']"),
		"domain \"" L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaa...\": is 254 "
		"characters long: 253 is the most" },
	{ APP(", 'domains': [@@'a b.example']"), "domain \"a b.example\": "
		"has a space in it" },
	{ APP(", 'domains': [@@' a.example']"), "domain \" a.example\": has "
		"a space in it" },
	{ APP(", 'domains': [@@'a\\tb']"), "domain \"a?b\": has a control "
		"character (0x09)" },
	{ APP(", 'domains': [@@'b\xc3\xbc" "cher.example']"),
		"domain \"b\xc3\xbc" "cher.example\": is not ASCII: write "
		"the A-label, as in xn--" },
	{ APP(", 'domains': [@@'b\\u00fccher.example']"),
		"domain \"b\xc3\xbc" "cher.example\": is not ASCII" },
	{ APP(", 'domains': [@@'a.*.example']"), "domain \"a.*.example\": "
		"'*' stands only for the whole first label" },
	{ APP(", 'domains': [@@'*a.example']"), "domain \"*a.example\": '*' "
		"stands only for" },
	{ APP(", 'domains': [@@'*.*.example']"), "domain \"*.*.example\": "
		"'*' stands only for" },
	{ APP(", 'domains': [@@'http://a.example/']"), "domain "
		"\"http://a.example/\": has a ':' in it" },
	{ APP(", 'domains': [@@'a.example/x']"), "domain \"a.example/x\": "
		"has a '/' in it: write the host name only" },
	{ APP(", 'domains': [@@'a\\\\.b']"), "domain \"a\\.b\": has '\\' in "
		"it: letters, digits, '-' and '_'" },
	{ APP(", 'domains': [@@'10.0.0.1']"), "domain \"10.0.0.1\": ends in "
		"a number, as addresses do" },
	{ APP(", 'domains': [@@'fd00::1']"), "domain \"fd00::1\": has a ':'" },
	{ CLIENT("{ 'name': @@'a', 'verifyDestinations': true }]"), "app "
		"\"a\": verifyDestinations without \"domains\": list" },
	{ APP(", 'verifyDestinations': @@1"), "verifyDestinations: must be" },
	{ APP(", 'resolveAt': @@'here', 'dnsServers': ['10.0.0.1']"),
		"resolveAt: must be \"connector\"" },
	{ APP(", 'resolveAt': @@true, 'dnsServers': ['10.0.0.1']"),
		"resolveAt: must be" },
	{ CLIENT("{ 'name': @@'a', 'resolveAt': 'connector' }]"), "app \"a\": "
		"resolveAt without \"dnsServers\": list" },
	{ CLIENT("{ 'name': @@'a', 'dnsServers': ['10.0.0.1'] }]"), "app "
		"\"a\": dnsServers without \"resolveAt\" does nothing" },
	{ CLIENT("{ 'name': @@'a', 'dnsInsecure': true }]"), "app \"a\": "
		"dnsInsecure without \"resolveAt\"" },
	{ RESOLVE_AT("@@'ns.example'"), "dnsServers \"ns.example\": is no "
		"server" },
	{ RESOLVE_AT("@@'10.0.0.1@'"), "dnsServers \"10.0.0.1@\": is no" },
	{ CLIENT("], 'unbound': { 'controlSocket': @@'/" L63 L63 "' }"),
		"controlSocket: is too long for a socket: 107" },
	/* the resolver */
	{ RESOLVER("'forward': @@[]"), "forward: has 0 servers" },
	{ RESOLVER("'forward': @@['::','::','::','::','::','::','::','::',"
		"'::']"), "forward: has 9 servers: 1 to 8" },
	{ RESOLVER("'forward': [@@'ns.example']"), "forward \"ns.example\": "
		"is no server" },
	{ RESOLVER("'forward': [@@'10.0.0.53:53']"), "forward \"10.0.0.53:53\""
		": is no server" },
	{ RESOLVER("'forward': [@@'10.0.0.53@']"), "forward" },
	{ RESOLVER("'forward': [@@'10.0.0.53@0']"), "forward" },
	{ RESOLVER("'forward': [@@'10.0.0.53@053']"), "forward" },
	{ RESOLVER("'forward': [@@'10.0.0.53@65536']"), "forward" },
	{ RESOLVER("'forward': [@@'10.0.0.53@5 ']"), "forward" },
	{ RESOLVER("'forward': [@@'@53']"), "forward" },
	{ RESOLVER("'trustAnchors': [@@'']"), "trustAnchors: " },
	{ RESOLVER("'insecureDomains': [@@'*.corp']"), "insecureDomains "
		"\"*.corp\": names below it are always meant" },
	{ RESOLVER("'insecureDomains': [@@'a b']"), "insecureDomains \"a b\"" },
	/* ranges */
	{ APP(", 'destinations': [@@'10.1.0.0/8']"), "destinations "
		"\"10.1.0.0/8\": has bits set beyond its prefix: 10.0.0.0/8 "
		"is probably meant" },
	{ APP(", 'destinations': [@@'fd00::7f01/121']"), "destinations "
		"\"fd00::7f01/121\": has bits set beyond its prefix: "
		"fd00::7f00/121 is probably meant" },
	{ APP(", 'destinations': [@@'10.0.0.9-10.0.0.1']"), "destinations "
		"\"10.0.0.9-10.0.0.1\": ends before it begins" },
	{ APP(", 'destinations': [@@'10.0.0.0/33']"), "destinations "
		"\"10.0.0.0/33\": has no good prefix length: write a number "
		"from 0 to 32" },
	{ APP(", 'destinations': [@@'::/129']"), "destinations \"::/129\": "
		"has no good prefix length: write a number from 0 to 128" },
	{ APP(", 'destinations': [@@'10.0.0.0/']"), "destinations "
		"\"10.0.0.0/\": has no good prefix length" },
	{ APP(", 'destinations': [@@'10.0.0.0/08']"), "destinations "
		"\"10.0.0.0/08\": has no good prefix length" },
	{ APP(", 'destinations': [@@'10.0/8']"), "destinations \"10.0/8\": "
		"is not a range of addresses: write a prefix" },
	{ APP(", 'destinations': [@@'10.0.0.1-::1']"), "destinations "
		"\"10.0.0.1-::1\": is not a range" },
	{ APP(", 'destinations': [@@'example']"), "destinations "
		"\"example\": is not a range" },
	{ CLIENT("], 'dns': { 'exclude': ['10.0.0.0/8', @@'x'] }"),
		"exclude \"x\": is not a range" },
	{ "{ 'apps': [], 'pools': { 'v4MagicIPPool': [@@'fd00::/8'] } }",
		"v4MagicIPPool \"fd00::/8\": is IPv6, but only IPv4 belongs "
		"here" },
	{ CONNECTOR(", 'transit': { 'v6': [@@'10.0.0.0/8'] }, " URL),
		"v6 \"10.0.0.0/8\": is IPv4, but only IPv6" },
	/* overlaps */
	{ "{ 'apps': [], 'pools': {\n 'v4MagicIPPool': ['10.0.0.0/8'],\n"
		"'v4TransitIPPool': [@@'10.1.0.0/16'] } }", "v4TransitIPPool "
		"10.1.0.0/16: overlaps v4MagicIPPool 10.0.0.0/8 of line 2: "
		"make the ranges disjoint" },
	{ "{ 'apps': [], 'pools': {\n 'v4TransitIPPool': ['10.1.0.0/16'],\n"
		"'v4MagicIPPool': [@@'10.0.0.0/8'] } }", "v4MagicIPPool "
		"10.0.0.0/8: overlaps v4TransitIPPool 10.1.0.0/16 of line 2" },
	{ "{ 'apps': [], 'pools': { 'v6MagicIPPool': ['fd00::1', 'fd00::2',"
		"@@'fd00::2-fd00::4'] } }", "v6MagicIPPool fd00::2-fd00::4: "
		"overlaps v6MagicIPPool fd00::2/128 of line 1" },
	{ CONNECTOR(", 'transit': { 'v4': [@@'100.64.1.0/24'] }, " URL),
		"transit 100.64.1.0/24 of connector \"c\": overlaps "
		"v4MagicIPPool 100.64.0.0/16 of line 1" },
	{ CONNECTOR(", 'transit': { 'v4': ['10.0.0.1', @@'10.0.0.1'] }, "
		URL), "transit 10.0.0.1/32 of connector \"c\": overlaps "
		"transit 10.0.0.1/32 of connector \"c\"" },
	{ CONNECTOR(", 'transit': { 'v4': ['169.254.64.0/19'] }, " URL "},\n"
		"{ 'name': 'd', 'transit': { 'v4': [@@'169.254.65.0/24'] }, "
		URL), "transit 169.254.65.0/24 of connector \"d\": overlaps "
		"transit 169.254.64.0/19 of connector \"c\" of line 1" },
	{ CONNECTOR(", 'transit': { 'v4': [@@'169.254.0.0/16'] }, " URL),
		"transit 169.254.0.0/16 of connector \"c\": lies only partly "
		"within v4TransitIPPool 169.254.64.0/18 of line 1" },
	/* apps */
	{ CLIENT("@@{}]"), "apps: \"name\" is missing here" },
	{ CLIENT("{ 'name': @@'' }]"), "name \"\": is empty" },
	{ CLIENT("{ 'name': @@'a\\u007f' }]"), "name \"a?\": has a control "
		"character (0x7f)" },
	{ CLIENT("{ 'name': @@'" L63 L63 L63 L63 "abcd' }]"), "name \"" L63
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\": is 256 bytes long: 255 "
		"is the most" },
	{ CLIENT("{ 'name': @@'a" E45 E45 E45 "' }]"), "name \"a" E45 "...\": "
		"is 271 bytes long" },
	{ CLIENT("{ 'name': 'a' },\n{ 'name': 'b' },\n{ 'name': @@'a' }]"),
		"app \"a\": the name is taken since line 1: choose another" },
	/* connectors */
	{ CONNECTOR("," URL "}, @@{" URL), "connectors: \"name\" is "
		"missing here" },
	{ CLIENT("], 'connectors': [@@{ 'name': 'c' }]"),
		"connectors: \"url\" is missing here" },
	{ CLIENT("], 'connectors': [{ 'name': @@'a b', " URL " }]"),
		"name \"a b\": has blanks, '=' or letters" },
	{ CLIENT("], 'connectors': [{ 'name': @@'a=b', " URL " }]"),
		"name \"a=b\": has blanks, '=' or letters" },
	{ CLIENT("], 'connectors': [{ 'name': @@'" L63 "x', " URL " }]"),
		"name \"" L63 "x\": is 64 bytes long" },
	{ CONNECTOR("," URL "}, {" URL ", 'name': @@'c'"), "connector "
		"\"c\": the name is taken since line 1" },
	{ CONNECTOR("," URL ", 'tags': [@@'*']"), "tags: \"*\" is no tag" },
	{ CONNECTOR("," URL ", 'tags': ['a', @@'']"), "tags: is empty" },
	/* URLs */
	{ CONNECTOR(", 'url': @@''"), "url \"\": doesn't begin with http://" },
	{ CONNECTOR(", 'url': @@'10.0.0.1:80'"), "url \"10.0.0.1:80\": "
		"doesn't begin with http:// or https://: write" },
	{ CONNECTOR(", 'url': @@'ftp://h'"), "url \"ftp://h\": doesn't "
		"begin with http://" },
	{ CONNECTOR(", 'url': @@'http://'"), "url \"http://\": has no "
		"host" },
	{ CONNECTOR(", 'url': @@'http://:80'"), "url \"http://:80\": has no "
		"host" },
	{ CONNECTOR(", 'url': @@'http://h/x'"), "url \"http://h/x\": has a "
		"path" },
	{ CONNECTOR(", 'url': @@'http://h?x'"), "url \"http://h?x\": has a "
		"path" },
	{ CONNECTOR(", 'url': @@'http://u@h'"), "url \"http://u@h\": has a "
		"user in it" },
	{ CONNECTOR(", 'url': @@'http://h:'"), "url \"http://h:\": has no "
		"good port: write a number from 1 to 65535" },
	{ CONNECTOR(", 'url': @@'http://h:0'"), "url \"http://h:0\": has no "
		"good port" },
	{ CONNECTOR(", 'url': @@'http://h:65536'"), "url "
		"\"http://h:65536\": has no good port" },
	{ CONNECTOR(", 'url': @@'http://h:4294967376'"), "url "
		"\"http://h:4294967376\": has no good port" },
	{ CONNECTOR(", 'url': @@'http://h:8o'"), "url \"http://h:8o\": has "
		"no good port" },
	{ CONNECTOR(", 'url': @@'http://fd00::1'"), "url "
		"\"http://fd00::1\": has more than one ':': an IPv6 address "
		"needs brackets" },
	{ CONNECTOR(", 'url': @@'http://[fd00::1'"), "url "
		"\"http://[fd00::1\": has a '[' without its ']'" },
	{ CONNECTOR(", 'url': @@'http://[fd00::1]x'"), "url "
		"\"http://[fd00::1]x\": has 'x' after the host" },
	{ CONNECTOR(", 'url': @@'http://[10.0.0.1]'"), "url "
		"\"http://[10.0.0.1]\": has brackets around" },
	{ CONNECTOR(", 'url': @@'http://[h]'"), "url \"http://[h]\": has "
		"brackets around" },
	{ CONNECTOR(", 'url': @@'http://10.0.0.256'"), "url "
		"\"http://10.0.0.256\": has a host '10.0.0.256' that is "
		"neither a name nor an address" },
	{ CONNECTOR(", 'url': @@'http://a b'"), "url \"http://a b\": has a "
		"host 'a b' that is neither" },
	{ CONNECTOR(", 'url': @@'http://*.x'"), "url \"http://*.x\": has a "
		"host '*.x' that is neither" },
	/* keys */
	{ CONNECTOR("," URL ", 'publicKey': @@''"), "publicKey \"\": is 0 "
		"bytes in base64: an Ed25519 public key is 32" },
	{ CONNECTOR("," URL ", 'publicKey': @@'AAEC'"), "publicKey "
		"\"AAEC\": is 3 bytes in base64" },
	{ CONNECTOR("," URL ", 'publicKey': @@'" KEY_TEXT " '"), "publicKey "
		"\"" KEY_TEXT " \": is not base64" },
	{ CONNECTOR("," URL ", 'publicKey': @@'A'"), "publicKey \"A\": is "
		"not base64" },
	{ CONNECTOR("," URL ", 'publicKey': @@7"), "publicKey: " },
	{ CONNECTOR("," URL ", 'publicKey': @@[]"), "publicKey: has 0 keys: "
		"1 to 8 can be given" },
	{ CONNECTOR("," URL ", 'publicKey': ['" KEY_TEXT "', @@'AAEC']"),
		"publicKey \"AAEC\": is 3 bytes in base64" },
	{ CONNECTOR("," URL ", 'publicKey': ['" KEY_TEXT "', @@7]"),
		"publicKey: " },
	{ PEER(", 'publicKey': @@[" KEYS_4 "," KEYS_4 ",'" KEY_TEXT "']"),
		"publicKey: has 9 keys: 1 to 8 can be given" },
	/* listen */
	{ "{ 'listen': { 'transitIP': 'http://127.0.0.1:1', 'authorities': "
		"[@@'a b'] }, 'apps': [], 'peers': [{ 'name': 'p', "
		"'addresses': ['10.0.0.1'] }] }", "authorities: "
		"\"a b\" is no name and no name:port" },
	{ CLIENT("], 'listen': { 'admin': @@'http://localhost:80' }"),
		"admin: \"localhost\" is a name: write the address" },
	{ CLIENT("], 'listen': { 'admin': @@'https://127.0.0.1:80' }"),
		"admin: https is for transitIP only" },
	{ SECURE("https", ""), "transitIP: https needs a certificate: add" },
	{ SECURE("http", ", 'tls': " TLS_FILES), "transitIP: \"tls\" with an "
		"http url does nothing" },
	{ CLIENT("], 'listen': { 'tls': @@{ 'certificateFile': '/c' } }"),
		"tls: \"privateKeyFile\" is missing" },
	/* tls of connectors */
	{ CLIENT("], 'connectors': [@@{ 'name': 'c', " URL ", 'tls': { "
		"'caFile': '/ca' } }]"), "connectors: \"tls\" with an http "
		"url does nothing" },
	{ HTTPS("'tls': @@{}"), "tls: is empty" },
	{ HTTPS("'tls': { 'pin': @@'x' }"), "pin \"x\": doesn't begin with "
		"sha256/" },
	{ HTTPS("'tls': { 'pin': @@'sha256/AAEC' }"),
		"pin \"sha256/AAEC\": is no SHA-256 in base64" },
	{ HTTPS("'tls': { 'pin': @@'" PIN "x' }"), "pin \"" PIN "x\": is no "
		"SHA-256" },
	{ HTTPS("'tls': { 'pin': @@[] }"), "pin: there are 0: 1 to 8" },
	/* limits */
	{ LIMITS("'transitIP': { 'connections': @@0 }"), "connections: " },
	{ LIMITS("'transitIP': { 'connections': @@16001 }"),
		"connections: " },
	{ LIMITS("'admin': { 'requestsPerSecond': @@-1 }"),
		"requestsPerSecond: " },
	{ LIMITS("'admin': { 'requestSeconds': @@0 }"), "requestSeconds: " },
	{ LIMITS("'mappingsPerPeer': @@0"), "mappingsPerPeer: " },
	{ CLIENT("], 'listen': { 'admin': @@'127.0.0.1:80' }"),
		"admin \"127.0.0.1:80\": doesn't begin with http://" },
	{ CLIENT("], 'peers': [{ 'name': 'p', 'addresses': ['::1'] }], "
		"'listen': @@{ 'admin': 'http://127.0.0.1', "
		"'transitIP': 'http://127.0.0.1:80' }"), "listen: transitIP "
		"and admin are the same address and port" },
	/* peers */
	{ SERVE("@@{ 'addresses': ['::1'] }"), "peers: \"name\" is missing" },
	{ SERVE("@@{ 'name': 'p' }"), "peers: \"addresses\" is missing" },
	{ SERVE("{ 'name': 'p', 'addresses': @@[] }"), "addresses: at least "
		"one is needed" },
	{ SERVE("{ 'name': 'p', 'addresses': [@@'10.0.0.0/8'] }"),
		"address \"10.0.0.0/8\": is not an address" },
	{ SERVE("{ 'name': 'p', 'addresses': [@@'10.0.0.01'] }"),
		"address \"10.0.0.01\": is not an address" },
	{ PEER("}, { 'name': @@'p', 'addresses': ['::1']"), "peer \"p\": "
		"the name is taken since line 1" },
	{ PEER("},\n{ 'name': 'q', 'addresses': [@@'10.0.0.1']"), "address "
		"10.0.0.1: already that of peer \"p\" since line 1" },
	{ PEER("}, { 'name': 'q', 'addresses': [@@'::ffff:10.0.0.1']"),
		"address 10.0.0.1: already that of peer \"p\"" },
};

static void
check_one(const struct bad_row *row, int r, bool warning)
{
	struct c25_config_errors errs = { 0 };
	struct text t = text_of(row->text);
	struct c25_config *cfg;
	char lines[4096];
	int got;

	got = c25_config_parse(t.data, t.len, "test", &cfg, &errs);
	all_lines(&errs, lines, sizeof(lines));
	ck_assert_msg(got == r && errs.count == 1, "%s\n%d:\n%s", t.data,
		got, lines);
	ck_assert_msg(strncmp(errs.items[0].text, row->why,
		strlen(row->why)) == 0, "'%s' is not how it begins:\n%s",
		row->why, lines);
	ck_assert(errs.items[0].warning == warning);
	ck_assert_uint_eq(errs.errors, !warning);
	ck_assert_msg(errs.items[0].line == t.line &&
		errs.items[0].column == t.column, "not at %u:%u:\n%s",
		t.line, t.column, lines);
	ck_assert((cfg != NULL) == (r == 0));
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
	free(t.data);
}

START_TEST(bad_ones)
{
	check_one(&bad_rows[_i], -EINVAL, false);
}
END_TEST

#define TWO_APPS(one, two) "{ 'name': 'a', 'connectors': ['t'], " \
	"'domains': [" one "] }, { 'name': 'b', 'connectors': ['t'], " \
	"'domains': [" two "] }], 'connectors': [{ 'name': 'c', " URL ", " \
	"'tags': ['t'] }]"

static const struct bad_row warning_rows[] = {
	{ CLIENT("{ 'name': @@'a', 'domains': ['a.example'], 'connectors': "
		"['*'], 'resolveAt': 'connector', 'dnsServers': ['10.0.0.1'] "
		"}], 'connectors': [{ 'name': 'c', 'url': 'http://h' }]"),
		"app \"a\": resolveAt does nothing as Unbound isn't told" },
	{ PEER(", 'publicKey': @@'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
		"='"), "publicKey \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
		"Hh8=\": is no Ed25519 key" },
	{ CLIENT("], 'connectors': [{ 'name': @@'c', 'publicKey': '" KEY_TEXT
		"', " URL " }]"), "connector \"c\": only answers to signed "
		"requests can be checked" },
	{ PEER_APPS(", 'apps': ['a', @@'b']"),
		"app \"b\": there is no such app: "
		"add it to \"apps\" or correct the name" },
	{ CLIENT("{ 'name': 'a', 'connectors': ['t', @@'u'] }], "
		"'connectors': [{ 'name': 'c', 'tags': ['t'], " URL " }]"),
		"tag \"u\": no connector has it" },
	{ CLIENT("{ 'name': 'a', 'connectors': [@@'*'] }]"),
		"connectors \"*\": none is configured" },
	{ "{ 'apps': [], 'pools': { 'v6MagicIPPool': [@@'fd00::/64'] } }",
		"v6MagicIPPool: without a v6TransitIPPool no IPv6 address" },
	{ "{ 'apps': [], 'pools': { 'v4TransitIPPool': [@@'10.0.0.1'] } }",
		"v4TransitIPPool: of no use without a v4MagicIPPool" },
	{ CLIENT("], 'listen': { 'transitIP': @@'http://127.0.0.1:1' }"),
		"transitIP: there are no \"peers\"" },
	{ "{ 'listen': { 'transitIP': @@'http://127.0.0.1:1' } }",
		"transitIP: there are no \"peers\"" },
	{ CLIENT("{ 'name': 'a', 'destinations': [] }], "
		"'peers': [{ 'name': @@'p', "
		"'addresses': ['::1'], 'apps': ['a'] }]"),
		"peers: can't reach this host: add \"listen\"" },
	{ "{ 'listen': { 'transitIP': 'http://127.0.0.1:1' }, 'apps': "
		"[{ 'name': 'b' }, { 'name': @@'a' }], 'peers': [{ 'name': "
		"'p', 'addresses': ['::1'], 'apps': ['a'] }] }",
		"app \"a\": its peers may reach whatever this host can" },
	{ "{ 'listen': { 'transitIP': 'http://127.0.0.1:1' }, 'apps': "
		"[{ 'name': @@'a', 'domains': ['x.example'], "
		"'verifyDestinations': true }], 'peers': [{ 'name': "
		"'p', 'addresses': ['::1'], 'apps': ['a'] }] }",
		"app \"a\": its peers may reach whatever this host can, if" },
	{ CLIENT("{ 'name': @@'a', 'domains': ['x.example'], "
		"'connectors': ['t'], 'verifyDestinations': true }], "
		"'connectors': [{ 'name': 'c', 'tags': ['t'], " URL " }]"),
		"app \"a\": verifyDestinations does nothing here" },
	{ CLIENT("], 'resolver': @@{}"),
		"resolver: does nothing here" },
	{ "{ 'resolver': @@{}, 'listen': { 'transitIP': "
		"'http://127.0.0.1:1' }, 'apps': [{ 'name': 'a', "
		"'destinations': [] }], 'peers': [{ 'name': 'p', "
		"'addresses': ['::1'], 'apps': ['a'] }] }",
		"resolver: does nothing here" },
	{ CLIENT("], 'limits': { 'transitIP': { 'connectionsPerAddress': "
		"@@9, 'connections': 8 } }"),
		"connectionsPerAddress: 9 are more than all connections, "
		"which are 8" },
	{ CLIENT("], 'limits': { 'admin': { 'connectionsPerAddress': "
		"@@5000 } }"), "connectionsPerAddress: 5000 are more" },
	{ SERVE("{ 'addresses': ['10.0.0.1'], 'name': @@'p', 'apps': [] }"),
		"peer \"p\": has no \"apps\": whatever it asks for" },
	{ CLIENT("{ 'name': @@'a', 'domains': ['a.example'] }]"),
		"app \"a\": has no \"connectors\": clients get magic" },
	{ CLIENT(TWO_APPS("'b.example', '*.A.example'",
		"'a.example', @@'*.a.example'")), "domain \"*.a.example\": "
		"app \"a\" of line 1 has it, and the first one counts" },
	{ CLIENT("], 'runDir': @@'run'"), "runDir: is relative to where" },
	{ CLIENT("], 'stateDir': @@'./state'"),
		"stateDir: is relative to where" },
};

START_TEST(warnings)
{
	check_one(&warning_rows[_i], 0, true);
}
END_TEST

/* ---- many at once ------------------------------------------------------- */

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

/* ---- files -------------------------------------------------------------- */

struct place {
	char dir[64];
	char file[96];
};

static void
place_make(struct place *p, const char *content)
{
	FILE *f;

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/check_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->dir));
	(void)snprintf(p->file, sizeof(p->file), "%s/c.json", p->dir);
	if (content == NULL)
		return;
	f = fopen(p->file, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert(fputs(content, f) >= 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
place_remove(struct place *p)
{
	(void)unlink(p->file);
	(void)rmdir(p->dir);
}

START_TEST(load_file)
{
	struct c25_config_errors errs = { 0 };
	struct c25_config *cfg;
	struct place p;

	place_make(&p, SAMPLE(KEY_TEXT));
	ck_assert_int_eq(c25_config_load(p.file, &cfg, &errs), 0);
	ck_assert_str_eq(cfg->file, p.file);
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
	place_remove(&p);
}
END_TEST

static void
load_must_fail(const char *file, int r, const char *why)
{
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg;

	ck_assert_int_eq(c25_config_load(file, &cfg, &errs), r);
	ck_assert_ptr_null(cfg);
	ck_assert_uint_eq(c25_config_error_count(&errs), 1);
	(void)c25_config_error_line(&errs, 0, line);
	ck_assert_msg(strncmp(line, file, strlen(file)) == 0 &&
		strstr(line, why) != NULL, "'%s' is not in '%s'", why, line);
	c25_config_errors_free(&errs);
}

START_TEST(load_no_file)
{
	struct place p;

	place_make(&p, NULL);
	load_must_fail(p.file, -ENOENT, ": error: configuration: can't be "
		"read (No such file or directory): name another with -c");
	load_must_fail(p.dir, -EISDIR, "can't be read (Is a directory)");
	load_must_fail("/dev/null", -EINVAL, ":1:1: error: syntax: there is "
		"nothing");
	place_remove(&p);
}
END_TEST

START_TEST(load_forbidden)
{
	struct place p;

	uid_t self = geteuid();

	if (self == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	place_make(&p, "{}");
	ck_assert_int_eq(chmod(p.file, 0), 0);
	load_must_fail(p.file, -EACCES, "can't be read (Permission denied): "
		"let this user read it");
	place_remove(&p);
	/* as it was: LeakSanitizer traces a process that can be dumped */
	ck_assert_int_eq(seteuid(self), 0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}
END_TEST

START_TEST(load_too_large)
{
	struct place p;

	place_make(&p, "");
	ck_assert_int_eq(truncate(p.file, (off_t)C25_CONFIG_SIZE_MAX + 1), 0);
	load_must_fail(p.file, -EFBIG, "is this the right file?");
	place_remove(&p);
}
END_TEST

/* ---- questions ---------------------------------------------------------- */

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

/* ---- compiling ---------------------------------------------------------- */

static const uint8_t hash_key[16] = { 1, 2, 3 };

static struct c25_policy *
compile(const struct c25_config *cfg, const uint16_t *regs)
{
	struct c25_policy *policy;
	struct c25_error err = { "" };
	uint8_t *blob;
	size_t len;

	ck_assert_msg(c25_compile(cfg, regs, 7, hash_key, &blob, &len,
		&err) == 0, "%s", err.text);
	ck_assert_msg(c25_policy_load(blob, len, &policy, &err) == 0, "%s",
		err.text);
	return policy;
}

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

/* ---- whatever the bytes ------------------------------------------------- */

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One to four changes: bytes, cuts, copies, and pieces of syntax. */
static size_t
mutate(char *text, size_t len, size_t room, uint64_t *state)
{
	static const char *const pieces[] = { "{", "}", "[", "]", ",", ":",
		"\"", "\\", "/*", "*/", "//", "\\u0000", "-", "1e9", "*",
		"null", "\"name\":", "::", "/33", "\xff", "\xc3" };
	size_t changes = 1 + next_random(state) % 4;

	while (changes-- > 0 && len > 8) {
		size_t at = next_random(state) % len;
		size_t n = 1 + next_random(state) % 40;
		const char *piece = pieces[next_random(state) %
			(sizeof(pieces) / sizeof(*pieces))];

		switch (next_random(state) % 4) {
		case 0:
			text[at] = (char)next_random(state);
			break;
		case 1:
			n = n > len - at ? len - at : n;
			memmove(text + at, text + at + n, len - at - n);
			len -= n;
			break;
		case 2:
			n = n > len - at ? len - at : n;
			if (len + n > room)
				break;
			memmove(text + at + n, text + at, len - at);
			len += n;
			break;
		default:
			n = strlen(piece);
			if (n > len - at)
				break;
			memcpy(text + at, piece, n);
		}
	}
	return len;
}

START_TEST(never_crashes)
{
	static const char sample[] = SAMPLE(KEY_TEXT);
	const char *given = getenv("C25_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 0) :
		(uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
	uint64_t state = seed | 1;
	size_t good_count = 0;

	/* shown by libcheck only if it fails; run again with C25_SEED */
	(void)fprintf(stderr, "check_config: C25_SEED=%llu\n",
		(unsigned long long)seed);
	for (int i = 0; i < 5000; i++) {
		struct c25_config_errors errs = { 0 };
		size_t room = sizeof(sample) + 200, len = sizeof(sample) - 1;
		char *text = malloc(room), *exact;
		struct c25_config *cfg;
		int r;

		ck_assert_ptr_nonnull(text);
		memcpy(text, sample, len);
		len = mutate(text, len, room, &state);
		exact = malloc(len);	/* so that ASan sees its end */
		ck_assert_ptr_nonnull(exact);
		memcpy(exact, text, len);
		r = c25_config_parse(exact, len, "f", &cfg, &errs);
		ck_assert(r == 0 || r == -EINVAL);
		ck_assert((r == 0) == (errs.errors == 0));
		for (size_t k = 0; k < errs.count; k++)
			ck_assert(errs.items[k].at <= len);
		if (r == 0) {
			good_count++;
			c25_policy_unref(compile(cfg, NULL));
		}
		c25_config_free(cfg);
		c25_config_errors_free(&errs);
		free(exact);
		free(text);
	}
	ck_assert_uint_gt(good_count, 0);
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
	ADD_ROWS(tc, bad_ones, bad_rows);
	ADD_ROWS(tc, warnings, warning_rows);
	tcase_add_test(tc, all_in_order);
	tcase_add_test(tc, wide_overlap);
	tcase_add_test(tc, more_than_shown);
	tcase_add_test(tc, many_warnings);
	tcase_add_loop_test(tc, too_many_connectors, C25_CONNECTORS_MAX,
		C25_CONNECTORS_MAX + 2);
	tcase_add_test(tc, hundred_thousand_domains);
	tcase_add_test(tc, load_file);
	tcase_add_test(tc, load_no_file);
	tcase_add_test(tc, load_forbidden);
	tcase_add_test(tc, load_too_large);
	tcase_add_test(tc, app_connectors);
	tcase_add_test(tc, app_self);
	ADD_ROWS(tc, app_allows, allow_rows);
	tcase_add_test(tc, app_find);
	tcase_add_test(tc, compile_matches);
	tcase_add_test(tc, compile_self);
	tcase_add_test(tc, compile_connector_only);
	tcase_add_test(tc, compile_ranges);
	tcase_add_test(tc, never_crashes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
