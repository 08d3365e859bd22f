/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the HTTP client: of our own server, of one that has a name, and of
 * one that says anything. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sidecar/host.h"
#include "tests/unit/http_fixture.h"
#include "tests/unit/suite.h"

static struct c25_http_client *client;
static struct c25_http_result result;
static char result_body[64], result_error[128];
static unsigned results;
static int repeat;		/* post again from `done` */

static void
on_done(void *ctx, const struct c25_http_result *r)
{
	result = *r;
	snprintf(result_body, sizeof(result_body), "%s", r->body);
	snprintf(result_error, sizeof(result_error), "%s", r->error);
	results++;
	if (repeat-- > 0)
		ck_assert_int_eq(c25_http_post(client, "/echo", "again", 5),
		    0);
}

static void
client_for(uint16_t port)
{
	results = 0;
	repeat = 0;
	ck_assert_int_eq(c25_http_client_new(loop, &(struct c25_http_peer){
	    .host = "127.0.0.1", .port = port }, on_done, NULL, &client), 0);
}

static void
post(const char *path, const char *body)
{
	unsigned before = results;

	ck_assert_int_eq(c25_http_post(client, path, body, strlen(body)), 0);
	ck_assert_int_eq(c25_http_post(client, path, body, strlen(body)),
	    -EBUSY);
	ck_assert_uint_eq(results, before);
	while (results == before)
		once();
}

START_TEST(client_and_server)
{
	client_for(c25_http_port(listener));
	post("/echo", "hello");
	ck_assert_int_eq(result.status, 200);
	ck_assert_str_eq(result_body, "hello");
	ck_assert_str_eq(result.epoch, "e1");
	ck_assert_str_eq(result_error, "");
	ck_assert(result.fresh);
	post("/none", "x");
	ck_assert_int_eq(result.status, 404);
	ck_assert(!result.fresh);
	repeat = 100;
	post("/echo", "more");
	while (results < 103)
		once();
	ck_assert_str_eq(result_body, "again");
	c25_http_client_free(client);
}
END_TEST

START_TEST(client_finds_nobody)
{
	uint16_t port = c25_http_port(listener);

	c25_http_unlisten(listener);
	listener = NULL;
	client_for(port);
	post("/echo", "hello");
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_ne(result_error, "");
	c25_http_client_free(client);
}
END_TEST

START_TEST(client_is_freed_at_any_time)
{
	client_for(c25_http_port(listener));
	c25_http_client_free(client);		/* before anything */
	client_for(c25_http_port(listener));
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_http_client_free(client);		/* connecting */
	client_for(c25_http_port(listener));
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_http_abort(client);
	ck_assert_int_eq(c25_http_post(client, "/echo", "y", 1), 0);
	while (results == 0)
		once();
	ck_assert_str_eq(result_body, "y");
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_http_client_free(client);		/* waiting for the answer */
	c25_http_client_free(NULL);
}
END_TEST

/* ---- of a server with a name -------------------------------------------- */

static struct c25_host *host;
static struct c25_host_query *queries[2];	/* v4, v6 */

static int
on_lookup(void *ctx, struct c25_host_query *q, const char *name,
    enum c25_family family)
{
	ck_assert_str_eq(name, "office.example");
	queries[family == C25_V6] = q;
	return 0;
}

static void
on_cancel(void *ctx, struct c25_host_query *q)
{
	queries[q == queries[1]] = NULL;
}

static bool
on_refuses(void *ctx, const struct c25_addr *a)
{
	return false;
}

static void
named_client(uint16_t port)
{
	static const struct c25_host_ops ops = { .lookup = on_lookup,
		.cancel = on_cancel, .refuses = on_refuses };

	queries[0] = queries[1] = NULL;
	results = 0;
	repeat = 0;
	ck_assert_int_eq(c25_http_client_new(loop, &(struct c25_http_peer){
	    .host = "office.example", .port = port }, on_done, NULL,
	    &client), -EINVAL);
	ck_assert_int_eq(c25_host_new(&ops, NULL, "office.example", &host),
	    0);
	ck_assert_int_eq(c25_http_client_new(loop, &(struct c25_http_peer){
	    .host = "office.example", .at = host, .port = port }, on_done,
	    NULL, &client), 0);
	ck_assert_int_eq(c25_http_post(client, "/echo", "hello", 5), 0);
	ck_assert_ptr_null(queries[0]);		/* not inside the call */
	while (queries[0] == NULL)
		once();
}

/* 127.0.0.1, with others before it where nobody listens. */
static void
name_found(enum c25_found found)
{
	struct c25_addr list[] = { c25_addr_v4((uint8_t[]){ 127, 9, 9, 8 }),
		c25_addr_v4((uint8_t[]){ 127, 9, 9, 9 }),
		c25_addr_v4((uint8_t[]){ 127, 0, 0, 1 }) };
	struct c25_verify_answer none = { .found = found };
	struct c25_verify_answer all = { .found = found, .ttl_s = 60,
		.addresses = list, .count = 3 };

	c25_host_answer(queries[1], &none, c25_now_ms());
	ck_assert_uint_eq(results, 0);
	c25_host_answer(queries[0], found == C25_FOUND_ANSWER ? &all : &none,
	    c25_now_ms());
	queries[0] = queries[1] = NULL;
}

START_TEST(client_of_a_name)
{
	named_client(c25_http_port(listener));
	name_found(C25_FOUND_ANSWER);
	while (results == 0)
		once();
	ck_assert_str_eq(result_error, "");
	ck_assert_str_eq(result_body, "hello");
	post("/echo", "more");
	ck_assert(!result.fresh);
	c25_http_client_free(client);
	c25_host_free(host);
}
END_TEST

START_TEST(client_of_a_name_that_is_not_found)
{
	named_client(c25_http_port(listener));
	name_found(C25_FOUND_FAILURE);
	while (results == 0)
		once();
	ck_assert_int_eq(result.status, 0);
	ck_assert_ptr_nonnull(strstr(result_error, "office.example: no "
	    "answer from DNS"));
	c25_http_client_free(client);
	c25_host_free(host);
}
END_TEST

START_TEST(client_of_a_name_where_nobody_is)
{
	uint16_t port = c25_http_port(listener);

	c25_http_unlisten(listener);
	listener = NULL;
	named_client(port);
	name_found(C25_FOUND_ANSWER);
	while (results == 0)
		once();
	ck_assert_ptr_nonnull(strstr(result_error, "refused"));
	c25_http_client_free(client);
	c25_host_free(host);
}
END_TEST

START_TEST(client_of_a_name_is_freed_while_it_is_looked_up)
{
	named_client(c25_http_port(listener));
	c25_http_abort(client);
	name_found(C25_FOUND_ANSWER);
	ck_assert_uint_eq(results, 0);
	post("/echo", "hello");
	ck_assert_str_eq(result_body, "hello");
	c25_http_client_free(client);
	c25_host_free(host);
	named_client(c25_http_port(listener));
	c25_http_client_free(client);
	c25_host_free(host);
	ck_assert_ptr_null(queries[0]);
	ck_assert_ptr_null(queries[1]);
}
END_TEST

START_TEST(client_outlives_the_loop)
{
	client_for(c25_http_port(listener));
	ck_assert_int_eq(c25_http_post(client, "/echo", "x", 1), 0);
	c25_timer_stop(&guard);
	c25_loop_free(loop);
	c25_http_client_free(client);
	setup();
}
END_TEST

/* ---- of a server that says what it is told to ---------------------------- */

static struct raw script;
static const char *script_text;
static bool script_closes;
static unsigned script_accepts;

static void
on_script_read(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0 && script_text != NULL) {
		ck_assert_int_eq(send(fd, script_text, strlen(script_text),
		    MSG_NOSIGNAL), (ssize_t)strlen(script_text));
		if (!script_closes)
			return;
	}
	c25_watch_close(w);
	script.watch = NULL;
}

static void
on_script_accept(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	int s = accept(fd, NULL, NULL);

	ck_assert_int_ge(s, 0);
	script_accepts++;
	c25_watch_close(script.watch);
	ck_assert_int_eq(c25_loop_watch(loop, s, C25_READ, on_script_read,
	    NULL, &script.watch), 0);
}

static void
script_start(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct c25_watch *w;

	script.watch = NULL;
	script_accepts = 0;
	script_closes = false;
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	ck_assert_int_eq(c25_loop_watch(loop, fd, C25_READ, on_script_accept,
	    NULL, &w), 0);
	client_for(ntohs(sa.sin_port));
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *text;	/* NULL: closes */
	bool closes;
	int status;		/* 0: an error */
	const char *body;
	bool reuse;		/* may the connection be used again? */
} client_rows[] = {
	{ OK "Content-Length: 2\r\n\r\n{}", false, 200, "{}", true },
	{ OK "Content-Length: 0\r\n\r\n", false, 200, "", true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n"
	    "\r\n", false, 200, "{}", true },
	{ OK "\r\n{}", true, 200, "{}", false },
	{ OK "Connection: close\r\nContent-Length: 2\r\n\r\n{}", false, 200,
	    "{}", false },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}",
	    false },
	{ "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\n{}",
	    false, 200, "{}", true },
	{ "HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", true },
	{ "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx", false, 500, "x",
	    true },
	{ OK "Content-Length: 2\r\n\r\n{}" OK "Content-Length: 1\r\n\r\nx",
	    false, 200, "{}", false },
	/* errors */
	{ NULL, true, 0, "", false },
	{ OK, true, 0, "", false },
	{ OK "Content-Length: 3\r\n\r\n{}", true, 0, "", false },
	{ OK "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", true, 0, "",
	    false },
	{ OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", false, 0, "", false },
	{ OK "Content-Length: 2000000\r\n\r\n{}", false, 0, "", false },
	{ OK "Content-Length: x\r\n\r\n{}", false, 0, "", false },
	{ "HTTP/1.1 101 Switching\r\n\r\n", false, 0, "", false },
	{ "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, 0, "", false },
};

START_TEST(client_meets)
{
	script_start();
	script_text = client_rows[_i].text;
	script_closes = client_rows[_i].closes;
	post("/", "x");
	ck_assert_int_eq(result.status, client_rows[_i].status);
	ck_assert_str_eq(result_body, client_rows[_i].body);
	ck_assert_int_eq(result_error[0] == '\0', result.status != 0);
	/* not what the clock does to all of them in the end */
	ck_assert_ptr_null(strstr(result_error, "in time"));
	post("/", "x");
	ck_assert_int_eq(result.status, client_rows[_i].status);
	ck_assert_int_eq(!result.fresh, client_rows[_i].reuse);
	c25_http_client_free(client);
}
END_TEST

static const struct {
	const char *text;
	const char *epoch;
} epoch_rows[] = {
	{ OK "Conn25-Epoch: e1\r\nContent-Length: 0\r\n\r\n", "e1" },
	{ OK "Content-Length: 0\r\n\r\n", "" },
	/* what an interim response says is not said of the answer */
	{ "HTTP/1.1 103 Hm\r\nConn25-Epoch: e0\r\n\r\n" OK
	    "Content-Length: 0\r\n\r\n", "" },
	{ "HTTP/1.1 103 Hm\r\nConn25-Epoch: e0\r\n\r\n" OK
	    "Conn25-Epoch: e1\r\nContent-Length: 0\r\n\r\n", "e1" },
};

START_TEST(client_reads_the_epoch)
{
	script_start();
	script_text = epoch_rows[_i].text;
	post("/", "x");
	ck_assert_int_eq(result.status, 200);
	ck_assert_str_eq(result.epoch, epoch_rows[_i].epoch);
	c25_http_client_free(client);
}
END_TEST

/* Closed while idle: the next request doesn't suffer from it. */
START_TEST(client_tries_again_when_it_was_closed_under_it)
{
	script_start();
	script_text = OK "Content-Length: 2\r\n\r\n{}";
	post("/", "x");
	ck_assert_int_eq(result.status, 200);
	c25_watch_close(script.watch);
	script.watch = NULL;
	post("/", "x");
	ck_assert_int_eq(result.status, 200);
	ck_assert(result.fresh);
	ck_assert_uint_eq(script_accepts, 2);
	/* but only once, and not on a new connection */
	script_text = NULL;
	post("/", "x");
	ck_assert_int_eq(result.status, 0);
	ck_assert_uint_eq(script_accepts, 3);
	c25_http_client_free(client);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_client");
	TCase *tc = tcase_create("http_client");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, client_and_server);
	tcase_add_test(tc, client_finds_nobody);
	tcase_add_test(tc, client_is_freed_at_any_time);
	tcase_add_test(tc, client_of_a_name);
	tcase_add_test(tc, client_of_a_name_that_is_not_found);
	tcase_add_test(tc, client_of_a_name_where_nobody_is);
	tcase_add_test(tc, client_of_a_name_is_freed_while_it_is_looked_up);
	tcase_add_test(tc, client_outlives_the_loop);
	ADD_ROWS(tc, client_meets, client_rows);
	ADD_ROWS(tc, client_reads_the_epoch, epoch_rows);
	tcase_add_test(tc, client_tries_again_when_it_was_closed_under_it);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
