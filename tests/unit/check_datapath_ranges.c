/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the ranges that go into the kernel's sets: sorted and apart. */

#include <string.h>

#include "sidecar/datapath_rules.h"
#include "tests/unit/suite.h"

static const struct {
	const char *in[5];
	const char *out[5];
} merges[] = {
	{ { NULL }, { NULL } },
	{ { "10.0.0.0/8" }, { "10.0.0.0/8" } },
	{ { "10.0.1.0/24", "10.0.0.0/24" }, { "10.0.0.0/23" } },
	{ { "10.0.0.0/8", "10.1.0.0/16" }, { "10.0.0.0/8" } },
	{ { "10.0.0.0-10.0.0.9", "10.0.0.5-10.0.0.20", "10.0.0.22" },
	  { "10.0.0.0-10.0.0.20", "10.0.0.22" } },
	{ { "255.255.255.255", "0.0.0.0/0" }, { "0.0.0.0/0" } },
	{ { "fd25:1::/64", "fd25:1:0:1::/64" }, { "fd25:1::/63" } },
};

START_TEST(test_merge)
{
	struct c25_range items[5];
	struct c25_ranges r = { items, 0 };
	size_t n = 0;

	for (; merges[_i].in[r.count] != NULL; r.count++)
		ck_assert_int_eq(c25_range_parse(&items[r.count],
			merges[_i].in[r.count],
			strlen(merges[_i].in[r.count])), 0);
	c25_ranges_merge(&r);
	for (; merges[_i].out[n] != NULL; n++) {
		struct c25_range want;

		ck_assert_uint_lt(n, r.count);
		ck_assert_int_eq(c25_range_parse(&want, merges[_i].out[n],
			strlen(merges[_i].out[n])), 0);
		ck_assert(c25_addr_eq(&want.first, &items[n].first));
		ck_assert(c25_addr_eq(&want.last, &items[n].last));
	}
	ck_assert_uint_eq(n, r.count);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("datapath ranges");
	TCase *tc = tcase_create("ranges");

	ADD_ROWS(tc, test_merge, merges);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
