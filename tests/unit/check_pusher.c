/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what the pusher tells of a real table; what it decides is tested
 * in check_push.c. */

#include <errno.h>

#include "sidecar/pusher.h"
#include "conn25/layout.h"
#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/scribble.h"
#include "tests/unit/suite.h"

#define MANY (C25_RING_SIZE + 5000)

static struct fixture f;
static struct c25_loop *loop;
static struct c25_pusher *pusher;
static uint8_t told[MANY];
static unsigned overruns;

static void
on_changed(void *ctx)
{
}

static void
on_seen(void *ctx, const struct c25_assignment *a)
{
	if (a == NULL)
		overruns++;
	else
		told[a->ref.slot] = 1;
}

static void
setup(void)
{
	struct c25_config cfg = { 0 };
	struct c25_error err = { "" };

	memset(told, 0, sizeof(told));
	overruns = 0;
	fx_open(&f, MANY);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/10");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE, "10.64.0.0/10");
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "10.200.0.0/16");
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c1"), 1);
	fx_publish(&f);
	ck_assert_int_eq(c25_loop_new(&loop, &err), 0);
	ck_assert_int_eq(c25_pusher_new(loop, f.t, on_changed, on_seen, NULL,
	    &pusher), 0);
	ck_assert_msg(c25_pusher_configure(pusher, &cfg, NULL, NULL, &err) ==
	    0, "%s", err.text);
}

static void
teardown(void)
{
	c25_pusher_free(pusher);
	c25_loop_free(loop);
	fx_close(&f);
}

static unsigned
count_told(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++)
		n += told[i];
	return n;
}

static void
reserve(unsigned from, unsigned to)
{
	struct c25_assignment a;
	char domain[32];

	for (; from < to; from++) {
		(void)snprintf(domain, sizeof(domain), "n%u.example", from);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
	}
}

static void
work(void)
{
	do
		c25_pusher_work(pusher);
	while (c25_push_due(c25_pusher_push(pusher)) == 1);
}

static void
configure_c0(void)
{
	struct c25_config_connector c0 = { .name = "c0", .url = {
	    .text = "http://127.0.0.1:9", .host = "127.0.0.1", .port = 9 } };
	struct c25_config cfg = { .connectors = &c0, .connector_count = 1 };
	struct c25_tls_trust *trust = NULL;
	struct c25_error err = { "" };

	ck_assert_msg(c25_pusher_configure(pusher, &cfg, (uint16_t[]){ 0 },
	    &trust, &err) == 0, "%s", err.text);
}

START_TEST(each_new_one_is_told_of)
{
	work();
	reserve(0, 3000);
	work();
	ck_assert_uint_eq(count_told(), 3000);
	ck_assert_uint_eq(overruns, 0);
}
END_TEST

/* Whoever keeps them for a restart hears of each, though the ring had no room
 * for all. */
START_TEST(each_is_told_of_though_the_ring_was_overrun)
{
	work();
	reserve(0, MANY);
	work();
	ck_assert_uint_eq(overruns, 1);
	ck_assert_uint_eq(count_told(), MANY);
}
END_TEST

/* What moves is told of at once: it may have been acknowledged when it turns
 * out that the ring was overrun (an Unbound was killed with the lock). */
START_TEST(each_that_moves_is_told_of_though_the_ring_was_overrun)
{
	struct c25_assignment a, other, moved;

	ck_assert_int_eq(fx_reserve(&f, "x.example", "10.0.0.1", &other,
	    NULL), 0);
	ck_assert_int_eq(c25_table_move(f.t, other.ref, 1, &other), 0);
	ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &a, NULL),
	    0);
	/* acknowledged by a connector that is none any more */
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &a), 0);
	ck_assert_int_eq(c25_table_set_push(f.t, a.ref, C25_PUSH_READY), 0);
	/* this leaves a slot free where the walk has been already */
	ck_assert_int_eq(c25_table_move(f.t, other.ref, 0, &other), 0);
	work();
	memset(told, 0, sizeof(told));
	configure_c0();
	ck_assert_int_eq(c25_table_by_key(f.t, &a.domain, &a.destination,
	    &moved), 0);
	ck_assert_uint_eq(moved.connector, 0);
	ck_assert_uint_lt(moved.ref.slot, a.ref.slot);
	ck_assert(!c25_addr_eq(&a.transit, &moved.transit));
	ck_assert_int_eq(c25_table_set_push(f.t, moved.ref, C25_PUSH_READY),
	    0);
	c25_rebuild(f.t);
	work();
	ck_assert_uint_eq(overruns, 1);
	ck_assert_uint_eq(told[moved.ref.slot], 1);
}
END_TEST

/* An assignment with an address of no pool is told to nobody and ends: in the
 * ring, found by walking, or as one that was moved while the pools lie. */
START_TEST(foreign_addresses_are_not_told_of)
{
	struct c25_poolset_d *set = c25_poolset(f.t,
	    (unsigned)(atomic_load(&f.t->h->p.current) & 1));
	struct c25_assignment good, a;
	size_t at = _i % 2 == 0 ? FX_MAGIC : FX_TRANSIT;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	if (_i >= 2)
		work();
	memset(told, 0, sizeof(told));
	if (_i < 4)
		fx_scribble(&f, &a, at, "8.8.8.8");
	if (_i == 4) {
		ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &a), 0);
		set->ranges[0].first[0] ^= 0x80;
		set->ranges[0].last[0] ^= 0x80;
	} else {
		ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1",
		    &good, NULL), 0);
	}
	configure_c0();
	work();
	if (_i < 4) {
		ck_assert_uint_eq(count_told(), 1);
		ck_assert_uint_eq(told[good.ref.slot], 1);
	}
	ck_assert_uint_eq(c25_push_stats(c25_pusher_push(pusher))->moved,
	    0);
	ck_assert_int_eq(c25_table_by_key(f.t, &a.domain, &a.destination,
	    &a), -ENOENT);
	ck_assert_uint_eq(c25_table_short(f.t), 1u << C25_TABLE_FOREIGN);
}
END_TEST

/* However many there are of these, others of the loop get their turn. */
START_TEST(foreign_addresses_take_turns)
{
	struct c25_assignment a;
	struct c25_usage usage;
	uint64_t ended = 0;
	uint32_t cursor = 0;
	int turns = 0;

	reserve(0, 8000);
	work();
	while (c25_table_next(f.t, &cursor, &a))
		fx_scribble(&f, &a, FX_MAGIC, "8.8.8.8");
	configure_c0();
	for (;; turns++) {
		c25_table_usage(f.t, &usage);
		ck_assert_uint_le(usage.ended - ended, 3000);
		ended = usage.ended;
		if (c25_push_due(c25_pusher_push(pusher)) != 1)
			break;
		c25_pusher_work(pusher);
	}
	ck_assert_uint_eq(ended, 8000);
	ck_assert_int_ge(turns, 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pusher");
	TCase *tc = tcase_create("pusher");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_new_one_is_told_of);
	tcase_add_test(tc, each_is_told_of_though_the_ring_was_overrun);
	tcase_add_test(tc,
	    each_that_moves_is_told_of_though_the_ring_was_overrun);
	tcase_add_loop_test(tc, foreign_addresses_are_not_told_of, 0, 5);
	tcase_add_test(tc, foreign_addresses_take_turns);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
