/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of mappings over restarts: a server, its store, and the next server
 * with the same or another configuration. */

#include <errno.h>

#include "sidecar/persist.h"
#include "tests/unit/demo.h"
#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

#define LIFE C25_MAPPING_LIFE_MS

#define LISTEN "'listen': { 'transitIP': 'http://127.0.0.1:8025' },"
#define WIKI "{ 'name': 'wiki', 'destinations': ['10.0.0.0/8'," \
	" 'fd00::/16'] }"
#define MAIL "{ 'name': 'mail', 'destinations': ['10.0.0.0/8'] }"
#define EDGE "{ 'name': 'edge', 'addresses': ['10.9.0.1', 'fd99::1']," \
	" 'apps': ['wiki', 'mail'] }"
#define OTHER "{ 'name': 'other', 'addresses': ['10.9.0.2']," \
	" 'apps': ['wiki'] }"

static const char all[] = "{ 'apps': [" WIKI "," MAIL "]," LISTEN
    "'peers': [" EDGE "," OTHER "] }";

static struct c25_serve *serve;
static struct c25_config *cfg;
static struct c25_persist *persist;
static uint64_t now;

static uint64_t
clock_now(void)
{
	return now;
}

/* As conn25d starts. */
static void
up(const char *config)
{
	static const struct c25_addr none[1];

	cfg = parse(config);
	ck_assert_int_eq(c25_serve_new(&serve, &sf_err), 0);
	c25_serve_own_set(serve, none, 0);
	ck_assert_int_eq(c25_serve_configure(serve, cfg, &sf_err), 0);
	ck_assert_msg(c25_persist_open(sf_state, sf_run, serve, &persist,
	    &sf_err) == 0, "%s", sf_err.text);
	ck_assert_msg(c25_persist_start(persist, &sf_err) == 0, "%s",
	    sf_err.text);
}

/* As it stops. */
static void
down(void)
{
	c25_persist_close(persist);
	c25_serve_free(serve);
	c25_config_free(cfg);
	persist = NULL;
	serve = NULL;
	cfg = NULL;
}

static void
flush(void)
{
	ck_assert_int_eq(c25_store_flush(c25_persist_store(persist)), 0);
}

static void
setup(void)
{
	sf_setup();
	now = 1000;
	c25_clock_set(clock_now);
}

static void
teardown(void)
{
	if (serve != NULL)
		down();
	sf_teardown();
}

/* A request of the peer at that address, which must be answered 200. */
static void
ask(const char *source, const char *transit, const char *destination,
    const char *app)
{
	struct c25_addr a = sf_addr(source);
	struct c25_buf out = { 0 };
	char body[300];

	(void)snprintf(body, sizeof(body), "{\"transitIPs\":[{\"transitIP\":"
	    "\"%s\",\"destinationIP\":\"%s\",\"app\":\"%s\"}]}", transit,
	    destination, app);
	ck_assert_int_eq(c25_serve_request(serve, &a, body, strlen(body),
	    now, &out), 200);
	ck_assert_str_eq(out.data, "{\"transitIPs\":[{}]}");
	c25_buf_free(&out);
}

/* The four mappings of the tests below. */
static void
ask_four(void)
{
	ask("10.9.0.1", "169.254.64.1", "10.0.0.1", "wiki");
	ask("10.9.0.1", "169.254.64.2", "10.1.0.1", "mail");
	ask("10.9.0.1", "fd25::1", "fd00::1", "wiki");
	ask("10.9.0.2", "169.254.64.1", "10.0.0.3", "wiki");
}

static size_t
held(void)
{
	return c25_mappings_count(c25_serve_mappings(serve));
}

START_TEST(a_restart_keeps_all_with_the_time_they_had)
{
	char epoch[C25_SERVE_EPOCH_MAX];
	struct c25_mapping it;
	size_t cursor = 0;

	up(all);
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_serve_epoch(serve));
	ask_four();
	now += 2000;
	ask("10.9.0.1", "169.254.64.1", "10.0.0.1", "wiki");
	ask("10.9.0.1", "169.254.64.2", "10.1.0.2", "mail");
	down();
	now += 500;
	up(all);
	ck_assert_uint_eq(held(), 4);
	ck_assert_str_eq(epoch, c25_serve_epoch(serve));
	while (c25_mappings_next(c25_serve_mappings(serve), &cursor, &it)) {
		bool renewed = strcmp(it.peer, "edge") == 0 &&
		    it.transit.family == C25_V4;

		ck_assert_uint_eq(it.sent_ms, renewed ? 3000 : 1000);
		if (strcmp(it.app, "mail") == 0)
			ck_assert_uint_eq(it.destination.bytes[3], 2);
	}
	/* and they end when they would have ended */
	now = 1000 + LIFE;
	c25_serve_tick(serve, now);
	ck_assert_uint_eq(held(), 2);
	flush();
	ck_assert_int_eq(sf_number("SELECT count(*) FROM mapping"), 2);
}
END_TEST

START_TEST(what_was_over_while_we_were_down_is_gone)
{
	up(all);
	ask_four();
	now += 5000;
	ask("10.9.0.2", "169.254.64.1", "10.0.0.3", "wiki");
	down();
	now = 1000 + LIFE;
	up(all);
	ck_assert_uint_eq(held(), 1);
	flush();
	ck_assert_int_eq(sf_number("SELECT count(*) FROM mapping"), 1);
	sf_logged("1 restored; 3 are over, 0 not allowed", 1);
}
END_TEST

START_TEST(dropped_ones_stay_dropped)
{
	struct c25_addr t = sf_addr("169.254.64.1");

	up(all);
	ask_four();
	flush();
	ck_assert_int_eq(c25_mappings_drop(c25_serve_mappings(serve), 0, &t),
	    0);
	down();
	up(all);
	ck_assert_uint_eq(held(), 3);
}
END_TEST

/* What the configuration says at the restart, and how many are left. */
static const struct {
	const char *config;
	size_t left;
} lost_rows[] = {
	/* a peer */
	{ "{ 'apps': [" WIKI "," MAIL "]," LISTEN "'peers': [" EDGE "] }",
	    3 },
	/* an app, and from a peer's */
	{ "{ 'apps': [" MAIL "]," LISTEN "'peers': [{ 'name': 'edge',"
	    "'addresses': ['10.9.0.1'], 'apps': ['mail'] }] }", 1 },
	{ "{ 'apps': [" WIKI "," MAIL "]," LISTEN "'peers': [{ 'name':"
	    "'edge', 'addresses': ['10.9.0.1', 'fd99::1'], 'apps': ['wiki']"
	    "}," OTHER "] }", 3 },
	/* destinations */
	{ "{ 'apps': [{ 'name': 'wiki', 'destinations': ['10.0.0.3'] },"
	    MAIL "]," LISTEN "'peers': [" EDGE "," OTHER "] }", 2 },
	/* a peer's address of the family */
	{ "{ 'apps': [" WIKI "," MAIL "]," LISTEN "'peers': [{ 'name':"
	    "'edge', 'addresses': ['10.9.0.1'], 'apps': ['wiki', 'mail'] },"
	    OTHER "] }", 3 },
	/* the role */
	{ "{ 'pools': { 'v4MagicIPPool': ['100.64.0.0/24'],"
	    "'v4TransitIPPool': ['169.254.0.0/24'] }, 'apps': [{ 'name': 'a',"
	    "'domains': ['a.example'], 'connectors': ['*'] }], 'connectors':"
	    "[{ 'name': 'c', 'url': 'http://10.9.0.9:1' }] }", 0 },
	/* a peer of another name with the same address is another peer */
	{ "{ 'apps': [" WIKI "," MAIL "]," LISTEN "'peers': [" EDGE ","
	    "{ 'name': 'third', 'addresses': ['10.9.0.2'],"
	    "'apps': ['wiki'] }] }", 3 },
	{ all, 4 },
};

START_TEST(what_is_not_allowed_any_more_does_not_come_back)
{
	char epoch[C25_SERVE_EPOCH_MAX];

	up(all);
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_serve_epoch(serve));
	ask_four();
	down();
	up(lost_rows[_i].config);
	ck_assert_uint_eq(held(), lost_rows[_i].left);
	ck_assert_str_eq(epoch, c25_serve_epoch(serve));
	down();
	ck_assert_int_eq(sf_number("SELECT count(*) FROM mapping"),
	    (int64_t)lost_rows[_i].left);
	/* not even when it is allowed again */
	up(all);
	ck_assert_uint_eq(held(), lost_rows[_i].left);
}
END_TEST

/* The same at a reload: what goes there is gone after a restart, too. */
START_TEST(what_a_reload_drops_is_dropped_for_good)
{
	struct c25_config *old;

	up(all);
	ask_four();
	old = cfg;
	cfg = parse(lost_rows[_i].config);
	ck_assert_int_eq(c25_serve_configure(serve, cfg, &sf_err), 0);
	c25_config_free(old);
	ck_assert_uint_eq(held(), lost_rows[_i].left);
	down();
	up(all);
	ck_assert_uint_eq(held(), lost_rows[_i].left);
}
END_TEST

/* It could not take the address, say: the file is as it was. */
START_TEST(a_start_that_fails_removes_nothing)
{
	up(all);
	ask_four();
	down();
	cfg = parse(lost_rows[0].config);
	ck_assert_int_eq(c25_serve_new(&serve, &sf_err), 0);
	ck_assert_int_eq(c25_serve_configure(serve, cfg, &sf_err), 0);
	ck_assert_int_eq(c25_persist_open(sf_state, sf_run, serve, &persist,
	    &sf_err), 0);
	ck_assert_uint_eq(held(), 3);
	down();
	up(all);
	ck_assert_uint_eq(held(), 4);
}
END_TEST

START_TEST(senseless_rows_make_peers_send_theirs_again)
{
	char epoch[C25_SERVE_EPOCH_MAX];

	up(all);
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_serve_epoch(serve));
	ask_four();
	down();
	sf_sql("UPDATE mapping SET destination = x'00' WHERE app = 'mail'");
	up(all);
	ck_assert_uint_eq(held(), 3);
	ck_assert_str_ne(epoch, c25_serve_epoch(serve));
	/* sent again it takes the place of the senseless one */
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_serve_epoch(serve));
	ask("10.9.0.1", "169.254.64.2", "10.1.0.1", "mail");
	down();
	up(all);
	ck_assert_uint_eq(held(), 4);
	ck_assert_str_eq(epoch, c25_serve_epoch(serve));
}
END_TEST

START_TEST(a_database_that_goes_while_we_run_gets_everything_again)
{
	char epoch[C25_SERVE_EPOCH_MAX];

	up(all);
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_serve_epoch(serve));
	ask_four();
	flush();
	sf_rm(sf_state);
	/* no change: the store finds out by itself, a tick does the rest */
	while (access(sf_db, F_OK) != 0 ||
	    sf_number("SELECT count(*) FROM mapping") < 4)
		c25_persist_tick(persist);
	flush();
	down();
	now += 10;
	up(all);
	ck_assert_uint_eq(held(), 4);
	ck_assert_str_eq(epoch, c25_serve_epoch(serve));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("persist");
	TCase *tc = tcase_create("persist");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_restart_keeps_all_with_the_time_they_had);
	tcase_add_test(tc, what_was_over_while_we_were_down_is_gone);
	tcase_add_test(tc, dropped_ones_stay_dropped);
	ADD_ROWS(tc, what_is_not_allowed_any_more_does_not_come_back,
	    lost_rows);
	ADD_ROWS(tc, what_a_reload_drops_is_dropped_for_good, lost_rows);
	tcase_add_test(tc, a_start_that_fails_removes_nothing);
	tcase_add_test(tc, senseless_rows_make_peers_send_theirs_again);
	tcase_add_test(tc,
	    a_database_that_goes_while_we_run_gets_everything_again);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
