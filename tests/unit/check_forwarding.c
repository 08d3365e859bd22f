/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of forwarding.h: that what it says of include files is also there
 * after the power failed, which means that their directories are synced. The
 * rest is in tests/process/test_resolve_at.py.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sidecar/forwarding.h"
#include "tests/unit/demo.h"
#include "tests/unit/suite.h"

static ino_t synced[8];			/* directories, in order */
static size_t synced_count;

/* In place of libc's. */
int
fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) &&
	    synced_count < sizeof(synced) / sizeof(synced[0]))
		synced[synced_count++] = st.st_ino;
	return (int)syscall(SYS_fsync, fd);
}

static char top[64];
static struct c25_loop *loop;
static struct c25_forwarding *f;

static ino_t
inode(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

static void
path_in(char out[static 128], const char *name)
{
	ck_assert_int_lt(snprintf(out, 128, "%s/%s", top, name), 128);
}

/* Have this include file; NULL: none. */
static void
have(const char *file)
{
	struct c25_error err = { "" };
	struct c25_config *cfg;
	char path[128], *text;

	path_in(path, file != NULL ? file : "");
	ck_assert_int_ge(asprintf(&text, "{ 'pools': { 'v4MagicIPPool': "
		"['100.64.0.0/16'], 'v4TransitIPPool': ['169.254.64.0/18'] }, "
		"%s%s%s 'apps': [{ 'name': 'a', 'domains': ['a.example'], "
		"'connectors': [], 'resolveAt': 'connector', 'dnsServers': "
		"['10.0.0.1'] }] }", file != NULL ?
		"'unbound': { 'includeFile': '" : "", file != NULL ? path : "",
		file != NULL ? "' }," : ""), 0);
	cfg = parse(text);
	free(text);
	synced_count = 0;
	ck_assert_msg(c25_forwarding_prepare(f, cfg, &err) == 0, "%s",
		err.text);
	c25_forwarding_commit(f);
	c25_config_free(cfg);
}

static void
setup(void)
{
	struct c25_error err = { "" };
	char path[128];

	strcpy(top, "/tmp/conn25-forwarding-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	path_in(path, "a");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	path_in(path, "b");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	path_in(path, "link");
	ck_assert_int_eq(symlink("a", path), 0);
	ck_assert_int_eq(c25_loop_new(&loop, &err), 0);
	ck_assert_int_eq(c25_forwarding_new(loop, &f), 0);
}

static void
teardown(void)
{
	static const char *const names[] = { "a/f.conf", "b/f.conf", "link" };
	char path[128];

	c25_forwarding_free(f);
	c25_loop_free(loop);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_in(path, names[i]);
		(void)unlink(path);
	}
	path_in(path, "a");
	ck_assert_int_eq(rmdir(path), 0);
	path_in(path, "b");
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(top), 0);
}

START_TEST(directories_are_synced)
{
	char a[128], b[128];

	path_in(a, "a");
	path_in(b, "b");
	have("a/f.conf");
	ck_assert_uint_eq(synced_count, 1);
	ck_assert_uint_eq(synced[0], inode(a));
	/* the same by another name */
	have("link/f.conf");
	ck_assert_uint_eq(synced_count, 0);
	/* the old one is emptied, the new one written */
	have("b/f.conf");
	ck_assert_uint_eq(synced_count, 2);
	ck_assert_uint_eq(synced[0], inode(a));
	ck_assert_uint_eq(synced[1], inode(b));
	have(NULL);
	ck_assert_uint_eq(synced_count, 1);
	ck_assert_uint_eq(synced[0], inode(b));
}
END_TEST

/* Nothing is left where nothing was taken. */
START_TEST(cancelled)
{
	struct c25_error err = { "" };
	struct c25_config *cfg = parse("{ 'pools': { 'v4MagicIPPool': "
		"['100.64.0.0/16'], 'v4TransitIPPool': ['169.254.64.0/18'] }, "
		"'unbound': { 'controlSocket': '/nonexistent' }, "
		"'apps': [] }");

	for (int i = 0; i < 3; i++) {
		have("a/f.conf");
		ck_assert_int_eq(c25_forwarding_prepare(f, cfg, &err), 0);
		c25_forwarding_cancel(f);
		ck_assert_int_eq(c25_forwarding_prepare(f, cfg, &err), 0);
		ck_assert_int_eq(c25_forwarding_prepare(f, cfg, &err), 0);
		if (i == 1)
			c25_forwarding_commit(f);
	}
	c25_config_free(cfg);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("forwarding");
	TCase *tc = tcase_create("forwarding");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, directories_are_synced);
	tcase_add_test(tc, cancelled);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
