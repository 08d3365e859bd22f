/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what the module leaves of HTTPS and SVCB records. */

#include <stdlib.h>
#include <string.h>

#include "conn25/name.h"
#include "module/svcb.h"
#include "tests/unit/suite.h"

#define QNAME "\4Wiki\4corp\0"
#define HINT4 "\0\4\0\4\12\1\1\1"
#define HINT6 "\0\6\0\20\375\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define ALPN "\0\1\0\3\2h2"
#define PORT "\0\3\0\2\1\273"
/* A literal's bytes and their number, without its NUL. */
#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *what;
	const char *in;
	size_t in_len;
	enum c25_svcb r;
	const char *out;
	size_t out_len;
} mend_rows[] = {
	{ "plain", BYTES("\0\1\0" ALPN), C25_SVCB_SAME, NULL, 0 },
	{ "no params", BYTES("\0\1\0"), C25_SVCB_SAME, NULL, 0 },
	{ "own name", BYTES("\0\1\4wIKI\4corp\0" PORT), C25_SVCB_SAME,
		NULL, 0 },
	{ "both hints", BYTES("\0\1\0" ALPN PORT HINT4 HINT6),
		C25_SVCB_CHANGED, BYTES("\0\1\0" ALPN PORT) },
	{ "hint only", BYTES("\0\7\0" HINT4), C25_SVCB_CHANGED,
		BYTES("\0\7\0") },
	{ "between", BYTES("\0\1\0" ALPN HINT4 "\0\7\0\1x"),
		C25_SVCB_CHANGED, BYTES("\0\1\0" ALPN "\0\7\0\1x") },
	{ "empty hint", BYTES("\0\1\0\0\4\0\0"), C25_SVCB_CHANGED,
		BYTES("\0\1\0") },
	{ "mandatory alpn", BYTES("\0\1\0\0\0\0\2\0\1" ALPN),
		C25_SVCB_SAME, NULL, 0 },
	{ "mandatory alpn, hint", BYTES("\0\1\0\0\0\0\4\0\1\0\4" ALPN HINT4),
		C25_SVCB_CHANGED, BYTES("\0\1\0\0\0\0\2\0\1" ALPN) },
	{ "mandatory hint, port", BYTES("\0\1\0\0\0\0\4\0\4\0\3" PORT HINT4),
		C25_SVCB_CHANGED, BYTES("\0\1\0\0\0\0\2\0\3" PORT) },
	{ "mandatory hints", BYTES("\0\1\0\0\0\0\4\0\4\0\6" HINT4 HINT6),
		C25_SVCB_CHANGED, BYTES("\0\1\0") },
	{ "alias", BYTES("\0\0\0"), C25_SVCB_DROP, NULL, 0 },
	{ "alias elsewhere", BYTES("\0\0\3cdn\0"), C25_SVCB_DROP, NULL, 0 },
	{ "elsewhere", BYTES("\0\1\3cdn\0" ALPN), C25_SVCB_DROP, NULL, 0 },
	{ "below", BYTES("\0\1\1a\4wiki\4corp\0"), C25_SVCB_DROP, NULL, 0 },
	{ "nothing", BYTES(""), C25_SVCB_DROP, NULL, 0 },
	{ "priority only", BYTES("\0\1"), C25_SVCB_DROP, NULL, 0 },
	{ "no root", BYTES("\0\1\4wiki"), C25_SVCB_DROP, NULL, 0 },
	{ "pointer", BYTES("\0\1\300\14"), C25_SVCB_DROP, NULL, 0 },
	{ "half a key", BYTES("\0\1\0\0"), C25_SVCB_DROP, NULL, 0 },
	{ "no length", BYTES("\0\1\0\0\1\0"), C25_SVCB_DROP, NULL, 0 },
	{ "too long", BYTES("\0\1\0\0\1\0\4\2h2"), C25_SVCB_DROP, NULL, 0 },
	{ "too long hint", BYTES("\0\1\0\0\4\377\377\12"), C25_SVCB_DROP,
		NULL, 0 },
	{ "twice", BYTES("\0\1\0" ALPN ALPN), C25_SVCB_DROP, NULL, 0 },
	{ "unordered", BYTES("\0\1\0" HINT4 ALPN), C25_SVCB_DROP, NULL, 0 },
	{ "odd mandatory", BYTES("\0\1\0\0\0\0\3\0\1\0"), C25_SVCB_DROP,
		NULL, 0 },
	{ "empty mandatory", BYTES("\0\1\0\0\0\0\0"), C25_SVCB_DROP,
		NULL, 0 },
};

static enum c25_svcb
mend(const void *in, size_t len, uint8_t **out, size_t *out_len)
{
	/* Of exactly the promised size, for the sanitizer. */
	uint8_t *copy = malloc(len + 1);
	enum c25_svcb r;

	memcpy(copy, in, len);
	*out = malloc(len + 1);
	r = c25_svcb_mend(copy, len, (const uint8_t *)QNAME,
	    sizeof(QNAME) - 1, *out, out_len);
	free(copy);
	return r;
}

START_TEST(mend_row)
{
	uint8_t *out;
	size_t out_len = 0;

	ck_assert_msg(mend(mend_rows[_i].in, mend_rows[_i].in_len, &out,
	    &out_len) == mend_rows[_i].r, "%s", mend_rows[_i].what);
	if (mend_rows[_i].r == C25_SVCB_CHANGED) {
		ck_assert_uint_eq(out_len, mend_rows[_i].out_len);
		ck_assert_mem_eq(out, mend_rows[_i].out, out_len);
	}
	free(out);
}
END_TEST

/* However a record is cut, what comes out has no hint and is mended. */
START_TEST(mend_cut)
{
	static const char full[] = "\0\1\0\0\0\0\4\0\1\0\4" ALPN HINT4 HINT6;
	uint8_t *out, *again;
	size_t out_len = 0, again_len = 0;

	if (mend(full, (size_t)_i, &out, &out_len) == C25_SVCB_CHANGED) {
		ck_assert_uint_le(out_len, (size_t)_i);
		ck_assert_int_eq(mend(out, out_len, &again, &again_len),
		    C25_SVCB_SAME);
		free(again);
	}
	free(out);
}
END_TEST

/* Random bytes: whatever is kept has no hint left. */
START_TEST(mend_random)
{
	uint8_t in[64], *out, *again;
	size_t out_len = 0, again_len = 0;

	srand(25);
	for (int n = 0; n < 200000; n++) {
		size_t len = (size_t)rand() % sizeof(in);

		for (size_t i = 0; i < len; i++)
			in[i] = (uint8_t)(rand() % 8);
		if (mend(in, len, &out, &out_len) == C25_SVCB_CHANGED) {
			ck_assert_int_eq(mend(out, out_len, &again,
			    &again_len), C25_SVCB_SAME);
			free(again);
		}
		free(out);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module svcb");
	TCase *tc = tcase_create("svcb");

	ADD_ROWS(tc, mend_row, mend_rows);
	tcase_add_loop_test(tc, mend_cut, 0, 44);
	tcase_add_test(tc, mend_random);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
