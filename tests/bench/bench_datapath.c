/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast the kernel's maps follow the table: everything at once, as after a
 * start or a repair, and what comes in batches and one by one afterwards; in
 * a network namespace of its own, with real netlink. Prints "metric value
 * unit" lines, tab-separated.
 *
 *   bench_datapath [ASSIGNMENTS...]     default 1000 1000000
 */

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

#define FIXTURE_WITHOUT_CHECK
#include "conn25/log.h"
#include "sidecar/nat.h"
#include "tests/unit/fixture.h"

#define BATCH 256		/* the largest that a connector is told of */
#define MORE 262144u		/* at most, after the full load */

static const char client_text[] = "{"
	"\"pools\": { \"v4MagicIPPool\": [\"100.64.0.0/10\"],"
	"  \"v4TransitIPPool\": [\"10.64.0.0/10\"] },"
	"\"apps\": [{ \"name\": \"app\", \"domains\": [\"*.example\"],"
	"  \"connectors\": [\"*\"] }],"
	"\"datapath\": { \"nftables\": true, \"overlay\": \"lo\" } }";

static const char connector_text[] = "{"
	"\"apps\": [{ \"name\": \"app\" }],"
	"\"listen\": { \"transitIP\": \"http://127.0.0.1:8025\" },"
	"\"peers\": [{ \"name\": \"edge\", \"addresses\": [\"127.0.0.1\"],"
	"  \"apps\": [\"app\"] }],"
	"\"datapath\": { \"nftables\": true, \"overlay\": \"lo\" } }";

static struct fixture f;
static struct c25_mappings *mappings;
static struct c25_nat *nat;
static struct c25_loop *loop;
static uint32_t peer, app;

static double
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
print(const char *role, const char *metric, uint32_t n, double value,
	const char *unit)
{
	(void)printf("datapath.%s.%s.%u\t%.0f\t%s\n", role, metric, n, value,
		unit);
	(void)fflush(stdout);
}

static struct c25_config *
config(const char *text)
{
	struct c25_config_errors errs = { 0 };
	struct c25_config *cfg;

	ck_assert_int_eq(c25_config_parse(text, strlen(text), "bench", &cfg,
		&errs), 0);
	c25_config_errors_free(&errs);
	return cfg;
}

/* One more in the table; the nat is told if it is there. */
static void
assign(uint32_t i)
{
	struct c25_assignment a;
	char domain[64];

	(void)snprintf(domain, sizeof(domain), "host-%u.app%u.example", i,
		i % 97);
	ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a, NULL), 0);
	if (nat != NULL)
		c25_nat_seen(nat, &a);
}

/* One more mapping: whoever watches is told. */
static void
map(uint32_t i)
{
	struct c25_addr transit, destination = fx_addr("10.0.0.1"),
		first = fx_addr("10.64.0.0");

	ck_assert_int_eq(c25_addr_add(&transit, &first, i), 0);
	ck_assert_int_eq(c25_mappings_put(mappings, peer, &transit,
		&destination, app, c25_now_ms()), 1);
}

static size_t
in_kernel(void)
{
	struct c25_nat_stats s;

	c25_nat_stats(nat, &s);
	ck_assert_int_eq(s.datapath.errors, 0);
	ck_assert_int_eq(s.datapath.repairs, 0);
	return s.datapath.elements;
}

static void
flush(void)
{
	for (int i = 0; i < 1000 && !c25_nat_flush(nat); i++)
		;
}

/* Events that came meanwhile, as the daemon's loop reads them. */
static void
breathe(void)
{
	ck_assert_int_eq(c25_loop_once(loop, false), 0);
}

static void
more(const char *role, uint32_t n, void (*one)(uint32_t))
{
	uint32_t count = n < MORE ? n : MORE, at = n;
	double start = now_s(), each;

	for (uint32_t i = 0; i < count; i++, at++) {
		one(at);
		if (i % BATCH == BATCH - 1 || i == count - 1) {
			flush();
			breathe();
		}
	}
	print(role, "added", n, count / (now_s() - start), "elements/s");
	ck_assert_int_eq(in_kernel(), at);
	start = now_s();
	for (uint32_t i = 0; i < 1000; i++, at++) {
		one(at);
		flush();
	}
	each = (now_s() - start) / 1000;
	print(role, "alone", n, each * 1e6, "us");
	ck_assert_int_eq(in_kernel(), at);
}

static void
bench(const char *role, uint32_t n, const char *text, void (*one)(uint32_t))
{
	struct c25_config *cfg = config(text);
	struct c25_error err = { "" };
	struct c25_nat *fresh;
	double start;

	fx_open(&f, n * 2 + MORE + 1024);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/10");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE, "10.64.0.0/10");
	fx_publish(&f);
	ck_assert_int_eq(c25_mappings_new(UINT32_MAX, UINT32_MAX,
		&mappings), 0);
	peer = (uint32_t)c25_mappings_peer(mappings, "edge");
	app = (uint32_t)c25_mappings_app(mappings, "app");
	for (uint32_t i = 0; i < n; i++)
		one(i);

	ck_assert_int_eq(c25_nat_new(loop, &fresh), 0);
	ck_assert_msg(c25_nat_check(fresh, cfg, &err) == 0, "%s\n", err.text);
	nat = fresh;
	start = now_s();
	ck_assert_int_eq(c25_nat_configure(nat, cfg, f.t, mappings, &err), 0);
	flush();
	print(role, "load", n, n / (now_s() - start), "elements/s");
	ck_assert_int_eq(in_kernel(), n);
	breathe();
	more(role, n, one);

	c25_nat_free(nat, true);
	nat = NULL;
	c25_mappings_free(mappings);
	c25_config_free(cfg);
	fx_close(&f);
}

int
main(int argc, char **argv)
{
	static char *defaults[] = { "", "1000", "1000000" };
	struct c25_error err = { "" };

	c25_log_open("bench", C25_LOG_ERROR);
	if (unshare(CLONE_NEWNET) != 0) {
		(void)fprintf(stderr, "bench_datapath: left out: no network "
			"namespace: %s\n", strerror(errno));
		return 0;
	}
	if (argc < 2) {
		argc = 3;
		argv = defaults;
	}
	ck_assert_msg(c25_loop_new(&loop, &err) == 0, "%s\n", err.text);
	for (int i = 1; i < argc; i++) {
		uint32_t n = (uint32_t)strtoul(argv[i], NULL, 10);

		bench("client", n, client_text, assign);
		bench("connector", n, connector_text, map);
	}
	c25_loop_free(loop);
	return 0;
}
