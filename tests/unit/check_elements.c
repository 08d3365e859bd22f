/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel's maps are to hold, against the plainest model there is:
 * random operations, and a kernel that does what it is given or nothing of
 * it. The seed is printed; CONN25_TEST_SEED repeats a run.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sidecar/datapath_elements.h"
#include "tests/unit/suite.h"

#define KEYS 500
#define FRESH_MS 1000

struct state {
	bool there;
	uint8_t target;
	uint64_t until_ms;
	uint64_t fresh_ms;		/* of what is wanted */
};

static struct c25_elements *e;
static struct state want[KEYS], kernel[KEYS];
static unsigned place[KEYS];		/* among what is to change; 0: isn't */
static bool urgent[KEYS];		/* put first, and not done yet */
static unsigned places;
static unsigned long seed;

static unsigned
any(unsigned below)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % below;
}

static void
setup(void)
{
	const char *given = getenv("CONN25_TEST_SEED");

	seed = given != NULL ? strtoul(given, NULL, 10) :
		(unsigned long)time(NULL);
	(void)printf("elements: seed %lu\n", seed);
	memset(want, 0, sizeof(want));
	memset(kernel, 0, sizeof(kernel));
	memset(place, 0, sizeof(place));
	memset(urgent, 0, sizeof(urgent));
	places = 0;
	ck_assert_int_eq(c25_elements_new(&e), 0);
}

static void
teardown(void)
{
	c25_elements_free(e);
}

static struct c25_element
element(unsigned key, uint8_t target, uint64_t until_ms)
{
	struct c25_element x = { .map = key % C25_MAPS,
		.until_ms = until_ms };

	x.address[0] = (uint8_t)(key >> 8);
	x.address[1] = (uint8_t)key;
	if (x.map >= C25_MAP_PEER4)
		x.source[0] = (uint8_t)(key % 7);
	x.target[0] = target;
	return x;
}

static unsigned
key_of(const struct c25_element *x)
{
	return x->address[0] << 8 | x->address[1];
}

/* There is something to change now, at the last place, or there isn't. Where
 * it is already it stays, unless it is put first for the first time. */
static void
expect(unsigned key, bool change, bool first)
{
	if (change && (place[key] == 0 || (first && !urgent[key])))
		place[key] = places;
	urgent[key] = change && (urgent[key] || first);
	if (!change)
		place[key] = 0;
}

/* Is it the next, or as near as another, of those that aren't taken? */
static bool
is_next(unsigned key, const bool taken[KEYS])
{
	if (place[key] == 0 || taken[key])
		return false;
	for (unsigned k = 0; k < KEYS; k++)
		if (place[k] != 0 && !taken[k] && (urgent[k] != urgent[key] ?
		    urgent[k] : place[k] < place[key]))
			return false;
	return true;
}

static void
check_counts(void)
{
	size_t pending = 0, first = 0;

	for (unsigned k = 0; k < KEYS; k++) {
		pending += place[k] != 0;
		first += urgent[k];
	}
	ck_assert_uint_eq(c25_elements_pending(e), pending);
	ck_assert_uint_eq(c25_elements_first(e), first);
}

static void
put(unsigned key, uint64_t now)
{
	struct c25_element x = element(key, (uint8_t)any(3),
		now + any(3 * FRESH_MS));

	bool first = any(2);
	int r = c25_elements_put(e, &x, now + FRESH_MS, first);

	ck_assert_int_ge(r, 0);
	places++;
	expect(key, r == 1, first);
	want[key] = (struct state){ true, x.target[0], x.until_ms,
		now + FRESH_MS };
}

static void
drop(unsigned key)
{
	struct c25_element x = element(key, 0, 0);

	ck_assert_int_eq(c25_elements_drop(e, x.map, x.source, x.address),
		want[key].there);
	want[key].there = false;
	places++;
	expect(key, kernel[key].there, false);
}

/* The kernel has lost all of them. */
static void
lose(void)
{
	memset(kernel, 0, sizeof(kernel));
	c25_elements_lost(e);
	places++;
	for (unsigned k = 0; k < KEYS; k++)
		expect(k, want[k].there, false);
}

/* Give the kernel up to `max` changes, which it takes as a whole or not. */
static void
commit(unsigned max, bool works)
{
	struct state after[KEYS];
	bool taken[KEYS] = { false };
	struct c25_change c;

	memcpy(after, kernel, sizeof(after));
	while (max-- > 0 && c25_elements_take(e, &c)) {
		unsigned key = key_of(&c.element);

		ck_assert(c.in || c.out);
		ck_assert(is_next(key, taken));
		taken[key] = true;
		/* what is there isn't put, what isn't is not taken out */
		ck_assert_int_eq(after[key].there, c.out);
		after[key].there = c.in;
		after[key].target = c.element.target[0];
		after[key].until_ms = c.element.until_ms;
	}
	c25_elements_taken(e, works);
	if (!works)
		return;
	memcpy(kernel, after, sizeof(kernel));
	for (unsigned k = 0; k < KEYS; k++)
		if (taken[k])
			expect(k, false, false);
}

/* What was put first is among the first, however the others wait. */
static void
check_first(void)
{
	commit((unsigned)c25_elements_first(e), true);
	ck_assert_uint_eq(c25_elements_first(e), 0);
	for (unsigned k = 0; k < KEYS; k++)
		ck_assert(!urgent[k]);
}

/* A walk through all: each that shall be there once. */
static void
check_walk(void)
{
	bool seen[KEYS] = { false };
	struct c25_element x;
	size_t cursor = 0, n = 0;

	while (c25_elements_next(e, &cursor, &x)) {
		unsigned key = key_of(&x);

		ck_assert(want[key].there && !seen[key]);
		seen[key] = true;
		n++;
	}
	ck_assert_uint_eq(n, c25_elements_count(e));
	for (unsigned k = 0; k < KEYS; k++)
		ck_assert_int_eq(seen[k], want[k].there);
}

/* All changes done, the kernel has what it should. */
static void
check_settled(void)
{
	size_t n = 0;

	commit(UINT32_MAX, true);
	ck_assert_uint_eq(c25_elements_pending(e), 0);
	ck_assert_uint_eq(c25_elements_first(e), 0);
	for (unsigned k = 0; k < KEYS; k++) {
		ck_assert_int_eq(kernel[k].there, want[k].there);
		n += kernel[k].there;
		if (!kernel[k].there)
			continue;
		ck_assert_uint_eq(kernel[k].target, want[k].target);
		/* its time may be an earlier one, if that is far away */
		ck_assert(kernel[k].until_ms == want[k].until_ms ||
			kernel[k].until_ms >= want[k].fresh_ms);
	}
	ck_assert_uint_eq(c25_elements_in_kernel(e), n);
}

/* What is put between begin and end stays, the rest goes. */
static void
pass(uint64_t now)
{
	size_t gone = 0;

	c25_elements_pass_begin(e);
	for (unsigned k = 0; k < KEYS; k++) {
		if (any(2) == 0) {
			put(k, now);
		} else if (want[k].there) {
			want[k].there = false;
			gone++;
		}
	}
	ck_assert_uint_eq(c25_elements_pass_end(e), gone);
	places++;
	for (unsigned k = 0; k < KEYS; k++)
		if (!want[k].there)
			expect(k, kernel[k].there, false);
}

START_TEST(test_random)
{
	uint64_t now = 10000;

	for (int op = 0; op < 60000; op++, now += any(20)) {
		switch (any(400)) {
		case 0:
			lose();		/* somebody flushed it */
			break;
		case 1:
			pass(now);
			break;
		case 2:
			check_walk();
			break;
		case 3:
			check_settled();
			break;
		case 4:
			check_first();
			break;
		default:
			if (any(3) > 0)
				put(any(KEYS), now);
			else
				drop(any(KEYS));
			if (any(10) == 0)
				commit(any(60), any(4) > 0);
		}
		check_counts();
	}
	check_settled();
	for (unsigned k = 0; k < KEYS; k++)
		if (want[k].there)
			drop(k);
	check_settled();
	ck_assert_uint_eq(c25_elements_count(e), 0);
}
END_TEST

/* Who waits for an answer comes before who was there already. */
START_TEST(test_first_comes_first)
{
	struct c25_element x;
	struct c25_change c;

	for (unsigned k = 0; k < 10; k++) {
		x = element(k, 1, FRESH_MS);
		ck_assert_int_eq(c25_elements_put(e, &x, 0, k == 7), 1);
	}
	ck_assert(c25_elements_take(e, &c));
	ck_assert_uint_eq(key_of(&c.element), 7);
	ck_assert(c25_elements_take(e, &c));
	ck_assert_uint_eq(key_of(&c.element), 0);
	c25_elements_taken(e, false);
	ck_assert_uint_eq(c25_elements_pending(e), 10);
}
END_TEST

static void
put_one(unsigned key, bool first)
{
	struct c25_element x = element(key, 1, FRESH_MS);

	ck_assert_int_eq(c25_elements_put(e, &x, 0, first), 1);
}

/* Also if it waits already, as one that is loaded does, wherever it is. They
 * come in their order, and each is counted once. */
START_TEST(test_first_overtakes_itself)
{
	static const unsigned firsts[] = { 9, 4, 0 };
	struct c25_change c;

	for (unsigned k = 0; k < 10; k++)
		put_one(k, false);
	ck_assert_uint_eq(c25_elements_first(e), 0);
	for (unsigned i = 0; i < 3; i++)
		put_one(firsts[i], true);
	ck_assert_uint_eq(c25_elements_first(e), 3);
	ck_assert_uint_eq(c25_elements_pending(e), 10);
	/* sent again, before and after a kernel that doesn't take it */
	put_one(4, true);
	for (int i = 0; i < 5; i++)
		ck_assert(c25_elements_take(e, &c));
	c25_elements_taken(e, false);
	put_one(9, true);
	put_one(9, false);
	ck_assert_uint_eq(c25_elements_first(e), 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(c25_elements_first(e), 3 - i);
		ck_assert(c25_elements_take(e, &c));
		ck_assert_uint_eq(key_of(&c.element), firsts[i]);
	}
	ck_assert_uint_eq(c25_elements_first(e), 0);
}
END_TEST

/* Who waits when all has to be loaded again waits for as many as before. */
START_TEST(test_first_stays_first_when_all_are_lost)
{
	struct c25_change c;

	for (unsigned k = 0; k < 100; k++)
		put_one(k, false);
	while (c25_elements_take(e, &c))
		;
	c25_elements_taken(e, true);
	put_one(210, true);
	put_one(205, true);
	c25_elements_lost(e);
	ck_assert_uint_eq(c25_elements_first(e), 2);
	ck_assert_uint_eq(c25_elements_pending(e), 102);
	put_one(50, true);
	put_one(210, true);
	ck_assert_uint_eq(c25_elements_first(e), 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(c25_elements_take(e, &c));
		ck_assert_uint_eq(key_of(&c.element),
			((const unsigned[]){ 210, 205, 50 })[i]);
	}
	c25_elements_taken(e, true);
	ck_assert_uint_eq(c25_elements_first(e), 0);
	c25_elements_lost(e);
	ck_assert_uint_eq(c25_elements_first(e), 0);
	ck_assert_uint_eq(c25_elements_pending(e), 102);
}
END_TEST

/* 100,000 keys: linear hashing grows, and each is found. */
START_TEST(test_many)
{
	struct c25_element x, got;
	struct c25_change c;

	for (unsigned n = 0; n < 100000; n++) {
		x = element(0, 1, FRESH_MS);
		memcpy(x.address + 4, &n, sizeof(n));
		ck_assert_int_eq(c25_elements_put(e, &x, 0, false), 1);
	}
	while (c25_elements_take(e, &c))
		;
	c25_elements_taken(e, true);
	ck_assert_uint_eq(c25_elements_in_kernel(e), 100000);
	for (unsigned n = 0; n < 100000; n++) {
		memcpy(x.address + 4, &n, sizeof(n));
		ck_assert_int_eq(c25_elements_find(e, x.map, x.source,
			x.address, &got), 0);
	}
	ck_assert_uint_le(c25_elements_size(e), 100000 * 85);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("elements");
	TCase *tc = tcase_create("elements");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_random);
	tcase_add_test(tc, test_first_comes_first);
	tcase_add_test(tc, test_first_overtakes_itself);
	tcase_add_test(tc, test_first_stays_first_when_all_are_lost);
	tcase_add_test(tc, test_many);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
