/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the connector's mappings. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sidecar/mapping.h"
#include "tests/unit/suite.h"

static struct c25_mappings *m;
static uint32_t edge, other, wiki, mail;

static struct c25_addr
addr(const char *text)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	return a;
}

static struct c25_addr
nth(unsigned n)
{
	return c25_addr_v4((uint8_t[]){ 169, (uint8_t)(n >> 16),
	    (uint8_t)(n >> 8), (uint8_t)n });
}

static void
setup_limits(uint32_t per_peer, uint32_t total)
{
	ck_assert_int_eq(c25_mappings_new(per_peer, total, &m), 0);
	edge = (uint32_t)c25_mappings_peer(m, "edge");
	other = (uint32_t)c25_mappings_peer(m, "other");
	wiki = (uint32_t)c25_mappings_app(m, "wiki");
	mail = (uint32_t)c25_mappings_app(m, "mail");
}

static void
setup(void)
{
	setup_limits(0, 0);
}

static void
teardown(void)
{
	c25_mappings_free(m);
}

static int
put(uint32_t peer, const char *transit, const char *destination,
    uint32_t app, uint64_t now)
{
	struct c25_addr t = addr(transit), d = addr(destination);

	return c25_mappings_put(m, peer, &t, &d, app, now);
}

START_TEST(the_newest_wins)
{
	struct c25_addr t = addr("169.254.64.1"), d = addr("10.0.0.2");
	struct c25_mapping it;

	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 1), 1);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 2), 0);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.2", wiki, 3), 2);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.2", mail, 4), 2);
	ck_assert_uint_eq(c25_mappings_count(m), 1);
	ck_assert_int_eq(c25_mappings_get(m, edge, &t, 5, &it), 0);
	ck_assert(c25_addr_eq(&it.destination, &d));
	ck_assert_str_eq(it.peer, "edge");
	ck_assert_str_eq(it.app, "mail");
	ck_assert_uint_eq(it.sent_ms, 4);
}
END_TEST

START_TEST(peers_and_families_are_apart)
{
	struct c25_addr t = addr("169.254.64.1"), six = addr("fd25::1");
	struct c25_mapping it;

	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 1), 1);
	ck_assert_int_eq(put(other, "169.254.64.1", "10.0.0.9", wiki, 1), 1);
	ck_assert_int_eq(put(edge, "fd25::1", "fd00::1", wiki, 1), 1);
	ck_assert_int_eq(put(edge, "fd25::1", "10.0.0.1", wiki, 1), -EINVAL);
	ck_assert_int_eq(put(99, "fd25::1", "fd00::1", wiki, 1), -EINVAL);
	ck_assert_int_eq(put(edge, "fd25::1", "fd00::1", 99, 1), -EINVAL);
	ck_assert_int_eq(c25_mappings_get(m, edge, &t, 1, &it), 0);
	ck_assert_uint_eq(it.destination.bytes[3], 1);
	ck_assert_int_eq(c25_mappings_get(m, other, &t, 1, &it), 0);
	ck_assert_uint_eq(it.destination.bytes[3], 9);
	ck_assert_int_eq(c25_mappings_get(m, other, &six, 1, &it), -ENOENT);
	ck_assert_uint_eq(c25_mappings_count_peer(m, edge), 2);
	ck_assert_int_eq(c25_mappings_drop(m, edge, &t), 0);
	ck_assert_int_eq(c25_mappings_drop(m, edge, &t), -ENOENT);
	ck_assert_uint_eq(c25_mappings_count_peer(m, edge), 1);
}
END_TEST

START_TEST(expiry_is_an_hour_after_the_last_put)
{
	struct c25_addr t = addr("169.254.64.1");
	struct c25_mapping it;
	uint64_t hour = C25_MAPPING_LIFE_MS;

	ck_assert_uint_eq(c25_mappings_due(m), 0);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 10), 1);
	ck_assert_int_eq(put(edge, "169.254.64.2", "10.0.0.1", wiki, 20), 1);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 30), 0);
	ck_assert_uint_eq(c25_mappings_due(m), 20 + hour);
	ck_assert_uint_eq(c25_mappings_expire(m, 19 + hour, 9), 0);
	ck_assert_uint_eq(c25_mappings_expire(m, 20 + hour, 9), 1);
	ck_assert_int_eq(c25_mappings_get(m, edge, &t, 29 + hour, &it), 0);
	ck_assert_int_eq(c25_mappings_get(m, edge, &t, 30 + hour, &it),
	    -ENOENT);
	/* an expired one that is still there counts as new */
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki,
	    30 + hour), 1);
	ck_assert_uint_eq(c25_mappings_count(m), 1);
}
END_TEST

START_TEST(limits)
{
	struct c25_addr d = addr("10.0.0.1"), t;

	c25_mappings_free(m);
	setup_limits(3, 5);
	for (unsigned i = 0; i < 3; i++) {
		t = nth(i);
		ck_assert_int_eq(c25_mappings_put(m, edge, &t, &d, wiki, 1),
		    1);
	}
	t = nth(3);
	ck_assert_int_eq(c25_mappings_put(m, edge, &t, &d, wiki, 1),
	    -ENOSPC);
	t = nth(2);
	ck_assert_int_eq(c25_mappings_put(m, edge, &t, &d, mail, 1), 2);
	for (unsigned i = 0; i < 2; i++) {
		t = nth(i);
		ck_assert_int_eq(c25_mappings_put(m, other, &t, &d, wiki, 1),
		    1);
	}
	t = nth(2);
	ck_assert_int_eq(c25_mappings_put(m, other, &t, &d, wiki, 1),
	    -ENOSPC);
	ck_assert_int_eq(c25_mappings_drop(m, edge, &t), 0);
	ck_assert_int_eq(c25_mappings_put(m, other, &t, &d, wiki, 1), 1);
}
END_TEST

START_TEST(two_hundred_thousand)
{
	struct c25_addr d = addr("10.0.0.1"), t;
	struct c25_mapping it;
	size_t cursor = 0, seen = 0, before;
	unsigned n = 200000;

	for (unsigned i = 0; i < n; i++) {
		t = nth(i);
		ck_assert_int_eq(c25_mappings_put(m, i % 2 ? edge : other, &t,
		    &d, wiki, i), 1);
	}
	ck_assert_uint_le(c25_mappings_size(m) / n, 150);
	before = c25_mappings_size(m);
	for (unsigned i = 0; i < n; i++) {
		t = nth(i);
		ck_assert_int_eq(c25_mappings_put(m, i % 2 ? edge : other, &t,
		    &d, wiki, n + i), 0);
	}
	ck_assert_uint_eq(c25_mappings_size(m), before);
	while (c25_mappings_next(m, &cursor, &it))
		seen++;
	ck_assert_uint_eq(seen, n);
	ck_assert_uint_eq(c25_mappings_expire(m, n + n / 2 - 1 +
	    C25_MAPPING_LIFE_MS, n), n / 2);
	t = nth(0);
	ck_assert_int_eq(c25_mappings_get(m, other, &t, n, &it), -ENOENT);
	t = nth(n - 1);
	ck_assert_int_eq(c25_mappings_get(m, edge, &t, 2 * n, &it), 0);
}
END_TEST

/* Against the plainest model. */
START_TEST(against_a_model)
{
	static struct { uint64_t sent; uint32_t app; } model[2][512];
	unsigned seed = (unsigned)time(NULL) + (unsigned)_i, start = seed;
	struct c25_addr d = addr("10.0.0.1");
	uint64_t now = 1;

	memset(model, 0, sizeof(model));
	for (int n = 0; n < 50000; n++) {
		uint32_t p, k, app;
		struct c25_mapping it;
		struct c25_addr t;
		int r, op;

		seed = seed * 1103515245 + 12345;
		p = seed >> 8 & 1;
		k = seed >> 9 & 511;
		op = (int)(seed >> 20 & 7);
		app = op & 1 ? wiki : mail;
		t = nth(k);
		now += (seed >> 24) * 400;
		if (op < 4) {
			bool there = model[p][k].sent != 0 &&
			    now < model[p][k].sent + C25_MAPPING_LIFE_MS;

			r = c25_mappings_put(m, p ? edge : other, &t, &d,
			    app, now);
			ck_assert_msg(r == (!there ? 1 :
			    model[p][k].app == app ? 0 : 2),
			    "seed %u step %d", start, n);
			model[p][k].sent = now;
			model[p][k].app = app;
		} else if (op < 6) {
			bool there = model[p][k].sent != 0 &&
			    now < model[p][k].sent + C25_MAPPING_LIFE_MS;

			r = c25_mappings_get(m, p ? edge : other, &t, now,
			    &it);
			ck_assert_msg(r == (there ? 0 : -ENOENT),
			    "seed %u step %d", start, n);
		} else if (op < 7) {
			(void)c25_mappings_drop(m, p ? edge : other, &t);
			model[p][k].sent = 0;
		} else {
			(void)c25_mappings_expire(m, now, 3);
		}
	}
}
END_TEST

START_TEST(names_are_interned)
{
	ck_assert_int_eq(c25_mappings_peer(m, "edge"), (int)edge);
	ck_assert_int_eq(c25_mappings_app(m, "edge"), 2);
	ck_assert_int_ne(c25_mappings_peer(m, "third"), (int)other);
	for (int i = 0; i < 100; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "p%d", i);
		ck_assert_int_eq(c25_mappings_peer(m, name), 3 + i);
	}
	ck_assert_int_eq(put(102, "169.254.64.1", "10.0.0.1", wiki, 1), 1);
	ck_assert_uint_eq(c25_mappings_count_peer(m, 102), 1);
}
END_TEST

/* What a watcher was told last, and how often. */
static struct {
	struct c25_mapping it;
	bool there;
	unsigned puts, gone;
} told;

static void
watch(void *ctx, const struct c25_mapping *it, bool there)
{
	ck_assert_ptr_eq(ctx, &told);
	told.it = *it;
	told.there = there;
	told.puts += there;
	told.gone += !there;
}

START_TEST(a_watcher_is_told_of_each_change)
{
	struct c25_addr t = addr("169.254.64.1"), d = addr("10.0.0.2");

	c25_mappings_watch(m, watch, &told);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 1), 1);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 2), 0);
	ck_assert_uint_eq(told.it.sent_ms, 2);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.2", mail, 3), 2);
	ck_assert_uint_eq(told.puts, 3);
	ck_assert(told.there);
	ck_assert_str_eq(told.it.peer, "edge");
	ck_assert_str_eq(told.it.app, "mail");
	ck_assert(c25_addr_eq(&told.it.transit, &t));
	ck_assert(c25_addr_eq(&told.it.destination, &d));
	ck_assert_int_eq(put(99, "169.254.64.1", "10.0.0.2", mail, 3),
	    -EINVAL);
	ck_assert_int_eq(c25_mappings_drop(m, edge, &t), 0);
	ck_assert_uint_eq(told.gone, 1);
	ck_assert(!told.there);
	ck_assert(c25_addr_eq(&told.it.destination, &d));
	ck_assert_int_eq(c25_mappings_drop(m, edge, &t), -ENOENT);
	ck_assert_int_eq(put(other, "fd25::1", "fd00::1", wiki, 5), 1);
	ck_assert_uint_eq(c25_mappings_expire(m, 5 + C25_MAPPING_LIFE_MS, 9),
	    1);
	ck_assert_uint_eq(told.gone, 2);
	ck_assert_str_eq(told.it.peer, "other");
	c25_mappings_watch(m, NULL, NULL);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 9), 1);
	ck_assert_uint_eq(told.puts, 4);
}
END_TEST

static void
count(void *ctx, const struct c25_mapping *it, bool there)
{
	(*(unsigned *)ctx) += there ? 1 : 100;
}

START_TEST(two_may_watch)
{
	struct c25_addr t = addr("169.254.64.1");
	unsigned one = 0, two = 0;

	c25_mappings_watch(m, count, &one);
	c25_mappings_watch(m, count, &two);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 1), 1);
	ck_assert_uint_eq(one, 1);
	ck_assert_uint_eq(two, 1);
	/* again is in place of what it was */
	c25_mappings_watch(m, count, &two);
	c25_mappings_watch(m, NULL, &one);
	ck_assert_int_eq(c25_mappings_drop(m, edge, &t), 0);
	ck_assert_uint_eq(one, 1);
	ck_assert_uint_eq(two, 101);
	c25_mappings_watch(m, NULL, NULL);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 1), 1);
	ck_assert_uint_eq(two, 101);
}
END_TEST

START_TEST(one_in_use_gets_another_hour)
{
	struct c25_addr t = addr("169.254.64.1");
	struct c25_mapping it;
	uint64_t hour = C25_MAPPING_LIFE_MS;

	c25_mappings_watch(m, watch, &told);
	ck_assert_int_eq(put(edge, "169.254.64.1", "10.0.0.1", wiki, 10), 1);
	ck_assert_int_eq(put(edge, "169.254.64.2", "10.0.0.2", wiki, 20), 1);
	ck_assert_int_eq(c25_mappings_renew(m, other, &t, 30), -ENOENT);
	ck_assert_int_eq(c25_mappings_renew(m, edge, &t, 30), 0);
	ck_assert_uint_eq(told.puts, 3);
	ck_assert(told.there);
	ck_assert_uint_eq(told.it.sent_ms, 30);
	ck_assert_uint_eq(c25_mappings_due(m), 20 + hour);
	ck_assert_uint_eq(c25_mappings_expire(m, 25 + hour, 9), 1);
	ck_assert_int_eq(c25_mappings_get(m, edge, &t, 25 + hour, &it), 0);
	ck_assert_int_eq(c25_mappings_renew(m, edge, &t, 30 + hour),
	    -ENOENT);
	ck_assert_uint_eq(c25_mappings_expire(m, 30 + hour, 9), 1);
}
END_TEST

START_TEST(restored_ones_expire_by_their_own_time)
{
	static const uint64_t sent[] = { 50, 10, 40, 10, 30, 20 };
	struct c25_addr d = addr("10.0.0.1"), t;
	uint64_t hour = C25_MAPPING_LIFE_MS;

	c25_mappings_watch(m, watch, &told);
	for (unsigned i = 0; i < 6; i++) {
		t = nth(i);
		ck_assert_int_eq(c25_mappings_restore(m, edge, &t, &d, wiki,
		    sent[i]), 0);
	}
	ck_assert_int_eq(c25_mappings_restore(m, edge, &t, &d, mail, 99),
	    -EEXIST);
	ck_assert_int_eq(c25_mappings_restore(m, 77, &t, &d, mail, 99),
	    -EINVAL);
	ck_assert_int_eq(c25_mappings_restored(m), 0);
	ck_assert_uint_eq(told.puts, 0);
	ck_assert_uint_eq(c25_mappings_due(m), 10 + hour);
	ck_assert_uint_eq(c25_mappings_expire(m, 9 + hour, 9), 0);
	ck_assert_uint_eq(c25_mappings_expire(m, 10 + hour, 9), 2);
	ck_assert_uint_eq(c25_mappings_expire(m, 35 + hour, 9), 2);
	ck_assert_uint_eq(c25_mappings_due(m), 40 + hour);
	/* and new ones come behind them */
	ck_assert_int_eq(put(other, "169.254.64.9", "10.0.0.1", wiki, 60),
	    1);
	ck_assert_uint_eq(c25_mappings_expire(m, 50 + hour, 9), 2);
	ck_assert_uint_eq(c25_mappings_due(m), 60 + hour);
	ck_assert_uint_eq(told.gone, 6);
}
END_TEST

START_TEST(restoring_keeps_to_the_limits)
{
	struct c25_addr d = addr("10.0.0.1"), t;

	c25_mappings_free(m);
	setup_limits(3, 4);
	for (unsigned i = 0; i < 5; i++) {
		t = nth(i);
		ck_assert_int_eq(c25_mappings_restore(m, edge, &t, &d, wiki,
		    i), i < 3 ? 0 : -ENOSPC);
	}
	ck_assert_int_eq(c25_mappings_restored(m), 0);
	ck_assert_uint_eq(c25_mappings_count(m), 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mapping");
	TCase *tc = tcase_create("mapping");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_newest_wins);
	tcase_add_test(tc, peers_and_families_are_apart);
	tcase_add_test(tc, expiry_is_an_hour_after_the_last_put);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, two_hundred_thousand);
	tcase_add_loop_test(tc, against_a_model, 0, 3);
	tcase_add_test(tc, names_are_interned);
	tcase_add_test(tc, a_watcher_is_told_of_each_change);
	tcase_add_test(tc, two_may_watch);
	tcase_add_test(tc, one_in_use_gets_another_hour);
	tcase_add_test(tc, restored_ones_expire_by_their_own_time);
	tcase_add_test(tc, restoring_keeps_to_the_limits);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
