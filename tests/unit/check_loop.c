/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the event loop: descriptors and timers. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sidecar/loop.h"
#include "tests/unit/suite.h"

static struct c25_loop *loop;
static struct c25_timer guard;
static bool too_late;

static void
on_guard(void *ctx)
{
	too_late = true;
	c25_loop_stop(loop);
}

static void
setup(void)
{
	struct c25_error err;

	ck_assert_msg(c25_loop_new(&loop, &err) == 0, "%s", err.text);
	too_late = false;
	c25_timer_init(&guard, loop, on_guard, NULL);
	c25_timer_set(&guard, 10000);
}

static void
teardown(void)
{
	ck_assert(!too_late);
	c25_timer_stop(&guard);
	c25_loop_free(loop);
}

/* What a watch has seen. */
struct seen {
	unsigned calls, events;
	struct c25_watch *watch;
	bool close;		/* itself, in the callback */
	struct seen *close_other;
	bool stop;
};

static void
on_event(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct seen *s = ctx;

	s->calls++;
	s->events |= events;
	ck_assert_ptr_eq(w, s->watch);
	ck_assert_int_eq(fd, c25_watch_fd(w));
	if (s->close) {
		c25_watch_close(w);
		s->watch = NULL;
	}
	if (s->close_other != NULL) {
		c25_watch_close(s->close_other->watch);
		s->close_other->watch = NULL;
	}
	if (s->stop)
		c25_loop_stop(loop);
}

static void
watch(int fd, unsigned events, struct seen *s)
{
	ck_assert_int_eq(c25_loop_watch(loop, fd, events, on_event, s,
	    &s->watch), 0);
}

static void
run(void)
{
	ck_assert_int_eq(c25_loop_run(loop), 0);
	ck_assert(!too_late);
}

START_TEST(reading_and_writing)
{
	struct seen r = { .stop = true }, w = { .stop = true };
	int fd[2];
	char c;

	ck_assert_int_eq(pipe(fd), 0);
	watch(fd[0], C25_READ, &r);
	watch(fd[1], C25_WRITE, &w);
	run();
	ck_assert_uint_eq(w.events, C25_WRITE);
	ck_assert_uint_eq(r.calls, 0);
	c25_watch_events(w.watch, 0);
	ck_assert_int_eq(write(fd[1], "x", 1), 1);
	run();
	ck_assert_uint_eq(r.events, C25_READ);
	run();			/* not read: again */
	ck_assert_uint_eq(r.calls, 2);
	ck_assert_int_eq(read(fd[0], &c, 1), 1);
	/* asked for while it is reported: still there */
	c25_watch_events(w.watch, C25_WRITE);
	run();
	run();
	ck_assert_uint_eq(w.calls, 3);
}
END_TEST

START_TEST(hangup)
{
	struct seen r = { .stop = true, .close = true };
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	watch(fd[0], 0, &r);
	close(fd[1]);
	run();
	ck_assert_uint_eq(r.events, C25_HANGUP);
	ck_assert_int_eq(fcntl(fd[0], F_GETFD), -1);
}
END_TEST

START_TEST(a_watch_may_close_any)
{
	struct seen a = { 0 }, b = { 0 };
	int fd[2][2];

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pipe(fd[i]), 0);
		ck_assert_int_eq(write(fd[i][1], "x", 1), 1);
	}
	a.close_other = &b;
	b.close_other = &a;
	a.stop = b.stop = true;
	watch(fd[0][0], C25_READ, &a);
	watch(fd[1][0], C25_READ, &b);
	run();
	ck_assert_uint_eq(a.calls + b.calls, 1);
	close(fd[0][1]);
	close(fd[1][1]);
}
END_TEST

START_TEST(what_cannot_be_watched)
{
	struct c25_watch *w;
	int fd = open("/dev/null", O_RDONLY);
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(c25_loop_watch(loop, fileno(f), C25_READ, on_event,
	    NULL, &w), -EPERM);
	ck_assert_int_eq(c25_loop_watch(loop, -1, C25_READ, on_event, NULL,
	    &w), -EBADF);
	fclose(f);
	close(fd);
	c25_watch_close(NULL);
}
END_TEST

/* As the doorbell: listening, accepting, and a peer that goes away. */
START_TEST(seqpacket_sockets)
{
	struct seen l = { .stop = true }, c = { .stop = true };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	int peer = socket(AF_UNIX, SOCK_SEQPACKET, 0), s;
	char buf[8];

	/* an abstract name: the kernel chooses one */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa_family_t)),
	    0);
	ck_assert_int_eq(listen(fd, 5), 0);
	watch(fd, C25_READ, &l);
	socklen_t len = sizeof(sa);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	ck_assert_int_eq(connect(peer, (struct sockaddr *)&sa, len), 0);
	run();
	s = accept(fd, NULL, NULL);
	ck_assert_int_ge(s, 0);
	watch(s, C25_READ, &c);
	ck_assert_int_eq(send(peer, "w", 1, 0), 1);
	run();
	ck_assert_uint_eq(c.events, C25_READ);
	ck_assert_int_eq(recv(s, buf, sizeof(buf), 0), 1);
	close(peer);
	c.events = 0;
	run();
	ck_assert_uint_ne(c.events & (C25_HANGUP | C25_READ), 0);
	ck_assert_int_eq(recv(s, buf, sizeof(buf), 0), 0);
}
END_TEST

static struct c25_timer timers[4];
static char order[64];
static struct timespec begin;

static uint64_t
since_begin_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)(ts.tv_sec - begin.tv_sec) * 1000 +
		(uint64_t)((ts.tv_nsec - begin.tv_nsec) / 1000000);
}

static void
on_timer(void *ctx)
{
	int i = (int)((struct c25_timer *)ctx - timers);

	ck_assert(!c25_timer_armed(&timers[i]));
	order[strlen(order)] = (char)('0' + i);
	switch (i) {
	case 0:			/* sets itself and an earlier one */
		if (strlen(order) < 3)
			c25_timer_set(&timers[0], 5);
		c25_timer_set(&timers[1], 0);
		break;
	case 2:			/* stops another */
		c25_timer_stop(&timers[3]);
		c25_loop_stop(loop);
	}
}

START_TEST(timers_fire_in_order)
{
	memset(order, 0, sizeof(order));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 4; i++)
		c25_timer_init(&timers[i], loop, on_timer, &timers[i]);
	c25_timer_set(&timers[3], 60);
	c25_timer_set(&timers[2], 50);
	c25_timer_set(&timers[1], 30);
	c25_timer_set(&timers[0], 5);
	c25_timer_stop(&timers[1]);
	c25_timer_stop(&timers[1]);
	run();
	ck_assert_str_eq(order, "01012");
	ck_assert_uint_ge(since_begin_ms(), 50);
	ck_assert(!c25_timer_armed(&timers[3]));
}
END_TEST

static void
on_zero(void *ctx)
{
	order[0]++;
	c25_timer_set(&timers[0], 0);
}

START_TEST(a_timer_of_zero_starves_nobody)
{
	struct seen r = { .stop = true };
	int fd[2];

	memset(order, 0, sizeof(order));
	ck_assert_int_eq(pipe(fd), 0);
	ck_assert_int_eq(write(fd[1], "x", 1), 1);
	c25_timer_init(&timers[0], loop, on_zero, NULL);
	c25_timer_set(&timers[0], 0);
	watch(fd[0], C25_READ, &r);
	run();
	ck_assert_uint_eq(r.calls, 1);
	close(fd[1]);
	c25_timer_stop(&timers[0]);
}
END_TEST

static int hook_calls;

static bool
hook(void *ctx)
{
	if (++hook_calls == 5)
		c25_loop_stop(loop);
	return false;		/* there is more to do: don't sleep */
}

START_TEST(the_hook_keeps_it_awake)
{
	hook_calls = 0;
	c25_loop_before_sleep(loop, hook, NULL);
	run();
	ck_assert_int_eq(hook_calls, 5);
	c25_loop_before_sleep(loop, NULL, NULL);
}
END_TEST

START_TEST(what_is_left_is_freed)
{
	static struct seen r;
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	watch(fd[0], C25_READ, &r);
	c25_timer_init(&timers[0], loop, on_zero, NULL);
	c25_timer_set(&timers[0], 100000);
	c25_loop_free(loop);
	ck_assert_int_eq(fcntl(fd[0], F_GETFD), -1);
	ck_assert(!c25_timer_armed(&timers[0]));
	close(fd[1]);
	setup();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, reading_and_writing);
	tcase_add_test(tc, hangup);
	tcase_add_test(tc, a_watch_may_close_any);
	tcase_add_test(tc, what_cannot_be_watched);
	tcase_add_test(tc, seqpacket_sockets);
	tcase_add_test(tc, timers_fire_in_order);
	tcase_add_test(tc, a_timer_of_zero_starves_nobody);
	tcase_add_test(tc, the_hook_keeps_it_awake);
	tcase_add_test(tc, what_is_left_is_freed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
