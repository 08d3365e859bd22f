/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of key files: made and read as their owner's secret, or not at all. */

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sidecar/keys.h"
#include "tests/unit/suite.h"

static char dir[64], path[96];
static struct c25_error err;
static struct c25_key *key;

static void
setup(void)
{
	strcpy(dir, "/tmp/c25-keys-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/node.key", dir);
}

static void
teardown(void)
{
	(void)chmod(path, 0600);
	(void)unlink(path);
	(void)rmdir(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
put(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert(fputs(text, f) >= 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static int
load(void)
{
	err.text[0] = '\0';
	return c25_key_load(path, geteuid(), &key, &err);
}

START_TEST(generate_and_load)
{
	char text[C25_KEY_TEXT_MAX], again[C25_KEY_TEXT_MAX];
	uint8_t sig[C25_SIGNATURE_BYTES];
	struct stat st;
	mode_t old = umask(0);

	ck_assert_int_eq(c25_key_generate(path, text, &err), 0);
	(void)umask(old);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, 45);
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(c25_key_text(key), text);
	c25_key_sign(key, "hello", 5, sig);
	ck_assert_int_eq(crypto_sign_verify_detached(sig,
	    (const unsigned char *)"hello", 5, c25_key_public(key)), 0);
	c25_key_free(key);
	/* never over one that is there */
	ck_assert_int_eq(c25_key_generate(path, again, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, "never overwritten"));
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(c25_key_text(key), text);
	c25_key_free(key);
}
END_TEST

START_TEST(umask_does_not_matter)
{
	char text[C25_KEY_TEXT_MAX];
	struct stat st;
	mode_t old = umask(0777);

	ck_assert_int_eq(c25_key_generate(path, text, &err), 0);
	(void)umask(old);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(no_two_are_alike)
{
	char a[C25_KEY_TEXT_MAX], b[C25_KEY_TEXT_MAX];

	ck_assert_int_eq(c25_key_generate(path, a, &err), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(c25_key_generate(path, b, &err), 0);
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(a_link_is_not_followed_when_writing)
{
	char text[C25_KEY_TEXT_MAX], target[128];

	snprintf(target, sizeof(target), "%s/other", dir);
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert_int_eq(c25_key_generate(path, text, &err), -EEXIST);
	ck_assert_int_eq(access(target, F_OK), -1);
}
END_TEST

/* RFC 8032 7.1, test 1. */
#define SEED "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
#define PUBLIC "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const struct {
	const char *text;
	mode_t mode;
	int r;
	const char *why;
} load_rows[] = {
	{ SEED "\n", 0600, 0, "" },
	{ SEED, 0400, 0, "" },
	{ SEED, 0640, -EPERM, "mode 0640" },
	{ SEED, 0604, -EPERM, "mode 0604" },
	{ SEED, 0620, -EPERM, "mode 0620" },
	{ SEED, 0601, -EPERM, "mode 0601" },
	{ SEED, 0644, -EPERM, "chmod 600" },
	{ "", 0600, -EINVAL, "is no private key" },
	{ "\n", 0600, -EINVAL, "is no private key" },
	{ SEED "\n\n", 0600, -EINVAL, "is no private key" },
	{ SEED " ", 0600, -EINVAL, "is no private key" },
	{ " " SEED, 0600, -EINVAL, "is no private key" },
	{ SEED SEED SEED, 0600, -EINVAL, "is no private key" },
	{ "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\n", 0600, -EINVAL,
	    "is no private key" },
	{ "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2B=", 0600, -EINVAL,
	    "is no private key" },		/* trailing bits */
	{ "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", 0600, -EINVAL,
	    "is no private key" },
};

START_TEST(load_one)
{
	put(load_rows[_i].text, load_rows[_i].mode);
	ck_assert_int_eq(load(), load_rows[_i].r);
	if (load_rows[_i].r == 0)
		ck_assert_str_eq(c25_key_text(key), PUBLIC);
	else
		ck_assert_ptr_null(key);
	ck_assert_msg(strstr(err.text, load_rows[_i].why) != NULL, "%s",
	    err.text);
	/* nothing of it in a message */
	ck_assert_ptr_null(strstr(err.text, "nWGx"));
	c25_key_free(key);
}
END_TEST

START_TEST(not_there)
{
	ck_assert_int_eq(load(), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "keygen"));
}
END_TEST

START_TEST(no_file)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(load(), -EINVAL);	/* and doesn't hang */
}
END_TEST

START_TEST(the_owner_counts)
{
	if (geteuid() != 0)
		return;
	put(SEED, 0600);
	ck_assert_int_eq(chown(path, 65534, (gid_t)-1), 0);
	ck_assert_int_eq(load(), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "belongs to user 65534"));
	ck_assert_int_eq(c25_key_load(path, 65534, &key, &err), 0);
	c25_key_free(key);
	ck_assert_int_eq(c25_key_load(path, C25_KEY_ANY_OWNER, &key, &err),
	    0);
	c25_key_free(key);
	/* root may own it in any case */
	ck_assert_int_eq(chown(path, 0, (gid_t)-1), 0);
	ck_assert_int_eq(c25_key_load(path, 65534, &key, &err), 0);
	c25_key_free(key);
}
END_TEST

/* Of the mapping that an address is in, does the kernel know this flag? */
static bool
has_flag(const void *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to, at = (unsigned long)p;
	bool in = false, found = false;
	char line[512];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = at >= from && at < to;
		else if (in && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

START_TEST(secret_is_left_out_of_core_dumps)
{
	uint8_t seed[C25_KEY_BYTES] = { 1 };

	key = c25_key_from_seed(seed);
	ck_assert_ptr_nonnull(key);
	/* the first member of the key points to what is secret */
	ck_assert(has_flag(*(void **)key, " dd"));
	ck_assert(!has_flag(*(void **)key, " wr"));
	ck_assert(!has_flag(key, " dd"));
	c25_key_free(key);
	c25_key_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keys");
	TCase *tc = tcase_create("keys");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, generate_and_load);
	tcase_add_test(tc, umask_does_not_matter);
	tcase_add_test(tc, no_two_are_alike);
	tcase_add_test(tc, a_link_is_not_followed_when_writing);
	ADD_ROWS(tc, load_one, load_rows);
	tcase_add_test(tc, not_there);
	tcase_add_test(tc, no_file);
	tcase_add_test(tc, the_owner_counts);
	tcase_add_test(tc, secret_is_left_out_of_core_dumps);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
