/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of long requests: what becomes of them is what would become of them
 * at once, others are served meanwhile, and nothing that happens in between
 * does harm.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn25/table.h"
#include "sidecar/config.h"
#include "sidecar/serve.h"
#include "tests/unit/suite.h"

#define LONG 4000		/* entries */
#define PEERS 20		/* 127.0.0.1 and so on */

static struct c25_loop *loop;
static struct c25_serve *s;
static struct c25_config *cfg, *next_cfg;
static struct c25_http_listener *listener;
static uint64_t give_up_ms;
static bool verified;		/* the app of the next configuration */
static unsigned replies;
static const struct c25_addr none[1];

/* One who asks. */
struct asker {
	int fd;
	struct c25_buf out, in;
	size_t sent;
	size_t held;		/* not to be sent yet */
};

/* A configuration with peers from..PEERS, and where its app may lead. */
static struct c25_config *
config(int from, const char *destinations)
{
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *c = NULL;
	struct c25_buf b = { 0 };

	c25_buf_format(&b, "{\"apps\":[{\"name\":\"wiki\",\"domains\":"
	    "[\"app.example\"],\"verifyDestinations\":%s,\"destinations\":"
	    "[\"%s\"]}],\"listen\":{\"transitIP\":\"http://127.0.0.1:8025\"},"
	    "\"peers\":[", verified ? "true" : "false", destinations);
	for (int i = from; i <= PEERS; i++)
		c25_buf_format(&b, "%s{\"name\":\"edge-%d\",\"addresses\":"
		    "[\"127.0.0.%d\"],\"apps\":[\"wiki\"]}", i == from ?
		    "" : ",", i, i);
	c25_buf_lit(&b, "]}");
	ck_assert_msg(c25_config_parse(b.data, b.len, "test", &c, &errs) == 0,
	    "%s", c25_config_error_line(&errs, 0, line));
	c25_config_errors_free(&errs);
	c25_buf_free(&b);
	return c;
}

static void
reload(int from, const char *destinations)
{
	struct c25_error err;

	next_cfg = config(from, destinations);
	ck_assert_int_eq(c25_serve_configure(s, next_cfg, &err), 0);
	c25_config_free(cfg);
	cfg = next_cfg;
}

static void
on_reply(void *ctx)
{
	replies++;
}

static void
setup(void)
{
	struct c25_http_listen how = { .name = "listen.test",
	    .routes = c25_serve_routes, .route_count = C25_SERVE_ROUTES,
	    .limits = C25_LIMITS_DEFAULT };
	struct c25_error err;

	how.limits.connections_per_address = 100;

	ck_assert_int_eq(c25_serve_new(&s, &err), 0);
	c25_serve_own_set(s, none, 0);
	cfg = config(1, "10.0.0.0/8");
	ck_assert_int_eq(c25_serve_configure(s, cfg, &err), 0);
	c25_serve_before_reply(s, on_reply, NULL);
	ck_assert_int_eq(c25_loop_new(&loop, &err), 0);
	how.ctx = s;
	ck_assert_int_eq(c25_addr_parse(&how.addr, "127.0.0.1", 9), 0);
	ck_assert_int_eq(c25_http_listen(loop, &how, &listener, &err), 0);
	give_up_ms = c25_now_ms() + 50000;
	replies = 0;
}

static void
teardown(void)
{
	c25_http_unlisten(listener);
	c25_loop_free(loop);
	c25_serve_free(s);
	c25_config_free(cfg);
}

/* The body of a request: 169.254.x.y to 10.D.x.y, with a duplicate and one of
 * a foreign app among them. */
static void
body(struct c25_buf *b, unsigned count, unsigned d)
{
	c25_buf_lit(b, "{\"transitIPs\":[");
	for (unsigned i = 0; i < count; i++) {
		unsigned n = i == 1500 ? 3 : i;

		c25_buf_format(b, "%s{\"transitIP\":\"169.254.%u.%u\","
		    "\"destinationIP\":\"10.%u.%u.%u\",\"app\":\"%s\"}",
		    i == 0 ? "" : ",", n / 256, n % 256, d, n / 256, n % 256,
		    i == 700 ? "foreign" : "wiki");
	}
	c25_buf_lit(b, "]}");
}

static void
ask(struct asker *a, int source, unsigned count, unsigned d)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000000u + (unsigned)source) };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(c25_http_port(listener)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct c25_buf b = { 0 };

	*a = (struct asker){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	ck_assert_int_eq(bind(a->fd, (struct sockaddr *)&from,
	    sizeof(from)), 0);
	ck_assert_int_eq(connect(a->fd, (struct sockaddr *)&to, sizeof(to)),
	    0);
	body(&b, count, d);
	c25_buf_format(&a->out, "POST " C25_WIRE_PATH " HTTP/1.1\r\n"
	    "Content-Length: %zu\r\n\r\n", b.len);
	c25_buf_add(&a->out, b.data, b.len);
	c25_buf_free(&b);
}

/* Send and receive what can be. */
static void
move(struct asker *a)
{
	char buf[65536];
	ssize_t n;

	if (a->sent < a->out.len - a->held) {
		n = send(a->fd, a->out.data + a->sent, a->out.len - a->held -
		    a->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			a->sent += (size_t)n;
	}
	n = recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0)
		c25_buf_add(&a->in, buf, (size_t)n);
}

static void
once(struct asker *a)
{
	move(a);
	ck_assert_int_eq(c25_loop_once(loop, false), 0);
	ck_assert_msg(c25_now_ms() < give_up_ms, "nothing happens");
}

/* The body of its answer, NULL as long as it isn't there. */
static const char *
answer(const struct asker *a)
{
	const char *end = a->in.len == 0 ? NULL :
	    strstr(a->in.data, "\r\n\r\n");
	const char *length = end == NULL ? NULL :
	    strstr(a->in.data, "Content-Length: ");

	if (length == NULL || a->in.len - (size_t)(end + 4 - a->in.data) <
	    strtoul(length + 16, NULL, 10))
		return NULL;
	return end + 4;
}

static int
status(struct asker *a)
{
	while (answer(a) == NULL)
		once(a);
	return atoi(a->in.data + 9);
}

static void
leave(struct asker *a)
{
	struct linger now = { .l_onoff = 1 };

	(void)setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(a->fd);
	c25_buf_free(&a->in);
	c25_buf_free(&a->out);
}

static size_t
mappings(void)
{
	return c25_mappings_count(c25_serve_mappings(s));
}

/* Until some of it is decided. */
static void
half_way(struct asker *a)
{
	while (mappings() == 0)
		once(a);
	ck_assert_uint_lt(mappings(), LONG / 2);
	ck_assert_uint_eq(a->in.len, 0);
}

/* Where the last one of those leads to now. */
static const char *
last_leads_to(unsigned count, char text[static C25_ADDR_TEXT_MAX])
{
	struct c25_mapping it;
	struct c25_addr t;
	char last[32];

	(void)snprintf(last, sizeof(last), "169.254.%u.%u", (count - 1) / 256,
	    (count - 1) % 256);
	ck_assert_int_eq(c25_addr_parse(&t, last, strlen(last)), 0);
	ck_assert_int_eq(c25_mappings_get(c25_serve_mappings(s), 0, &t,
	    c25_now_ms(), &it), 0);
	return c25_addr_format(&it.destination, text);
}

START_TEST(as_at_once)
{
	const struct c25_serve_stats *st = c25_serve_stats(s);
	struct c25_addr source;
	struct c25_serve *other;
	struct c25_buf b = { 0 }, out = { 0 };
	struct c25_error err;
	struct asker a;

	ask(&a, 1, LONG, 7);
	ck_assert_int_eq(status(&a), 200);
	ck_assert_uint_eq(replies, 1);
	ck_assert_uint_eq(mappings(), LONG - 2);
	ck_assert_uint_eq(st->requests, 1);
	ck_assert_uint_eq(st->mappings_ok, LONG - 2);
	ck_assert_uint_eq(st->codes[C25_WIRE_DUPLICATE], 1);
	ck_assert_uint_eq(st->codes[C25_WIRE_FORBIDDEN], 1);
	ck_assert_ptr_nonnull(strstr(a.in.data, "application/json"));

	ck_assert_int_eq(c25_serve_new(&other, &err), 0);
	c25_serve_own_set(other, none, 0);
	ck_assert_int_eq(c25_serve_configure(other, cfg, &err), 0);
	ck_assert_int_eq(c25_addr_parse(&source, "127.0.0.1", 9), 0);
	body(&b, LONG, 7);
	ck_assert_int_eq(c25_serve_request(other, &source, b.data, b.len,
	    1000, &out), 200);
	ck_assert_str_eq(answer(&a), out.data);
	c25_serve_free(other);
	c25_buf_free(&b);
	c25_buf_free(&out);
	leave(&a);
}
END_TEST

START_TEST(others_are_served_meanwhile)
{
	struct asker a, b;

	ask(&a, 1, LONG, 7);
	half_way(&a);
	ask(&b, 2, 1, 7);
	ck_assert_int_eq(status(&b), 200);
	move(&a);
	ck_assert_uint_eq(a.in.len, 0);
	ck_assert_int_eq(status(&a), 200);
	leave(&a);
	leave(&b);
}
END_TEST

/* Also what is short waits for its peer's long ones. */
START_TEST(newest_wins)
{
	char text[C25_ADDR_TEXT_MAX];
	struct asker a, b, c;

	ask(&a, 1, LONG, 7);
	half_way(&a);
	ask(&b, 1, LONG, 8);
	while (c25_serve_stats(s)->requests < 2)
		once(&b);
	ask(&c, 1, 1, 9);
	ck_assert_int_eq(status(&c), 200);
	ck_assert_str_eq(last_leads_to(1, text), "10.9.0.0");
	ck_assert_int_eq(status(&a), 200);
	ck_assert_int_eq(status(&b), 200);
	ck_assert_uint_eq(replies, 3);
	ck_assert_str_eq(last_leads_to(1, text), "10.9.0.0");
	ck_assert_str_eq(last_leads_to(LONG, text), "10.8.15.159");
	leave(&a);
	leave(&b);
	leave(&c);
}
END_TEST

/* It is all judged by the new one. */
START_TEST(reload_half_way)
{
	struct asker a;
	size_t refused = 0;

	ask(&a, 1, LONG, 7);
	half_way(&a);
	reload(1, "10.7.8.0/22");	/* 1024 of them */
	ck_assert_uint_eq(mappings(), 0);
	ck_assert_int_eq(status(&a), 200);
	ck_assert_uint_eq(mappings(), 1024);
	for (const char *p = answer(&a); (p = strstr(p, "\"code\":1,")) !=
	    NULL; p++)
		refused++;
	/* all but these, one duplicate less, and one that is foreign */
	ck_assert_uint_eq(refused, LONG - 1024 - 1);
	ck_assert_uint_eq(c25_serve_stats(s)->mappings_ok, 1024);
	leave(&a);
}
END_TEST

START_TEST(peer_gone_half_way)
{
	struct asker a, b;

	ask(&a, 1, LONG, 7);
	half_way(&a);
	ask(&b, 1, 1, 8);
	while (b.sent < b.out.len)
		once(&b);
	reload(2, "10.0.0.0/8");
	ck_assert_int_eq(status(&a), 403);
	ck_assert_int_eq(status(&b), 403);
	ck_assert_uint_eq(mappings(), 0);
	leave(&a);
	leave(&b);
	ask(&a, 2, LONG, 7);
	ck_assert_int_eq(status(&a), 200);
	leave(&a);
}
END_TEST

/* Who goes leaves its place: the one under way, or one that waits. */
START_TEST(connection_gone_half_way)
{
	struct asker a, b, c;

	ask(&a, 1, LONG, 7);
	half_way(&a);
	ask(&b, 1, LONG, 8);
	ask(&c, 1, 1, 9);
	while (b.sent < b.out.len || c.sent < c.out.len) {
		once(&b);
		once(&c);
	}
	leave(_i == 0 ? &a : &b);
	if (_i == 0)
		ck_assert_int_eq(status(&b), 200);
	else
		ck_assert_int_eq(status(&a), 200);
	ck_assert_int_eq(status(&c), 200);
	leave(_i == 0 ? &b : &a);
	leave(&c);
	ask(&a, 1, LONG, 7);
	ck_assert_int_eq(status(&a), 200);
	leave(&a);
}
END_TEST

START_TEST(listener_gone_half_way)
{
	struct asker a, b;

	ask(&a, 1, LONG, 7);
	half_way(&a);
	ask(&b, 1, LONG, 8);
	while (b.sent < b.out.len)
		once(&b);
	c25_http_unlisten(listener);
	listener = NULL;
	leave(&a);
	leave(&b);
}
END_TEST

/* ---- lookups ------------------------------------------------------------- */

static struct c25_verify_name *asked;
static unsigned lookups;

static int
on_lookup(void *ctx, struct c25_verify_name *name, const char *domain,
    enum c25_family family)
{
	ck_assert_str_eq(domain, "app.example");
	ck_assert_int_eq(family, C25_V4);
	asked = name;
	lookups++;
	return 0;
}

/* All lead to addresses of one name, but the last one. */
static void
ask_verified(struct asker *a)
{
	struct c25_buf b = { 0 };

	c25_buf_lit(&b, "{\"transitIPs\":[");
	for (unsigned i = 0; i < LONG; i++)
		c25_buf_format(&b, "%s{\"transitIP\":\"169.254.%u.%u\","
		    "\"destinationIP\":\"10.7.0.%u\",\"app\":\"wiki\","
		    "\"domain\":\"app.example\"}", i == 0 ? "" : ",",
		    i / 256, i % 256, i == LONG - 1 ? 2 : 1);
	c25_buf_lit(&b, "]}");
	ask(a, 1, 0, 0);
	c25_buf_clear(&a->out);
	c25_buf_format(&a->out, "POST " C25_WIRE_PATH " HTTP/1.1\r\n"
	    "Content-Length: %zu\r\n\r\n", b.len);
	c25_buf_add(&a->out, b.data, b.len);
	c25_buf_free(&b);
}

/* It waits for the lookup of all its entries, unless it goes meanwhile. */
START_TEST(waits_for_lookups)
{
	struct c25_verify *v = c25_serve_verify(s);
	struct c25_addr one;
	struct asker a, b;

	ck_assert_int_eq(c25_addr_parse(&one, "10.7.0.1", 8), 0);
	asked = NULL;
	lookups = 0;
	c25_verify_resolver(v, on_lookup, NULL);
	verified = true;
	reload(1, "10.0.0.0/8");
	verified = false;
	ask_verified(&a);
	while (asked == NULL)
		once(&a);
	ask(&b, 1, 1, 8);
	while (b.sent < b.out.len)
		once(&b);
	for (int i = 0; i < 10; i++)
		once(&a);
	ck_assert_uint_eq(mappings(), 0);
	ck_assert_uint_eq(a.in.len + b.in.len, 0);
	if (_i == 1)
		leave(&a);
	for (int i = 0; _i == 1 && i < 10; i++)
		once(&b);
	c25_verify_answer(v, asked, &(struct c25_verify_answer){
	    .found = C25_FOUND_ANSWER, .addresses = &one, .count = 1 },
	    c25_now_ms());
	if (_i == 0) {
		ck_assert_int_eq(status(&a), 200);
		ck_assert_uint_eq(mappings(), LONG - 1);
		ck_assert_uint_eq(c25_serve_stats(s)->mappings_ok, LONG - 1);
		ck_assert_ptr_nonnull(strstr(answer(&a), "{},{\"code\":1,"
		    "\"message\":\""));
		leave(&a);
	}
	ck_assert_int_eq(status(&b), 200);
	ck_assert_uint_eq(lookups, 1);
	leave(&b);
}
END_TEST

/* Of that many peers at once some are told to come again. */
START_TEST(too_many_at_once)
{
	static struct asker a[PEERS];
	unsigned done = 0, refused = 0;

	for (int i = 0; i < PEERS; i++) {
		ask(&a[i], i + 1, LONG, 7);
		a[i].held = 1;
		while (a[i].sent < a[i].out.len - 1)
			once(&a[i]);
	}
	for (int i = 0; i < PEERS; i++) {
		a[i].held = 0;
		move(&a[i]);
	}
	for (int i = 0; i < PEERS; i++) {
		while (answer(&a[i]) == NULL)
			for (int k = 0; k < PEERS; k++)
				once(&a[k]);
		if (status(&a[i]) == 200) {
			done++;
			continue;
		}
		ck_assert_int_eq(status(&a[i]), 503);
		ck_assert_ptr_nonnull(strstr(a[i].in.data,
		    "Retry-After: 1\r\n"));
		refused++;
	}
	ck_assert_uint_ge(done, 16);
	ck_assert_uint_ge(refused, 1);
	for (int i = 0; i < PEERS; i++)
		leave(&a[i]);
	for (int i = 0; i < PEERS; i++) {
		ask(&a[i], i + 1, LONG, 7);
		ck_assert_int_eq(status(&a[i]), 200);
		leave(&a[i]);
	}
}
END_TEST

START_TEST(too_many_of_one_peer)
{
	static struct asker a, b[70];
	unsigned done = 0, refused = 0;

	ask(&a, 1, LONG, 7);
	half_way(&a);
	for (int i = 0; i < 70; i++) {
		ask(&b[i], 1, 1, 8);
		move(&b[i]);
	}
	for (int i = 0; i < 70; i++) {
		if (status(&b[i]) == 200)
			done++;
		else if (status(&b[i]) == 503)
			refused++;
	}
	ck_assert_int_eq(status(&a), 200);
	ck_assert_uint_eq(done, 64);
	ck_assert_uint_eq(refused, 6);
	for (int i = 0; i < 70; i++)
		leave(&b[i]);
	leave(&a);
}
END_TEST

/* A mistake in the last entry, and nothing of it is done. */
START_TEST(bad_bodies_400)
{
	struct asker a;
	char *last;

	ask(&a, 1, LONG, 7);
	last = strstr(a.out.data + a.out.len - 60, "10.7.");
	ck_assert_ptr_nonnull(last);
	last[0] = 'x';
	ck_assert_int_eq(status(&a), 400);
	ck_assert_str_eq(answer(&a), "transitIPs[3999].destinationIP is not "
	    "an IP address\n");
	ck_assert_uint_eq(mappings(), 0);
	ck_assert_uint_eq(c25_serve_stats(s)->denied, 1);
	ck_assert_uint_eq(replies, 0);
	leave(&a);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("serve_long");
	TCase *tc = tcase_create("serve_long");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, as_at_once);
	tcase_add_test(tc, others_are_served_meanwhile);
	tcase_add_test(tc, newest_wins);
	tcase_add_test(tc, reload_half_way);
	tcase_add_test(tc, peer_gone_half_way);
	tcase_add_loop_test(tc, connection_gone_half_way, 0, 2);
	tcase_add_test(tc, listener_gone_half_way);
	tcase_add_loop_test(tc, waits_for_lookups, 0, 2);
	tcase_add_test(tc, too_many_at_once);
	tcase_add_test(tc, too_many_of_one_peer);
	tcase_add_test(tc, bad_bodies_400);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
