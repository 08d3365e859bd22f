/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what long work says of itself, with the clock in our hand: the
 * text, when it is shown, and where: on a terminal, never in a pipe, to a
 * service manager its status. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn25/log.h"
#include "sidecar/progress.h"
#include "tests/unit/suite.h"

#define REWIND "\r\033[K"
#define FIRST (10000 + C25_PROGRESS_AFTER_MS)	/* work begins at 10000 */

static int reader, saved;		/* what stderr leads to; the real one */
static int manager = -1;		/* a service manager's socket */
static char path[64];

/* Have stderr lead to the other end of `fd`. */
static void
redirect(int fd, int other)
{
	reader = fd;
	saved = dup(STDERR_FILENO);
	ck_assert_int_ge(saved, 0);
	ck_assert_int_eq(dup2(other, STDERR_FILENO), STDERR_FILENO);
	(void)close(other);
	ck_assert_int_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
}

static void
setup_terminal(void)
{
	int fd, other;

	ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
	ck_assert_int_eq(openpty(&fd, &other, NULL, NULL, NULL), 0);
	redirect(fd, other);
	c25_log_open("check", C25_LOG_INFO);
}

static void
setup_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
	ck_assert_int_eq(pipe(fds), 0);
	redirect(fds[0], fds[1]);
	c25_log_open("check", C25_LOG_INFO);
}

static void
teardown(void)
{
	c25_log_to(C25_LOG_STDERR);
	ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(reader);
	if (manager >= 0) {
		(void)close(manager);
		(void)unlink(path);
		(void)unsetenv("NOTIFY_SOCKET");
		manager = -1;
	}
}

static void
setup_manager(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	setup_terminal();
	(void)snprintf(path, sizeof(path), "/tmp/check_progress.%d",
		(int)getpid());
	(void)unlink(path);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(manager, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&sun,
		sizeof(sun)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
}

/* What has come since the last time; a terminal may deliver late. */
static const char *
seen(void)
{
	static char text[4096];
	struct pollfd p = { .fd = reader, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	(void)poll(&p, 1, 20);
	while ((n = read(reader, text + len, sizeof(text) - 1 - len)) > 0) {
		len += (size_t)n;
		(void)poll(&p, 1, 20);
	}
	text[len] = '\0';
	return text;
}

/* The next datagram, or "". */
static const char *
told(void)
{
	static char text[512];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* ---- the text ------------------------------------------------------------ */

static const struct {
	const char *what;
	uint64_t done, total;
	const char *text;
} texts[] = {
	{ "checking", 0, 0, "checking" },
	{ "checking", 17, 0, "checking" },
	{ "restoring", 0, 3, "restoring: 3 in all" },
	{ "restoring", 2, 3, "restoring: 2 of 3 (66 %)" },
	{ "restoring", 999999, 1000000, "restoring: 999999 of 1000000 (99 %)" },
	{ "restoring", 3, 3, "restoring: 3 of 3 (100 %)" },
	{ "restoring", 4, 3, "restoring: 3 of 3 (100 %)" },
	{ "x", UINT64_MAX, UINT64_MAX,
		"x: 18446744073709551615 of 18446744073709551615 (100 %)" },
	/* no longer than a line */
	{ "a very long text that nobody should have for this in his program",
		1000000, 2000000,
		"a very long text that nobody should have for this in his "
		"program: 1000000 of 20" },
};

START_TEST(text_is)
{
	char out[C25_PROGRESS_TEXT_MAX];

	c25_progress_text(out, texts[_i].what, texts[_i].done,
		texts[_i].total);
	ck_assert_str_eq(out, texts[_i].text);
}
END_TEST

/* ---- on a terminal ------------------------------------------------------- */

START_TEST(terminal_shows_it_in_one_line)
{
	struct c25_progress p;

	c25_progress_begin(&p, "restoring", 8, 10000);
	c25_progress_step(&p, 1, FIRST - 1);
	ck_assert_str_eq(seen(), "");
	c25_progress_step(&p, 2, FIRST);
	ck_assert_str_eq(seen(), REWIND "check: restoring: 2 of 8 (25 %)");
	c25_progress_step(&p, 3, FIRST + C25_PROGRESS_EACH_MS - 1);
	ck_assert_str_eq(seen(), "");
	c25_progress_step(&p, 4, FIRST + C25_PROGRESS_EACH_MS);
	ck_assert_str_eq(seen(), REWIND "check: restoring: 4 of 8 (50 %)");
	c25_progress_end(&p);
	ck_assert_str_eq(seen(), REWIND);
	c25_progress_step(&p, 5, FIRST + 60000);
	c25_progress_end(&p);
	ck_assert_str_eq(seen(), "");
}
END_TEST

START_TEST(terminal_sees_nothing_of_what_is_short)
{
	struct c25_progress p;

	c25_progress_begin(&p, "restoring", 8, 10000);
	c25_progress_step(&p, 8, FIRST - 1);
	c25_progress_end(&p);
	ck_assert_str_eq(seen(), "");
}
END_TEST

START_TEST(terminal_is_shown_at_once_what_has_no_steps)
{
	struct c25_progress p;

	c25_progress_begin(&p, "loading", 0, 10000);
	c25_progress_show(&p, 0, 10000);
	ck_assert_str_eq(seen(), REWIND "check: loading");
	c25_progress_end(&p);
	ck_assert_str_eq(seen(), REWIND);
}
END_TEST

/* A message takes the line's place, and the next step another line. */
START_TEST(terminal_has_messages_on_lines_of_their_own)
{
	struct c25_progress p;
	const char *text;

	c25_progress_begin(&p, "restoring", 8, 10000);
	c25_progress_step(&p, 2, FIRST);
	(void)seen();
	c25_log(C25_LOG_ERROR, "disk: full");
	text = seen();
	ck_assert_msg(strncmp(text, REWIND "[", strlen(REWIND "[")) == 0,
		"%s", text);
	ck_assert_ptr_nonnull(strstr(text, "] check: disk: full\r\n"));
	c25_progress_step(&p, 4, FIRST + C25_PROGRESS_EACH_MS);
	ck_assert_str_eq(seen(), REWIND "check: restoring: 4 of 8 (50 %)");
	c25_progress_end(&p);
	(void)seen();
	c25_log(C25_LOG_ERROR, "disk: full");
	ck_assert_int_eq(*seen(), '[');
}
END_TEST

START_TEST(terminal_sees_nothing_when_the_log_is_elsewhere)
{
	struct c25_progress p;

	c25_log_to(C25_LOG_SYSLOG);
	c25_progress_begin(&p, "restoring", 8, 10000);
	c25_progress_step(&p, 2, FIRST);
	c25_progress_end(&p);
	ck_assert_str_eq(seen(), "");
}
END_TEST

START_TEST(pipe_gets_nothing)
{
	struct c25_progress p;

	c25_progress_begin(&p, "restoring", 8, 10000);
	c25_progress_step(&p, 2, FIRST);
	c25_progress_show(&p, 4, FIRST + 1);
	c25_progress_end(&p);
	ck_assert_str_eq(seen(), "");
	c25_log(C25_LOG_ERROR, "disk: full");
	ck_assert_int_eq(*seen(), '[');
}
END_TEST

/* ---- a service manager --------------------------------------------------- */

START_TEST(manager_is_told_and_the_terminal_is_not)
{
	struct c25_progress p;

	c25_progress_begin(&p, "restoring", 8, 10000);
	c25_progress_step(&p, 1, FIRST - 1);
	ck_assert_str_eq(told(), "");
	c25_progress_step(&p, 2, FIRST);
	ck_assert_str_eq(told(), "STATUS=restoring: 2 of 8 (25 %)\n"
		"EXTEND_TIMEOUT_USEC=60000000");
	c25_progress_end(&p);
	ck_assert_str_eq(told(), "STATUS=");
	c25_progress_end(&p);
	ck_assert_str_eq(told(), "");
	ck_assert_str_eq(seen(), "");
}
END_TEST

START_TEST(manager_is_not_told_of_what_is_short)
{
	struct c25_progress p;

	c25_progress_begin(&p, "restoring", 8, 10000);
	c25_progress_step(&p, 8, FIRST - 1);
	c25_progress_end(&p);
	ck_assert_str_eq(told(), "");
}
END_TEST

/* One that has gone is complained of once. */
START_TEST(manager_that_is_gone_fills_no_log)
{
	struct c25_progress p;
	const char *text;
	uint64_t now;

	ck_assert_int_eq(unlink(path), 0);
	c25_progress_begin(&p, "restoring", 8, 10000);
	for (now = 10000; now < 100000; now += 100)
		c25_progress_step(&p, 1, now);
	c25_progress_end(&p);
	text = strstr(seen(), "NOTIFY_SOCKET: ");
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_null(strstr(text + 1, "NOTIFY_SOCKET: "));
}
END_TEST

static Suite *
progress_suite(void)
{
	Suite *s = suite_create("progress");
	TCase *tc = tcase_create("text");

	ADD_ROWS(tc, text_is, texts);
	suite_add_tcase(s, tc);

	tc = tcase_create("terminal");
	tcase_add_checked_fixture(tc, setup_terminal, teardown);
	tcase_add_test(tc, terminal_shows_it_in_one_line);
	tcase_add_test(tc, terminal_sees_nothing_of_what_is_short);
	tcase_add_test(tc, terminal_is_shown_at_once_what_has_no_steps);
	tcase_add_test(tc, terminal_has_messages_on_lines_of_their_own);
	tcase_add_test(tc, terminal_sees_nothing_when_the_log_is_elsewhere);
	suite_add_tcase(s, tc);

	tc = tcase_create("pipe");
	tcase_add_checked_fixture(tc, setup_pipe, teardown);
	tcase_add_test(tc, pipe_gets_nothing);
	suite_add_tcase(s, tc);

	tc = tcase_create("manager");
	tcase_add_checked_fixture(tc, setup_manager, teardown);
	tcase_add_test(tc, manager_is_told_and_the_terminal_is_not);
	tcase_add_test(tc, manager_is_not_told_of_what_is_short);
	tcase_add_test(tc, manager_that_is_gone_fills_no_log);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	return run_suite(progress_suite());
}
