/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hold.c - hold until ready (DESIGN 7): an answer with new assignments waits
 * until their connectors have them, so that the client's first packet finds
 * its way; at most holdMilliseconds, and never when waiting is no use.
 *
 * The query state returns module_wait_reply with its answer made, and goes on
 * by mesh_run() from the worker's own loop: when conn25d rings (they have it,
 * refuse it, or are down), when the time is over, or when conn25d is gone.
 * Clients who ask the same meanwhile join the state; all other queries go on.
 */
#include <errno.h>
#include <stddef.h>

#include "module/module.h"

#if C25_HAVE_EVENTS

enum { HOLD_MARGIN_MS = 100 };	/* before Unbound drops the reply */

/*
 * Does the assignment still wait for a connector that may have it soon, be it
 * another one than in the beginning? One that is down won't: conn25d writes
 * that into the table and then rings, as it does with results.
 */
static bool hold_is_pending(struct c25_table *t, struct c25_held *e)
{
	int state = c25_table_push_state(t, e->ref);
	struct c25_assignment a;

	if (state == -ENOENT && c25_table_by_magic(t, &e->magic, &a) == 0) {
		e->ref = a.ref;
		e->connector = a.connector;
		state = a.push;
	}
	return state == C25_PUSH_PENDING &&
		e->connector != C25_CONNECTOR_NONE &&
		c25_table_connector_health(t, e->connector) !=
		C25_HEALTH_DOWN;
}

/* Has every assignment been acknowledged, or refused, or ended, or no one to
 * take it? */
static bool hold_is_over(const struct c25_worker *w, const struct c25_hold *h)
{
	struct c25_table *t = c25_state_table(w);

	for (size_t i = 0; t != NULL && i < h->count; i++)
		if (hold_is_pending(t, &h->held[i]))
			return false;
	return true;
}

static void hold_link(struct c25_hold *h, struct c25_hold **list)
{
	h->list = list;
	h->prev = NULL;
	h->next = *list;
	if (h->next != NULL)
		h->next->prev = h;
	*list = h;
}

static void hold_unlink(struct c25_hold *h)
{
	*(h->prev == NULL ? h->list : &h->prev->next) = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	h->list = NULL;
}

/* Give the clients their answer. Other states may be gone after that. */
static void hold_release(struct c25_worker *w, struct c25_query *q)
{
	struct module_qstate *qstate = q->hold.qstate;

	c25_wait_remove(&q->wait);
	hold_unlink(&q->hold);
	w->hold_count--;
	q->held = true;
	if (w->table != NULL)
		c25_table_count_held(w->table->table, w->number,
			c25_now_us() - q->hold.since_us);
	mesh_run(qstate->env->mesh, qstate->mesh_info, module_event_pass,
		NULL);
}

static struct c25_query *hold_query(struct c25_hold *h)
{
	return (struct c25_query *)((char *)h -
		offsetof(struct c25_query, hold));
}

static void hold_due(struct c25_wait *e, struct c25_worker *w)
{
	struct c25_query *q = (struct c25_query *)((char *)e -
		offsetof(struct c25_query, wait));

	c25_state_count(w, C25_STAT_HOLD_TIMEOUT,
		c25_query_clients(e->qstate));
	hold_release(w, q);
}

/* Is there anybody who could make it ready soon? */
static bool hold_is_of_use(const struct c25_worker *w, uint32_t hold_ms)
{
	/* Don't let Unbound run out of places for other queries. */
	return hold_ms > 0 && w->bell.fd != -1 && w->bell.readable != NULL &&
		w->hold_count < w->env->cfg->num_queries_per_thread / 4;
}

/* So long may it wait at most before Unbound, which drops late answers to
 * clients (discard-timeout), would drop it. The list has the newest first. */
static uint32_t hold_time(const struct module_qstate *qstate, uint32_t ms)
{
	int discard_ms = qstate->env->cfg->discard_timeout;
	const struct mesh_reply *r = qstate->mesh_info->reply_list;
	int64_t left, age;

	if (discard_ms == 0)
		return ms;
	for (; r != NULL; r = r->next) {
		age = (qstate->env->now_tv->tv_sec - r->start_time.tv_sec) *
			1000LL + (qstate->env->now_tv->tv_usec -
			r->start_time.tv_usec) / 1000;
		left = discard_ms - age - HOLD_MARGIN_MS;
		if (left < (int64_t)ms)
			ms = left < 0 ? 0 : (uint32_t)left;
	}
	return ms;
}

bool c25_hold_start(struct module_qstate *qstate, struct c25_worker *w,
	struct c25_query *q)
{
	struct c25_hold *h = &q->hold;
	uint32_t hold_ms = w->policy == NULL ? 0 :
		hold_time(qstate, c25_policy_hold(w->policy));

	if (h->count == 0 || !hold_is_of_use(w, hold_ms) ||
	    hold_is_over(w, h))
		return false;
	c25_wait_remove(&q->wait);
	if (!c25_wait_add(w, &q->wait, qstate, hold_ms, hold_due))
		return false;
	h->worker = w;
	h->qstate = qstate;
	h->since_us = c25_now_us();
	hold_link(h, &w->holds);
	w->hold_count++;
	c25_state_count(w, C25_STAT_HELD, c25_query_clients(qstate));
	return true;
}

void c25_hold_look(struct c25_worker *w, bool all)
{
	struct c25_hold *h, *next;

	for (h = w->holds; h != NULL; h = next) {
		next = h->next;
		if (!all && !hold_is_over(w, h))
			continue;
		hold_unlink(h);
		hold_link(h, &w->ready);
	}
	/* Each may take others with it. */
	while (w->ready != NULL)
		hold_release(w, hold_query(w->ready));
}

void c25_hold_forget(struct c25_query *q)
{
	if (q->hold.list == NULL)
		return;
	hold_unlink(&q->hold);
	q->hold.worker->hold_count--;
}

#else

bool c25_hold_start(struct module_qstate *qstate, struct c25_worker *w,
	struct c25_query *q)
{
	return false;
}

void c25_hold_look(struct c25_worker *w, bool all)
{
}

void c25_hold_forget(struct c25_query *q)
{
}

#endif
