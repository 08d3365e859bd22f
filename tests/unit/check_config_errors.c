/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the configuration: what is refused, where, and in which words. */

#include <errno.h>

#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

#define KEYS_4 "'" KEY_TEXT "','" KEY_TEXT "','" KEY_TEXT "','" KEY_TEXT "'"
#define SECURE(scheme, rest) "{ 'listen': { 'transitIP': @@'" scheme \
	"://127.0.0.1:1'" rest " }, 'apps': [{ 'name': 'a', " \
	"'destinations': [] }], 'peers': " \
	"[{ 'name': 'p', 'addresses': ['::1'], 'apps': ['a'] }] }"
#define LIMITS(rest) CLIENT("], 'limits': { " rest " }")

#define E5 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
#define E45 E5 E5 E5 E5 E5 E5 E5 E5 E5

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
	{ CLIENT("], @@'zebra': 1"), "zebra: unknown key: known here are "
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

START_TEST(bad_ones)
{
	must_say(&bad_rows[_i], -EINVAL, false);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_errors");
	TCase *tc = tcase_create("config_errors");

	tcase_set_timeout(tc, 120);
	ADD_ROWS(tc, bad_ones, bad_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
