/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait.c - query states of a worker that wait for a moment: a list in the
 * order of their moments, and one timer for the first of them. What happens
 * then is the business of who put them there.
 */
#include "module/module.h"

#if C25_HAVE_EVENTS
static void wait_on_timer(int fd, short bits, void *arg);

/* Set the timer for the first of the list, or stop it. */
static void wait_arm(struct c25_worker *w)
{
	struct c25_waiting *q = &w->waiting;
	struct ub_event_base *base = c25_event_base(w->env);
	struct timeval tv;
	uint64_t now_ms = c25_now_ms(), in_ms;

	if (q->timer != NULL && q->timer_on)
		(void)ub_timer_del(q->timer);
	q->timer_on = false;
	if (q->first == NULL || base == NULL)
		return;
	if (q->timer == NULL)
		q->timer = ub_event_new(base, -1, UB_EV_TIMEOUT,
			wait_on_timer, w);
	in_ms = q->first->due_ms > now_ms ? q->first->due_ms - now_ms : 0;
	tv.tv_sec = (time_t)(in_ms / 1000);
	tv.tv_usec = (suseconds_t)(in_ms % 1000 * 1000);
	q->timer_on = q->timer != NULL && ub_timer_add(q->timer, base,
		wait_on_timer, w, &tv) == 0;
}

static void wait_unlink(struct c25_waiting *q, struct c25_wait *e)
{
	*(e->prev == NULL ? &q->first : &e->prev->next) = e->next;
	*(e->next == NULL ? &q->last : &e->next->prev) = e->prev;
	e->worker = NULL;
}

static void wait_on_timer(int fd, short bits, void *arg)
{
	struct c25_worker *w = arg;
	struct c25_waiting *q = &w->waiting;
	uint64_t now_ms = c25_now_ms();

	q->timer_on = false;
	/* What is called may take others off the list, and put some on. */
	while (q->first != NULL && q->first->due_ms <= now_ms) {
		struct c25_wait *e = q->first;

		wait_unlink(q, e);
		e->due(e, w);
	}
	wait_arm(w);
}
#endif

bool c25_wait_add(struct c25_worker *w, struct c25_wait *e,
	struct module_qstate *qstate, uint64_t in_ms, c25_wait_due *due)
{
#if C25_HAVE_EVENTS
	struct c25_waiting *q = &w->waiting;
	struct c25_wait *after = q->last;

	e->worker = w;
	e->qstate = qstate;
	e->due = due;
	e->due_ms = c25_now_ms() + in_ms;
	while (after != NULL && after->due_ms > e->due_ms)
		after = after->prev;
	e->prev = after;
	e->next = after == NULL ? q->first : after->next;
	*(e->prev == NULL ? &q->first : &e->prev->next) = e;
	*(e->next == NULL ? &q->last : &e->next->prev) = e;
	if (q->first == e)
		wait_arm(w);
	if (q->timer_on)
		return true;
	wait_unlink(q, e);
#endif
	return false;
}

void c25_wait_remove(struct c25_wait *e)
{
#if C25_HAVE_EVENTS
	struct c25_worker *w = e->worker;

	if (w == NULL)
		return;
	wait_unlink(&w->waiting, e);
	if (w->waiting.first == NULL)
		wait_arm(w);
#endif
}

void c25_wait_close(struct c25_worker *w)
{
#if C25_HAVE_EVENTS
	ub_event_free(w->waiting.timer);
#endif
	w->waiting.timer = NULL;
}
