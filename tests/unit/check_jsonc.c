/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of JSON with comments: what is refused and where, what is blanked,
 * and finding the place of a value. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sidecar/jsonc.h"
#include "tests/unit/suite.h"

/* A copy of exactly n bytes, so that ASan sees a read past the end. */
static char *
copy_of(const char *text, size_t n)
{
	char *p = malloc(n > 0 ? n : 1);

	ck_assert_ptr_nonnull(p);
	memcpy(p, text, n);
	return p;
}

/* ---- good texts --------------------------------------------------------- */

static const struct {
	const char *text;
	const char *json;		/* as cJSON prints it */
} good_rows[] = {
	{ "{}", "{}" },
	{ " [ ] ", "[]" },
	{ "1", "1" },
	{ "\"x\"", "\"x\"" },
	{ "true\n", "true" },
	{ "\xef\xbb\xbf{}", "{}" },
	{ "// only a comment\n{}", "{}" },
	{ "{}// at the end", "{}" },
	{ "{}/* at the end */", "{}" },
	{ "/**/{/***/}/* * / */", "{}" },
	{ "{\"a\":1,}", "{\"a\":1}" },
	{ "[1,2,]", "[1,2]" },
	{ "[1 , // why\n /* not */ ]", "[1]" },
	{ "[[1,],{\"a\":[],},]", "[[1],{\"a\":[]}]" },
	{ "\"// no comment\"", "\"// no comment\"" },
	{ "\"/* no comment */\"", "\"/* no comment */\"" },
	{ "\"a,]\"", "\"a,]\"" },
	{ "[\"a\\\"// b\", 2]", "[\"a\\\"// b\",2]" },
	{ "\"\\u00e9\\ud83d\\ude00\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
	{ "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
	{ "\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ "[-0.5e+2,0,10,1E1]", "[-50,0,10,10]" },
	{ "/* \xff bytes in a comment */ 1", "1" },
	{ "[true,false,null]", "[true,false,null]" },
	{ "{\r\n\t\"a\": 1 // x\r\n}\r\n", "{\"a\":1}" },
};

START_TEST(good)
{
	const char *text = good_rows[_i].text;
	struct c25_jsonc_error err;
	size_t n = strlen(text);
	char *buf = copy_of(text, n), *printed;
	cJSON *tree;

	ck_assert_msg(c25_jsonc_parse(buf, n, &tree, &err) == 0, "%s: %s",
		text, err.text);
	printed = cJSON_PrintUnformatted(tree);
	ck_assert_str_eq(printed, good_rows[_i].json);
	cJSON_free(printed);
	cJSON_Delete(tree);
	free(buf);
}
END_TEST

START_TEST(blanks_keep_offsets)
{
	char text[] = "[1, // \xc3\xa9\n/* x\ny */ 2,\n]";
	const char *want = "[1,      \n    \n     2 \n]";
	struct c25_jsonc_error err;
	cJSON *tree;

	ck_assert_uint_eq(strlen(text), strlen(want));
	ck_assert_int_eq(c25_jsonc_parse(text, strlen(text), &tree, &err), 0);
	ck_assert_str_eq(text, want);
	cJSON_Delete(tree);
}
END_TEST

/* ---- bad texts ---------------------------------------------------------- */

#define ROW(at, text, why) { text, sizeof(text) - 1, at, why }

static const struct {
	const char *text;
	size_t len;
	size_t at;
	const char *why;		/* part of the message */
} bad_rows[] = {
	ROW(0, "", "nothing in this file"),
	ROW(3, "// ", "nothing in this file"),
	ROW(1, "{", "the '{' of line 1 is not closed"),
	ROW(8, "{\n\"a\":[\n", "the '[' of line 2 is not closed"),
	ROW(2, "{}}", "text after the end"),
	ROW(3, "{} 1", "text after the end"),
	ROW(1, "[}", "'}' doesn't close the '[' of line 1"),
	ROW(3, "{\n\n]", "']' doesn't close the '{' of line 1"),
	ROW(1, "[,]", "a value is expected before this ','"),
	ROW(3, "[1,,2]", "a value is expected before this ','"),
	ROW(1, "{,}", "a key in double quotes is expected before this ','"),
	ROW(7, "{\"a\":1,,}", "a key in double quotes"),
	ROW(5, "{\"a\":}", "a value is expected before this '}'"),
	ROW(4, "{\"a\"}", "':' and a value is expected before this '}'"),
	ROW(5, "{\"a\" 1}", "':' and a value"),
	ROW(4, "{\"a\",1}", "':' and a value"),
	ROW(7, "{\"a\":1 \"b\":2}", "',' or '}' is expected before this"),
	ROW(3, "[1 2]", "',' or ']' is expected before this '2'"),
	ROW(1, "{a:1}", "'a': a key needs double quotes"),
	ROW(1, "{1:1}", "'1': a key needs double quotes"),
	ROW(1, "{'a':1}", "a single quote"),
	ROW(1, "['a']", "a single quote"),
	ROW(1, "[yes]", "'yes' is neither true, false, null nor a number"),
	ROW(1, "[True]", "'True' is neither"),
	ROW(1, "[01]", "'01' is not a number"),
	ROW(1, "[+1]", "'+1' is not a number"),
	ROW(1, "[-]", "'-' is not a number"),
	ROW(1, "[1.]", "'1.' is not a number"),
	ROW(1, "[1e]", "'1e' is not a number"),
	ROW(1, "[.5]", "'.5' is neither"),
	ROW(1, "[10.0.0.1]", "'10.0.0.1' is not a number"),
	ROW(1, "[11111111111111111111111111111111111111111]",
		"is not a number"),
	ROW(1, "[\"abc\n\"]", "not closed on its line"),
	ROW(1, "[\"abc", "not closed on its line"),
	ROW(5, "[\"abc\\", "no such escape"),
	ROW(2, "\"a\tb\"", "control character (0x09)"),
	ROW(2, "\"a\0b\"", "control character (0x00)"),
	ROW(1, "\"\\x41\"", "no such escape"),
	ROW(1, "\"\\u12g4\"", "four hexadecimal digits"),
	ROW(1, "\"\\u12", "four hexadecimal digits"),
	ROW(2, "\"a\\u0000\"", "a NUL can't be part"),
	ROW(1, "\"\\ud83d\"", "surrogate"),
	ROW(1, "\"\\ude00\"", "surrogate"),
	ROW(1, "\"\\ud83d\\u0041\"", "surrogate"),
	ROW(2, "\"a\xff\"", "not UTF-8"),
	ROW(1, "\"\xc3\"", "not UTF-8"),
	ROW(1, "\"\xc0\xaf\"", "not UTF-8"),
	ROW(1, "\"\xe0\x80\x80\"", "not UTF-8"),
	ROW(1, "\"\xed\xa0\x80\"", "not UTF-8"),
	ROW(1, "\"\xf4\x90\x80\x80\"", "not UTF-8"),
	ROW(1, "\"\xe2\x82", "not UTF-8"),
	ROW(0, "/* open", "this comment is not closed"),
	ROW(2, "1 /*/", "this comment is not closed"),
	ROW(2, "1 / 2", "a lone '/'"),
	ROW(2, "1 /", "a lone '/'"),
	ROW(1, "[\0]", "the byte 0x00"),
	ROW(1, "[\x01]", "the byte 0x01"),
	ROW(1, "[\xc3\xa9]", "the byte 0xc3"),
	ROW(1, "[#]", "a value is expected before this '#'"),
	ROW(0, "}", "a value is expected before this '}'"),
	ROW(32, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]", "more than 32"),
};

START_TEST(bad)
{
	size_t n = bad_rows[_i].len;
	char *buf = copy_of(bad_rows[_i].text, n);
	struct c25_jsonc_error err;
	cJSON *tree;

	ck_assert_int_eq(c25_jsonc_parse(buf, n, &tree, &err), -EINVAL);
	ck_assert_ptr_null(tree);
	ck_assert_msg(strstr(err.text, bad_rows[_i].why) != NULL,
		"'%s' is not in '%s'", bad_rows[_i].why, err.text);
	ck_assert_uint_eq(err.at, bad_rows[_i].at);
	free(buf);
}
END_TEST

/* ---- places ------------------------------------------------------------- */

static const struct {
	const char *text;
	size_t at;
	unsigned line, column;
} position_rows[] = {
	{ "", 0, 1, 1 },
	{ "abc", 0, 1, 1 },
	{ "abc", 2, 1, 3 },
	{ "abc", 99, 1, 4 },
	{ "a\nbc", 1, 1, 2 },
	{ "a\nbc", 2, 2, 1 },
	{ "a\nbc", 3, 2, 2 },
	{ "\n\n\n", 3, 4, 1 },
	{ "\xc3\xa9x", 2, 1, 2 },
	{ "\xef\xbb\xbf{", 3, 1, 1 },
	{ "\tx", 1, 1, 2 },
};

START_TEST(position)
{
	const char *text = position_rows[_i].text;
	unsigned line, column;

	c25_jsonc_position(text, strlen(text), position_rows[_i].at, &line,
		&column);
	ck_assert_uint_eq(line, position_rows[_i].line);
	ck_assert_uint_eq(column, position_rows[_i].column);
}
END_TEST

/*                       0         1         2         3         4        */
/*                       0123456789012345678901234567890123456789012345678 */
static const char doc[] = "{\"a\": [1, \"x,]\", [2]], \"b\" : { \"c\":{} } }";

static const struct {
	uint32_t path[3];
	size_t depth;
	bool key;
	size_t at;
} find_rows[] = {
	{ { 0 }, 0, false, 0 },
	{ { 0 }, 1, true, 1 },
	{ { 0 }, 1, false, 6 },
	{ { 0, 0 }, 2, false, 7 },
	{ { 0, 1 }, 2, false, 10 },
	{ { 0, 1 }, 2, true, 10 },
	{ { 0, 2 }, 2, false, 17 },
	{ { 0, 2, 0 }, 3, false, 18 },
	{ { 0, 3 }, 2, false, sizeof(doc) - 1 },
	{ { 0, 2, 1 }, 3, false, sizeof(doc) - 1 },
	{ { 1 }, 1, true, 23 },
	{ { 1 }, 1, false, 29 },
	{ { 1, 0 }, 2, true, 31 },
	{ { 1, 0 }, 2, false, 35 },
	{ { 1, 0, 0 }, 3, false, sizeof(doc) - 1 },
	{ { 2 }, 1, false, sizeof(doc) - 1 },
};
#define FIND_ROWS (sizeof(find_rows) / sizeof(*find_rows))

START_TEST(find)
{
	struct c25_jsonc_finder f = { .text = doc, .len = sizeof(doc) - 1 };

	ck_assert_uint_eq(c25_jsonc_find(&f, find_rows[_i].path,
		find_rows[_i].depth, find_rows[_i].key), find_rows[_i].at);
}
END_TEST

/* What is remembered of the last place never changes the next one. */
START_TEST(find_after_another)
{
	for (size_t j = 0; j < FIND_ROWS; j++) {
		struct c25_jsonc_finder f = {
			.text = doc, .len = sizeof(doc) - 1,
		};

		(void)c25_jsonc_find(&f, find_rows[j].path,
			find_rows[j].depth, false);
		for (size_t k = 0; k < FIND_ROWS; k++)
			ck_assert_msg(c25_jsonc_find(&f,
				find_rows[(_i + k) % FIND_ROWS].path,
				find_rows[(_i + k) % FIND_ROWS].depth,
				find_rows[(_i + k) % FIND_ROWS].key) ==
				find_rows[(_i + k) % FIND_ROWS].at,
				"row %zu after row %zu",
				(_i + k) % FIND_ROWS, j);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jsonc");
	TCase *tc = tcase_create("jsonc");

	ADD_ROWS(tc, good, good_rows);
	tcase_add_test(tc, blanks_keep_offsets);
	ADD_ROWS(tc, bad, bad_rows);
	ADD_ROWS(tc, position, position_rows);
	ADD_ROWS(tc, find, find_rows);
	ADD_ROWS(tc, find_after_another, find_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
