/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of listening sockets in runDir, where somebody of its group may swap
 * what lies there at any moment: here, right after bind(). */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "sidecar/rundir.h"
#include "tests/unit/suite.h"

#define OTHER_GROUP 4000001

static char dir[32], path[64], target[64];
static bool swap;

/* In the C library's place. */
int
bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int r = (int)syscall(SYS_bind, fd, addr, len);

	if (r == 0 && swap) {
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(symlink(target, path), 0);
	}
	return r;
}

static void
setup(void)
{
	FILE *f;

	(void)strcpy(dir, "/tmp/check_rundir.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	(void)snprintf(target, sizeof(target), "%s/secret", dir);
	f = fopen(target, "w");
	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
	ck_assert_int_eq(chmod(target, 0600), 0);
}

static void
teardown(void)
{
	(void)unlink(path);
	(void)unlink(target);
	(void)rmdir(dir);
}

/* Only root can give things to a group it isn't in. */
static gid_t
group(void)
{
	return geteuid() == 0 ? OTHER_GROUP : getegid();
}

START_TEST(owner_and_mode)
{
	struct c25_error err = { "" };
	mode_t mask = umask(0027);
	struct stat st;
	int fd;

	swap = false;
	fd = c25_rundir_listen(path, SOCK_STREAM, group(), &err);
	ck_assert_msg(fd >= 0, "%s", err.text);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 07777, 0660);
	ck_assert_uint_eq(st.st_gid, group());
	ck_assert_int_eq(umask(mask), 0027);
	(void)close(fd);
}
END_TEST

START_TEST(link_in_its_place)
{
	struct c25_error err = { "" };
	struct stat before, st;
	int fd;

	ck_assert_int_eq(stat(target, &before), 0);
	swap = true;
	fd = c25_rundir_listen(path, SOCK_STREAM, group(), &err);
	ck_assert_int_eq(stat(target, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_uint_eq(st.st_gid, before.st_gid);
	ck_assert_int_eq(fd, -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rundir");
	TCase *tc = tcase_create("rundir");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, owner_and_mode);
	tcase_add_test(tc, link_in_its_place);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
