/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of the entries of a request, in their order: what the
 * configuration says, what was accepted before them, what a lookup found.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/table.h"
#include "serve_private.h"

void
c25_serve_work_free(struct c25_serve_work *w)
{
	c25_wire_request_free(&w->request);
	free(w->codes);
	free(w->verdicts);
	free(w->seen);
	*w = (struct c25_serve_work){ 0 };
}

static bool
codes_room(struct c25_serve_work *w, size_t count)
{
	uint8_t *more;

	if (count <= w->code_size)
		return true;
	if ((more = realloc(w->codes, count)) == NULL)
		return false;
	w->codes = more;
	if ((more = realloc(w->verdicts, count)) == NULL)
		return false;
	w->verdicts = more;
	w->code_size = count;
	return true;
}

int
c25_serve_work_start(struct c25_serve_work *w, size_t count)
{
	size_t size = 16;
	uint32_t *more;

	if (!codes_room(w, count))
		return -ENOMEM;
	while (size < count * 2)
		size *= 2;
	if (size > w->seen_size) {
		if ((more = realloc(w->seen, size * sizeof(*more))) == NULL)
			return -ENOMEM;
		w->seen = more;
		w->seen_size = size;
	}
	memset(w->seen, 0, size * sizeof(*w->seen));
	w->seen_mask = size - 1;
	return 0;
}

/* Was this entry's transit address accepted earlier in the request? *at is
 * its place in the set. */
static bool
seen_find(const struct c25_serve *s, const struct c25_serve_work *w,
    const struct c25_wire_entry *entries, size_t i, size_t *at)
{
	const struct c25_addr *t = &entries[i].transit;
	size_t mask = w->seen_mask;
	size_t k = (size_t)c25_hash(s->key, t, sizeof(*t)) & mask;

	for (; w->seen[k] != 0; k = (k + 1) & mask)
		if (c25_addr_eq(&entries[w->seen[k] - 1].transit, t))
			break;
	*at = k;
	return w->seen[k] != 0;
}

/* Is the destination one of the app's domains, as far as is known or (with a
 * wait) can be found out? */
static enum c25_verdict
verify(struct c25_serve *s, uint32_t app,
    const struct c25_wire_entry *e, uint64_t now_ms,
    struct c25_verify_wait *wait)
{
	if (!s->cfg->apps[app].verify_destinations)
		return C25_VERDICT_OK;
	return c25_verify_ask(s->verify, &(struct c25_verify_question){
	    .app = app, .domain = e->domain,
	    .destination = &e->destination }, now_ms, wait);
}

void
c25_serve_look(struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *entries, size_t count, uint64_t now_ms,
    struct c25_verify_wait *wait)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t app = c25_serve_find_app(s, entries[i].app);

		if (app != C25_APP_NONE &&
		    s->cfg->apps[app].verify_destinations &&
		    c25_serve_check(s, peer, &entries[i], &app) ==
		    C25_WIRE_OK)
			(void)verify(s, app, &entries[i], now_ms, wait);
	}
}

/* All checks of one entry but for the first; what passes is put. */
static struct c25_serve_refusal
decide(struct c25_serve *s, uint32_t peer, const struct c25_wire_entry *e,
    uint64_t now_ms)
{
	struct c25_serve_refusal r = { .verdict = C25_VERDICT_OK };
	uint32_t app;
	int put;

	r.code = c25_serve_check(s, peer, e, &app);
	if (r.code != C25_WIRE_OK) {
		if (r.code == C25_WIRE_OTHER)
			r.reason = c25_serve_reason(s, app, e);
		return r;
	}
	r.verdict = verify(s, app, e, now_ms, NULL);
	if (r.verdict != C25_VERDICT_OK) {
		r.code = C25_WIRE_OTHER;
		r.reason = C25_REFUSE_VERDICT;
		return r;
	}
	put = c25_mappings_put(s->mappings, s->peers[peer].store,
	    &e->transit, &e->destination, s->app_store[app], now_ms);
	if (put < 0) {
		r.code = C25_WIRE_OTHER;
		r.reason = put == -ENOSPC ? C25_REFUSE_LIMIT :
		    C25_REFUSE_MEMORY;
	}
	return r;
}

void
c25_serve_decide(struct c25_serve *s, uint32_t peer, struct c25_serve_work *w,
    const struct c25_wire_entry *entries, size_t from, size_t to,
    uint64_t now_ms)
{
	for (size_t i = from; i < to; i++) {
		struct c25_serve_refusal r = { .code = C25_WIRE_DUPLICATE,
		    .verdict = C25_VERDICT_OK };
		size_t at;

		if (!seen_find(s, w, entries, i, &at))
			r = decide(s, peer, &entries[i], now_ms);
		w->codes[i] = r.code;
		w->verdicts[i] = r.verdict;
		if (r.code == C25_WIRE_OK)
			w->seen[at] = (uint32_t)i + 1;
		else
			c25_serve_tell_refused(s, peer, &entries[i], &r,
			    now_ms);
	}
}

void
c25_serve_count(struct c25_serve *s, const uint8_t *codes, size_t count)
{
	size_t ok = 0;

	for (size_t i = 0; i < count; i++) {
		s->stats.codes[codes[i]]++;
		ok += codes[i] == C25_WIRE_OK;
	}
	s->stats.mappings_ok += ok;
	s->stats.mappings_refused += count - ok;
}

/* The message of an entry, if it was refused by its verdict. */
static const char *
refusal(void *ctx, size_t i, char buf[static C25_WIRE_WHY_MAX])
{
	const struct c25_serve_work *w = ctx;

	_Static_assert(C25_VERIFY_TEXT_MAX <= C25_WIRE_WHY_MAX, "room");
	return w->verdicts[i] == C25_VERDICT_OK ? NULL : c25_verify_text(
	    w->verdicts[i], w->request.entries[i].domain, buf);
}

void
c25_serve_write(struct c25_buf *out, struct c25_serve_work *w, size_t from,
    size_t to)
{
	c25_wire_response_add(out, w->codes, from, to, w->request.count,
	    refusal, w);
}

void
c25_serve_entries(struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *entries, size_t count, uint64_t now_ms,
    uint8_t *codes)
{
	struct c25_serve_work *w = &s->work;

	memset(codes, C25_WIRE_OTHER, count);
	if (c25_serve_work_start(w, count) == 0) {
		c25_serve_decide(s, peer, w, entries, 0, count, now_ms);
		memcpy(codes, w->codes, count);
	}
	c25_serve_count(s, codes, count);
}
