/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the shared table: its file, and who may attach to it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn25/layout.h"
#include "table/internal.h"
#include "tests/unit/suite.h"
#include "tests/unit/table_fixture.h"

/* What a damaged or foreign file gets: an error, and stays as it was. */
static const struct {
	size_t off;
	const char *bytes;
	off_t cut;		/* truncate to this first; 0: don't */
	int r;
	int policy;		/* of c25_table_policy_alone() */
} damage_rows[] = {
	{ offsetof(struct c25_prefix_d, magic), "x", 0, -EUCLEAN, -ENOENT },
	{ offsetof(struct c25_prefix_d, fingerprint), "x", 0, -EPROTO, 0 },
	{ offsetof(struct c25_prefix_d, len_bytes), "x", 0, -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, capacity), "\377\377\377\377", 0,
	    -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, capacity), "\0\20", 0, -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, boot_id), "xxxx", 0, -ESTALE, 0 },
	{ 0, "", 64, -EUCLEAN, -ENOENT },
	{ 0, "", 100, -EUCLEAN, 0 },
	{ 0, "", 8192, -EUCLEAN, 0 },
	{ offsetof(struct c25_prefix_d, current), "xxxx", 16384, -EUCLEAN,
	    -ENOENT },
};

START_TEST(attach_refuses_damage)
{
	char path[128];
	struct c25_table *t;
	struct c25_policy *p, *other;
	struct c25_error err = { "" };
	size_t n = strlen(damage_rows[_i].bytes);
	int fd;

	(void)snprintf(path, sizeof(path), "%s/table", f.dir);
	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	f.t = NULL;
	ck_assert_int_ge(fd = open(path, O_RDWR), 0);
	if (damage_rows[_i].r == -EUCLEAN && damage_rows[_i].off ==
	    offsetof(struct c25_prefix_d, capacity) && n == 0)
		n = 2;
	ck_assert_int_eq(pwrite(fd, damage_rows[_i].bytes, n,
	    (off_t)damage_rows[_i].off), (ssize_t)n);
	if (damage_rows[_i].cut > 0)
		ck_assert_int_eq(ftruncate(fd, damage_rows[_i].cut), 0);
	(void)close(fd);
	ck_assert_int_eq(c25_table_attach(f.dir, &t, &err),
	    damage_rows[_i].r);
	ck_assert_ptr_null(t);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	/* the policy is known as long as the file begins like a table */
	ck_assert_int_eq(c25_table_policy_alone(f.dir, 0, &p, &err),
	    damage_rows[_i].policy);
	if (damage_rows[_i].policy != 0) {
		ck_assert_ptr_null(p);
		return;
	}
	ck_assert_int_eq(c25_table_policy_alone(f.dir,
	    c25_policy_generation(p), &other, &err), -EALREADY);
	ck_assert_ptr_null(other);
	c25_policy_unref(p);
}
END_TEST

START_TEST(attach_without_a_table)
{
	struct c25_policy *p;
	struct c25_table *t;
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_table_attach("/nonexistent", &t, &err),
	    -ENOENT);
	ck_assert_ptr_null(t);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent"));
	ck_assert_int_eq(c25_table_policy_alone("/nonexistent", 0, &p, &err),
	    -ENOENT);
	ck_assert_ptr_null(p);
}
END_TEST

START_TEST(replaced_is_noticed)
{
	struct c25_table *t;
	struct c25_error err;

	ck_assert(!c25_table_replaced(f.t));
	ck_assert_int_eq(c25_table_create(f.dir, 64, (gid_t)-1, &t, &err),
	    0);
	ck_assert(c25_table_replaced(f.t));
	ck_assert(!c25_table_replaced(t));
	c25_table_detach(t);
}
END_TEST

START_TEST(too_many_handles_are_refused)
{
	static struct c25_table *t[C25_HANDLES_MAX];
	struct c25_error err = { "" };
	struct c25_table *one;

	for (int i = 0; i < C25_HANDLES_MAX - 1; i++)
		ck_assert_int_eq(c25_table_attach(f.dir, &t[i], &err), 0);
	ck_assert_int_eq(c25_table_attach(f.dir, &one, &err), -EMFILE);
	c25_table_detach(t[100]);
	ck_assert_int_eq(c25_table_attach(f.dir, &t[100], &err), 0);
	for (int i = 0; i < C25_HANDLES_MAX - 1; i++)
		c25_table_detach(t[i]);
}
END_TEST

START_TEST(modes_and_files)
{
	struct stat st;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/table", f.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	(void)snprintf(path, sizeof(path), "%s/policy.1", f.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	fx_publish(&f);
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table_attach");
	TCase *tc = tcase_create("table_attach");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, attach_refuses_damage, damage_rows);
	tcase_add_test(tc, attach_without_a_table);
	tcase_add_test(tc, replaced_is_noticed);
	tcase_add_test(tc, too_many_handles_are_refused);
	tcase_add_test(tc, modes_and_files);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
