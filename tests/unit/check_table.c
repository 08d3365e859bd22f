/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the shared table: reserving, looking up, crashing, attaching. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "conn25/layout.h"
#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suite.h"

static struct fixture f;
static uint64_t fake_now_ms;

static uint64_t
fake_clock(void)
{
	return fake_now_ms;
}

/* Let that much time pass. */
static void
pass_ms(uint64_t ms)
{
	fake_now_ms = c25_now_ms() + ms;
	c25_clock_set(fake_clock);
}

static void
verify(void)
{
	struct c25_error err = { "" };

	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
}

static void
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

static void
teardown(void)
{
	c25_clock_set(NULL);
	fx_close(&f);
}

START_TEST(same_key_same_addresses)
{
	struct c25_assignment a, b;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(a.created);
	ck_assert_int_eq(fx_reserve(&f, "A.Example.", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!b.created);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert(c25_addr_eq(&a.transit, &b.transit));
	verify();
}
END_TEST

START_TEST(every_key_its_own_addresses)
{
	struct c25_assignment a, b, c, d;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.2", &c, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "fd00::1", &d, NULL),
	    0);
	ck_assert(!c25_addr_eq(&a.magic, &b.magic));
	ck_assert(!c25_addr_eq(&a.magic, &c.magic));
	ck_assert(!c25_addr_eq(&b.transit, &c.transit));
	ck_assert_uint_eq(d.magic.family, C25_V6);
	ck_assert_uint_eq(d.transit.family, C25_V6);
	verify();
}
END_TEST

START_TEST(found_by_every_index)
{
	struct c25_assignment a, b;
	struct c25_name n = fx_name("a.example"), m = fx_name("b.example");
	struct c25_addr dst = fx_addr("10.0.0.1");

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_by_key(f.t, &n, &dst, &b), 0);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), 0);
	ck_assert(c25_name_eq(&b.domain, &n));
	ck_assert_int_eq(c25_table_by_transit(f.t, &a.transit, &b), 0);
	ck_assert(c25_addr_eq(&b.destination, &dst));
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &b), 0);
	ck_assert_int_eq(c25_table_by_key(f.t, &m, &dst, &b), -ENOENT);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.transit, &b), -ENOENT);
	ck_assert_int_eq(c25_table_by_transit(f.t, &a.magic, &b), -ENOENT);
}
END_TEST

/* Names of every length that a slot stores differently. */
static const size_t lengths[] = { 3, 79, 80, 81, 82, 215, 216, 217, 218,
	254, 255 };

START_TEST(names_of_any_length)
{
	struct c25_name n = { 0 };
	struct c25_assignment a, b;
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = 60 };
	size_t want = lengths[_i] - 1, at = 0;

	while (at < want) {		/* labels, then the root */
		size_t label = want - at - 1 < 63 ? want - at - 1 : 63;

		if (want - at - 1 == 64)
			label = 62;
		n.wire[at] = (uint8_t)label;
		memset(n.wire + at + 1, 'x', label);
		at += label + 1;
	}
	n.len = (uint16_t)(at + 1);
	ck_assert_uint_eq(n.len, lengths[_i]);
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), 0);
	ck_assert(c25_name_eq(&b.domain, &n));
	verify();
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), -ENOENT);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), -ENOENT);
	verify();
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	verify();
	ck_assert_uint_eq(atomic_load(&f.t->h->free_count),
	    atomic_load(&f.t->h->watermark));
}
END_TEST

/* Small pools, and what runs out first. */
static const struct {
	const char *magic, *transit;
	unsigned room;
	int full;
} full_rows[] = {
	{ "100.64.0.0/30", "169.254.64.0/18", 4, C25_POOL_V4_MAGIC },
	{ "100.64.0.0/16", "169.254.64.0-169.254.64.2", 3,
	    C25_POOL_V4_TRANSIT },
	{ "100.64.0.9/32", "169.254.64.0/24", 1, C25_POOL_V4_MAGIC },
	{ "100.64.0.0/16", "169.254.64.0/18", 1024, C25_POOL_KINDS },
};

START_TEST(exhausted_pools_leak_nothing)
{
	struct c25_assignment a, first;
	struct c25_usage u;
	char domain[32];
	int full = -1;

	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE,
	    full_rows[_i].magic);
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    full_rows[_i].transit);
	fx_publish(&f);
	for (unsigned i = 0; i < full_rows[_i].room; i++) {
		(void)snprintf(domain, sizeof(domain), "n%u.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
		if (i == 0)
			first = a;
	}
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(fx_reserve(&f, "one.too.many.example",
		    "10.0.0.1", &a, &full), -ENOSPC);
		ck_assert_int_eq(full, full_rows[_i].full);
	}
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, full_rows[_i].room);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_MAGIC].inuse,
	    full_rows[_i].room);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_TRANSIT].inuse,
	    full_rows[_i].room);
	verify();
	ck_assert_int_eq(c25_table_drop(f.t, first.ref), 0);
	ck_assert_int_eq(fx_reserve(&f, "now.example", "10.0.0.1", &a,
	    NULL), -ENOSPC);
	verify();
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(fx_reserve(&f, "now.example", "10.0.0.1", &a,
	    NULL), 0);
	ck_assert(c25_addr_eq(&a.magic, &first.magic) ||
	    full_rows[_i].full != C25_POOL_V4_MAGIC);
	verify();
}
END_TEST

START_TEST(no_pool_of_the_family)
{
	struct c25_assignment a;

	f.range_count = 2;
	fx_publish(&f);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "fd00::1", &a, NULL),
	    -EAFNOSUPPORT);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	verify();
}
END_TEST

START_TEST(addresses_go_round)
{
	struct c25_assignment a, b;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!c25_addr_eq(&a.magic, &b.magic));
	ck_assert(!c25_addr_eq(&a.transit, &b.transit));
}
END_TEST

START_TEST(lease_then_quarantine_then_reuse)
{
	struct c25_assignment a;
	uint64_t end;

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	end = a.lease_end_ms;
	ck_assert_uint_ge(end, fake_now_ms + 300000);
	fake_now_ms = end + C25_QUARANTINE_S * 1000;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 0);
	/* renewed in its quarantine it lives on with the same addresses */
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(!a.created);
	pass_ms(2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 0);
	verify();
	fake_now_ms = a.lease_end_ms + C25_QUARANTINE_S * 1000;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 0);
	fake_now_ms += 2 * C25_WHEEL_TICK_MS;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1024), 1);
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), -ENOENT);
	verify();
}
END_TEST

/* The clock of the table says anything at all after a suspend. */
START_TEST(reclaims_after_a_long_sleep)
{
	struct c25_assignment a;
	char domain[32];

	pass_ms(0);
	for (int i = 0; i < 500; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
	}
	pass_ms(1000ull * 24 * 3600 * 1000);
	while (c25_table_reclaim(f.t, 100) > 0)
		;
	verify();
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), -ENOENT);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(a.created);
	verify();
}
END_TEST

START_TEST(dropped_keeps_its_addresses_for_the_quarantine)
{
	struct c25_assignment a, b;
	struct c25_usage u;

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(c25_table_push_state(f.t, a.ref), -ENOENT);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 0);
	ck_assert_uint_eq(u.ended, 1);
	ck_assert_uint_eq(u.pending, 0);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_MAGIC].inuse, 1);
	/* asked for again it is another one */
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(b.created);
	ck_assert(!c25_addr_eq(&a.magic, &b.magic));
	verify();
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	verify();
	ck_assert_int_eq(c25_table_by_ref(f.t, b.ref, &b), 0);
}
END_TEST

START_TEST(ended_but_in_use_keeps_its_addresses)
{
	uint64_t quarantine = C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS;
	struct c25_assignment a;
	struct c25_usage u;

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	/* it lives: c25_table_extend() is for that */
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.magic,
	    fake_now_ms + 1000000), 0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.destination,
	    fake_now_ms + 1000000), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(c25_table_extend_ended(f.t, i % 2 == 0 ?
		    &a.magic : &a.transit, fake_now_ms + 100000), 1);
		/* never shortened */
		ck_assert_int_eq(c25_table_extend_ended(f.t, &a.magic,
		    fake_now_ms), 1);
		verify();
		pass_ms(100000);
		ck_assert_int_eq(c25_table_reclaim(f.t, 64), 0);
		ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), -ENOENT);
	}
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.pool[C25_POOL_V4_MAGIC].inuse, 1);
	pass_ms(quarantine);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.magic,
	    fake_now_ms + 100000), 0);
	verify();
}
END_TEST

/* Far more often than a chain may be long. Neither it nor its neighbours in the
 * index come to harm, and it takes no more than some slots and addresses. */
START_TEST(dropped_over_and_over)
{
	struct c25_assignment a, b;
	struct c25_usage u;
	char domain[32];

	pass_ms(0);
	for (int i = 0; i < 400; i++) {
		(void)snprintf(domain, sizeof(domain), "o%d.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &b, NULL),
		    0);
	}
	for (int i = 0; i < 2 * C25_CHAIN_MAX; i++) {
		ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &a,
		    NULL), 0);
		ck_assert(a.created);
		ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &b), 0);
		ck_assert(c25_name_eq(&a.domain, &b.domain));
		ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	}
	verify();
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 400);
	ck_assert_uint_le(u.ended, 32);
	ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &a, NULL),
	    0);
	for (int i = 0; i < 400; i++) {
		struct c25_name n;
		struct c25_addr d = fx_addr("10.0.0.1");

		(void)snprintf(domain, sizeof(domain), "o%d.example", i);
		n = fx_name(domain);
		ck_assert_int_eq(c25_table_by_key(f.t, &n, &d, &b), 0);
	}
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_gt(c25_table_reclaim(f.t, 1000), 0);
	verify();
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &b), 0);
}
END_TEST

/* Its former addresses are of no pool now: it gets others. */
START_TEST(dropped_over_and_over_before_a_reload)
{
	struct c25_assignment a, b;

	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &a,
		    NULL), 0);
		ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
		if (i % 50 != 49)
			continue;
		f.range_count = 0;
		fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, i % 100 ==
		    49 ? "100.65.0.0/16" : "100.64.0.0/16");
		fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
		    "169.254.64.0/18");
		fx_publish(&f);
	}
	ck_assert_int_eq(fx_reserve(&f, "n.example", "10.0.0.1", &b, NULL),
	    0);
	verify();
}
END_TEST

/* Let somebody else's ended slot have the address of a living one. */
static void
give_away(const struct c25_assignment *living, uint32_t ended, bool magic)
{
	struct c25_slot_d *s = c25_slot(f.t, ended);
	struct c25_addr was = { .family = C25_V4 };
	union c25_content_d c;

	ck_assert_int_eq(c25_lock(f.t), 0);
	ck_assert_uint_ne(c25_slot_read(s, &c), 1);
	c25_unlink(f.t, ended, &c);
	memcpy(was.bytes, magic ? c.live.magic : c.live.transit, 16);
	memcpy(magic ? c.live.magic : c.live.transit, magic ?
	    living->magic.bytes : living->transit.bytes, 16);
	(void)c25_slot_write(s, &c);
	c25_link(f.t, ended, &c);
	c25_pool_give(f.t, &was);
	c25_unlock(f.t);
}

/* An address is somebody's before another one's quarantine is over: verify
 * sees it. It may be the same one's. */
START_TEST(verify_sees_a_broken_quarantine)
{
	struct c25_assignment a, b;
	struct c25_error err = { "" };

	pass_ms(0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, _i < 2 ? "b.example" : "a.example",
	    _i < 2 ? "10.0.0.1" : "10.0.0.2", &b, NULL), 0);
	ck_assert_int_eq(c25_table_drop(f.t, b.ref), 0);
	verify();
	give_away(&a, b.ref.slot, _i % 2);
	ck_assert_int_eq(c25_table_verify(f.t, &err), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(err.text, "quarantine"));
	pass_ms(C25_QUARANTINE_S * 1000 + 1);
	verify();
}
END_TEST

/* Connectors 0 and 1 have pools of their own, 2 and 3 share one. */
static void
two_connectors(void)
{
	for (int i = 1; i < 4; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "c%d", i);
		ck_assert_int_eq(c25_table_connector_reg(f.t, name), i);
	}
	fx_pool(&f, C25_POOL_V4_TRANSIT, 0, "169.254.65.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "169.254.66.0/24");
	fx_publish(&f);
}

START_TEST(moved_to_another_connector)
{
	struct c25_addr want = fx_addr("169.254.66.0");
	struct c25_assignment a, b, c;
	struct c25_ref ref;
	struct c25_usage u;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	while (c25_table_take(f.t, &ref) != 0)
		;
	ck_assert_int_eq(c25_table_set_push(f.t, a.ref, C25_PUSH_READY), 0);
	ck_assert_int_eq(c25_table_extend(f.t, a.ref, fake_now_ms + 1000000),
	    0);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &b), 0);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert(c25_addr_eq(&b.transit, &want));
	ck_assert_uint_eq(b.connector, 1);
	ck_assert_uint_eq(b.push, C25_PUSH_PENDING);
	ck_assert_uint_ge(b.lease_end_ms, fake_now_ms + 1000000);
	ck_assert_int_eq(c25_table_take(f.t, &ref), 1);
	ck_assert_uint_eq(ref.slot, b.ref.slot);
	verify();
	/* the old version is gone, its transit address is in quarantine */
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &c), -ENOENT);
	ck_assert_int_eq(c25_table_by_transit(f.t, &a.transit, &c), -ENOENT);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &c), 0);
	ck_assert(c25_addr_eq(&c.transit, &b.transit));
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 0, &c), -ENOENT);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 1);
	ck_assert_uint_eq(u.ended, 1);
	/* a flow by the old transit address keeps that, and nothing else */
	ck_assert_int_eq(c25_table_extend_ended(f.t, &a.transit,
	    fake_now_ms + 2000000), 1);
	ck_assert_int_eq(c25_table_extend_ended(f.t, &b.transit,
	    fake_now_ms + 2000000), 0);
	verify();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &c, NULL),
	    0);
	ck_assert(!c.created);
	/* the end of the old version takes nothing from the new one */
	ck_assert_int_eq(c25_table_extend(f.t, c.ref, fake_now_ms +
	    100000000), 0);
	pass_ms(90000000);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	verify();
	ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &c), 0);
}
END_TEST

START_TEST(moved_within_one_pool_keeps_its_transit_address)
{
	struct c25_assignment a, b, c;
	struct c25_usage u;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 2, &b), 0);
	ck_assert(!c25_addr_eq(&a.transit, &b.transit));
	ck_assert_int_eq(c25_table_move(f.t, b.ref, 3, &c), 0);
	ck_assert(c25_addr_eq(&b.transit, &c.transit));
	verify();
	/* the version in between has left nothing behind */
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.ended, 1);
	ck_assert_int_eq(c25_table_by_ref(f.t, b.ref, &a), -ENOENT);
	ck_assert_int_eq(c25_table_drop(f.t, c.ref), 0);
	verify();
	pass_ms(400000000);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 2);
	verify();
}
END_TEST

static uint64_t
transits_in_use(void)
{
	struct c25_usage u;

	c25_table_usage(f.t, &u);
	return u.pool[C25_POOL_V4_TRANSIT].inuse;
}

START_TEST(moved_back_and_forth_takes_one_address_of_each_pool)
{
	struct c25_addr transit[3];
	struct c25_assignment a, b;
	struct c25_usage u;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	for (int i = 0; i < 30; i++) {
		uint16_t from = (uint16_t)(i % 3), to = (uint16_t)((i + 1) % 3);

		if (i < 3)
			transit[from] = a.transit;
		ck_assert_uint_eq(a.connector, from);
		ck_assert(c25_addr_eq(&a.transit, &transit[from]));
		pass_ms(1000);
		ck_assert_int_eq(c25_table_move(f.t, a.ref, to, &b), 0);
		ck_assert(c25_addr_eq(&a.magic, &b.magic));
		ck_assert_uint_eq(b.push, C25_PUSH_PENDING);
		verify();
		a = b;
	}
	ck_assert_uint_eq(transits_in_use(), 3);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.ended, 2);
	ck_assert_uint_eq(u.assignments, 1);
	/* what it left is free again after lease and quarantine, and is not
	 * its any more */
	ck_assert_int_eq(c25_table_extend(f.t, a.ref, fake_now_ms +
	    100000000), 0);
	pass_ms(90000000);
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 2);
	ck_assert_uint_eq(transits_in_use(), 1);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &b), 0);
	ck_assert(!c25_addr_eq(&b.transit, &transit[1]));
	verify();
}
END_TEST

/* What a client was told before a drop is not what it is told after it. */
START_TEST(moved_back_takes_nothing_of_one_that_was_dropped)
{
	struct c25_assignment a, b, c;
	struct c25_addr magic;

	pass_ms(0);
	two_connectors();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	magic = a.magic;
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!c25_addr_eq(&b.magic, &magic));
	ck_assert_int_eq(c25_table_move(f.t, b.ref, 1, &c), 0);
	ck_assert_int_eq(c25_table_move(f.t, c.ref, 0, &c), 0);
	ck_assert(c25_addr_eq(&c.transit, &b.transit));
	ck_assert(!c25_addr_eq(&c.transit, &a.transit));
	verify();
}
END_TEST

START_TEST(moving_in_a_full_table)
{
	struct c25_assignment a[1024], b;
	char name[32];
	uint32_t n = 0;

	pass_ms(0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c1"), 1);
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "169.254.66.0/24");
	fx_publish(&f);
	ck_assert_uint_eq(c25_table_capacity(f.t), 1024);
	for (; n < c25_table_capacity(f.t); n++) {
		(void)snprintf(name, sizeof(name), "n%u.example", n);
		ck_assert_int_eq(fx_reserve(&f, name, "10.0.0.1", &a[n],
		    NULL), 0);
	}
	ck_assert_int_eq(c25_table_move(f.t, a[0].ref, 1, &b), -ENOSPC);
	ck_assert_int_eq(c25_table_by_ref(f.t, a[0].ref, &b), 0);
	ck_assert_uint_eq(transits_in_use(), n);
	verify();
	/* room, as soon as one is over, if nobody has taken it back yet */
	ck_assert_int_eq(c25_table_extend(f.t, a[0].ref, fake_now_ms +
	    100000000), 0);
	pass_ms(600000);
	ck_assert_int_eq(c25_table_move(f.t, a[0].ref, 1, &b), 0);
	verify();
}
END_TEST

static const struct {
	const char *destination, *magic, *transit;
	uint16_t connector;
	int r;
	const char *transit_now;	/* NULL: the same */
} restore_rows[] = {
	{ "10.0.0.1", "100.64.0.77", "169.254.64.9", 2, 0, NULL },
	{ "10.0.0.1", "100.64.0.77", "169.254.65.9", 0, 0, NULL },
	/* a transit address that is not its connector's any more */
	{ "10.0.0.1", "100.64.0.77", "169.254.66.9", 0, 0, "169.254.65.0" },
	{ "10.0.0.1", "100.64.0.77", "192.0.2.1", 1, 0, "169.254.66.0" },
	{ "10.0.0.1", "192.0.2.1", "169.254.64.9", 2, -ERANGE, NULL },
	{ "10.0.0.1", "169.254.64.9", "169.254.64.9", 2, -ERANGE, NULL },
	{ "fd00::1", "fd25:1::77", "fd25:2::9", 0, 0, NULL },
	{ "fd00::1", "100.64.0.77", "fd25:2::9", 0, -EINVAL, NULL },
};

START_TEST(closed_until_it_begins)
{
	struct c25_assignment a;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	atomic_store(&f.t->h->closed, 1);
	ck_assert(c25_table_closed(f.t));
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    -EBUSY);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	c25_table_begin(f.t);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    0);
}
END_TEST

START_TEST(restored_with_its_addresses)
{
	struct c25_saved s = { .name = fx_name("old.example"),
	    .destination = fx_addr(restore_rows[_i].destination),
	    .magic = fx_addr(restore_rows[_i].magic),
	    .transit = fx_addr(restore_rows[_i].transit),
	    .connector = restore_rows[_i].connector };
	struct c25_saved twins[2];
	struct c25_assignment a;
	int r[2];

	two_connectors();
	s.lease_end_ms = c25_now_ms() + 60000;
	ck_assert_int_eq(c25_table_restore(f.t, &s, 1, r),
	    restore_rows[_i].r == 0);
	ck_assert_int_eq(r[0], restore_rows[_i].r);
	verify();
	if (restore_rows[_i].r != 0)
		return;
	ck_assert_int_eq(fx_reserve(&f, "old.example",
	    restore_rows[_i].destination, &a, NULL), 0);
	ck_assert(!a.created);
	ck_assert(c25_addr_eq(&a.magic, &s.magic));
	if (restore_rows[_i].transit_now != NULL)
		s.transit = fx_addr(restore_rows[_i].transit_now);
	ck_assert(c25_addr_eq(&a.transit, &s.transit));
	ck_assert_uint_eq(a.push, C25_PUSH_PENDING);
	/* neither a second time, nor another one with its address */
	twins[0] = twins[1] = s;
	twins[1].name = fx_name("new.example");
	ck_assert_int_eq(c25_table_restore(f.t, twins, 2, r), 0);
	ck_assert_int_eq(r[0], -EEXIST);
	ck_assert_int_eq(r[1], -EADDRINUSE);
	verify();
}
END_TEST

START_TEST(migrated_with_all_that_lives)
{
	static const uint32_t sizes[] = { 4096, 600 };
	uint64_t generation = c25_table_generation(f.t);
	struct c25_assignment a[500], b;
	struct c25_error err = { "" };
	struct c25_table *t;
	char domain[300], path[128];

	for (int i = 0; i < 500; i++) {
		(void)snprintf(domain, sizeof(domain), "%.*s.n%d.example",
		    1 + i % 60, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxx", i);
		ck_assert_int_eq(fx_reserve(&f, domain, i % 2 ? "10.0.0.1" :
		    "fd00::1", &a[i], NULL), 0);
	}
	ck_assert_int_eq(c25_table_set_push(f.t, a[7].ref, C25_PUSH_READY),
	    0);
	ck_assert_int_eq(c25_table_drop(f.t, a[8].ref), 0);
	if (_i >= 2) {		/* as another version would have made it */
		f.t->h->p.fingerprint ^= 1;
		ck_assert_int_eq(c25_table_attach(f.dir, &t, &err), -EPROTO);
	}
	ck_assert_msg(c25_table_migrate(f.dir, sizes[_i % 2], (gid_t)-1, &t,
	    &err) == 0, "%s", err.text);
	/* the old one gives what it has, and nothing new */
	ck_assert(c25_table_retired(f.t));
	ck_assert_int_eq(fx_reserve(&f, "x.example", "10.0.0.1", &b, NULL),
	    -ESTALE);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a[7].magic, &b), 0);
	ck_assert_uint_eq(c25_table_generation(t), generation);
	c25_table_detach(f.t);
	f.t = t;
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	fx_publish(&f);
	verify();
	for (int i = 0; i < 500; i++) {
		int r = c25_table_by_key(f.t, &a[i].domain,
		    &a[i].destination, &b);

		ck_assert_int_eq(r, i == 8 ? -ENOENT : 0);
		if (i == 8)
			continue;
		ck_assert(c25_addr_eq(&a[i].magic, &b.magic));
		ck_assert(c25_addr_eq(&a[i].transit, &b.transit));
		ck_assert_uint_ge(b.lease_end_ms, a[i].lease_end_ms);
		ck_assert_uint_eq(b.push, i == 7 ? C25_PUSH_READY :
		    C25_PUSH_PENDING);
	}
	(void)snprintf(path, sizeof(path), "%s/policy.%llu", f.dir,
	    (unsigned long long)generation);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(migration_that_fails_changes_nothing)
{
	struct c25_assignment a;
	struct c25_error err = { "" };
	struct c25_table *t;
	char domain[32];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
	}
	ck_assert_int_eq(c25_table_migrate(f.dir, 64, (gid_t)-1, &t, &err),
	    -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.text, "maxAssignments"));
	ck_assert(!c25_table_replaced(f.t));
	ck_assert_int_eq(fx_reserve(&f, "x.example", "10.0.0.1", &a, NULL),
	    0);
	f.t->h->p.fingerprint ^= 1;
	f.t->h->p.slot_format++;
	ck_assert_int_eq(c25_table_migrate(f.dir, 1024, (gid_t)-1, &t, &err),
	    -EPROTO);
	verify();
}
END_TEST

START_TEST(lease_is_clamped)
{
	struct c25_name n = fx_name("a.example"), m = fx_name("b.example");
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = 0 };
	struct c25_assignment a;

	uint64_t now;

	pass_ms(0);
	now = fake_now_ms;
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_uint_ge(a.lease_end_ms, now + 60 * 1000);
	ck_assert_uint_lt(a.lease_end_ms, now + 90 * 1000);
	w.name = &m;
	w.ttl_s = UINT32_MAX;
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_uint_lt(a.lease_end_ms, now + 72ull * 3600 * 1000 +
	    30000);
	/* a shorter TTL never shortens a lease */
	w.ttl_s = 60;
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	ck_assert_uint_ge(a.lease_end_ms, now + 72ull * 3600 * 1000);
}
END_TEST

START_TEST(full_pool_takes_back_expired)
{
	struct c25_assignment a;

	pass_ms(0);
	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/31");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/31");
	fx_publish(&f);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    0);
	fake_now_ms = a.lease_end_ms;
	ck_assert_int_eq(fx_reserve(&f, "c.example", "10.0.0.1", &a, NULL),
	    -ENOSPC);
	pass_ms(C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS);
	ck_assert_int_eq(fx_reserve(&f, "c.example", "10.0.0.1", &a, NULL),
	    0);
	verify();
}
END_TEST

START_TEST(connector_with_its_own_transit_pool)
{
	struct c25_assignment a;
	struct c25_addr own = fx_addr("169.254.65.0");

	fx_pool(&f, C25_POOL_V4_TRANSIT, 0, "169.254.65.0/24");
	fx_publish(&f);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(c25_addr_eq(&a.transit, &own));
	ck_assert_uint_eq(a.connector, 0);
	verify();
}
END_TEST

START_TEST(pool_change_keeps_living_assignments)
{
	struct c25_assignment a, b, c;
	struct c25_range now;

	ck_assert_int_eq(c25_range_parse(&now, "10.99.0.0/24", 12), 0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "10.99.0.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/18");
	fx_publish(&f);
	verify();
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &b, NULL),
	    0);
	ck_assert(!b.created);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &c, NULL),
	    0);
	ck_assert(c25_range_contains(&now, &c.magic));
	ck_assert(!c25_addr_eq(&c.transit, &a.transit));
	ck_assert_int_eq(c25_table_drop(f.t, b.ref), 0);
	verify();
}
END_TEST

START_TEST(an_old_policy_is_stale)
{
	struct c25_policy *old = c25_policy_ref(f.p);
	struct c25_name n = fx_name("a.example");
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = 60 };
	struct c25_assignment a;

	fx_publish(&f);
	ck_assert_int_eq(c25_table_reserve(f.t, old, &w, &a, NULL), -ESTALE);
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &a, NULL), 0);
	c25_policy_unref(old);
}
END_TEST

START_TEST(queue_and_push_state)
{
	struct c25_table *daemon;
	struct c25_assignment a, b;
	struct c25_error err;
	struct c25_usage u;
	struct c25_ref ref;

	ck_assert_int_eq(c25_table_attach(f.dir, &daemon, &err), 0);
	ck_assert_int_eq(c25_table_take(daemon, &ref), 0);
	ck_assert(c25_table_sleep(daemon));
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	ck_assert(c25_table_must_ring(f.t));
	ck_assert(!c25_table_must_ring(f.t));
	ck_assert(!c25_table_sleep(daemon));
	ck_assert_int_eq(c25_table_take(daemon, &ref), 1);
	ck_assert_uint_eq(ref.slot, a.ref.slot);
	ck_assert_uint_eq(ref.seq, a.ref.seq);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.pending, 1);
	ck_assert_int_eq(c25_table_set_push(daemon, ref, C25_PUSH_READY), 0);
	ck_assert_int_eq(c25_table_by_ref(f.t, ref, &b), 0);
	ck_assert_uint_eq(b.push, C25_PUSH_READY);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.pending, 0);
	ck_assert_int_eq(c25_table_drop(f.t, ref), 0);
	ck_assert_int_eq(c25_table_set_push(daemon, ref, C25_PUSH_PENDING),
	    -ENOENT);
	c25_table_detach(daemon);
}
END_TEST

START_TEST(overrun_ring_says_so_once)
{
	struct c25_table *daemon;
	struct c25_assignment a;
	struct c25_error err;
	struct c25_ref ref;

	ck_assert_int_eq(c25_table_attach(f.dir, &daemon, &err), 0);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	for (unsigned i = 0; i < C25_RING_SIZE; i++)
		c25_enqueue(f.t, a.ref.slot, a.ref.seq);
	ck_assert_int_eq(c25_table_take(daemon, &ref), -EOVERFLOW);
	ck_assert_int_eq(c25_table_take(daemon, &ref), 0);
	c25_table_detach(daemon);
}
END_TEST

START_TEST(registry_is_stable)
{
	char name[16];

	ck_assert_int_eq(c25_table_connector_reg(f.t, "x"), 1);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "x"), 1);
	ck_assert_int_eq(c25_table_connector_reg(f.t, ""), -EINVAL);
	for (int i = 2; i < C25_CONNECTORS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		ck_assert_int_eq(c25_table_connector_reg(f.t, name), i);
	}
	ck_assert_int_eq(c25_table_connector_reg(f.t, "y"), -ENOSPC);
}
END_TEST

/* What a damaged or foreign file gets: an error, and stays as it was. */
static const struct {
	size_t off;
	const char *bytes;
	off_t cut;		/* truncate to this first; 0: don't */
	int r;
	int policy;		/* of c25_table_policy_alone() */
} damage_rows[] = {
	{ offsetof(struct c25_prefix_d, magic), "x", 0, -EUCLEAN, -ENOENT },
	{ offsetof(struct c25_prefix_d, fingerprint), "x", 0, -EPROTO, 0 },
	{ offsetof(struct c25_prefix_d, len_bytes), "x", 0, -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, capacity), "\377\377\377\377", 0,
	    -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, capacity), "\0\20", 0, -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, boot_id), "xxxx", 0, -ESTALE, 0 },
	{ 0, "", 64, -EUCLEAN, -ENOENT },
	{ 0, "", 100, -EUCLEAN, 0 },
	{ 0, "", 8192, -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, current), "xxxx", 16384, -EUCLEAN,
	    -ENOENT },
};

START_TEST(attach_refuses_damage)
{
	char path[128];
	struct c25_table *t;
	struct c25_policy *p, *other;
	struct c25_error err = { "" };
	size_t n = strlen(damage_rows[_i].bytes);
	int fd;

	(void)snprintf(path, sizeof(path), "%s/table", f.dir);
	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	f.t = NULL;
	ck_assert_int_ge(fd = open(path, O_RDWR), 0);
	if (damage_rows[_i].r == -EUCLEAN && damage_rows[_i].off ==
	    offsetof(struct c25_prefix_d, capacity) && n == 0)
		n = 2;
	ck_assert_int_eq(pwrite(fd, damage_rows[_i].bytes, n,
	    (off_t)damage_rows[_i].off), (ssize_t)n);
	if (damage_rows[_i].cut > 0)
		ck_assert_int_eq(ftruncate(fd, damage_rows[_i].cut), 0);
	(void)close(fd);
	ck_assert_int_eq(c25_table_attach(f.dir, &t, &err),
	    damage_rows[_i].r);
	ck_assert_ptr_null(t);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	/* the policy is known as long as the file begins like a table */
	ck_assert_int_eq(c25_table_policy_alone(f.dir, 0, &p, &err),
	    damage_rows[_i].policy);
	if (damage_rows[_i].policy != 0) {
		ck_assert_ptr_null(p);
		return;
	}
	ck_assert_int_eq(c25_table_policy_alone(f.dir,
	    c25_policy_generation(p), &other, &err), -EALREADY);
	ck_assert_ptr_null(other);
	c25_policy_unref(p);
}
END_TEST

START_TEST(attach_without_a_table)
{
	struct c25_policy *p;
	struct c25_table *t;
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_table_attach("/nonexistent", &t, &err),
	    -ENOENT);
	ck_assert_ptr_null(t);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent"));
	ck_assert_int_eq(c25_table_policy_alone("/nonexistent", 0, &p, &err),
	    -ENOENT);
	ck_assert_ptr_null(p);
}
END_TEST

START_TEST(replaced_is_noticed)
{
	struct c25_table *t;
	struct c25_error err;

	ck_assert(!c25_table_replaced(f.t));
	ck_assert_int_eq(c25_table_create(f.dir, 64, (gid_t)-1, &t, &err),
	    0);
	ck_assert(c25_table_replaced(f.t));
	ck_assert(!c25_table_replaced(t));
	c25_table_detach(t);
}
END_TEST

/* A process that dies holding the mutex, half way through a change. */
static void
die_holding_the_mutex(void)
{
	struct c25_assignment a;
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct c25_table *t;
		struct c25_slot_d *s;

		if (c25_table_attach(f.dir, &t, NULL) != 0 ||
		    c25_lock(t) != 0)
			_exit(1);
		/* a slot half written, an address half taken, an index and
		 * a counter that lie */
		s = c25_slot(t, c25_slot_take(t));
		atomic_store(&s->seq, atomic_load(&s->seq) | 1);
		(void)c25_pool_take(t, C25_POOL_V4_MAGIC, &a.magic);
		atomic_store(c25_bucket(t, C25_BY_KEY, 0), 77);
		atomic_store(&t->h->assignments, 99);
		(void)raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

START_TEST(recovery_after_a_death)
{
	struct c25_assignment a, b, c;
	struct c25_usage u;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	die_holding_the_mutex();
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &b, NULL),
	    0);
	verify();
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 2);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &c, NULL),
	    0);
	ck_assert(!c.created);
	ck_assert(c25_addr_eq(&a.magic, &c.magic));
	ck_assert(c25_addr_eq(&a.transit, &c.transit));
}
END_TEST

static unsigned
rnd(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % below;
}

/* Threads and a second handle at once, all for the same keys. */
static void *
hammer(void *arg)
{
	struct c25_table *t = arg;
	char domain[32];

	for (int n = 0; n < 3000; n++) {
		struct c25_name name;
		struct c25_assignment a;
		struct c25_want w = { .name = &name, .destination =
		    fx_addr("10.0.0.1"), .ttl_s = 60 };

		(void)snprintf(domain, sizeof(domain), "n%d.example",
		    n % 200);
		name = fx_name(domain);
		if (c25_table_reserve(t, f.p, &w, &a, NULL) != 0 ||
		    !c25_name_eq(&a.domain, &name))
			return (void *)1;
		if (n % 17 == 0)
			(void)c25_table_drop(t, a.ref);
		if (c25_table_by_magic(t, &a.magic, &a) == 0)
			(void)c25_table_set_push(t, a.ref, C25_PUSH_READY);
	}
	return NULL;
}

START_TEST(threads_and_handles_at_once)
{
	struct c25_table *other;
	struct c25_error err;
	pthread_t th[4];
	void *bad;

	ck_assert_int_eq(c25_table_attach(f.dir, &other, &err), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&th[i], NULL, hammer,
		    i % 2 ? other : f.t), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(th[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	verify();
	c25_table_detach(other);
}
END_TEST

/* Bytes changed at random all over the mapping, the lock among them: errors
 * are fine, leaving the mapping or never coming back is not. */
START_TEST(scribbled_table_is_survived)
{
	unsigned seed = 4711 + (unsigned)_i;
	struct c25_assignment a;
	struct c25_usage u;
	struct c25_error err;
	char domain[32];

	for (int n = 0; n < 300; n++) {
		uint32_t cursor = 0;

		for (int k = 0; k < 20; k++) {
			size_t at = rnd(&seed, 1 << 24) %
			    (k % 2 ? f.t->l.arena + 4096 :
			    sizeof(struct c25_header_d));

			f.t->base[at] = (uint8_t)rnd(&seed, 256);
		}
		if (n % 3 == 0)
			f.t->h->p.lock = 0;
		(void)snprintf(domain, sizeof(domain), "n%u.example",
		    rnd(&seed, 50));
		(void)fx_reserve(&f, domain, "10.0.0.1", &a, NULL);
		(void)fx_reserve(&f, domain, "fd00::1", &a, NULL);
		(void)c25_table_by_magic(f.t, &a.magic, &a);
		(void)c25_table_drop(f.t, a.ref);
		(void)c25_table_reclaim(f.t, 64);
		while (c25_table_next(f.t, &cursor, &a))
			(void)c25_table_set_push(f.t, a.ref, C25_PUSH_READY);
		c25_table_usage(f.t, &u);
		if (c25_table_verify(f.t, &err) != 0)
			ck_assert_str_ne(err.text, "");
		if (n % 10 == 0) {
			ck_assert_int_eq(c25_lock(f.t), 0);
			c25_rebuild(f.t);
			c25_unlock(f.t);
		}
	}
}
END_TEST

/* The lock says that we have it, but we don't: what needs it fails soon, and
 * from then on at once; what does not goes on. */
START_TEST(lock_that_nobody_gives_back_stops_nobody)
{
	struct c25_assignment a;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	f.t->h->p.lock = f.t->handle;
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    -EUCLEAN);
	/* if each of these waited, the test would run into its timeout */
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a,
		    NULL), -EUCLEAN);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	f.t->h->p.lock = 0;
	f.t->stuck_until_ms = 0;
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    0);
	verify();
}
END_TEST

/* Who waits for one who rebuilds the table outwaits him: twice the 2 us a slot
 * that a busy machine took. */
START_TEST(lock_is_waited_for_as_long_as_a_rebuild_may_take)
{
	static const uint32_t capacities[] = { C25_ASSIGNMENTS_MIN, 65536,
	    1000000, C25_ASSIGNMENTS_MAX };
	struct c25_table t = { .l.capacity = capacities[_i] };

	ck_assert_uint_ge(c25_lock_patience_ms(&t), capacities[_i] / 250);
	ck_assert_uint_ge(c25_lock_patience_ms(&t), 3000);
}
END_TEST

/* It says that somebody has it who doesn't live (any more). */
START_TEST(lock_of_nobody_is_taken)
{
	static const uint32_t words[] = { 77, 255, 256, 0x12345,
	    77 | C25_LOCK_WAITERS, C25_LOCK_WAITERS, 0x7fffffff };
	struct c25_assignment a;
	char domain[32];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		f.t->h->p.lock = words[i];
		(void)snprintf(domain, sizeof(domain), "n%zu.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
		verify();
	}
}
END_TEST

START_TEST(too_many_handles_are_refused)
{
	static struct c25_table *t[C25_HANDLES_MAX];
	struct c25_error err = { "" };
	struct c25_table *one;

	for (int i = 0; i < C25_HANDLES_MAX - 1; i++)
		ck_assert_int_eq(c25_table_attach(f.dir, &t[i], &err), 0);
	ck_assert_int_eq(c25_table_attach(f.dir, &one, &err), -EMFILE);
	c25_table_detach(t[100]);
	ck_assert_int_eq(c25_table_attach(f.dir, &t[100], &err), 0);
	for (int i = 0; i < C25_HANDLES_MAX - 1; i++)
		c25_table_detach(t[i]);
}
END_TEST

START_TEST(modes_and_files)
{
	struct stat st;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/table", f.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	(void)snprintf(path, sizeof(path), "%s/policy.1", f.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	fx_publish(&f);
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

START_TEST(stats_add_up)
{
	c25_table_count(f.t, 0, C25_STAT_QUERIES, 2);
	c25_table_count(f.t, 1, C25_STAT_QUERIES, 3);
	c25_table_count(f.t, 1 + C25_WORKERS_MAX, C25_STAT_QUERIES, 4);
	ck_assert_uint_eq(c25_table_stat(f.t, C25_STAT_QUERIES), 9);
	ck_assert_uint_eq(c25_table_stat(f.t, C25_STAT_MATCHED), 0);
	for (int i = 0; i < C25_STAT_COUNT; i++)
		ck_assert_ptr_nonnull(c25_stat_name(i));
	ck_assert_ptr_null(c25_stat_name(C25_STAT_COUNT));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table");
	TCase *tc = tcase_create("table");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, same_key_same_addresses);
	tcase_add_test(tc, every_key_its_own_addresses);
	tcase_add_test(tc, found_by_every_index);
	ADD_ROWS(tc, names_of_any_length, lengths);
	ADD_ROWS(tc, exhausted_pools_leak_nothing, full_rows);
	tcase_add_test(tc, no_pool_of_the_family);
	tcase_add_test(tc, addresses_go_round);
	tcase_add_test(tc, lease_then_quarantine_then_reuse);
	tcase_add_test(tc, reclaims_after_a_long_sleep);
	tcase_add_test(tc, dropped_keeps_its_addresses_for_the_quarantine);
	tcase_add_test(tc, ended_but_in_use_keeps_its_addresses);
	tcase_add_test(tc, dropped_over_and_over);
	tcase_add_test(tc, dropped_over_and_over_before_a_reload);
	tcase_add_loop_test(tc, verify_sees_a_broken_quarantine, 0, 4);
	tcase_add_test(tc, moved_to_another_connector);
	tcase_add_test(tc, moved_within_one_pool_keeps_its_transit_address);
	tcase_add_test(tc, closed_until_it_begins);
	tcase_add_test(tc, moved_back_and_forth_takes_one_address_of_each_pool);
	tcase_add_test(tc, moved_back_takes_nothing_of_one_that_was_dropped);
	tcase_add_test(tc, moving_in_a_full_table);
	ADD_ROWS(tc, restored_with_its_addresses, restore_rows);
	tcase_add_loop_test(tc, migrated_with_all_that_lives, 0, 4);
	tcase_add_test(tc, migration_that_fails_changes_nothing);
	tcase_add_test(tc, lease_is_clamped);
	tcase_add_test(tc, full_pool_takes_back_expired);
	tcase_add_test(tc, connector_with_its_own_transit_pool);
	tcase_add_test(tc, pool_change_keeps_living_assignments);
	tcase_add_test(tc, an_old_policy_is_stale);
	tcase_add_test(tc, queue_and_push_state);
	tcase_add_test(tc, overrun_ring_says_so_once);
	tcase_add_test(tc, registry_is_stable);
	ADD_ROWS(tc, attach_refuses_damage, damage_rows);
	tcase_add_test(tc, attach_without_a_table);
	tcase_add_test(tc, replaced_is_noticed);
	tcase_add_test(tc, recovery_after_a_death);
	tcase_add_test(tc, threads_and_handles_at_once);
	tcase_add_loop_test(tc, scribbled_table_is_survived, 0, 4);
	tcase_add_test(tc, lock_that_nobody_gives_back_stops_nobody);
	tcase_add_loop_test(tc,
	    lock_is_waited_for_as_long_as_a_rebuild_may_take, 0, 4);
	tcase_add_test(tc, lock_of_nobody_is_taken);
	tcase_add_test(tc, too_many_handles_are_refused);
	tcase_add_test(tc, modes_and_files);
	tcase_add_test(tc, stats_add_up);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
