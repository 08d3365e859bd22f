/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the control socket's two ends: the request line and runDir in a
 * text as pure functions, and the server with real sockets, where what
 * clients do wrong is the interesting part.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sidecar/control.h"
#include "sidecar/rundir.h"
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

/* ---- the request line -------------------------------------------------- */

#define V64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *line;
	int code;
	const char *verb;
	const char *argument;
} line_rows[] = {
	{ "CONN25CT1 status", 0, "status", "" },
	{ "CONN25CT1 lookup app.example.com", 0, "lookup",
		"app.example.com" },
	{ "CONN25CT1   lookup   a  ", 0, "lookup", "a" },
	{ "CONN25CT1 lookup a b  c", 0, "lookup", "a b  c" },
	{ "CONN25CT1 lookup ", 0, "lookup", "" },
	{ "CONN25CT1 x\\032y", 0, "x\\032y", "" },
	{ "", -EPROTO, "", "" },
	{ "status", -EPROTO, "", "" },
	{ "UBCT1 status", -EPROTO, "", "" },
	{ "CONN25CT2 status", -EPROTO, "", "" },
	{ "conn25ct1 status", -EPROTO, "", "" },
	{ "CONN25CT1", -EPROTO, "", "" },
	{ "GET / HTTP/1.1\r", -EPROTO, "", "" },
	{ "CONN25CT1 ", -EINVAL, "", "" },
	{ "CONN25CT1    ", -EINVAL, "", "" },
	{ "CONN25CT1 stat\tus", -EINVAL, "", "" },
	{ "CONN25CT1 status\r", -EINVAL, "", "" },
	{ "CONN25CT1 lookup \xc3\xa4", -EINVAL, "", "" },
	{ "CONN25CT1 lookup a\x7f", -EINVAL, "", "" },
	{ "CONN25CT1 " V64, -EINVAL, "", "" },
};

START_TEST(line)
{
	size_t len = strlen(line_rows[_i].line);
	char *text = copy_of(line_rows[_i].line, len);
	struct c25_control_line out;
	struct c25_error err = { "" };

	ck_assert_int_eq(c25_control_parse(&out, text, len, &err),
		line_rows[_i].code);
	ck_assert_str_eq(out.verb, line_rows[_i].verb);
	ck_assert_str_eq(out.argument, line_rows[_i].argument);
	ck_assert_int_eq(err.text[0] != '\0', line_rows[_i].code != 0);
	free(text);
}
END_TEST

START_TEST(line_nul)
{
	static const char text[] = "CONN25CT1 st\0atus";
	struct c25_control_line out;
	struct c25_error err;

	ck_assert_int_eq(c25_control_parse(&out, text, sizeof(text) - 1,
		&err), -EINVAL);
}
END_TEST

START_TEST(line_long)
{
	char text[C25_CONTROL_LINE_MAX];
	struct c25_control_line out;
	struct c25_error err;

	memset(text, 'a', sizeof(text));
	memcpy(text, "CONN25CT1 v ", 12);
	ck_assert_int_eq(c25_control_parse(&out, text, sizeof(text), &err),
		0);
	ck_assert_uint_eq(strlen(out.argument), sizeof(text) - 12);
}
END_TEST

/* ---- runDir ------------------------------------------------------------ */

static const struct {
	const char *text;
	int code;
	const char *dir;
} dir_rows[] = {
	{ "{\"runDir\": \"/run/x\"}", 0, "/run/x" },
	{ "{\"group\":\"g\",\"runDir\":\"/run/x\",}", 0, "/run/x" },
	{ "// \"runDir\": \"/no\"\n{ /* { */ \"runDir\" // a\n : /**/ \"/y\"",
		0, "/y" },
	{ "{\"runDir\": \"\\/a\\u0062\"}", 0, "/ab" },
	{ "{\"a\": {\"runDir\": \"/no\"}, \"runDir\": \"/yes\"}", 0, "/yes" },
	{ "{\"a\": [{\"runDir\": \"/no\"}], \"runDir\": \"/yes\"}", 0,
		"/yes" },
	{ "{\"a\": \"runDir\", \"runDir\": \"/yes\"}", 0, "/yes" },
	{ "{\"x\\\"runDir\": \"/no\", \"runDir\": \"/yes\"}", 0, "/yes" },
	/* broken elsewhere: before, and after */
	{ "{ nonsense, \"runDir\": \"/x\" }", 0, "/x" },
	{ "{\"runDir\": \"/x\", \"apps\": [ {{{ ", 0, "/x" },
	{ "{\"apps\": []}", -ENOENT, "" },
	{ "", -ENOENT, "" },
	{ "{", -ENOENT, "" },
	{ "{\"runDir", -ENOENT, "" },
	{ "{\"runDir\"", -ENOENT, "" },
	{ "{\"runDir\" /* \"/x\"", -ENOENT, "" },
	{ "/", -ENOENT, "" },
	{ "{ // \"runDir\": \"/x\"", -ENOENT, "" },
	{ "{\"runDir\":", -EINVAL, "" },
	{ "{\"runDir\": 3}", -EINVAL, "" },
	{ "{\"runDir\": \"\"}", -EINVAL, "" },
	{ "{\"runDir\": \"/x", -EINVAL, "" },
	{ "{\"runDir\": \"/x\\", -EINVAL, "" },
	{ "{\"runDir\": \"/345678901234567\"}", -ENAMETOOLONG, "" },
	{ "{\"runDir\": \"/34567890123456\"}", 0, "/34567890123456" },
};

START_TEST(run_dir)
{
	size_t len = strlen(dir_rows[_i].text);
	char *text = copy_of(dir_rows[_i].text, len);
	char out[16] = "";

	ck_assert_int_eq(c25_control_run_dir(text, len, out, sizeof(out)),
		dir_rows[_i].code);
	ck_assert_str_eq(out, dir_rows[_i].dir);
	free(text);
}
END_TEST

/* ---- the server -------------------------------------------------------- */

/* More than a socket takes at once, and sent before `more` is called. */
#define LATE_BYTES 1000000
#define LONG_PIECES 2000	/* of "long", 1000 bytes each */

static char dir[64], path[80];
static struct c25_loop *loop;
static struct c25_control *control;
static int done_calls;

static bool
long_more(struct c25_control_reply *r)
{
	intptr_t n = (intptr_t)r->state;

	c25_buf_format(&r->text, "%0999d\n", (int)n);
	r->state = (void *)(n + 1);
	return n + 1 < LONG_PIECES;
}

static bool
nothing_more(struct c25_control_reply *r)
{
	intptr_t n = (intptr_t)r->state;

	r->state = (void *)(n + 1);
	if (n < 10)
		return true;
	c25_control_fail(r, "found nothing");
	return false;
}

static bool
late_fail_more(struct c25_control_reply *r)
{
	c25_control_fail(r, "too late");
	return false;
}

static void
count_done(struct c25_control_reply *r)
{
	(void)r;
	done_calls++;
}

static void
answer(void *ctx, const struct c25_control_line *l,
	struct c25_control_reply *r)
{
	(void)ctx;
	r->done = count_done;
	if (strcmp(l->verb, "ping") == 0)
		c25_buf_format(&r->text, "pong %s\n", l->argument);
	else if (strcmp(l->verb, "long") == 0)
		r->more = long_more;
	else if (strcmp(l->verb, "nothing") == 0)
		r->more = nothing_more;
	else if (strcmp(l->verb, "late") == 0) {
		r->more = late_fail_more;
		while (r->text.len < LATE_BYTES)
			c25_buf_lit(&r->text, "x");
	} else if (strcmp(l->verb, "silent") != 0)
		c25_control_fail(r, "unknown verb %s", l->verb);
}

static void
setup(void)
{
	struct c25_error err = { "" };

	strcpy(dir, "/tmp/check_control.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	ck_assert_msg(c25_loop_new(&loop, &err) == 0, "%s", err.text);
	ck_assert_msg(c25_control_open(loop, path, (gid_t)-1, answer, NULL,
		&control, &err) == 0, "%s", err.text);
	done_calls = 0;
}

static void
teardown(void)
{
	c25_control_close(control);
	c25_loop_free(loop);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0);

	ck_assert_int_ge(fd, 0);
	strcpy(sun.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)),
		0);
	return fd;
}

static void
say(int fd, const char *text, size_t len)
{
	ck_assert_int_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Run the loop and read until the end; NUL after what came. */
static size_t
hear(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		n = recv(fd, out + len, size - 1 - len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n > 0)
			len += (size_t)n;
		else
			ck_assert_int_eq(c25_loop_once(loop, true), 0);
		ck_assert_uint_lt(len, size - 1);
	}
	out[len] = '\0';
	return len;
}

static const struct {
	const char *request;
	size_t len;		/* 0: strlen */
	const char *reply;
} talk_rows[] = {
	{ "CONN25CT1 ping\n", 0, "ok\npong \n" },
	{ "CONN25CT1 ping a b\n", 0, "ok\npong a b\n" },
	{ "CONN25CT1 ping\nand more that is not read", 0, "ok\npong \n" },
	{ "CONN25CT1 silent\n", 0, "ok\n" },
	{ "CONN25CT1 nothing\n", 0, "error found nothing\n" },
	{ "CONN25CT1 nonsense\n", 0, "error unknown verb nonsense\n" },
	{ "CONN25CT1 \n", 0, "error request names no verb\n" },
	{ "CONN25CT1 a\0b\n", 14,
		"error request has bytes that are not printable ASCII\n" },
};

START_TEST(talk)
{
	size_t len = talk_rows[_i].len;
	char out[4096];
	int fd = dial();

	say(fd, talk_rows[_i].request, len > 0 ? len :
		strlen(talk_rows[_i].request));
	hear(fd, out, sizeof(out));
	ck_assert_str_eq(out, talk_rows[_i].reply);
	(void)close(fd);
}
END_TEST

START_TEST(byte_by_byte)
{
	static const char request[] = "CONN25CT1 ping x\n";
	char out[100];
	int fd = dial();

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		say(fd, request + i, 1);
		ck_assert_int_eq(c25_loop_once(loop, false), 0);
	}
	hear(fd, out, sizeof(out));
	ck_assert_str_eq(out, "ok\npong x\n");
	(void)close(fd);
}
END_TEST

/* Exactly the longest line is taken, one byte more is refused. */
START_TEST(line_limit)
{
	char request[C25_CONTROL_LINE_MAX + 1], out[2048];
	int fd;

	memset(request, 'a', sizeof(request));
	memcpy(request, "CONN25CT1 ping ", 15);
	request[C25_CONTROL_LINE_MAX - 1] = '\n';
	fd = dial();
	say(fd, request, C25_CONTROL_LINE_MAX);
	ck_assert_uint_eq(hear(fd, out, sizeof(out)),
		3 + 5 + C25_CONTROL_LINE_MAX - 16 + 1);
	(void)close(fd);
	request[C25_CONTROL_LINE_MAX - 1] = 'a';
	request[C25_CONTROL_LINE_MAX] = '\n';
	fd = dial();
	say(fd, request, sizeof(request));
	hear(fd, out, sizeof(out));
	ck_assert_str_eq(out, "error request is longer than 1024 bytes\n");
	(void)close(fd);
}
END_TEST

START_TEST(long_reply)
{
	size_t size = LONG_PIECES * 1000 + 100;
	char *out = malloc(size), piece[1001];
	int fd = dial();

	ck_assert_ptr_nonnull(out);
	say(fd, "CONN25CT1 long\n", 15);
	ck_assert_uint_eq(hear(fd, out, size), 3 + LONG_PIECES * 1000);
	(void)snprintf(piece, sizeof(piece), "%0999d\n", LONG_PIECES - 1);
	ck_assert_str_eq(out + 3 + (LONG_PIECES - 1) * 1000, piece);
	ck_assert_int_eq(done_calls, 1);
	free(out);
	(void)close(fd);
}
END_TEST

/* An error after "ok" can't be told: it must not look like a result. */
START_TEST(late_error)
{
	char *out = malloc(LATE_BYTES + 100);
	int fd = dial();

	ck_assert_ptr_nonnull(out);
	say(fd, "CONN25CT1 late\n", 15);
	ck_assert_uint_eq(hear(fd, out, LATE_BYTES + 100), 3 + LATE_BYTES);
	ck_assert_ptr_null(strstr(out, "late"));
	free(out);
	(void)close(fd);
}
END_TEST

/* Whoever goes away, at whatever time, leaves nothing behind. */
START_TEST(gone)
{
	static const char *const requests[] = { "", "CONN25",
		"CONN25CT1 ping\n", "CONN25CT1 long\n", "CONN25CT1 long\n" };
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		int fd = dial();

		say(fd, requests[i], strlen(requests[i]));
		if (i == 4)
			ck_assert_int_eq(c25_loop_once(loop, false), 0);
		(void)close(fd);
	}
	for (i = 0; i < 50; i++)
		ck_assert_int_eq(c25_loop_once(loop, false), 0);
	ck_assert_int_eq(done_calls, 3);
}
END_TEST

/* All places that one user can have are taken by clients that say nothing:
 * the next is told so, and there is room again when one leaves. */
START_TEST(too_many)
{
	int fds[C25_CONTROL_USER_MAX], fd;
	char out[200];
	int i;

	for (i = 0; i < C25_CONTROL_USER_MAX; i++) {
		fds[i] = dial();
		ck_assert_int_eq(c25_loop_once(loop, true), 0);
	}
	fd = dial();
	hear(fd, out, sizeof(out));
	ck_assert_ptr_nonnull(strstr(out, "error too many connections"));
	(void)close(fd);
	(void)close(fds[0]);
	ck_assert_int_eq(c25_loop_once(loop, true), 0);
	fd = dial();
	say(fd, "CONN25CT1 ping\n", 15);
	hear(fd, out, sizeof(out));
	ck_assert_str_eq(out, "ok\npong \n");
	(void)close(fd);
	for (i = 1; i < C25_CONTROL_USER_MAX; i++)
		(void)close(fds[i]);
}
END_TEST

/* ---- the socket file --------------------------------------------------- */

START_TEST(socket_file)
{
	struct c25_error err = { "" };
	struct stat st;
	char other[100];
	int fd;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	/* One left behind is replaced, anything else is not touched. */
	(void)snprintf(other, sizeof(other), "%s/o", dir);
	for (int i = 0; i < 2; i++) {
		fd = c25_rundir_listen(other, SOCK_STREAM, (gid_t)-1, &err);
		ck_assert_msg(fd >= 0, "%s", err.text);
		(void)close(fd);
	}
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(mkdir(other, 0700), 0);
	ck_assert_int_eq(c25_rundir_listen(other, SOCK_STREAM, (gid_t)-1,
		&err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, other));
	ck_assert_int_eq(rmdir(other), 0);
	(void)snprintf(other, sizeof(other), "%s/no/s", dir);
	ck_assert_int_eq(c25_rundir_listen(other, SOCK_STREAM, (gid_t)-1,
		&err), -ENOENT);
}
END_TEST

START_TEST(lock)
{
	struct c25_error err = { "" };
	char file[100], pid[32];
	int a, b;

	ck_assert_msg(c25_rundir_lock(dir, &a, &err) == 0, "%s", err.text);
	ck_assert_int_eq(c25_rundir_lock(dir, &b, &err), -EBUSY);
	(void)snprintf(file, sizeof(file), "%s/conn25d.lock", dir);
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	ck_assert_ptr_nonnull(strstr(err.text, file));
	ck_assert_ptr_nonnull(strstr(err.text, pid));
	/* The file was removed: whoever comes next makes it anew. */
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(c25_rundir_lock(dir, &b, &err), 0);
	(void)close(a);
	ck_assert_int_eq(c25_rundir_lock(dir, &a, &err), -EBUSY);
	(void)close(b);
	ck_assert_int_eq(c25_rundir_lock(dir, &a, &err), 0);
	(void)close(a);
	ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(run_dir_make)
{
	struct c25_error err = { "" };
	char at[100];
	struct stat st;
	mode_t mask = umask(077);

	(void)snprintf(at, sizeof(at), "%s/new", dir);
	ck_assert_msg(c25_rundir_make(at, (gid_t)-1, &err) == 0, "%s",
		err.text);
	ck_assert_int_eq(stat(at, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
	ck_assert_int_eq(chmod(at, 0700), 0);
	ck_assert_int_eq(c25_rundir_make(at, (gid_t)-1, &err), 0);
	ck_assert_int_eq(stat(at, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(rmdir(at), 0);
	ck_assert_int_eq(c25_rundir_make(path, (gid_t)-1, &err), -ENOTDIR);
	(void)snprintf(at, sizeof(at), "%s/no/new", dir);
	ck_assert_int_eq(c25_rundir_make(at, (gid_t)-1, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, at));
	(void)umask(mask);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("control");
	TCase *t = tcase_create("pure");

	ADD_ROWS(t, line, line_rows);
	tcase_add_test(t, line_nul);
	tcase_add_test(t, line_long);
	ADD_ROWS(t, run_dir, dir_rows);
	suite_add_tcase(s, t);
	t = tcase_create("server");
	tcase_add_checked_fixture(t, setup, teardown);
	ADD_ROWS(t, talk, talk_rows);
	tcase_add_test(t, byte_by_byte);
	tcase_add_test(t, line_limit);
	tcase_add_test(t, long_reply);
	tcase_add_test(t, late_error);
	tcase_add_test(t, gone);
	tcase_add_test(t, too_many);
	tcase_add_test(t, socket_file);
	tcase_add_test(t, lock);
	tcase_add_test(t, run_dir_make);
	suite_add_tcase(s, t);
	return run_suite(s);
}
