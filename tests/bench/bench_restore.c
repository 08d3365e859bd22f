/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long conn25d takes to have its assignments back from the database after
 * the table was lost, and to store them. Prints "metric value unit" lines,
 * tab-separated; see tests/bench/README.md.
 *
 *   bench_restore [ASSIGNMENTS...]     default 1000000
 */

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define FIXTURE_WITHOUT_CHECK
#include "conn25/log.h"
#include "sidecar/keep.h"
#include "tests/unit/fixture.h"

static struct fixture f;
static char state_dir[100];

static double
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
print(const char *metric, uint32_t n, double value, const char *unit)
{
	(void)printf("restore.%s.%u\t%.2f\t%s\n", metric, n, value, unit);
	(void)fflush(stdout);
}

static struct c25_store *
open_store(void)
{
	struct c25_store *s;
	struct c25_error err = { "" };

	ck_assert_msg(c25_store_open(&(struct c25_store_options){
	    .state_dir = state_dir }, &s, &err) == 0, "%s\n", err.text);
	return s;
}

static void
open_table(uint32_t n)
{
	fx_open(&f, n + 1024);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/10");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE, "10.64.0.0/10");
	fx_publish(&f);
}

static void
fill(uint32_t n, struct c25_keep *k)
{
	struct c25_assignment a;
	char domain[64];

	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(domain, sizeof(domain), "host-%u.app%u.example",
		    i, i % 97);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
		c25_keep_put(k, &a);
	}
}

static void
bench(uint32_t n)
{
	struct c25_error err = { "" };
	struct c25_store *s;
	struct c25_keep *k;
	struct c25_usage u;
	char command[200];
	double start;

	open_table(n);
	(void)snprintf(state_dir, sizeof(state_dir), "%s.state", f.dir);
	s = open_store();
	ck_assert_int_eq(c25_keep_start(s, f.t, f.p, &k, &err), 0);
	ck_assert_int_eq(c25_store_start(s, &err), 0);
	start = now_s();
	fill(n, k);
	ck_assert_int_eq(c25_store_flush(s), 0);
	print("stored", n, now_s() - start, "s");
	c25_store_close(s);
	c25_keep_free(k);
	fx_close(&f);

	/* after a reboot: a new table, and the database */
	open_table(n);
	ck_assert_int_eq(c25_table_create(f.dir, n + 1024, (gid_t)-1,
	    &f.t, &err), 0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	fx_publish(&f);
	start = now_s();
	s = open_store();
	ck_assert_int_eq(c25_keep_start(s, f.t, f.p, &k, &err), 0);
	print("restored", n, now_s() - start, "s");
	c25_table_usage(f.t, &u);
	ck_assert_int_eq(u.assignments, n);
	ck_assert_int_eq(c25_store_start(s, &err), 0);
	c25_store_close(s);
	c25_keep_free(k);
	fx_close(&f);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", state_dir);
	ck_assert_int_eq(system(command), 0);
}

int
main(int argc, char **argv)
{
	c25_log_open("bench", C25_LOG_ERROR);
	if (argc < 2)
		bench(1000000);
	for (int i = 1; i < argc; i++)
		bench((uint32_t)strtoul(argv[i], NULL, 10));
	return 0;
}
