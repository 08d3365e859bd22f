/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the configuration: its file, and why that can't be read. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/config_fixture.h"
#include "tests/unit/suite.h"

struct place {
	char dir[64];
	char file[96];
};

static void
place_make(struct place *p, const char *content)
{
	FILE *f;

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/check_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->dir));
	(void)snprintf(p->file, sizeof(p->file), "%s/c.json", p->dir);
	if (content == NULL)
		return;
	f = fopen(p->file, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert(fputs(content, f) >= 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
place_remove(struct place *p)
{
	(void)unlink(p->file);
	(void)rmdir(p->dir);
}

START_TEST(load_file)
{
	struct c25_config_errors errs = { 0 };
	struct c25_config *cfg;
	struct place p;

	place_make(&p, SAMPLE(KEY_TEXT));
	ck_assert_int_eq(c25_config_load(p.file, &cfg, &errs), 0);
	ck_assert_str_eq(cfg->file, p.file);
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
	place_remove(&p);
}
END_TEST

static void
load_must_fail(const char *file, int r, const char *why)
{
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg;

	ck_assert_int_eq(c25_config_load(file, &cfg, &errs), r);
	ck_assert_ptr_null(cfg);
	ck_assert_uint_eq(c25_config_error_count(&errs), 1);
	(void)c25_config_error_line(&errs, 0, line);
	ck_assert_msg(strncmp(line, file, strlen(file)) == 0 &&
		strstr(line, why) != NULL, "'%s' is not in '%s'", why, line);
	c25_config_errors_free(&errs);
}

START_TEST(load_no_file)
{
	struct place p;

	place_make(&p, NULL);
	load_must_fail(p.file, -ENOENT, ": error: configuration: can't be "
		"read (No such file or directory): name another with -c");
	load_must_fail(p.dir, -EISDIR, "can't be read (Is a directory)");
	load_must_fail("/dev/null", -EINVAL, ":1:1: error: syntax: there is "
		"nothing");
	place_remove(&p);
}
END_TEST

START_TEST(load_forbidden)
{
	struct place p;

	uid_t self = geteuid();

	if (self == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	place_make(&p, "{}");
	ck_assert_int_eq(chmod(p.file, 0), 0);
	load_must_fail(p.file, -EACCES, "can't be read (Permission denied): "
		"let this user read it");
	place_remove(&p);
	/* as it was: LeakSanitizer traces a process that can be dumped */
	ck_assert_int_eq(seteuid(self), 0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}
END_TEST

START_TEST(load_too_large)
{
	struct place p;

	place_make(&p, "");
	ck_assert_int_eq(truncate(p.file, (off_t)C25_CONFIG_SIZE_MAX + 1), 0);
	load_must_fail(p.file, -EFBIG, "is this the right file?");
	place_remove(&p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config_load");
	TCase *tc = tcase_create("config_load");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, load_file);
	tcase_add_test(tc, load_no_file);
	tcase_add_test(tc, load_forbidden);
	tcase_add_test(tc, load_too_large);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
