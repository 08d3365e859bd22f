/* SPDX-License-Identifier: BSD-3-Clause */
/* What somebody does to a table that is in use: it is made shorter, or what is
 * derived in it is overwritten; and conn25d puts that right when it starts. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "conn25/layout.h"
#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/scribble.h"
#include "tests/unit/suite.h"

#define CAPACITY 64
#define BEFORE 20	/* assignments */

static struct fixture f;
static struct c25_assignment before[BEFORE];

static int
reserve(int i, struct c25_assignment *out)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "n%d.example", i);
	return fx_reserve(&f, name, "10.0.0.1", out, NULL);
}

static void
setup(void)
{
	fx_open(&f, CAPACITY);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/24");
	fx_publish(&f);
	for (int i = 0; i < BEFORE; i++)
		ck_assert_int_eq(reserve(i, &before[i]), 0);
}

static void
teardown(void)
{
	fx_close(&f);
}

static const off_t cuts[] = { 0, 1, 4095, 4096, 1 << 20 };

START_TEST(cut_is_noticed_before_it_hurts)
{
	struct c25_assignment a;
	char path[128];

	ck_assert(!c25_table_replaced(f.t));
	(void)snprintf(path, sizeof(path), "%s/table", f.dir);
	ck_assert_int_eq(truncate(path, cuts[_i]), 0);
	ck_assert(c25_table_replaced(f.t));
	ck_assert(c25_table_retired(f.t));
	ck_assert_int_eq(reserve(0, &a), -ESTALE);
	ck_assert_int_eq(reserve(BEFORE, &a), -ESTALE);
	ck_assert_int_eq(c25_table_by_magic(f.t, &before[0].magic, &a),
	    -EUCLEAN);
	c25_table_count(f.t, 0, C25_STAT_QUERIES, 1);
	ck_assert(c25_table_replaced(f.t));
}
END_TEST

/* What is overwritten, each so that nothing new can be reserved. */
static void
expect_failure(void)
{
	struct c25_assignment a;

	ck_assert_int_ne(reserve(BEFORE, &a), 0);
}

static void
no_free_slot(struct c25_header_d *h)
{
	atomic_store(&h->watermark, CAPACITY);
	atomic_store(&h->free_first, C25_NIL);
	expect_failure();
}

static void
free_list_leads_out(struct c25_header_d *h)
{
	atomic_store(&h->watermark, CAPACITY);
	atomic_store(&h->free_first, 0x12345678);
	expect_failure();
}

static void
slots_end_early(struct c25_header_d *h)
{
	no_free_slot(h);
	atomic_store(&h->watermark, 3);
	atomic_store(&h->free_first, 0x12345678);
}

static void
pool_is_full(struct c25_header_d *h)
{
	h->pools[C25_POOL_V4_TRANSIT].nbits = 1;
	expect_failure();
}

static void
counters_lie(struct c25_header_d *h)
{
	no_free_slot(h);
	atomic_store(&h->assignments, 1u << 31);
	atomic_store(&h->free_count, 1u << 31);
	atomic_store(&h->gone, UINT64_MAX);
	atomic_store(&h->wheel_done, UINT64_MAX);
}

static void (*const harms[])(struct c25_header_d *) = {
	no_free_slot, free_list_leads_out, slots_end_early, pool_is_full,
	counters_lie,
};

START_TEST(mended)
{
	struct c25_assignment a;
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_table_mend(f.t), 0);
	harms[_i](f.t->h);
	ck_assert_int_gt(c25_table_mend(f.t), 0);
	(void)c25_table_short(f.t);
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
	for (int i = 0; i < BEFORE; i++) {
		ck_assert_int_eq(reserve(i, &a), 0);
		ck_assert(!a.created);
		ck_assert(c25_addr_eq(&a.magic, &before[i].magic));
		ck_assert(c25_addr_eq(&a.transit, &before[i].transit));
	}
	for (int i = BEFORE; i < CAPACITY; i++)
		ck_assert_int_eq(reserve(i, &a), 0);
	ck_assert_uint_eq(c25_table_short(f.t), 0);
	ck_assert_int_eq(reserve(CAPACITY, &a), -ENOSPC);
	ck_assert_uint_eq(c25_table_short(f.t), 1u << C25_POOL_KINDS);
	ck_assert_uint_eq(c25_table_short(f.t), 0);
	ck_assert_int_eq(c25_table_mend(f.t), C25_DOUBT_FULL);
	ck_assert_int_eq(c25_table_mend(f.t), 0);
}
END_TEST

/* Addresses that are in use are free by the bitmap: they are handed out a
 * second time, and each has one owner again when conn25d has started. */
START_TEST(no_address_stays_with_two)
{
	enum c25_pool_kind kind = _i == 0 ? C25_POOL_V4_MAGIC :
	    C25_POOL_V4_TRANSIT;
	struct c25_pool_d *pool = &f.t->h->pools[kind];
	uint8_t *bits = f.t->base + f.t->l.arena + pool->off_bytes;
	struct c25_assignment a, twin;
	struct c25_error err = { "" };
	int twins = 0;

	memset(bits, 0, BEFORE / 8);
	pool->cursor = 0;
	for (int i = BEFORE; i < CAPACITY; i++)
		ck_assert_int_eq(reserve(i, &a), 0);
	ck_assert_int_eq(c25_table_mend(f.t),
		C25_DOUBT_DAMAGED);
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
	for (int i = 0; i < CAPACITY; i++) {
		ck_assert_int_eq(reserve(i, &a), 0);
		twins += a.created;
		ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &twin), 0);
		ck_assert_int_eq(twin.ref.slot, a.ref.slot);
	}
	ck_assert_int_eq(twins, BEFORE / 8 * 8);
	ck_assert_int_eq(c25_table_mend(f.t), 0);
}
END_TEST

/* The pools of the table say something else than the policy, and so addresses
 * that are in use are handed out under other bits: one owner each, too, when
 * conn25d has published a policy, or at once if the pools are right again. */
START_TEST(no_address_stays_with_two_of_other_pools)
{
	struct c25_poolset_d *set = c25_poolset(f.t,
	    (unsigned)(atomic_load(&f.t->h->p.current) & 1));
	struct c25_assignment a, twin;
	struct c25_error err = { "" };
	struct c25_addr first = { .family = C25_V4 };
	uint8_t *at = set->ranges[_i % 2].first, was[16];
	int twins = 0;

	memcpy(was, at, 16);
	memcpy(first.bytes, at, 16);
	first.bytes[1]--;
	first.bytes[2] = 255;
	first.bytes[3] = 256 - BEFORE / 2;
	if (_i % 2 == 1) {
		first.bytes[1]++;
		first.bytes[2] = 63;
	}
	memcpy(at, first.bytes, 16);
	for (int i = BEFORE; i < BEFORE + BEFORE / 2; i++) {
		ck_assert_int_eq(reserve(i, &a), 0);
		ck_assert_int_eq((_i % 2 == 0 ? c25_table_by_magic(f.t,
		    &before[i - BEFORE / 2].magic, &twin) :
		    c25_table_by_transit(f.t, &before[i - BEFORE / 2].transit,
		    &twin)), 0);
		ck_assert_int_eq(twin.ref.slot, a.ref.slot);
	}
	if (_i >= 2)
		memcpy(at, was, 16);
	ck_assert_int_eq(c25_table_mend(f.t),
		C25_DOUBT_DAMAGED);
	if (_i < 2)
		fx_publish(&f);
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
	for (int i = 0; i < CAPACITY; i++) {
		ck_assert_int_eq(reserve(i, &a), 0);
		twins += a.created && i < BEFORE + BEFORE / 2;
		ck_assert_int_eq(c25_table_by_magic(f.t, &a.magic, &twin), 0);
		ck_assert_int_eq(twin.ref.slot, a.ref.slot);
		ck_assert_int_eq(c25_table_by_transit(f.t, &a.transit, &twin),
		    0);
		ck_assert_int_eq(twin.ref.slot, a.ref.slot);
	}
	ck_assert_int_eq(twins, BEFORE / 2);
}
END_TEST

/* The pools of the table say something else than the policy. */
START_TEST(only_addresses_of_the_policy)
{
	struct c25_poolset_d *set = c25_poolset(f.t,
	    (unsigned)(atomic_load(&f.t->h->p.current) & 1));
	struct c25_assignment a;
	struct c25_error err = { "" };

	ck_assert_uint_eq(set->count, 2);
	set->ranges[_i].first[1] ^= 1;
	set->ranges[_i].last[1] ^= 1;
	for (int i = BEFORE; i < CAPACITY + 10; i++)
		ck_assert_int_eq(reserve(i, &a), -EUCLEAN);
	fx_publish(&f);
	ck_assert_int_eq(c25_table_mend(f.t),
		C25_DOUBT_DAMAGED);
	for (int i = 0; i < CAPACITY; i++) {
		ck_assert_int_eq(reserve(i, &a), 0);
		ck_assert(c25_policy_in_magic(f.p, &a.magic));
		ck_assert(c25_policy_in_transit(f.p, &a.transit));
	}
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
}
END_TEST

static const char *const elsewhere[] = { "10.0.0.1", "192.0.2.1", "0.0.0.0",
	"100.128.0.1" };

/* A magic address is written over: with the destination, or any other. */
START_TEST(no_assignment_is_found_with_another_magic)
{
	struct c25_assignment a, again;
	struct c25_want want = { .name = &before[0].domain,
	    .destination = before[0].destination, .ttl_s = 60 };
	struct c25_error err = { "" };

	fx_scribble(&f, &before[0], FX_MAGIC, elsewhere[_i]);
	ck_assert_int_eq(c25_table_renew(f.t, f.p, &want, &a), -ENOENT);
	ck_assert_int_eq(reserve(0, &a), 0);
	ck_assert(a.created);
	ck_assert(c25_policy_in_magic(f.p, &a.magic));
	ck_assert_int_eq(reserve(0, &again), 0);
	ck_assert(!again.created && c25_addr_eq(&a.magic, &again.magic));
	ck_assert_uint_eq(c25_table_short(f.t), 1u << C25_TABLE_FOREIGN);
	ck_assert_uint_eq(c25_table_short(f.t), 0);
	ck_assert_int_eq(c25_table_mend(f.t),
		C25_DOUBT_DAMAGED);
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
	ck_assert_int_eq(reserve(0, &again), 0);
	ck_assert(!again.created && c25_addr_eq(&a.magic, &again.magic));
}
END_TEST

static const struct {
	size_t at;
	const char *addr;
	bool admitted;
} foreigners[] = {
	{ FX_MAGIC, "100.64.0.200", true },
	{ FX_MAGIC, "100.64.1.0", false },
	{ FX_MAGIC, "8.8.8.8", false },
	{ FX_MAGIC, "169.254.64.200", false },
	{ FX_TRANSIT, "169.254.64.200", true },
	{ FX_TRANSIT, "169.254.65.0", false },
	{ FX_TRANSIT, "8.8.8.8", false },
	{ FX_TRANSIT, "100.64.0.200", false },
};

/* What conn25d takes out of the table has addresses of the policy, or ends. */
START_TEST(only_addresses_of_the_policy_are_admitted)
{
	struct c25_assignment a, b;
	struct c25_table *other;
	struct c25_error err = { "" };

	for (int i = 0; i < BEFORE; i++)
		ck_assert(c25_table_admits(f.t, &before[i]));
	ck_assert_uint_eq(c25_table_short(f.t), 0);
	fx_scribble(&f, &before[0], foreigners[_i].at, foreigners[_i].addr);
	ck_assert_int_eq(c25_table_by_ref(f.t, before[0].ref, &a), 0);
	/* who has published nothing knows nothing, and ends nothing */
	ck_assert_int_eq(c25_table_attach(f.dir, &other, &err), 0);
	ck_assert(!c25_table_admits(other, &a));
	ck_assert_int_eq(c25_table_by_ref(f.t, before[0].ref, &a), 0);
	c25_table_detach(other);
	ck_assert_int_eq(c25_table_admits(f.t, &a), foreigners[_i].admitted);
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &b),
	    foreigners[_i].admitted ? 0 : -ENOENT);
	ck_assert_uint_eq(c25_table_short(f.t), foreigners[_i].admitted ? 0 :
	    1u << C25_TABLE_FOREIGN);
	if (foreigners[_i].admitted)
		return;
	ck_assert_int_eq(reserve(0, &b), 0);
	ck_assert(b.created && c25_table_admits(f.t, &b));
	ck_assert_int_eq(c25_table_mend(f.t), C25_DOUBT_DAMAGED);
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
	for (int i = 1; i < BEFORE; i++)
		ck_assert(c25_table_admits(f.t, &before[i]));
}
END_TEST

/* One that was written over, freed and handed out again: those that are behind
 * it in a chain, which it is still in, are found as ever. */
START_TEST(no_chain_leads_into_another)
{
	static const size_t words[] = { FX_MAGIC, FX_TRANSIT };
	struct c25_error err = { "" };
	struct c25_assignment a;
	int made = 0, half = 0;

	for (int i = 0; i < BEFORE; i += 2)
		fx_scribble(&f, &before[i], words[_i], "8.8.8.8");
	for (int i = 0; i < BEFORE; i += 2) {
		ck_assert_int_eq(c25_table_drop(f.t, before[i].ref), 0);
		ck_assert_int_eq(c25_lock(f.t), 0);
		c25_slot_free_former(f.t, before[i].ref.slot);
		c25_unlock(f.t);
	}
	while (reserve(BEFORE + made, &a) == 0)
		made++;
	for (int i = 1; i < BEFORE; i += 2, half++) {
		ck_assert_int_eq(c25_table_by_magic(f.t, &before[i].magic,
		    &a), 0);
		ck_assert_uint_eq(a.ref.slot, before[i].ref.slot);
		ck_assert_int_eq(c25_table_by_transit(f.t,
		    &before[i].transit, &a), 0);
		ck_assert_uint_eq(a.ref.slot, before[i].ref.slot);
	}
	/* conn25d starts anew: all slots are there again */
	ck_assert_int_ne(c25_table_mend(f.t) & C25_DOUBT_DAMAGED, 0);
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
	while (reserve(BEFORE + made, &a) == 0)
		made++;
	ck_assert_int_eq(made, CAPACITY - half);
}
END_TEST

/* No generation comes after that one. */
START_TEST(generation_is_not_overrun)
{
	struct c25_policy_spec spec = { .max_ttl_s = 300 };
	struct c25_error err = { "" };
	uint8_t *blob;
	size_t len;

	atomic_store(&f.t->h->p.current, UINT64_MAX);
	ck_assert_int_eq(c25_policy_compile(&spec,
	    c25_table_next_generation(f.t), c25_table_hash_key(f.t), &blob,
	    &len, &err), 0);
	ck_assert_int_eq(c25_table_publish(f.t, blob, len, &err), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(err.text, "/table: damaged"));
	ck_assert_ptr_nonnull(strstr(err.text, "restart conn25d"));
	free(blob);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table_harm");
	TCase *tc = tcase_create("harm");

	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, cut_is_noticed_before_it_hurts, cuts);
	ADD_ROWS(tc, mended, harms);
	tcase_add_loop_test(tc, no_address_stays_with_two, 0, 2);
	tcase_add_loop_test(tc, no_address_stays_with_two_of_other_pools, 0,
	    4);
	tcase_add_loop_test(tc, only_addresses_of_the_policy, 0, 2);
	tcase_add_loop_test(tc, no_chain_leads_into_another, 0, 2);
	tcase_add_test(tc, generation_is_not_overrun);
	ADD_ROWS(tc, no_assignment_is_found_with_another_magic, elsewhere);
	ADD_ROWS(tc, only_addresses_of_the_policy_are_admitted, foreigners);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
