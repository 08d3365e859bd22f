/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the changes that wait: against a naive model, and their order. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sidecar/store_private.h"
#include "tests/unit/suite.h"

#define KEYS 300

static struct c25_set set;

/* A key of two columns, as rows have them, and `values` bytes more. */
static size_t
encode(uint8_t *out, unsigned key, size_t values, uint8_t fill,
    size_t *key_len)
{
	size_t len = 1 + key % 40;	/* columns of many lengths */

	out[0] = (uint8_t)len;
	memset(out + 1, 'a' + (int)(key % 7), len);
	out[1 + len] = 4;
	memcpy(out + 2 + len, &(uint32_t){ key }, 4);
	*key_len = 6 + len;
	memset(out + *key_len, fill, values);
	return *key_len + values;
}

static unsigned
key_of(const struct c25_change *c)
{
	uint32_t key;

	memcpy(&key, c->bytes + c->key_len - 4, sizeof(key));
	return key;
}

static void
put(enum c25_store_kind kind, unsigned key, size_t values, uint8_t fill,
    bool remove)
{
	uint8_t bytes[C25_ROW_MAX];
	size_t key_len, len = encode(bytes, key, values, fill, &key_len);

	ck_assert_int_eq(c25_set_put(&set, kind, remove ? C25_CHANGE_REMOVE :
	    C25_CHANGE_PUT, bytes, key_len, len), 0);
}

START_TEST(against_a_model)
{
	static struct { bool there, remove; size_t values; uint8_t fill; }
	    model[C25_STORE_KINDS][KEYS];
	unsigned seed = (unsigned)time(NULL) + (unsigned)_i, start = seed;
	size_t counts[C25_STORE_KINDS] = { 0 }, seen = 0;
	struct c25_set_cursor cursor = { 0 };
	const struct c25_change *c;

	memset(model, 0, sizeof(model));
	for (int n = 0; n < 20000; n++) {
		unsigned kind, key;
		size_t values;

		seed = seed * 1103515245 + 12345;
		kind = seed >> 8 & 1;
		key = (seed >> 9) % KEYS;
		values = seed >> 22 & 3 ? 20 : (seed >> 16) % 900;
		put((enum c25_store_kind)kind, key, values, (uint8_t)n,
		    seed & 1 << 21);
		counts[kind] += !model[kind][key].there;
		model[kind][key].there = true;
		model[kind][key].remove = seed & 1 << 21;
		model[kind][key].values = values;
		model[kind][key].fill = (uint8_t)n;
		ck_assert_uint_eq(set.kinds[kind], counts[kind]);
	}
	ck_assert_uint_eq(set.count, counts[0] + counts[1]);
	while ((c = c25_set_next(&set, &cursor)) != NULL) {
		unsigned key = key_of(c);

		seen++;
		ck_assert_msg(model[c->kind][key].there &&
		    model[c->kind][key].remove == c->remove &&
		    model[c->kind][key].values == c->len - (size_t)c->key_len,
		    "seed %u", start);
		for (size_t i = c->key_len; i < c->len; i++)
			ck_assert_uint_eq(c->bytes[i],
			    model[c->kind][key].fill);
		model[c->kind][key].there = false;	/* once */
	}
	ck_assert_uint_eq(seen, set.count);
	c25_set_clear(&set);
	ck_assert_uint_eq(set.count, 0);
	put(C25_STORE_MAPPINGS, 1, 3, 0, false);
	ck_assert_uint_eq(set.count, 1);
	c25_set_clear(&set);
}
END_TEST

START_TEST(sorted_as_sqlite_sorts)
{
	const struct c25_change **list;

	for (unsigned i = 0; i < KEYS; i++) {
		put(C25_STORE_MAPPINGS, i * 7 % KEYS, 5, 0, i % 5 == 0);
		put(C25_STORE_ASSIGNMENTS, i * 11 % KEYS, 5, 0, i % 3 == 0);
	}
	list = c25_set_sorted(&set);
	ck_assert_ptr_nonnull(list);
	for (unsigned i = 1; i < 2 * KEYS; i++) {
		const struct c25_change *a = list[i - 1], *b = list[i];
		size_t len = a->bytes[0] < b->bytes[0] ? a->bytes[0] :
		    b->bytes[0];
		int r = memcmp(a->bytes + 1, b->bytes + 1, len);

		ck_assert_uint_le(a->kind, b->kind);
		if (a->kind != b->kind)
			continue;
		ck_assert_int_ge(a->remove, b->remove);
		if (a->remove != b->remove)
			continue;
		ck_assert(r < 0 || (r == 0 && (a->bytes[0] < b->bytes[0] ||
		    (a->bytes[0] == b->bytes[0] && key_of(a) !=
		    key_of(b)))));
	}
	ck_assert_ptr_null(list[2 * KEYS]);
	free(list);
	c25_set_clear(&set);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store_set");
	TCase *tc = tcase_create("store_set");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, against_a_model, 0, 3);
	tcase_add_test(tc, sorted_as_sqlite_sorts);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
