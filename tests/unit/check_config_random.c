/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the configuration: whatever the bytes, it is read or refused. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One to four changes: bytes, cuts, copies, and pieces of syntax. */
static size_t
mutate(char *text, size_t len, size_t room, uint64_t *state)
{
	static const char *const pieces[] = { "{", "}", "[", "]", ",", ":",
		"\"", "\\", "/*", "*/", "//", "\\u0000", "-", "1e9", "*",
		"null", "\"name\":", "::", "/33", "\xff", "\xc3" };
	size_t changes = 1 + next_random(state) % 4;

	while (changes-- > 0 && len > 8) {
		size_t at = next_random(state) % len;
		size_t n = 1 + next_random(state) % 40;
		const char *piece = pieces[next_random(state) %
			(sizeof(pieces) / sizeof(*pieces))];

		switch (next_random(state) % 4) {
		case 0:
			text[at] = (char)next_random(state);
			break;
		case 1:
			n = n > len - at ? len - at : n;
			memmove(text + at, text + at + n, len - at - n);
			len -= n;
			break;
		case 2:
			n = n > len - at ? len - at : n;
			if (len + n > room)
				break;
			memmove(text + at + n, text + at, len - at);
			len += n;
			break;
		default:
			n = strlen(piece);
			if (n > len - at)
				break;
			memcpy(text + at, piece, n);
		}
	}
	return len;
}

START_TEST(never_crashes)
{
	static const char sample[] = SAMPLE(KEY_TEXT);
	const char *given = getenv("CONN25_TEST_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 0) :
		(uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
	uint64_t state = seed | 1;
	size_t good_count = 0;

	/* shown by libcheck only if it fails; CONN25_TEST_SEED repeats it */
	(void)fprintf(stderr, "check_config_random: CONN25_TEST_SEED=%llu\n",
		(unsigned long long)seed);
	for (int i = 0; i < 5000; i++) {
		struct c25_config_errors errs = { 0 };
		size_t room = sizeof(sample) + 200, len = sizeof(sample) - 1;
		char *text = malloc(room), *exact;
		struct c25_config *cfg;
		int r;

		ck_assert_ptr_nonnull(text);
		memcpy(text, sample, len);
		len = mutate(text, len, room, &state);
		exact = malloc(len);	/* so that ASan sees its end */
		ck_assert_ptr_nonnull(exact);
		memcpy(exact, text, len);
		r = c25_config_parse(exact, len, "f", &cfg, &errs);
		ck_assert(r == 0 || r == -EINVAL);
		ck_assert((r == 0) == (errs.errors == 0));
		for (size_t k = 0; k < errs.count; k++)
			ck_assert(errs.items[k].at <= len);
		if (r == 0) {
			good_count++;
			c25_policy_unref(compile(cfg, NULL));
		}
		c25_config_free(cfg);
		c25_config_errors_free(&errs);
		free(exact);
		free(text);
	}
	ck_assert_uint_gt(good_count, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_random");
	TCase *tc = tcase_create("config_random");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, never_crashes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
