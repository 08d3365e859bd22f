/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who waits for which names, and which of these is looked up next. Requests
 * are few, so that walking through them for each lookup costs nothing that
 * matters beside it.
 */

#include "verify_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a peer costs --------------------------------------------------- */

/* Returns: NULL: no memory. */
static struct c25_verify_peer *
peer_get(struct c25_verify *v, uint32_t peer)
{
	struct c25_verify_peer *more;
	size_t room = v->peer_room != 0 ? v->peer_room : 16;

	if (peer < v->peer_room)
		return &v->peers[peer];
	while (room <= peer)
		room *= 2;
	more = reallocarray(v->peers, room, sizeof(*more));
	if (more == NULL)
		return NULL;
	memset(more + v->peer_room, 0, (room - v->peer_room) * sizeof(*more));
	v->peers = more;
	v->peer_room = room;
	return &more[peer];
}

/* What time has added to a peer's budget. */
static void
peer_refill(struct c25_verify_peer *p, uint64_t now_ms)
{
	uint64_t full_ms = C25_VERIFY_BURST * 1000 / C25_VERIFY_RATE;
	uint64_t more = (now_ms - p->budget_ms) * C25_VERIFY_RATE / 1000;

	/* also if the clock was set back */
	if (p->budget_ms == 0 || now_ms - p->budget_ms >= full_ms)
		more = C25_VERIFY_BURST;
	if (more == 0)
		return;
	p->budget += (uint32_t)more;
	if (p->budget > C25_VERIFY_BURST)
		p->budget = C25_VERIFY_BURST;
	p->budget_ms = now_ms;
}

/* May it begin one more? The fuller it is, the less each may have. */
static bool
peer_may(const struct c25_verify *v, const struct c25_verify_peer *p)
{
	return p->budget > 0 && v->asked < C25_VERIFY_LOOKUPS &&
		p->asked < (C25_VERIFY_LOOKUPS - v->asked + 3) / 4;
}

/* ---- waits --------------------------------------------------------------- */

struct c25_verify_wait *
c25_verify_wait_new(struct c25_verify *v, uint32_t peer, uint64_t now_ms)
{
	struct c25_verify_peer *p = peer_get(v, peer);
	struct c25_verify_wait *w;

	if (p == NULL || p->waits >= C25_VERIFY_PEER_WAITS ||
	    v->wait_count >= C25_VERIFY_WAITS ||
	    (w = malloc(sizeof(*w))) == NULL)
		return NULL;
	memset(w, 0, offsetof(struct c25_verify_wait, pins));
	w->v = v;
	w->peer = peer;
	w->until_ms = now_ms + C25_VERIFY_WAIT_MS;
	p->waits++;
	v->wait_count++;
	return w;
}

size_t
c25_verify_wait_left(const struct c25_verify_wait *w)
{
	return w->left;
}

static void
unpin(struct c25_verify_pin *pin)
{
	*(pin->prev != NULL ? &pin->prev->next : &pin->name->pins) =
		pin->next;
	if (pin->next != NULL)
		pin->next->prev = pin->prev;
	pin->name = NULL;
}

bool
c25_verify_wait_for(struct c25_verify_wait *w, struct c25_verify_name *n)
{
	struct c25_verify_pin *pin;

	/* They come one wait after the other: it would be the first. */
	if (n->pins != NULL && n->pins->wait == w)
		return true;
	if (w->count == C25_VERIFY_WAIT_NAMES)
		return false;
	pin = &w->pins[w->count++];
	*pin = (struct c25_verify_pin){ .wait = w, .name = n,
		.next = n->pins };
	if (n->pins != NULL)
		n->pins->prev = pin;
	n->pins = pin;
	w->left++;
	return true;
}

/* It doesn't wait any more: out of the list, nobody knows it. */
static void
detach(struct c25_verify_wait *w)
{
	struct c25_verify *v = w->v;

	for (size_t i = 0; i < w->count; i++)
		if (w->pins[i].name != NULL)
			unpin(&w->pins[i]);
	w->left = 0;
	v->peers[w->peer].waits--;
	v->wait_count--;
	if (!w->started)
		return;
	*(w->prev != NULL ? &w->prev->next : &v->waits) = w->next;
	*(w->next != NULL ? &w->next->prev : &v->waits_last) = w->prev;
}

void
c25_verify_wait_free(struct c25_verify_wait *w)
{
	if (w == NULL)
		return;
	detach(w);
	free(w);
}

/* To be called as soon as it may. */
static void
finish(struct c25_verify_wait *w)
{
	detach(w);
	w->next = w->v->over;
	w->v->over = w;
}

void
c25_verify_wait_answered(struct c25_verify *v, struct c25_verify_name *n)
{
	struct c25_verify_pin *pin;

	while ((pin = n->pins) != NULL) {
		struct c25_verify_wait *w = pin->wait;

		unpin(pin);
		if (--w->left == 0 && w->started)
			finish(w);
	}
}

/* ---- lookups ------------------------------------------------------------- */

/* The next name of a wait that nobody asks for; NULL: none. */
static struct c25_verify_name *
next_name(struct c25_verify_wait *w)
{
	for (; w->cursor < w->count; w->cursor++) {
		struct c25_verify_name *n = w->pins[w->cursor].name;

		if (n != NULL && !n->asked)
			return n;
	}
	return NULL;
}

/* Whose turn it is: of those that may, who has the fewest under way. */
static struct c25_verify_wait *
next_wait(struct c25_verify *v)
{
	struct c25_verify_wait *w, *best = NULL;

	for (w = v->waits; w != NULL; w = w->next) {
		const struct c25_verify_peer *p = &v->peers[w->peer];

		if (peer_may(v, p) && next_name(w) != NULL && (best == NULL ||
		    p->asked < v->peers[best->peer].asked))
			best = w;
	}
	return best;
}

static void
begin(struct c25_verify *v, struct c25_verify_wait *w, uint64_t now_ms)
{
	struct c25_verify_name *n = next_name(w);
	char text[C25_NAME_TEXT_MAX];

	v->peers[w->peer].budget--;
	v->stats.lookups++;
	if (v->start == NULL || v->start(v->start_ctx, n,
	    c25_name_to_text(n->name.wire, n->name.len, text),
	    n->family) != 0) {
		c25_verify_name_answered(v, n, C25_FOUND_FAILURE, now_ms);
		return;
	}
	n->asked = true;
	n->peer = w->peer;
	v->peers[w->peer].asked++;
	v->asked++;
}

/* Begin what may begin. */
static void
begin_all(struct c25_verify *v, uint64_t now_ms)
{
	struct c25_verify_wait *w;

	for (w = v->waits; w != NULL; w = w->next)
		peer_refill(&v->peers[w->peer], now_ms);
	while ((w = next_wait(v)) != NULL)
		begin(v, w, now_ms);
}

void
c25_verify_wait_run(struct c25_verify *v, uint64_t now_ms)
{
	struct c25_verify_wait *w;

	begin_all(v, now_ms);
	while ((w = v->over) != NULL) {
		v->over = w->next;
		w->done(w->ctx);
		free(w);
	}
}

void
c25_verify_wait_start(struct c25_verify_wait *w, void (*done)(void *ctx),
	void *ctx, uint64_t now_ms)
{
	struct c25_verify *v = w->v;

	w->done = done;
	w->ctx = ctx;
	w->started = true;
	w->prev = v->waits_last;
	*(w->prev != NULL ? &w->prev->next : &v->waits) = w;
	v->waits_last = w;
	v->stats.waited++;
	begin_all(v, now_ms);
}

void
c25_verify_wait_expire(struct c25_verify *v, uint64_t now_ms)
{
	struct c25_verify_wait *w, *next;

	for (w = v->waits; w != NULL; w = next) {
		next = w->next;
		if (w->left == 0 || now_ms >= w->until_ms)
			finish(w);
	}
}
