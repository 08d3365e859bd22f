/* SPDX-License-Identifier: BSD-3-Clause */
/* The pages of listen.admin: see admin.h. */

#include "admin.h"

#include <errno.h>

#include "daemon.h"
#include "health.h"
#include "report.h"
#include "state.h"

static void
healthz(void *ctx, const struct c25_http_request *q,
	struct c25_http_reply *p)
{
	(void)ctx;
	(void)q;
	c25_buf_lit(&p->body, "ok\n");
}

static void
readyz(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	(void)q;
	if (c25_health_reasons(ctx, &p->body) > 0)
		p->status = 503;
	else
		c25_buf_lit(&p->body, "ready\n");
}

static void
metrics(void *ctx, const struct c25_http_request *q,
	struct c25_http_reply *p)
{
	struct c25_report_peer peers[C25_CONNECTORS_MAX];
	struct c25_report_stats s;
	size_t n = c25_health_peers(ctx, peers);

	(void)q;
	c25_health_figures(ctx, &s);
	p->type = C25_REPORT_METRICS_TYPE;
	c25_report_metrics(&p->body, &s, peers, n);
}

static bool
state_next(void *state, struct c25_buf *out)
{
	return c25_state_more(state, out);
}

static void
state_done(void *state)
{
	c25_state_free(state);
}

static void
state(void *ctx, const struct c25_http_request *q, struct c25_http_reply *p)
{
	struct c25_state *it;
	int r = c25_state_new(ctx, &it);

	(void)q;
	if (r != 0) {
		c25_http_fail(p, 503, "%s", r == -EBUSY ?
			"others are asking: try again later" :
			"out of memory");
		return;
	}
	p->type = "application/json";
	p->more = (struct c25_http_more){ .next = state_next,
		.done = state_done, .state = it };
}

const struct c25_http_route c25_admin_routes[C25_ADMIN_ROUTES] = {
	{ .path = "/healthz", .method = "GET", .handle = healthz },
	{ .path = "/readyz", .method = "GET", .handle = readyz },
	{ .path = "/metrics", .method = "GET", .handle = metrics },
	{ .path = "/v0/conn25/state", .method = "GET", .handle = state },
};
