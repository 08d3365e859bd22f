/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the service manager is told while many elements go into the kernel,
 * and that it isn't left behind when the kernel doesn't take them.
 */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn25/log.h"
#include "sidecar/datapath.h"
#include "sidecar/datapath_netlink.h"
#include "tests/unit/suite.h"

#define MANY (1u << 17)

static const char text[] = "{"
	"\"apps\": [{ \"name\": \"app\", \"domains\": [\"*.example\"],"
	"  \"connectors\": [\"*\"] }],"
	"\"listen\": { \"transitIP\": \"http://10.9.0.1:8025\" },"
	"\"peers\": [{ \"name\": \"edge\", \"apps\": [\"app\"],"
	"  \"addresses\": [\"10.9.0.8\"] }],"
	"\"datapath\": { \"nftables\": true, \"overlay\": \"wg0\" } }";

/* ---- a kernel that remembers nothing ------------------------------------ */

static int answer;			/* to each transaction */

static void
op_begin(void *ctx)
{
}

static void
op_rules(void *ctx, const struct c25_ruleset *rs)
{
}

static void
op_change(void *ctx, const struct c25_change *change, uint64_t now_ms)
{
}

static int
op_commit(void *ctx, bool dry, struct c25_error *err)
{
	return answer == 0 ? 0 : c25_fail(err, answer, "told to fail");
}

static int
op_events(void *ctx, struct c25_nft_event *out)
{
	return 0;
}

static const struct c25_datapath_ops ops = { op_begin, op_rules, op_rules,
	op_change, op_begin, op_commit, op_events };

/* ---- a service manager -------------------------------------------------- */

static int manager = -1;

static void
setup(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char *name = sun.sun_path;

	c25_log_open("check_datapath_status", C25_LOG_ERROR);
	(void)snprintf(name, sizeof(sun.sun_path), "@check_datapath.%d",
		(int)getpid());
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(manager, 0);
	name[0] = '\0';
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
		strlen(name + 1))), 0);
}

static void
teardown(void)
{
	(void)close(manager);
	(void)unsetenv("NOTIFY_SOCKET");
}

/* The next that it was told begins so; NULL: nothing was. */
static void
check_told(const char *begin)
{
	char buf[512];
	ssize_t n = recv(manager, buf, sizeof(buf) - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	if (begin == NULL)
		ck_assert_str_eq(buf, "");
	else
		ck_assert_msg(n > 0 && strncmp(buf, begin, strlen(begin)) ==
			0, "told \"%s\"", buf);
}

/* ---- tests -------------------------------------------------------------- */

START_TEST(test_failures)
{
	struct c25_config_errors errs = { 0 };
	struct c25_addr d = { .family = C25_V4, .bytes = { 10, 0, 0, 1 } };
	struct c25_addr t = { .family = C25_V4, .bytes = { 10, 1 } };
	uint64_t now = 1000000000;
	struct c25_mappings *mappings;
	struct c25_config *cfg;
	struct c25_datapath *dp;
	int edge, app;

	ck_assert_int_eq(c25_config_parse(text, sizeof(text) - 1, "test",
		&cfg, &errs), 0);
	c25_config_errors_free(&errs);
	ck_assert_int_eq(c25_mappings_new(0, 0, &mappings), 0);
	edge = c25_mappings_peer(mappings, "edge");
	app = c25_mappings_app(mappings, "app");
	for (uint32_t n = 0; n < MANY; n++) {
		t.bytes[1] = (uint8_t)(n >> 16);
		t.bytes[2] = (uint8_t)(n >> 8);
		t.bytes[3] = (uint8_t)n;
		if (c25_mappings_put(mappings, (uint32_t)edge, &t, &d,
		    (uint32_t)app, now) < 0)
			ck_abort();
	}
	ck_assert_int_eq(c25_datapath_new(&ops, NULL, MANY, &dp), 0);
	answer = -EIO;
	ck_assert_int_eq(c25_datapath_configure(dp, cfg, NULL, mappings, now),
		0);
	ck_assert(!c25_datapath_built(dp));
	check_told("STATUS=loading ");
	check_told("STATUS=");
	check_told(NULL);
	/* and so it is when it is tried again, until it works */
	for (int i = 0; i < 2; i++) {
		now += 1000;
		c25_datapath_work(dp, now);
		check_told("STATUS=loading ");
		check_told("STATUS=");
		check_told(NULL);
		ck_assert_int_eq(c25_datapath_built(dp), i > 0);
		answer = 0;
	}
	c25_datapath_free(dp);
	c25_mappings_free(mappings);
	c25_config_free(cfg);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("datapath_status");
	TCase *tc = tcase_create("failures");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_failures);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
