/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists with columns below each other: widths, bounds, and wherever the pieces
 * are cut. */
#include "sidecar/columns.h"
#include "tests/unit/suite.h"

#include <stdlib.h>
#include <string.h>

static struct c25_columns c;
static char *text;
static size_t text_len;

/* What is printed of a list that comes in pieces of that size. */
static const char *
printed(const char *names, const char *list, size_t piece)
{
	size_t len = strlen(list), n;
	FILE *to;

	free(text);
	to = open_memstream(&text, &text_len);
	ck_assert_ptr_nonnull(to);
	c25_columns_init(&c, to, names);
	for (; len > 0; list += n, len -= n) {
		n = len < piece ? len : piece;
		ck_assert(c25_columns_add(&c, list, n));
	}
	ck_assert(c25_columns_end(&c));
	ck_assert_int_eq(fclose(to), 0);
	return text;
}

#define W40 "0123456789012345678901234567890123456789"
#define B40 "                                        "

static const struct {
	const char *names, *list, *printed;
} rows[] = {
	{ "a b c", "", "" },
	{ "a b c", "1 22 3\n333 4 5\n", "1    22  3\n333  4   5\n" },
	/* the last one has blanks */
	{ "a b", "x no answer in time\nyyy -\n",
	    "x    no answer in time\nyyy  -\n" },
	/* fewer than there should be, and an end without a newline */
	{ "a b c", "1\n\n22 3\n4 5 6", "1\n\n22  3\n4 5 6" },
	{ "a b c", "1 2 \n", "1  2  \n" },
	/* one that is too wide moves its own line only */
	{ "a b", W40 "x y\n1 2\n", W40 "x  y\n1 " B40 "2\n" },
	{ "a", "1 2 3\n", "1 2 3\n" },
};

START_TEST(columns_are_below_each_other)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 1000 };

	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(printed(rows[_i].names, rows[_i].list,
		    pieces[i]), rows[_i].printed);
}
END_TEST

/* The first ones give the widths, and are printed when there are enough of
 * them; the last one isn't waited for. */
START_TEST(a_long_list_is_shown_while_it_comes)
{
	char line[64];
	FILE *to = open_memstream(&text, &text_len);

	ck_assert_ptr_nonnull(to);
	c25_columns_init(&c, to, "a b");
	for (int i = 0; i < C25_COLUMNS_ROWS; i++) {
		(void)fflush(to);
		ck_assert_uint_eq(text_len, 0);
		ck_assert(c25_columns_add(&c, "123 4\n", 6));
	}
	(void)fflush(to);
	ck_assert_uint_eq(text_len, C25_COLUMNS_ROWS * 7);
	(void)snprintf(line, sizeof(line), "12345 6\n1 7\n");
	ck_assert(c25_columns_add(&c, line, strlen(line)));
	(void)fflush(to);
	ck_assert_str_eq(text + C25_COLUMNS_ROWS * 7, "12345  6\n1    7\n");
	ck_assert(c25_columns_end(&c));
	(void)fclose(to);
}
END_TEST

/* Lines that are no lines: bounded, and nothing is lost. */
START_TEST(what_has_no_end_goes_through)
{
	size_t len = 3 * sizeof(c.text) + 17;
	char *list = malloc(len + 1);

	ck_assert_ptr_nonnull(list);
	memset(list, 'x', len);
	list[len] = '\0';
	ck_assert_str_eq(printed("a b c", list, 1000), list);
	free(list);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("columns");
	TCase *tc = tcase_create("columns");

	ADD_ROWS(tc, columns_are_below_each_other, rows);
	tcase_add_test(tc, a_long_list_is_shown_while_it_comes);
	tcase_add_test(tc, what_has_no_end_goes_through);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
