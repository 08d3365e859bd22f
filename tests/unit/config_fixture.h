/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of the configuration: texts that are complete but for what a row
 * of a table is about, and what must become of them. In these ' stands for ",
 * and @@ for the place of the message.
 *
 *	cfg = good(CONNECTOR("," URL));		nothing is wrong with it
 *	cfg = warned(CLIENT("..."), 1);		one warning
 *	must_say(&row, -EINVAL, false);		one error, as in the row
 */
#ifndef CONN25_TESTS_CONFIG_FIXTURE_H
#define CONN25_TESTS_CONFIG_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/policy.h"
#include "sidecar/compile.h"
#include "sidecar/config.h"
#include "tests/unit/config_said.h"

/* Key bytes 0..31, in base64. */
#define KEY_TEXT "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="

/* ---- texts -------------------------------------------------------------- */

#define POOLS "'pools': { 'v4MagicIPPool': ['100.64.0.0/16'], " \
	"'v4TransitIPPool': ['169.254.64.0/18'] }"
#define CLIENT(rest) "{" POOLS ", 'apps': [" rest "}"

#define APP(rest) CLIENT("{ 'name': 'a', 'connectors': ['t']" rest " }]" \
	", 'connectors': [{ 'name': 'c', 'url': 'http://h', 'tags': ['t'] }]")
#define CONNECTOR(rest) CLIENT("], 'connectors': [{ 'name': 'c'" rest " }]")
#define URL "'url': 'http://h'"

#define SERVE(rest) "{ 'listen': { 'transitIP': 'http://127.0.0.1:1' }, " \
	"'apps': [{ 'name': 'a', 'destinations': [] }], 'peers': [" rest "] }"
#define PEER_APPS(rest) SERVE("{ 'name': 'p', 'addresses': ['10.0.0.1']" rest \
	" }")
#define PEER(rest) PEER_APPS(", 'apps': ['a']" rest)

#define PIN "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HTTPS(tls) CONNECTOR(", 'url': 'https://h', " tls)
#define TLS_FILES "{ 'certificateFile': '/c', 'privateKeyFile': '/k' }"

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

/* ---- what becomes of them ----------------------------------------------- */

struct text {
	char *data;
	size_t len;
	unsigned line, column;		/* of @@, or 0 */
};

/* Quotes put in, the marker taken out. */
static inline struct text
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

static inline void
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
static inline struct c25_config *
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

static inline struct c25_config *
good(const char *row)
{
	return warned(row, 0);
}

struct bad_row {
	const char *text;
	const char *why;		/* how the message begins */
};

/* One message and no other: an error with -EINVAL, or a warning with 0. */
static inline void
must_say(const struct bad_row *row, int r, bool warning)
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
	ck_assert_msg(is_said(errs.items[0].text, row->why), "'%s' is not in "
		"it:\n%s", row->why, lines);
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

/* The policy of a good one, with the registry numbers of its connectors. */
static inline struct c25_policy *
compile(const struct c25_config *cfg, const uint16_t *regs)
{
	static const uint8_t hash_key[16] = { 1, 2, 3 };
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

#endif
