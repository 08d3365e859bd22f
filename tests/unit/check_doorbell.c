/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of conn25d's end of the doorbell, with real sockets. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn25/table.h"
#include "sidecar/doorbell.h"
#include "tests/unit/suite.h"

static char dir[64], path[80];
static struct c25_loop *loop;
static struct c25_doorbell *bell;
static int rang;

static void
on_work(void *ctx)
{
	ck_assert_ptr_eq(ctx, &rang);
	rang++;
}

static void
setup(void)
{
	struct c25_error err = { "" };

	strcpy(dir, "/tmp/check_doorbell.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	ck_assert_msg(c25_loop_new(&loop, &err) == 0, "%s", err.text);
	ck_assert_msg(c25_doorbell_open(loop, path, (gid_t)-1, on_work, &rang,
		&bell, &err) == 0, "%s", err.text);
	rang = 0;
}

static void
teardown(void)
{
	c25_doorbell_close(bell);
	c25_loop_free(loop);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0);

	ck_assert_int_ge(fd, 0);
	strcpy(sun.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)),
		0);
	ck_assert_int_eq(c25_loop_once(loop, true), 0);
	return fd;
}

static void
rounds(int n)
{
	while (n-- > 0)
		ck_assert_int_eq(c25_loop_once(loop, false), 0);
}

/* Messages that are there to be read. */
static int
bells(int fd)
{
	char byte;
	int n = 0;

	while (recv(fd, &byte, 1, 0) == 1) {
		ck_assert_int_eq(byte, C25_BELL_READY);
		n++;
	}
	ck_assert_int_eq(errno, EAGAIN);
	return n;
}

static const struct {
	const char *bytes;
	size_t len;
	int rang;
} message_rows[] = {
	{ "w", 1, 1 },
	{ "www", 3, 1 },
	{ "x", 1, 0 },
	{ "r", 1, 0 },
	{ "\0", 1, 0 },
	{ "xw", 2, 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 18, 0 },
};

START_TEST(message)
{
	int fd = dial();

	ck_assert_int_eq(send(fd, message_rows[_i].bytes,
		message_rows[_i].len, 0), (ssize_t)message_rows[_i].len);
	rounds(3);
	ck_assert_int_eq(rang, message_rows[_i].rang);
	ck_assert_uint_eq(c25_doorbell_count(bell), 1);
	(void)close(fd);
	rounds(3);
	ck_assert_uint_eq(c25_doorbell_count(bell), 0);
}
END_TEST

/* Somebody that comes ends it, the last one that leaves begins it anew. */
START_TEST(idle)
{
	uint64_t opened = c25_doorbell_idle_since(bell);
	int a = dial(), b = dial();

	ck_assert_uint_ne(opened, 0);
	ck_assert_uint_eq(c25_doorbell_idle_since(bell), 0);
	(void)close(a);
	rounds(3);
	ck_assert_uint_eq(c25_doorbell_idle_since(bell), 0);
	while (c25_now_ms() == opened)
		continue;
	(void)close(b);
	rounds(3);
	ck_assert_uint_gt(c25_doorbell_idle_since(bell), opened);
	ck_assert_uint_eq(c25_doorbell_idle_since(NULL), 0);
}
END_TEST

START_TEST(mixed)
{
	int fd = dial();

	ck_assert_int_eq(send(fd, "w", 1, 0), 1);
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
	rounds(3);
	ck_assert_int_eq(rang, 1);
	(void)close(fd);
}
END_TEST

/* A bell rung and the door closed at once: the work is there all the same. */
START_TEST(last_word)
{
	int fd = dial();

	ck_assert_int_eq(send(fd, "w", 1, 0), 1);
	(void)close(fd);
	rounds(3);
	ck_assert_int_eq(rang, 1);
	ck_assert_uint_eq(c25_doorbell_count(bell), 0);
}
END_TEST

START_TEST(ring)
{
	int a = dial(), b = dial();

	c25_doorbell_flush(bell);
	ck_assert_int_eq(bells(a), 0);
	for (int i = 0; i < 10; i++)
		c25_doorbell_ring(bell);
	ck_assert_int_eq(bells(a), 0);
	c25_doorbell_flush(bell);
	c25_doorbell_flush(bell);
	ck_assert_int_eq(bells(a), 1);
	ck_assert_int_eq(bells(b), 1);
	/* One that doesn't read neither blocks us nor is dropped. */
	for (int i = 0; i < 10000; i++) {
		c25_doorbell_ring(bell);
		c25_doorbell_flush(bell);
	}
	rounds(3);
	ck_assert_uint_eq(c25_doorbell_count(bell), 2);
	ck_assert_int_gt(bells(a), 0);
	(void)close(a);
	c25_doorbell_ring(bell);
	c25_doorbell_flush(bell);	/* it is not known yet that a left */
	rounds(3);
	ck_assert_uint_eq(c25_doorbell_count(bell), 1);
	(void)close(b);
}
END_TEST

/* Ringing without end: a bounded number of messages a round is read. */
START_TEST(flood)
{
	int fd = dial(), sent = 0;

	while (send(fd, "w", 1, 0) == 1)
		sent++;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_gt(sent, 100);
	rounds(1);
	ck_assert_int_eq(rang, 1);
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
	rounds(1);
	ck_assert_int_eq(rang, 2);
	rounds(sent);
	ck_assert_int_lt(rang, sent / 10);
	(void)close(fd);
}
END_TEST

START_TEST(too_many)
{
	int fds[C25_DOORBELL_MAX], fd, i;
	char byte;

	for (i = 0; i < C25_DOORBELL_MAX; i++)
		fds[i] = dial();
	ck_assert_uint_eq(c25_doorbell_count(bell), C25_DOORBELL_MAX);
	fd = dial();
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);	/* closed */
	ck_assert_uint_eq(c25_doorbell_count(bell), C25_DOORBELL_MAX);
	(void)close(fd);
	(void)close(fds[7]);
	rounds(3);
	fds[7] = dial();
	ck_assert_uint_eq(c25_doorbell_count(bell), C25_DOORBELL_MAX);
	/* The last one takes the place of one that leaves; then it leaves,
	 * too. */
	(void)close(fds[3]);
	rounds(3);
	(void)close(fds[C25_DOORBELL_MAX - 1]);
	rounds(3);
	(void)close(fds[3 + 1]);
	rounds(3);
	c25_doorbell_ring(bell);
	c25_doorbell_flush(bell);
	for (i = 0; i < C25_DOORBELL_MAX - 1; i++) {
		if (i == 3 || i == 3 + 1)
			continue;
		ck_assert_int_eq(bells(fds[i]), 1);
		(void)close(fds[i]);
	}
}
END_TEST

START_TEST(nobody)
{
	struct stat st;

	c25_doorbell_ring(NULL);
	c25_doorbell_flush(NULL);
	c25_doorbell_close(NULL);
	ck_assert_uint_eq(c25_doorbell_count(NULL), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("doorbell");
	TCase *t = tcase_create("doorbell");

	tcase_add_checked_fixture(t, setup, teardown);
	ADD_ROWS(t, message, message_rows);
	tcase_add_test(t, idle);
	tcase_add_test(t, mixed);
	tcase_add_test(t, last_word);
	tcase_add_test(t, ring);
	tcase_add_test(t, flood);
	tcase_add_test(t, too_many);
	tcase_add_test(t, nobody);
	suite_add_tcase(s, t);
	return run_suite(s);
}
