/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of the shared table: one with room for 1024 and pools of both
 * families, and a clock that the test sets. */
#ifndef CONN25_TESTS_TABLE_FIXTURE_H
#define CONN25_TESTS_TABLE_FIXTURE_H

#include <check.h>
#include <stdio.h>

#include "conn25/table.h"
#include "tests/unit/fixture.h"

static struct fixture f;		/* the table under test */
static uint64_t fake_now_ms;

static inline uint64_t
fake_clock(void)
{
	return fake_now_ms;
}

/* Let that much time pass. */
static inline void
pass_ms(uint64_t ms)
{
	fake_now_ms = c25_now_ms() + ms;
	c25_clock_set(fake_clock);
}

/* All of the table agrees with itself. */
static inline void
verify(void)
{
	struct c25_error err = { "" };

	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
}

static inline void
setup(void)
{
	fx_open(&f, 1024);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/16");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/18");
	fx_pool(&f, C25_POOL_V6_MAGIC, C25_CONNECTOR_NONE, "fd25:1::/64");
	fx_pool(&f, C25_POOL_V6_TRANSIT, C25_CONNECTOR_NONE, "fd25:2::/64");
	fx_publish(&f);
}

static inline void
teardown(void)
{
	c25_clock_set(NULL);
	fx_close(&f);
}

/* Connectors 0 and 1 have pools of their own, 2 and 3 share one. */
static inline void
two_connectors(void)
{
	for (int i = 1; i < 4; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "c%d", i);
		ck_assert_int_eq(c25_table_connector_reg(f.t, name), i);
	}
	fx_pool(&f, C25_POOL_V4_TRANSIT, 0, "169.254.65.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "169.254.66.0/24");
	fx_publish(&f);
}

#endif
