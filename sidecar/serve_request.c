/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request to the connector and its answer: who may come in, the signature,
 * the body, lookups that it waits for, and the route that http.c calls.
 */

#include <errno.h>
#include <time.h>

#include "conn25/table.h"
#include "serve_private.h"

static int64_t
wall_s(void)
{
	return (int64_t)time(NULL);
}

static int
say(struct c25_buf *out, int status, const char *why)
{
	c25_buf_clear(out);
	c25_buf_str(out, why);
	c25_buf_lit(out, "\n");
	return status;
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

static void
resume(void *ctx)
{
	c25_http_resume(ctx);
}

/* Let it wait for lookups of what is verified among these entries. */
static void
look(struct c25_serve *s, uint32_t peer, const struct c25_wire_entry *entries,
    size_t count, uint64_t now_ms, struct c25_verify_wait *wait)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t app = c25_serve_find_app(s, entries[i].app);

		if (app != C25_APP_NONE &&
		    s->cfg->apps[app].verify_destinations &&
		    c25_serve_check(s, peer, &entries[i], &app) ==
		    C25_WIRE_OK)
			(void)c25_serve_verify_entry(s, app, &entries[i],
			    now_ms, wait);
	}
}

/* Must the request that was parsed wait for lookups? Then it does. */
static bool
must_wait(struct c25_serve *s, uint32_t peer,
    const struct c25_http_request *q, uint64_t now_ms)
{
	const struct c25_wire_request *r = &s->work.request;
	struct c25_http_later *later = NULL;
	struct c25_verify_wait *wait;

	if (q->again || !c25_verify_wanted(s->verify) ||
	    (wait = c25_verify_wait_new(s->verify, s->peers[peer].store,
	    now_ms)) == NULL)
		return false;
	look(s, peer, r->entries, r->count, now_ms, wait);
	if (c25_verify_wait_left(wait) > 0)
		later = c25_http_defer(q);
	if (later != NULL)
		c25_verify_wait_start(wait, resume, later, now_ms);
	else
		c25_verify_wait_free(wait);
	return later != NULL;
}

/* The body of an admitted request. Returns: the status, or 0: later. */
static int
answer(struct c25_serve *s, uint32_t peer, const struct c25_http_request *q,
    uint64_t now_ms, struct c25_buf *out)
{
	struct c25_serve_work *w = &s->work;
	struct c25_wire_request *request = &w->request;
	struct c25_error err = { "" };
	int r = c25_wire_request_parse(request, q->body, q->body_len, &err);
	bool later = r == 0 && must_wait(s, peer, q, now_ms);

	if (r == 0 && !later &&
	    (r = c25_serve_work_start(w, request->count)) != 0)
		c25_fail(&err, r, "out of memory");
	if (r == 0 && !later) {
		c25_serve_decide(s, peer, w, request->entries, 0,
		    request->count, now_ms);
		c25_serve_count(s, w->codes, request->count);
		c25_wire_response_write_why(out, w->codes, request->count,
		    refusal, w);
	}
	c25_wire_request_clear(request);
	if (r == 0)
		return later ? 0 : 200;
	return say(out, r == -E2BIG ? 413 : r == -EINVAL ? 400 : 500,
	    err.text);
}

static int
serve(struct c25_serve *s, const struct c25_http_request *q, uint64_t now_ms,
    struct c25_buf *out)
{
	struct c25_error err = { "" };
	const char *why = "";
	uint32_t peer = 0;
	int status;

	s->stats.requests += !q->again;
	status = c25_serve_admit(s, &q->source, &peer, &why);
	if (status != 200)
		(void)say(out, status, why);
	else if (c25_guard_body(s->guard, peer, q, wall_s(), &err) != 0)
		status = say(out, 401, err.text);
	else
		status = answer(s, peer, q, now_ms, out);
	if (status != 200 && status != 0)
		s->stats.denied++;
	return status;
}

int
c25_serve_request(struct c25_serve *s, const struct c25_addr *source,
    const char *body, size_t len, uint64_t now_ms, struct c25_buf *out)
{
	return serve(s, &(struct c25_http_request){ .source = *source,
	    .body = body, .body_len = len }, now_ms, out);
}

/* ---- the route ----------------------------------------------------------- */

/* The headers of an answer to a known peer. */
static void
finish(struct c25_serve *s, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	if (p->status == 401)
		c25_http_reply_header(p, "WWW-Authenticate", "Signature");
	c25_http_reply_header(p, C25_WIRE_EPOCH, s->epoch);
	c25_guard_sign(s->guard, q, p, s->epoch, wall_s());
}

static void
route_admit(void *ctx, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	struct c25_serve *s = ctx;
	struct c25_error err = { "" };
	const char *why = "";
	uint32_t peer;
	int status = c25_serve_admit(s, &q->source, &peer, &why);

	if (status == 200 && c25_guard_head(s->guard, peer, q, wall_s(),
	    &err) == 0)
		return;
	s->stats.requests++;
	s->stats.denied++;
	if (status == 200) {
		c25_http_fail(p, 401, "%s", err.text);
		finish(s, q, p);
	} else {
		c25_http_fail(p, status, "%s", why);
	}
}

static void
route_handle(void *ctx, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	struct c25_serve *s = ctx;
	uint64_t since_us = c25_now_us();

	int status = serve(s, q, c25_now_ms(), &p->body);

	if (status == 0)
		return;		/* resumed when it can be answered */
	p->status = status;
	if (p->status == 200 && s->before_reply != NULL)
		s->before_reply(s->before_reply_ctx);
	if (p->status == 200)
		p->type = "application/json";
	finish(s, q, p);
	c25_histogram_add(&s->stats.time, c25_now_us() - since_us);
}

const struct c25_http_route c25_serve_routes[C25_SERVE_ROUTES] = {
	{ .path = C25_WIRE_PATH, .method = "POST",
	    .body_max = C25_WIRE_BODY_MAX, .admit = route_admit,
	    .handle = route_handle },
};
