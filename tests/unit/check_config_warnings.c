/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the configuration: what is accepted, but not without a word. */

#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

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
	{ CLIENT("{ 'name': 'a', 'connectors': ['t', @@'c'] }], "
		"'connectors': [{ 'name': 'c', 'tags': ['t'], " URL " }]"),
		"tag \"c\": is the name of a connector, and no tag: add it "
		"to the \"tags\" of that one" },
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
	must_say(&warning_rows[_i], 0, true);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_warnings");
	TCase *tc = tcase_create("config_warnings");

	tcase_set_timeout(tc, 120);
	ADD_ROWS(tc, warnings, warning_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
