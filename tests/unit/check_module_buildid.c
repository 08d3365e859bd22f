/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of finding a program's build-id. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module/buildid.h"
#include "tests/unit/suite.h"

/* Note headers are words in the machine's order; ours is little-endian, as
 * on all machines these tests run on, and checked below. */
#define GNU "GNU\0"
#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *what;
	const char *notes;
	size_t len;
	size_t align;
	int r;
	const char *text;
} note_rows[] = {
	{ "one", BYTES("\4\0\0\0\4\0\0\0\3\0\0\0" GNU "\1\2\253\377"), 4,
		0, "0102abff" },
	{ "after another", BYTES(
		"\4\0\0\0\2\0\0\0\1\0\0\0" GNU "xx\0\0"
		"\4\0\0\0\2\0\0\0\3\0\0\0" GNU "\15\16\0\0"), 4, 0, "0d0e" },
	{ "after an aligned one", BYTES(
		"\4\0\0\0\2\0\0\0\5\0\0\0" GNU "\0\0\0\0xx\0\0\0\0\0\0"
		"\4\0\0\0\2\0\0\0\3\0\0\0" GNU "\0\0\0\0\15\16\0\0\0\0\0\0"),
		8, 0, "0d0e" },
	{ "unpadded at the end", BYTES("\4\0\0\0\3\0\0\0\3\0\0\0" GNU
		"\1\2\3"), 4, 0, "010203" },
	{ "none", BYTES(""), 4, -ENOENT, NULL },
	{ "other type", BYTES("\4\0\0\0\4\0\0\0\1\0\0\0" GNU "\1\2\3\4"), 4,
		-ENOENT, NULL },
	{ "other owner", BYTES("\4\0\0\0\4\0\0\0\3\0\0\0Go\0\0\1\2\3\4"), 4,
		-ENOENT, NULL },
	{ "empty", BYTES("\4\0\0\0\0\0\0\0\3\0\0\0" GNU), 4, -ENOENT, NULL },
	{ "too long an id", BYTES("\4\0\0\0\101\0\0\0\3\0\0\0" GNU
		"0123456789abcdef0123456789abcdef0123456789abcdef"
		"0123456789abcdefx\0\0\0"), 4, -ENOENT, NULL },
	{ "half a header", BYTES("\4\0\0\0\4\0"), 4, -EINVAL, NULL },
	{ "name overruns", BYTES("\10\0\0\0\0\0\0\0\3\0\0\0" GNU), 4,
		-EINVAL, NULL },
	{ "id overruns", BYTES("\4\0\0\0\10\0\0\0\3\0\0\0" GNU "\1\2\3\4"),
		4, -EINVAL, NULL },
	{ "sizes wrap", BYTES("\377\377\377\377\377\377\377\377\3\0\0\0" GNU
		), 4, -EINVAL, NULL },
};

START_TEST(notes)
{
	char text[C25_BUILDID_TEXT_MAX];
	uint8_t *copy = malloc(note_rows[_i].len + 1);
	int r;

	memcpy(copy, note_rows[_i].notes, note_rows[_i].len);
	r = c25_buildid_from_notes(copy, note_rows[_i].len,
	    note_rows[_i].align, text);
	free(copy);
	ck_assert_msg(r == note_rows[_i].r, "%s: %d", note_rows[_i].what, r);
	if (r == 0)
		ck_assert_str_eq(text, note_rows[_i].text);
}
END_TEST

/* What readelf says of this very program, if there is a readelf. */
START_TEST(program)
{
	char text[C25_BUILDID_TEXT_MAX], line[256], command[128], *id = NULL;
	int r = c25_buildid_of_program(text);
	FILE *f;

	snprintf(command, sizeof(command),
	    "readelf -n /proc/%d/exe 2>/dev/null", (int)getpid());
	f = popen(command, "r");
	while (f != NULL && id == NULL && fgets(line, sizeof(line), f)) {
		id = strstr(line, "Build ID: ");
		if (id != NULL) {
			id += strlen("Build ID: ");
			id[strcspn(id, "\n")] = '\0';
		}
	}
	if (f != NULL)
		pclose(f);
	if (id == NULL)
		return;
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(text, id);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module buildid");
	TCase *tc = tcase_create("buildid");
	const uint16_t one = 1;

	if (*(const uint8_t *)&one == 1)
		ADD_ROWS(tc, notes, note_rows);
	tcase_add_test(tc, program);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
