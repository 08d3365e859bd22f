/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long requests, in pieces: each turn of the peer's address reads or decides
 * some hundred entries, so that nobody waits for all of them. There is one
 * answer, when the last entry is decided.
 *
 * The requests of a peer are decided in the order in which they came, as the
 * newest mapping wins: those that come while a long one is under way, long or
 * short, wait for its end. What is held in the meantime is bounded by
 * LONG_MAX and LONG_WAITING; who comes on top of that is told to come again.
 */

#include <errno.h>
#include <stdlib.h>

#include "conn25/table.h"
#include "serve_private.h"

#define LONG_BYTES 65536	/* shorter bodies are decided at once */
#define LONG_ENTRIES 512	/* a piece: some 300 us */
#define LONG_MAX 16		/* under way, of different peers; up to 9 MB
				 * each, 2 MB as they usually are */
#define LONG_WAITING 64		/* of a peer, for the one under way: as many
				 * as it may have connections by default */

#define STEP_WAITS 1		/* it is resumed by somebody else */

/* The one of that peer that is under way. */
static struct c25_serve_long *
under_way(const struct c25_serve *s, uint32_t store)
{
	struct c25_serve_long *l = s->longs;

	while (l != NULL && l->store != store)
		l = l->next;
	return l;
}

bool
c25_serve_is_long(const struct c25_serve *s, uint32_t peer,
    const struct c25_http_request *q)
{
	return q->state != NULL && (*q->state != NULL ||
	    q->body_len > LONG_BYTES ||
	    under_way(s, s->peers[peer].store) != NULL);
}

/* ---- who is under way, and who waits for it ------------------------------ */

static void
wait_behind(struct c25_serve_long *first, struct c25_serve_long *l)
{
	struct c25_serve_long **at = &first->waiting;

	while (*at != NULL)
		at = &(*at)->next;
	*at = l;
	first->waiting_count++;
}

/* The request is there. Returns: NULL: there are too many, or no memory. */
static struct c25_serve_long *
begin(struct c25_serve *s, uint32_t store, const struct c25_http_request *q)
{
	struct c25_serve_long *first = under_way(s, store), *l;

	if (first != NULL ? first->waiting_count == LONG_WAITING :
	    s->long_count == LONG_MAX)
		return NULL;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->store = store;
	l->since_us = c25_now_us();
	if (first != NULL) {
		if ((l->later = c25_http_defer(q)) == NULL) {
			free(l);
			return NULL;
		}
		wait_behind(first, l);
	} else {
		l->next = s->longs;
		s->longs = l;
		s->long_count++;
	}
	*q->state = l;
	return l;
}

/* Instead of one under way the first of those that wait for it, or none. */
static void
make_way(struct c25_serve *s, struct c25_serve_long *l)
{
	struct c25_serve_long **at = &s->longs, *heir = l->waiting;

	while (*at != l)
		at = &(*at)->next;
	if (heir == NULL) {
		*at = l->next;
		s->long_count--;
		return;
	}
	heir->waiting = heir->next;
	heir->waiting_count = l->waiting_count - 1;
	heir->next = l->next;
	*at = heir;
	c25_http_resume(heir->later);
	heir->later = NULL;
}

static void
wait_no_more(struct c25_serve *s, struct c25_serve_long *l)
{
	struct c25_serve_long *first = under_way(s, l->store);
	struct c25_serve_long **at = &first->waiting;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	first->waiting_count--;
	c25_http_resume(l->later);	/* there is nobody any more */
}

void
c25_serve_long_end(struct c25_serve *s, struct c25_serve_long *l)
{
	if (l->later != NULL)
		wait_no_more(s, l);
	else
		make_way(s, l);
	if (l->phase == C25_LONG_DECIDE)
		c25_serve_count(s, l->work.codes, l->at);
	c25_verify_wait_free(l->wait);
	c25_serve_work_free(&l->work);
	c25_buf_free(&l->out);
	free(l);
}

/* ---- a piece ------------------------------------------------------------- */

static size_t
piece_end(const struct c25_serve_long *l)
{
	size_t left = l->work.request.count - l->at;

	return l->at + (left < LONG_ENTRIES ? left : LONG_ENTRIES);
}

static void
resume(void *ctx)
{
	c25_http_resume(ctx);
}

/* What is to be looked up? All of that begins at once, when it is known. */
static int
look(struct c25_serve *s, struct c25_serve_long *l, uint32_t peer,
    const struct c25_http_request *q, uint64_t now_ms)
{
	const struct c25_wire_request *r = &l->work.request;
	struct c25_http_later *later = NULL;
	size_t to = piece_end(l);

	if (l->wait == NULL && c25_verify_wanted(s->verify))
		l->wait = c25_verify_wait_new(s->verify, l->store, now_ms);
	if (l->wait == NULL)
		to = r->count;
	else
		c25_serve_look(s, peer, r->entries + l->at, to - l->at,
		    now_ms, l->wait);
	l->at = to;
	if (to < r->count)
		return 0;
	l->at = 0;
	l->phase = C25_LONG_DECIDE;
	if (l->wait != NULL && c25_verify_wait_left(l->wait) > 0)
		later = c25_http_defer(q);
	if (later != NULL)
		c25_verify_wait_start(l->wait, resume, later, now_ms);
	else
		c25_verify_wait_free(l->wait);
	l->wait = NULL;
	return later != NULL ? STEP_WAITS : 0;
}

/* Returns: 200 when all are decided. */
static int
decide(struct c25_serve *s, struct c25_serve_long *l, uint32_t peer,
    uint64_t now_ms, struct c25_error *err)
{
	const struct c25_wire_request *r = &l->work.request;
	size_t to;

	/* Another configuration has its say about all of it. */
	if (l->at == 0 || l->generation != s->generation) {
		l->at = 0;
		l->generation = s->generation;
		c25_buf_clear(&l->out);
		if (c25_serve_work_start(&l->work, r->count) != 0)
			return c25_fail(err, -ENOMEM, "out of memory");
	}
	to = piece_end(l);
	c25_serve_decide(s, peer, &l->work, r->entries, l->at, to, now_ms);
	c25_serve_write(&l->out, &l->work, l->at, to);
	l->at = to;
	return to == r->count ? 200 : 0;
}

/* Returns: 0 there is more to do, 200, STEP_WAITS, -errno. */
static int
step(struct c25_serve *s, struct c25_serve_long *l, uint32_t peer,
    const struct c25_http_request *q, uint64_t now_ms, struct c25_error *err)
{
	int r;

	switch (l->phase) {
	case C25_LONG_NEW:
		l->phase = C25_LONG_READ;
		return c25_wire_pieces_start(&l->pieces, &l->work.request,
		    q->body, q->body_len, err);
	case C25_LONG_READ:
		r = c25_wire_pieces_next(&l->pieces, &l->work.request,
		    q->body, LONG_ENTRIES, err);
		if (r == 0 && !l->pieces.more)
			l->phase = C25_LONG_LOOK;
		return r;
	case C25_LONG_LOOK:
		return look(s, l, peer, q, now_ms);
	default:
		return decide(s, l, peer, now_ms, err);
	}
}

/* Go on in the next turn. Returns: false: it can't be, so go on now. */
static bool
pause(const struct c25_http_request *q)
{
	struct c25_http_later *later = c25_http_defer(q);

	if (later != NULL)
		c25_http_resume(later);
	return later != NULL;
}

int
c25_serve_long(struct c25_serve *s, uint32_t peer,
    const struct c25_http_request *q, uint64_t now_ms, struct c25_buf *out,
    struct c25_error *err)
{
	struct c25_serve_long *l = *q->state;
	struct c25_buf mine;
	int r = 0;

	if (l == NULL &&
	    (l = begin(s, s->peers[peer].store, q)) == NULL)
		return c25_fail(err, -EBUSY, "too much of this is under way: "
		    "try again in a second");
	if (l->later != NULL)
		return 0;
	if (l->store != s->peers[peer].store)
		return c25_fail(err, -EBUSY, "the configuration has changed "
		    "meanwhile: send it again");
	while (r == 0) {
		/* what was decided goes to the kernel before there is more */
		bool all = l->phase == C25_LONG_DECIDE;

		r = step(s, l, peer, q, now_ms, err);
		if (r == 0 && (all || !c25_http_time_left(q)) && pause(q))
			return 0;
	}
	if (r == 200) {
		mine = *out;
		*out = l->out;
		l->out = mine;
	}
	return r == STEP_WAITS ? 0 : r;
}
