/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of listening sockets in runDir, where somebody of its group may swap
 * what lies there at any moment: here, right after bind(). And of what is said
 * of another conn25d's directories, going by what the kernel says of locks. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
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

static char locks[256];		/* /proc/locks; "": can't be read */

/* In the C library's place. */
FILE *
fopen(const char *name, const char *mode)
{
	int fd;

	if (strcmp(name, "/proc/locks") != 0) {
		fd = open(name, mode[0] == 'r' ? O_RDONLY :
			O_WRONLY | O_CREAT | O_TRUNC, 0600);
		return fd < 0 ? NULL : fdopen(fd, mode);
	}
	if (locks[0] != '\0')
		return fmemopen(locks, strlen(locks), "r");
	errno = EACCES;
	return NULL;
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

static const struct {
	const char *locks;	/* device, inode: D I those of the lock file */
	const char *said;
	mode_t mode;		/* of the directory */
} others[] = {
	{ "1: FLOCK  ADVISORY  WRITE 42 D:I 0 EOF\n", "process 42 first",
	    0755 },
	{ "1: POSIX  ADVISORY  WRITE 42 D:I 0 EOF\n", "none is seen", 0755 },
	{ "1: FLOCK  ADVISORY  WRITE 42 D:9I 0 EOF\n", "none is seen", 0755 },
	/* of another pid namespace; of a file system with devices of its own */
	{ "1: FLOCK  ADVISORY  WRITE 0 D:I 0 EOF\n", "if it runs", 0755 },
	{ "1: FLOCK  ADVISORY  WRITE -1 D:I 0 EOF\n", "if it runs", 0755 },
	{ "1: FLOCK  ADVISORY  WRITE 42 fe:ff:I 0 EOF\n", "if it runs",
	    0755 },
	{ "1: FLOCK  ADVISORY  WRITE 41 fe:ff:I 0 EOF\n"
	    "2: FLOCK  ADVISORY  WRITE 42 D:I 0 EOF\n", "process 42 first",
	    0755 },
	{ "", "if it runs", 0755 },
	/* who can't enter it can't find the file */
	{ "1: FLOCK  ADVISORY  WRITE 42 D:I 0 EOF\n", "if it runs", 0750 },
	{ "1: FLOCK  ADVISORY  WRITE 42 D:I 0 EOF\n", "if it runs", 0700 },
};

static void
fill_locks(const char *from, const struct stat *st)
{
	char *to = locks;

	for (; *from != '\0'; from++)
		if (*from == 'D' && from[1] == ':')
			to += sprintf(to, "%02x:%02x", major(st->st_dev),
				minor(st->st_dev));
		else if (*from == 'I' && from[1] == ' ')
			to += sprintf(to, "%llu",
				(unsigned long long)st->st_ino);
		else
			*to++ = *from;
	*to = '\0';
}

START_TEST(whether_another_uses_it)
{
	struct c25_error err = { "" };
	char lock[64];
	struct stat st;
	int fd, status;
	pid_t pid;

	if (geteuid() != 0)
		return;		/* nobody else can be made */
	(void)snprintf(lock, sizeof(lock), "%s/conn25d.lock", dir);
	fd = open(lock, O_RDWR | O_CREAT, 0640);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	(void)close(fd);
	fill_locks(others[_i].locks, &st);
	ck_assert_int_eq(chmod(dir, others[_i].mode), 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(OTHER_GROUP) != 0 || setuid(OTHER_GROUP) != 0 ||
				c25_rundir_reach(dir, dir, c25_rundir_user(
				dir, dir), &err) != -EACCES)
			_exit(2);
		if (strstr(err.text, others[_i].said) != NULL)
			_exit(0);
		(void)fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	(void)unlink(lock);
	ck_assert_int_eq(status, 0);
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
	ADD_ROWS(tc, whether_another_uses_it, others);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
