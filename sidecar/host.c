/* SPDX-License-Identifier: BSD-3-Clause */
/* The addresses of a connector's name; see host.h. */

#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/log.h"

#define FAMILIES 2
#define ADDRESSES_MAX (FAMILIES * C25_HOST_FAMILY_MAX)

/* The last lookup of a family. */
struct c25_host_query {
	struct c25_host *host;
	bool pending;
	enum c25_found found;
	bool refused;			/* there were addresses, but ours */
	struct c25_addr addresses[C25_HOST_FAMILY_MAX];
	size_t count;
};

struct c25_host {
	const struct c25_host_ops *ops;
	void *ctx;
	char *name;
	void (*ready)(void *ctx);
	void *ready_ctx;
	struct c25_host_query query[FAMILIES];	/* IPv6, IPv4 */
	struct c25_addr list[ADDRESSES_MAX];
	size_t count;
	size_t at;			/* the next to be tried */
	uint64_t asked_ms;		/* 0: never */
	uint64_t first_ms;		/* the first address of this lookup */
	uint64_t ttl_ms;		/* of this lookup's answers */
	uint64_t good_until_ms;
	bool missed;			/* logged that DNS doesn't answer */
	char error[C25_HOST_ERROR_MAX];
};

static bool
is_pending(const struct c25_host *h)
{
	return h->query[0].pending || h->query[1].pending;
}

/* ---- the list ------------------------------------------------------------ */

bool
c25_host_has(const struct c25_host *h, const struct c25_addr *a)
{
	for (size_t i = 0; i < h->count; i++)
		if (c25_addr_eq(&h->list[i], a))
			return true;
	return h->count == 0;
}

/* What lookups have found, the families in turn. Returns: how many. */
static size_t
merge(const struct c25_host *h, struct c25_addr out[static ADDRESSES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < C25_HOST_FAMILY_MAX; i++)
		for (size_t f = 0; f < FAMILIES; f++)
			if (i < h->query[f].count)
				out[n++] = h->query[f].addresses[i];
	return n;
}

/* A family whose lookup has failed has the addresses that it had. */
static void
keep_known(struct c25_host *h)
{
	for (size_t f = 0; f < FAMILIES; f++) {
		struct c25_host_query *q = &h->query[f];

		if (q->pending || q->found == C25_FOUND_ANSWER)
			continue;
		q->count = 0;
		for (size_t i = 0; i < h->count; i++)
			if ((h->list[i].family == C25_V4) == (f == 1))
				q->addresses[q->count++] = h->list[i];
	}
}

static void
use_found(struct c25_host *h)
{
	struct c25_addr now[ADDRESSES_MAX], last = { 0 };
	size_t at = 0, n = merge(h, now);

	if (h->count > 0)
		last = h->list[h->at];
	for (size_t i = 0; i < n; i++)
		if (h->count > 0 && c25_addr_eq(&now[i], &last))
			at = i;
	memcpy(h->list, now, n * sizeof(*now));
	h->count = n;
	h->at = at;
}

/* ---- lookups ------------------------------------------------------------- */

/* No address was found. Returns: is that certain? */
static bool
explain(struct c25_host *h)
{
	const struct c25_host_query *q = h->query;

	if (q[0].refused || q[1].refused)
		(void)snprintf(h->error, sizeof(h->error), "%.50s has a magic "
			"IP of our own: take its domain out of apps, or "
			"write an address in url", h->name);
	else if (q[0].found == C25_FOUND_BOGUS ||
	    q[1].found == C25_FOUND_BOGUS)
		(void)snprintf(h->error, sizeof(h->error), "%.50s: DNSSEC "
			"validation failed: is it for "
			"resolver.insecureDomains?", h->name);
	else if (q[0].found == C25_FOUND_FAILURE ||
	    q[1].found == C25_FOUND_FAILURE)
		(void)snprintf(h->error, sizeof(h->error), "%.50s: no answer "
			"from DNS: see resolver.forward, or else "
			"/etc/resolv.conf", h->name);
	else
		(void)snprintf(h->error, sizeof(h->error), "%.50s has no "
			"address: write the name in full, or put it into "
			"/etc/hosts", h->name);
	return q[0].found == C25_FOUND_ANSWER &&
		q[1].found == C25_FOUND_ANSWER &&
		!q[0].refused && !q[1].refused;
}

static void
finish(struct c25_host *h, uint64_t now)
{
	bool failed = h->query[0].found != C25_FOUND_ANSWER ||
		h->query[1].found != C25_FOUND_ANSWER;

	h->good_until_ms = now + (failed ? 0 : h->ttl_ms);
	if (h->query[0].count + h->query[1].count > 0) {
		if (failed)
			keep_known(h);
		use_found(h);
		if (h->missed)
			c25_log(C25_LOG_INFO, "connectors: %s: found again",
				h->name);
		h->missed = false;
		return;
	}
	h->good_until_ms = now;
	if (explain(h)) {
		h->count = 0;
		return;
	}
	if (h->count > 0 && !h->missed) {
		h->missed = true;
		c25_log(C25_LOG_ERROR, "connectors: %s: until then the "
			"addresses of before are used", h->error);
	}
}

static void
ask(struct c25_host *h, uint64_t now)
{
	static const enum c25_family family[FAMILIES] = { C25_V6, C25_V4 };

	if (is_pending(h) || (h->asked_ms != 0 &&
	    now - h->asked_ms < C25_HOST_AGAIN_MS))
		return;
	h->asked_ms = now;
	h->first_ms = 0;
	h->ttl_ms = UINT32_MAX;
	for (size_t f = 0; f < FAMILIES; f++) {
		struct c25_host_query *q = &h->query[f];

		q->found = C25_FOUND_FAILURE;
		q->refused = false;
		q->count = 0;
		q->pending = h->ops->lookup(h->ctx, q, h->name, family[f])
			== 0;
	}
	if (!is_pending(h))
		finish(h, now);
}

void
c25_host_answer(struct c25_host_query *q, const struct c25_verify_answer *a,
	uint64_t now)
{
	struct c25_host *h = q->host;

	q->pending = false;
	q->found = a->found;
	for (size_t i = 0; a->found == C25_FOUND_ANSWER && i < a->count; i++)
		if (h->ops->refuses(h->ctx, &a->addresses[i]))
			q->refused = true;
		else if (q->count < C25_HOST_FAMILY_MAX)
			q->addresses[q->count++] = a->addresses[i];
	if (q->count > 0 && (uint64_t)a->ttl_s * 1000 < h->ttl_ms)
		h->ttl_ms = (uint64_t)a->ttl_s * 1000;
	if (q->count > 0 && h->first_ms == 0)
		h->first_ms = now;
	if (!is_pending(h))
		finish(h, now);
	if (h->ready != NULL)
		h->ready(h->ready_ctx);
}

void
c25_host_refresh(struct c25_host *h, uint64_t now)
{
	if (now >= h->good_until_ms)
		ask(h, now);
}

int
c25_host_next(struct c25_host *h, uint64_t now, struct c25_addr *out)
{
	c25_host_refresh(h, now);
	if (h->count == 0 && is_pending(h)) {
		if (h->first_ms == 0 || now - h->first_ms < C25_HOST_WAIT_MS)
			return -EAGAIN;
		use_found(h);
	}
	if (h->count == 0)
		return -ENOENT;
	*out = h->list[h->at];
	return 0;
}

void
c25_host_failed(struct c25_host *h)
{
	if (h->count > 0)
		h->at = (h->at + 1) % h->count;
	h->good_until_ms = 0;
}

size_t
c25_host_count(const struct c25_host *h)
{
	return h->count;
}

const char *
c25_host_error(const struct c25_host *h)
{
	return h->error;
}

/* ---- life ---------------------------------------------------------------- */

void
c25_host_ready(struct c25_host *h, void (*ready)(void *ctx), void *ctx)
{
	h->ready = ready;
	h->ready_ctx = ctx;
}

int
c25_host_new(const struct c25_host_ops *ops, void *ctx, const char *name,
	struct c25_host **out)
{
	struct c25_host *h = calloc(1, sizeof(*h));

	if (h == NULL || (h->name = strdup(name)) == NULL) {
		free(h);
		return -ENOMEM;
	}
	h->ops = ops;
	h->ctx = ctx;
	h->query[0].host = h->query[1].host = h;
	(void)snprintf(h->error, sizeof(h->error), "%.50s: no answer from DNS "
		"yet: see resolver.forward, or else /etc/resolv.conf", name);
	*out = h;
	return 0;
}

void
c25_host_free(struct c25_host *h)
{
	if (h == NULL)
		return;
	for (size_t f = 0; f < FAMILIES; f++)
		if (h->query[f].pending)
			h->ops->cancel(h->ctx, &h->query[f]);
	free(h->name);
	free(h);
}
