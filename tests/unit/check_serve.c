/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the connector role: who may ask and what becomes of an entry. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sidecar/config.h"
#include "sidecar/serve_private.h"
#include "tests/unit/demo.h"
#include "tests/unit/suite.h"

static struct c25_serve *s;
static struct c25_config *cfg;
static struct c25_buf out;

static const char demo[] = "{ 'apps': ["
    "{ 'name': 'wiki', 'destinations': ['10.0.0.0/8', 'fd00::/16',"
    "    '127.0.0.0/8', '::ffff:0:0/96'] },"
    "{ 'name': 'mail', 'destinations': ['10.0.0.0/8'] } ],"
    "'listen': { 'transitIP': 'http://127.0.0.1:8025' },"
    "'peers': ["
    "{ 'name': 'edge', 'addresses': ['10.9.0.1', 'fd99::1'],"
    "  'apps': ['wiki', 'ghost'] },"
    "{ 'name': 'four', 'addresses': ['10.9.0.2'],"
    "  'apps': ['wiki', 'mail'] },"
    "{ 'name': 'none', 'addresses': ['10.9.0.3'] },"
    "{ 'name': 'key', 'addresses': ['10.9.0.4'], 'publicKey':"
    "  'JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=',"
    "  'apps': ['wiki'] } ] }";

static void
setup(void)
{
	struct c25_addr own[] = { addr("10.9.0.254"), addr("fd00::254") };
	struct c25_error err;

	ck_assert_int_eq(c25_serve_new(&s, &err), 0);
	c25_serve_own_set(s, own, 2);
	cfg = parse(demo);
	ck_assert_int_eq(c25_serve_configure(s, cfg, &err), 0);
}

static void
teardown(void)
{
	c25_serve_free(s);
	c25_config_free(cfg);
	c25_buf_free(&out);
}

static int
ask(const char *source, const char *body)
{
	struct c25_addr a = addr(source);

	return c25_serve_request(s, &a, body, strlen(body), 1000, &out);
}

static const struct {
	const char *source;
	int status;
} admit_rows[] = {
	{ "10.9.0.1", 200 },
	{ "::ffff:10.9.0.1", 200 },
	{ "fd99::1", 200 },
	{ "10.9.0.3", 200 },		/* known, may use nothing */
	{ "10.9.0.4", 401 },		/* has a key */
	{ "10.9.0.5", 403 },
	{ "fd99::2", 403 },
	{ "127.0.0.1", 403 },
};

START_TEST(admit)
{
	ck_assert_int_eq(ask(admit_rows[_i].source, "{}"),
	    admit_rows[_i].status);
	if (admit_rows[_i].status == 200)
		ck_assert_str_eq(out.data, "{}");
	else
		ck_assert_uint_eq(c25_serve_stats(s)->denied, 1);
	ck_assert_uint_eq(c25_serve_stats(s)->requests, 1);
}
END_TEST

START_TEST(without_the_role_503)
{
	struct c25_error err;

	ck_assert_int_eq(c25_serve_configure(s, NULL, &err), 0);
	ck_assert_int_eq(ask("10.9.0.1", "{}"), 503);
	ck_assert_int_eq(ask("10.9.0.5", "x"), 503);
}
END_TEST

START_TEST(bad_bodies_400)
{
	ck_assert_int_eq(ask("10.9.0.1", "{"), 400);
	ck_assert_int_eq(ask("10.9.0.1", "{\"transitIPs\":[{\"transitIP\":"
	    "\"1.2.3\"}]}"), 400);
	ck_assert_int_eq(ask("10.9.0.5", "{"), 403);	/* the source first */
}
END_TEST

/* One entry: transit, destination, app, asked by whom, and the code. */
static const struct {
	const char *source, *transit, *destination, *app;
	int code;
} entry_rows[] = {
	{ "10.9.0.1", "169.254.64.1", "10.1.2.3", "wiki", 0 },
	{ "10.9.0.1", "fd25::1", "fd00::1", "wiki", 0 },
	{ "fd99::1", "169.254.64.1", "10.1.2.3", "wiki", 0 },
	/* 6 before everything else, for known and unknown apps alike */
	{ "10.9.0.1", "169.254.64.1", "10.1.2.3", "mail", 6 },
	{ "10.9.0.1", "169.254.64.1", "10.1.2.3", "nope", 6 },
	{ "10.9.0.1", "169.254.64.1", "10.1.2.3", "", 6 },
	{ "10.9.0.1", "169.254.64.1", "10.1.2.3", "WIKI", 6 },
	{ "10.9.0.3", "169.254.64.1", "10.1.2.3", "wiki", 6 },
	{ "10.9.0.1", "", "", "mail", 6 },
	/* 5: granted, not defined; before unset addresses */
	{ "10.9.0.1", "169.254.64.1", "10.1.2.3", "ghost", 5 },
	{ "10.9.0.1", "", "", "ghost", 5 },
	/* 1: unset, before families */
	{ "10.9.0.1", "", "10.1.2.3", "wiki", 1 },
	{ "10.9.0.1", "169.254.64.1", "", "wiki", 1 },
	{ "10.9.0.1", "", "", "wiki", 1 },
	/* 4: families, before the peer's */
	{ "10.9.0.1", "169.254.64.1", "fd00::1", "wiki", 4 },
	{ "10.9.0.2", "fd25::1", "10.1.2.3", "wiki", 4 },
	{ "10.9.0.1", "169.254.64.1", "::ffff:10.1.2.3", "wiki", 4 },
	/* 3: before the destination */
	{ "10.9.0.2", "fd25::1", "fd00::1", "wiki", 3 },
	{ "10.9.0.2", "fd25::1", "::1", "wiki", 3 },
	/* 1: where it may not lead */
	{ "10.9.0.1", "169.254.64.1", "192.0.2.1", "wiki", 1 },
	{ "10.9.0.1", "169.254.64.1", "127.0.0.1", "wiki", 1 },
	{ "10.9.0.1", "169.254.64.1", "10.9.0.254", "wiki", 1 },
	{ "10.9.0.1", "fd25::1", "fd00::254", "wiki", 1 },
	{ "10.9.0.1", "fd25::1", "::ffff:10.1.2.3", "wiki", 1 },
	{ "10.9.0.1", "::ffff:169.254.64.1", "fd00::1", "wiki", 1 },
};

START_TEST(entry)
{
	char body[512], want[32];

	(void)snprintf(body, sizeof(body), "{\"transitIPs\":[{"
	    "\"transitIP\":\"%s\",\"destinationIP\":\"%s\",\"app\":\"%s\"}]}",
	    entry_rows[_i].transit, entry_rows[_i].destination,
	    entry_rows[_i].app);
	ck_assert_int_eq(ask(entry_rows[_i].source, body), 200);
	(void)snprintf(want, sizeof(want), entry_rows[_i].code == 0 ?
	    "{\"transitIPs\":[{}]}" : "{\"transitIPs\":[{\"code\":%d,",
	    entry_rows[_i].code);
	ck_assert_int_eq(strncmp(out.data, want, strlen(want)), 0);
	ck_assert_uint_eq(c25_mappings_count(c25_serve_mappings(s)),
	    entry_rows[_i].code == 0);
}
END_TEST

/* Digits of the codes for a request of entries "transit>destination@app". */
static const char *
codes_of(const char *const *entries, char codes[16])
{
	struct c25_wire_entry e[16] = { 0 };
	char t[64], d[64], app[16][32];
	uint8_t c[16];
	size_t n = 0;

	for (; entries[n] != NULL; n++) {
		ck_assert_int_eq(sscanf(entries[n], "%63[^>]>%63[^@]@%31s",
		    t, d, app[n]), 3);
		e[n] = (struct c25_wire_entry){ addr(t), addr(d), app[n],
		    "" };
	}
	c25_serve_entries(s, 0, e, n, 1000, c);
	for (size_t i = 0; i < n; i++)
		codes[i] = (char)('0' + c[i]);
	codes[n] = '\0';
	return codes;
}

START_TEST(duplicates_count_from_the_first_accepted)
{
	static const char *const rows[] = {
		"169.254.64.1>192.0.2.1@wiki",	/* refused: not seen */
		"169.254.64.1>10.0.0.1@wiki",
		"169.254.64.1>10.0.0.2@wiki",
		"169.254.64.1>10.0.0.2@mail",	/* 2 comes before 6 */
		"169.254.64.2>10.0.0.1@wiki",
		"169.254.64.2>192.0.2.1@wiki",
		NULL
	};
	struct c25_addr t = addr("169.254.64.1"), d = addr("10.0.0.1");
	struct c25_mapping it;
	char codes[16];

	ck_assert_str_eq(codes_of(rows, codes), "102202");
	ck_assert_int_eq(c25_mappings_get(c25_serve_mappings(s), 0, &t, 1000,
	    &it), 0);
	ck_assert(c25_addr_eq(&it.destination, &d));
	/* another request may map it anew: the newest wins */
	ck_assert_str_eq(codes_of(rows + 2, codes), "0202");
}
END_TEST

START_TEST(a_large_request_has_its_duplicates_found)
{
	enum { N = 5000 };
	static struct c25_wire_entry e[N];
	static uint8_t codes[N];

	for (unsigned i = 0; i < N; i++) {
		unsigned k = i % (N - 10);

		e[i] = (struct c25_wire_entry){
		    c25_addr_v4((uint8_t[]){ 169, 254, (uint8_t)(k >> 8),
		    (uint8_t)k }), addr("10.0.0.1"), "wiki", "" };
	}
	c25_serve_entries(s, 0, e, N, 1000, codes);
	for (unsigned i = 0; i < N; i++)
		ck_assert_uint_eq(codes[i], i < N - 10 ? 0 : 2);
	/* and a small one after it starts from nothing */
	c25_serve_entries(s, 0, e, 2, 1000, codes);
	ck_assert_uint_eq(codes[0] + codes[1], 0);
	ck_assert_uint_eq(c25_serve_stats(s)->mappings_ok, N - 10 + 2);
	ck_assert_uint_eq(c25_serve_stats(s)->mappings_refused, 10);
}
END_TEST

START_TEST(a_reload_drops_what_is_no_longer_allowed)
{
	static const char *const rows[] = { "169.254.64.1>10.0.0.1@wiki",
		"169.254.64.2>10.1.0.1@wiki", NULL };
	static const char less[] = "{ 'apps': [{ 'name': 'wiki',"
	    "'destinations': ['10.1.0.0/16'] }],"
	    "'listen': { 'transitIP': 'http://127.0.0.1:8025' },"
	    "'peers': [{ 'name': 'edge', 'addresses': ['10.9.0.1'],"
	    "'apps': ['wiki'] }] }";
	struct c25_config *old = cfg;
	struct c25_error err;
	char codes[16];

	ck_assert_str_eq(codes_of(rows, codes), "00");
	cfg = parse(less);
	ck_assert_int_eq(c25_serve_configure(s, cfg, &err), 0);
	c25_config_free(old);
	ck_assert_uint_eq(c25_mappings_count(c25_serve_mappings(s)), 1);
	ck_assert_int_eq(ask("10.9.0.2", "{}"), 403);
	ck_assert_int_eq(ask("10.9.0.1", "{}"), 200);
	ck_assert_int_eq(c25_serve_configure(s, NULL, &err), 0);
	ck_assert_uint_eq(c25_mappings_count(c25_serve_mappings(s)), 0);
}
END_TEST

static void
reload(const char *quoted)
{
	struct c25_config *old = cfg;
	struct c25_error err;

	cfg = parse(quoted);
	ck_assert_int_eq(c25_serve_configure(s, cfg, &err), 0);
	c25_config_free(old);
}

#define PEERS(list) "{ 'apps': [{ 'name': 'wiki', 'destinations':" \
	"['10.0.0.0/8'] }, { 'name': 'mail', 'destinations':" \
	"['10.0.0.0/8'] }], 'listen': { 'transitIP':" \
	"'http://127.0.0.1:8025' }, 'peers': [" list "] }"
#define PEER_WIKI "{ 'name': 'w', 'addresses': ['10.9.1.1']," \
	"'apps': ['wiki'] }"
#define PEER_MAIL "{ 'name': 'm', 'addresses': ['10.9.1.2']," \
	"'apps': ['mail'] }"
#define PEER_NONE "{ 'name': 'n', 'addresses': ['10.9.1.3'], 'apps': [] }"

/* Each mapping is judged by what its own peer may, wherever that stands. */
START_TEST(a_reload_finds_peers_in_other_places)
{
	static const struct {
		const char *config;
		size_t left;
	} rows[] = {
		{ PEERS(PEER_NONE "," PEER_MAIL "," PEER_WIKI), 2 },
		{ PEERS(PEER_WIKI "," PEER_NONE), 1 },
		{ PEERS(PEER_NONE "," PEER_MAIL), 0 },
	};

	reload(PEERS(PEER_WIKI "," PEER_MAIL));
	ck_assert_int_eq(ask("10.9.1.1", "{\"transitIPs\":[{\"transitIP\":"
	    "\"169.254.64.1\",\"destinationIP\":\"10.0.0.1\",\"app\":"
	    "\"wiki\"}]}"), 200);
	ck_assert_int_eq(ask("10.9.1.2", "{\"transitIPs\":[{\"transitIP\":"
	    "\"169.254.64.1\",\"destinationIP\":\"10.0.0.1\",\"app\":"
	    "\"mail\"}]}"), 200);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		reload(rows[i].config);
		ck_assert_uint_eq(c25_mappings_count(c25_serve_mappings(s)),
		    rows[i].left);
	}
}
END_TEST

/* What a request would be refused is not taken back either. */
START_TEST(restoring_checks_as_a_request_does)
{
	struct c25_addr a = addr(entry_rows[_i].source), t = { 0 }, d = { 0 };
	const char *text = entry_rows[_i].transit, *why;
	uint32_t peer;

	ck_assert_int_eq(c25_serve_admit(s, &a, &peer, &why), 200);
	if (*text != '\0')
		t = addr(text);
	text = entry_rows[_i].destination;
	if (*text != '\0')
		d = addr(text);
	ck_assert_int_eq(c25_serve_restore(s, cfg->peers[peer].name, &t, &d,
	    entry_rows[_i].app, 7), entry_rows[_i].code == 0 ? 0 : -EPERM);
	ck_assert_uint_eq(c25_mappings_count(c25_serve_mappings(s)),
	    entry_rows[_i].code == 0);
}
END_TEST

START_TEST(restoring_needs_the_peer_and_the_role)
{
	struct c25_addr t = addr("169.254.64.1"), d = addr("10.1.2.3");
	struct c25_mapping it;
	struct c25_error err;
	size_t cursor = 0;

	ck_assert_int_eq(c25_serve_restore(s, "gone", &t, &d, "wiki", 7),
	    -EPERM);
	ck_assert_int_eq(c25_serve_restore(s, "four", &t, &d, "mail", 7), 0);
	ck_assert_int_eq(c25_serve_restore(s, "edge", &t, &d, "wiki", 7), 0);
	ck_assert_int_eq(c25_serve_restore(s, "edge", &t, &d, "wiki", 7),
	    -EEXIST);
	ck_assert(c25_mappings_next(c25_serve_mappings(s), &cursor, &it));
	ck_assert_str_eq(it.peer, "four");
	ck_assert_str_eq(it.app, "mail");
	ck_assert_uint_eq(it.sent_ms, 7);
	ck_assert_int_eq(c25_serve_configure(s, NULL, &err), 0);
	ck_assert_int_eq(c25_serve_restore(s, "edge", &t, &d, "wiki", 7),
	    -EPERM);
}
END_TEST

START_TEST(an_epoch_can_be_gone_on_with)
{
	c25_serve_epoch_set(s, "0123456789abcdef0123456789abcdef");
	ck_assert_str_eq(c25_serve_epoch(s),
	    "0123456789abcdef0123456789abcdef");
}
END_TEST

START_TEST(epochs_differ)
{
	struct c25_serve *other;
	struct c25_error err;

	ck_assert_int_eq(c25_serve_new(&other, &err), 0);
	ck_assert_str_ne(c25_serve_epoch(s), c25_serve_epoch(other));
	ck_assert_uint_eq(strlen(c25_serve_epoch(s)), 32);
	c25_serve_free(other);
}
END_TEST

/* ---- destinations that are verified -------------------------------------- */

static struct c25_verify_name *looked_up;

static int
on_start(void *ctx, struct c25_verify_name *name, const char *domain,
    enum c25_family family)
{
	looked_up = name;
	ck_assert_str_eq(domain, "wiki.example");
	return 0;
}

static void
nothing(void *ctx)
{
}

#define ENTRY(destination, domain) "{\"transitIPs\":[{\"transitIP\":" \
	"\"169.254.64.1\",\"destinationIP\":\"" destination "\"," \
	"\"app\":\"wiki\"" domain "}]}"
#define WIKI ",\"domain\":\"wiki.example\""

static const struct {
	const char *body, *answer;
} verified_rows[] = {
	{ ENTRY("10.0.0.1", WIKI), "{}" },
	{ ENTRY("10.0.0.2", WIKI), "{\"code\":1,\"message\":\"destination is "
	    "no address of wiki.example\"}" },
	{ ENTRY("10.0.0.1", ""), "{\"code\":1,\"message\":\"this app's "
	    "destinations are verified: the entry needs its domain\"}" },
	{ ENTRY("10.0.0.1", ",\"domain\":\"x.example\""), "{\"code\":1,"
	    "\"message\":\"no domain of this app: x.example\"}" },
	/* what comes before */
	{ ENTRY("192.0.2.1", WIKI), "{\"code\":1,\"message\":\"mapping "
	    "refused\"}" },
};

START_TEST(verified)
{
	static const char demo_verified[] = "{ 'apps': [{ 'name': 'wiki',"
	    "'domains': ['wiki.example'], 'verifyDestinations': true,"
	    "'destinations': ['10.0.0.0/8'] }], 'listen': { 'transitIP':"
	    "'http://127.0.0.1:8025' }, 'peers': [{ 'name': 'edge',"
	    "'addresses': ['10.9.0.1'], 'apps': ['wiki'] }] }";
	struct c25_config *old = cfg;
	struct c25_addr a = addr("10.0.0.1");
	struct c25_verify_wait *w;
	struct c25_verify *v = c25_serve_verify(s);
	struct c25_error err;
	char want[256];

	cfg = parse(demo_verified);
	ck_assert_int_eq(c25_serve_configure(s, cfg, &err), 0);
	c25_config_free(old);
	c25_verify_resolver(v, on_start, NULL);
	/* nobody can be made to wait here: come again */
	ck_assert_int_eq(ask("10.9.0.1", ENTRY("10.0.0.1", WIKI)), 200);
	ck_assert_ptr_nonnull(strstr(out.data, "again later: wiki.example"));
	w = c25_verify_wait_new(v, 0, 1000);
	ck_assert_int_eq(c25_verify_ask(v, &(struct c25_verify_question){
	    .domain = "wiki.example", .destination = &a }, 1000, w),
	    C25_VERDICT_WAIT);
	c25_verify_wait_start(w, nothing, NULL, 1000);
	c25_verify_answer(v, looked_up, &(struct c25_verify_answer){
	    .found = C25_FOUND_ANSWER, .addresses = &a, .count = 1 }, 1000);
	ck_assert_int_eq(ask("10.9.0.1", verified_rows[_i].body), 200);
	(void)snprintf(want, sizeof(want), "{\"transitIPs\":[%s]}",
	    verified_rows[_i].answer);
	ck_assert_str_eq(out.data, want);
	ck_assert_uint_eq(c25_mappings_count(c25_serve_mappings(s)), _i == 0);
	/* a mapping that was accepted comes back from the database */
	ck_assert_int_eq(c25_serve_restore(s, "edge", &(struct c25_addr){
	    .family = C25_V4, .bytes = { 169, 254, 64, 9 } }, &a, "wiki", 7),
	    0);
}
END_TEST

/* ---- what the log says of refusals --------------------------------------- */

static FILE *captured;
static char logged[65536];

static unsigned
lines_with(const char *what)
{
	ssize_t n = pread(fileno(captured), logged, sizeof(logged) - 1, 0);
	unsigned lines = 0;

	ck_assert_int_ge(n, 0);
	logged[n] = '\0';
	for (const char *t = logged; (t = strstr(t, what)) != NULL;
	    t += strlen(what))
		lines++;
	return lines;
}

static void
setup_log(void)
{
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
	setup();
}

/* One entry of a peer. Returns: its code. */
static uint8_t
put(uint32_t peer, const char *app, const char *transit,
    const char *destination, uint64_t now_ms)
{
	struct c25_wire_entry e = { .app = app };
	uint8_t code;

	if (*transit != '\0')
		e.transit = addr(transit);
	if (*destination != '\0')
		e.destination = addr(destination);
	c25_serve_entries(s, peer, &e, 1, now_ms, &code);
	return code;
}

static const struct {
	const char *transit, *destination;
	const char *said;
} why_rows[] = {
	{ "10.8.0.1", "11.0.0.1", "11.0.0.1 is not among \"destinations\"" },
	{ "10.8.0.1", "10.9.0.254", "10.9.0.254 is this host's own address" },
	{ "10.8.0.1", "127.0.0.1", "whatever \"destinations\" say: loopback" },
	{ "10.8.0.1", "169.254.1.1", "say: link-local" },
	{ "10.8.0.1", "224.0.0.1", "say: multicast" },
	{ "10.8.0.1", "0.0.0.0", "say: unspecified" },
	{ "10.8.0.1", "255.255.255.255", "say: broadcast" },
	{ "10.8.0.1", "240.0.0.1", "say: reserved" },
	{ "10.8.0.1", "100.100.100.200", "say: a cloud's metadata" },
	{ "fd01::1", "fd00:ec2::254", "say: a cloud's metadata" },
	{ "fd01::1", "64:ff9b::7f00:1", "it leads to 127.0.0.1, loopback" },
	{ "fd01::1", "64:ff9b::a09:fe", "own address (10.9.0.254)" },
	{ "fd01::1", "::ffff:10.0.0.1", "IPv4-mapped addresses are never" },
	{ "10.8.0.1", "", "an address of it is missing" },
};

/* Code 1 has many causes: the log names the one it was. */
START_TEST(the_log_says_which_cause)
{
	ck_assert_uint_eq(put(0, "wiki", why_rows[_i].transit,
	    why_rows[_i].destination, 1000), C25_WIRE_OTHER);
	ck_assert_uint_eq(lines_with("of app wiki is refused, code 1: "), 1);
	ck_assert_uint_eq(lines_with(why_rows[_i].said), 1);
}
END_TEST

START_TEST(the_log_says_that_a_peer_has_too_many)
{
	c25_mappings_limit(c25_serve_mappings(s), 1);
	ck_assert_uint_eq(put(0, "wiki", "10.8.0.1", "10.0.0.1", 1000), 0);
	ck_assert_uint_eq(put(0, "wiki", "10.8.0.2", "10.0.0.1", 1000),
	    C25_WIRE_OTHER);
	ck_assert_uint_eq(lines_with("code 1: the peer has too many mappings"),
	    1);
}
END_TEST

/* Nothing hides behind what is refused of another app, code or cause. */
START_TEST(the_log_has_each_cause_once_in_ten_minutes)
{
	for (uint64_t t = 1000; t < 600000; t += 1000) {
		ck_assert_uint_eq(put(1, "wiki", "10.8.0.1", "11.0.0.1", t), 1);
		ck_assert_uint_eq(put(1, "mail", "10.8.0.1", "11.0.0.1", t), 1);
		ck_assert_uint_eq(put(1, "wiki", "10.8.0.1", "127.0.0.1", t),
		    1);
		ck_assert_uint_eq(put(1, "wiki", "fd01::1", "fd00::1", t), 3);
		ck_assert_uint_eq(put(0, "wiki", "10.8.0.1", "11.0.0.1", t), 1);
	}
	ck_assert_uint_eq(lines_with(" is refused, code "), 5);
	ck_assert_uint_eq(lines_with("peer four: 11.0.0.1 of app wiki"), 1);
	ck_assert_uint_eq(lines_with("peer four: 11.0.0.1 of app mail"), 1);
	ck_assert_uint_eq(lines_with("peer four: 127.0.0.1 of app wiki"), 1);
	ck_assert_uint_eq(lines_with("peer four: fd00::1 of app wiki is "
	    "refused, code 3: "), 1);
	ck_assert_uint_eq(lines_with("peer edge: 11.0.0.1 of app wiki"), 1);
	ck_assert_uint_eq(lines_with("such since"), 0);
	ck_assert_uint_eq(put(1, "mail", "10.8.0.1", "11.0.0.1", 601000), 1);
	ck_assert_uint_eq(lines_with("(599 such since the last message)"), 1);
}
END_TEST

/* A peer that invents apps has no endless log of it. */
START_TEST(the_log_of_refusals_is_bounded)
{
	char name[16];

	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "app%d", i);
		ck_assert_uint_eq(put(0, name, "10.8.0.1", "10.0.0.1", 1000),
		    C25_WIRE_FORBIDDEN);
	}
	ck_assert_uint_eq(lines_with("peer edge: "), C25_CAUSES);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("serve");
	TCase *tc = tcase_create("serve"), *log = tcase_create("log");

	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, admit, admit_rows);
	tcase_add_test(tc, without_the_role_503);
	tcase_add_test(tc, bad_bodies_400);
	ADD_ROWS(tc, entry, entry_rows);
	tcase_add_test(tc, duplicates_count_from_the_first_accepted);
	tcase_add_test(tc, a_large_request_has_its_duplicates_found);
	tcase_add_test(tc, a_reload_drops_what_is_no_longer_allowed);
	tcase_add_test(tc, a_reload_finds_peers_in_other_places);
	ADD_ROWS(tc, restoring_checks_as_a_request_does, entry_rows);
	tcase_add_test(tc, restoring_needs_the_peer_and_the_role);
	tcase_add_test(tc, an_epoch_can_be_gone_on_with);
	tcase_add_test(tc, epochs_differ);
	ADD_ROWS(tc, verified, verified_rows);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(log, setup_log, teardown);
	ADD_ROWS(log, the_log_says_which_cause, why_rows);
	tcase_add_test(log, the_log_says_that_a_peer_has_too_many);
	tcase_add_test(log, the_log_has_each_cause_once_in_ten_minutes);
	tcase_add_test(log, the_log_of_refusals_is_bounded);
	suite_add_tcase(suite, log);
	return run_suite(suite);
}
