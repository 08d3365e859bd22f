/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request to the connector and its answer: who may come in, the signature,
 * the body, lookups that it waits for, and the route that http.c calls.
 */

#include <errno.h>
#include <time.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "serve_private.h"

static int64_t
wall_s(void)
{
	return (int64_t)time(NULL);
}

static void
say(struct c25_buf *out, const char *why)
{
	c25_buf_clear(out);
	c25_buf_str(out, why);
	c25_buf_lit(out, "\n");
}

static void
resume(void *ctx)
{
	c25_http_resume(ctx);
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
	c25_serve_look(s, peer, r->entries, r->count, now_ms, wait);
	if (c25_verify_wait_left(wait) > 0)
		later = c25_http_defer(q);
	if (later != NULL)
		c25_verify_wait_start(wait, resume, later, now_ms);
	else
		c25_verify_wait_free(wait);
	return later != NULL;
}

/* The body of an admitted request, at once. Returns: 200 and `out`; 0: later;
 * as c25_wire_request_parse(). */
static int
answer(struct c25_serve *s, uint32_t peer, const struct c25_http_request *q,
    uint64_t now_ms, struct c25_buf *out, struct c25_error *err)
{
	struct c25_serve_work *w = &s->work;
	size_t count;
	int r = c25_wire_request_parse(&w->request, q->body, q->body_len,
	    err);

	if (r != 0)
		return r;
	count = w->request.count;
	if (must_wait(s, peer, q, now_ms)) {
		r = 0;
	} else if (c25_serve_work_start(w, count) != 0) {
		r = c25_fail(err, -ENOMEM, "out of memory");
	} else {
		c25_serve_decide(s, peer, w, w->request.entries, 0, count,
		    now_ms);
		c25_serve_count(s, w->codes, count);
		c25_buf_clear(out);
		c25_serve_write(out, w, 0, count);
		r = 200;
	}
	c25_wire_request_clear(&w->request);
	return r;
}

/* The status of what answer() and c25_serve_long() return. */
static int
status_of(int r)
{
	return r >= 0 ? r : r == -E2BIG ? 413 : r == -EINVAL ? 400 :
	    r == -EBUSY ? 503 : 500;
}

/* Say who is refused for not being a peer: an administrator of this host can
 * change it. */
static void
tell_stranger(struct c25_serve *s, const struct c25_addr *source,
    uint64_t now_ms)
{
	struct c25_addr addr = c25_addr_unmap(source);
	char text[C25_ADDR_TEXT_MAX], since[C25_CAUSE_SINCE_MAX];
	uint64_t count;

	(void)c25_addr_format(&addr, text);
	switch (c25_cause_seen(s->strangers, c25_cause_key(text, 0, 0),
	    now_ms, &count)) {
	case C25_CAUSE_DUE:
		c25_log(C25_LOG_INFO, "peers: %s is no peer's address, it is "
		    "refused: if it may use apps here, add it to "
		    "\"addresses\" of its entry in \"peers\" and reload%s",
		    text, c25_cause_since(count, since));
		break;
	case C25_CAUSE_CROWDED:
		if (c25_cause_due(&s->more_strangers, now_ms, &count))
			c25_log(C25_LOG_INFO, "peers: more addresses that are "
			    "no peer's are refused, as %s: see who may reach "
			    "listen.transitIP%s", text,
			    c25_cause_since(count, since));
		break;
	case C25_CAUSE_TOLD:
		break;
	}
}

/* One line for each request that was answered. */
static void
tell_request(const struct c25_http_request *q, int status)
{
	char text[C25_ADDR_TEXT_MAX];

	if (c25_log_get_verbosity() >= C25_LOG_QUERY)
		c25_log(C25_LOG_QUERY, "peers: request from %s: HTTP status "
		    "%d", c25_addr_format(&q->source, text), status);
}

/* Returns: the status, or 0: later. */
static int
serve(struct c25_serve *s, const struct c25_http_request *q, uint64_t now_ms,
    struct c25_buf *out)
{
	struct c25_error err = { "" };
	const char *why = "";
	uint32_t peer = 0;
	int status, r;

	s->stats.requests += !q->again;
	status = c25_serve_admit(s, &q->source, &peer, &why);
	if (status != 200) {
		if (status == 403)
			tell_stranger(s, &q->source, now_ms);
		say(out, why);
	} else if (c25_guard_body(s->guard, peer, q, wall_s(), &err) != 0) {
		status = 401;
		say(out, err.text);
	} else {
		r = c25_serve_is_long(s, peer, q) ?
		    c25_serve_long(s, peer, q, now_ms, out, &err) :
		    answer(s, peer, q, now_ms, out, &err);
		status = status_of(r);
		if (r < 0)
			say(out, err.text);
	}
	if (status != 200 && status != 0)
		s->stats.denied++;
	if (status != 0 && q->state != NULL && *q->state != NULL) {
		c25_serve_long_end(s, *q->state);
		*q->state = NULL;
	}
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
		if (status == 403)
			tell_stranger(s, &q->source, c25_now_ms());
		c25_http_fail(p, status, "%s", why);
	}
	tell_request(q, p->status);
}

static void
route_handle(void *ctx, const struct c25_http_request *q,
    struct c25_http_reply *p)
{
	struct c25_serve *s = ctx;
	const struct c25_serve_long *l = *q->state;
	uint64_t since_us = l != NULL ? l->since_us : c25_now_us();
	int status = serve(s, q, c25_now_ms(), &p->body);

	if (status == 0)
		return;		/* resumed when it can be answered */
	p->status = status;
	if (status == 503 && s->cfg != NULL)
		c25_http_reply_header(p, "Retry-After", "1");
	if (p->status == 200 && s->before_reply != NULL)
		s->before_reply(s->before_reply_ctx);
	if (p->status == 200)
		p->type = "application/json";
	finish(s, q, p);
	tell_request(q, status);
	c25_histogram_add(&s->stats.time, c25_now_us() - since_us);
}

static void
route_gone(void *ctx, void *state)
{
	c25_serve_long_end(ctx, state);
}

const struct c25_http_route c25_serve_routes[C25_SERVE_ROUTES] = {
	{ .path = C25_WIRE_PATH, .method = "POST",
	    .body_max = C25_WIRE_BODY_MAX, .admit = route_admit,
	    .handle = route_handle, .gone = route_gone },
};
