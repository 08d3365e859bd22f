/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch.c - for an Unbound with its own mini-event, which calls no functions
 * of ours: a thread that waits for conn25d's doorbell, so that a new policy
 * purges the caches at once and not with the next query that comes to us. (A
 * name that has just become ours may be answered from the cache for long
 * without asking us.)
 *
 * The thread touches nothing of a worker: the module's state under its lock,
 * and the message cache, which is made for many threads.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "module/module.h"

#if C25_HAVE_EVENTS

int c25_watch_start(struct c25_module *m, struct module_env *env)
{
	return 0;
}

void c25_watch_stop(struct c25_module *m)
{
}

#else

enum { WATCH_RETRY_MS = 1000 };

static void watch_drain(struct c25_watch *t)
{
	char message[16];
	ssize_t n;

	while ((n = recv(t->bell, message, sizeof(message),
	    MSG_DONTWAIT)) > 0)
		;
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		(void)close(t->bell);
		t->bell = -1;
	}
}

static void *watch_run(void *arg)
{
	struct c25_module *m = arg;
	struct c25_watch *t = &m->watch;
	struct pollfd fds[2] = { { .fd = t->stop, .events = POLLIN } };
	uint64_t generation, told = 0;

	for (;;) {
		generation = c25_state_look(m, t->env);
		if (t->bell != -1 && generation != told &&
		    c25_bell_seen(t->bell, generation))
			told = generation;
		fds[1].fd = t->bell;
		fds[1].events = POLLIN;
		if (poll(fds, 2, generation > 0 && t->bell != -1 ? -1 :
		    WATCH_RETRY_MS) == -1 && errno != EINTR)
			break;
		if (fds[0].revents != 0)
			break;
		if (t->bell == -1) {
			told = 0;
			t->bell = c25_bell_open(m);
		} else if (fds[1].revents != 0) {
			watch_drain(t);
		}
	}
	return NULL;
}

int c25_watch_start(struct c25_module *m, struct module_env *env)
{
	struct c25_watch *t = &m->watch;
	sigset_t all, before;
	int r;

	t->env = env;
	t->bell = c25_bell_open(m);
	t->stop = eventfd(0, EFD_CLOEXEC);
	if (t->stop == -1)
		return -errno;
	/* Signals are for Unbound's own threads. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&t->thread, NULL, watch_run, m);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	t->runs = r == 0;
	return r;
}

void c25_watch_stop(struct c25_module *m)
{
	struct c25_watch *t = &m->watch;
	uint64_t one = 1;

	if (t->runs) {
		while (write(t->stop, &one, sizeof(one)) == -1 &&
		    errno == EINTR)
			;
		(void)pthread_join(t->thread, NULL);
		t->runs = false;
	}
	if (t->bell != -1)
		(void)close(t->bell);
	if (t->stop != -1)
		(void)close(t->stop);
	t->bell = t->stop = -1;
}
#endif
