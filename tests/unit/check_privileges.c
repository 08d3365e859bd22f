/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the judgement of owners and modes, and of who conn25d is to be.
 * Becoming it is tested with processes, in test_privileges.py. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sidecar/privileges.h"
#include "tests/unit/suite.h"

static const struct {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool root;
	int r;
	const char *word;		/* in the message */
} config_rows[] = {
	{ 0644, 0, 0, true, 0, NULL },
	{ 0640, 0, 990, true, 0, NULL },
	{ 0664, 0, 0, true, 0, NULL },
	{ 0664, 0, 990, true, -EPERM, "mode 0664 lets group 990" },
	{ 0646, 0, 0, true, -EPERM, "mode 0646 lets everybody" },
	{ 0600, 990, 0, true, -EPERM, "belongs to user 990" },
	{ 0600, 990, 990, false, 0, NULL },
	{ 0664, 990, 990, false, 0, NULL },
	{ 0602, 990, 990, false, -EPERM, "chmod o-w" },
};

START_TEST(config)
{
	struct stat st = { .st_mode = S_IFREG | config_rows[_i].mode,
		.st_uid = config_rows[_i].uid,
		.st_gid = config_rows[_i].gid };
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_privileges_config_mode("/c.json", &st,
		config_rows[_i].root, &err), config_rows[_i].r);
	if (config_rows[_i].word == NULL)
		return;
	ck_assert_msg(strstr(err.text, config_rows[_i].word) != NULL, "%s",
		err.text);
	ck_assert_ptr_eq(strstr(err.text, "/c.json: "), err.text);
}
END_TEST

static const struct {
	mode_t mode;
	uid_t uid, ours;
	int run, state;			/* results */
} dir_rows[] = {
	{ 0700, 4000001, 4000001, 0, 0 },
	{ 0755, 4000001, 4000001, 0, 0 },
	{ 0770, 4000001, 4000001, 0, -EPERM },
	{ 0702, 4000001, 4000001, -EPERM, -EPERM },
	{ 01777, 0, 0, -EPERM, -EPERM },
	{ 0700, 4000002, 4000001, 0, -EPERM },
	{ 0700, 0, 4000001, 0, -EPERM },
	{ 0700, 4000001, 0, 0, -EPERM },
	{ 0700, 4000001, (uid_t)-1, 0, 0 },
	{ 0770, 4000001, (uid_t)-1, 0, -EPERM },
};

START_TEST(directory)
{
	struct stat st = { .st_mode = S_IFDIR | dir_rows[_i].mode,
		.st_uid = dir_rows[_i].uid };
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_privileges_rundir_mode("/d", &st, &err),
		dir_rows[_i].run);
	if (dir_rows[_i].run != 0)
		ck_assert_ptr_nonnull(strstr(err.text, "runDir /d: mode"));
	ck_assert_int_eq(c25_privileges_statedir_mode("/d", &st,
		dir_rows[_i].ours, &err), dir_rows[_i].state);
	if (dir_rows[_i].state != 0)
		ck_assert_ptr_nonnull(strstr(err.text, "stateDir /d: "));
}
END_TEST

START_TEST(owner_message)
{
	struct stat st = { .st_mode = S_IFDIR | 0700, .st_uid = 0 };
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_privileges_statedir_mode("/d", &st, 4000001,
		&err), -EPERM);
	ck_assert_str_eq(err.text, "stateDir /d: belongs to user root, and "
		"conn25d runs as 4000001: chown -R 4000001 /d");
}
END_TEST

START_TEST(find)
{
	struct c25_privileges p;
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_privileges_find(&p, NULL, NULL, &err), 0);
	ck_assert(!p.change);
	ck_assert_uint_eq(p.uid, geteuid());
	ck_assert_int_eq(c25_privileges_find(&p, "root", NULL, &err), 0);
	ck_assert(!p.change);
	ck_assert_int_eq(c25_privileges_find(&p, "nobody", "nogroup", &err),
		0);
	ck_assert(p.change == (geteuid() == 0));
	if (geteuid() != 0)
		return;
	ck_assert_str_eq(p.user, "nobody");
	ck_assert_uint_eq(p.uid, 65534);
	ck_assert_int_eq(c25_privileges_find(&p, "no-such-user", NULL, &err),
		-ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "useradd"));
	ck_assert_int_eq(c25_privileges_find(&p, "nobody", "no-such-group",
		&err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "groupadd"));
}
END_TEST

/* What a reload says of a port that only the start could have had. */
START_TEST(explain)
{
	struct c25_privileges p = { .bind_given_up = true };
	struct c25_error err = { "choose a port above 1023" };

	ck_assert_int_eq(c25_privileges_explain(&p, -EADDRINUSE, &err),
		-EADDRINUSE);
	ck_assert_str_eq(err.text, "choose a port above 1023");
	ck_assert_int_eq(c25_privileges_explain(&p, -EACCES, &err), -EACCES);
	ck_assert_ptr_eq(strstr(err.text, "choose a port above 1023, or "
		"restart conn25d"), err.text);
	p.bind_given_up = false;
	strcpy(err.text, "x");
	ck_assert_int_eq(c25_privileges_explain(&p, -EACCES, &err), -EACCES);
	ck_assert_str_eq(err.text, "x");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("privileges");
	TCase *tc = tcase_create("privileges");

	ADD_ROWS(tc, config, config_rows);
	ADD_ROWS(tc, directory, dir_rows);
	tcase_add_test(tc, owner_message);
	tcase_add_test(tc, find);
	tcase_add_test(tc, explain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
