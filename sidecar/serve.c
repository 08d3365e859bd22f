/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connector role: who may ask, and the decision about each entry. What
 * the configuration says is put into sorted arrays once, so that an entry
 * costs a few binary searches.
 */

#include "serve.h"

#include <errno.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "guard.h"
#include "own.h"

#define OWN_REFRESH_MS 30000u
#define REFUSED_LOG_MS 60000	/* at most one line of a peer in this time */
#define EXPIRE_AT_ONCE 65536u
#define EPOCH_BYTES 16

/* Whose address this is. */
struct source {
	struct c25_addr addr;
	uint32_t peer;
};

/* An app's index by its name. */
struct named {
	const char *name;
	uint32_t app;
};

struct peer {
	uint32_t store;			/* index in the mapping store */
	bool has[2];			/* an address of v4, v6 */
	uint64_t logged_ms;		/* last line about a refusal, 0: none */
	uint64_t unlogged;		/* refusals since */
};

struct c25_serve {
	const struct c25_config *cfg;	/* NULL: no connector role */
	struct c25_mappings *mappings;
	struct c25_guard *guard;	/* signatures */
	struct c25_verify *verify;	/* destinations */
	struct source *sources;		/* sorted by address */
	size_t source_count;
	struct named *apps;		/* sorted by name */
	uint32_t *app_store;		/* by config index: in the store */
	struct peer *peers;		/* by config index */
	uint32_t *store_peer;		/* by index in the store: config index
					 * + 1, 0: not in the configuration */
	uint32_t stores;		/* in that array */
	struct c25_addr *own;		/* sorted */
	size_t own_count;
	bool own_fixed;			/* c25_serve_own_set() */
	uint64_t own_due_ms;
	struct c25_wire_request request;
	uint8_t *codes;
	uint8_t *verdicts;		/* beside them; enum c25_verdict */
	size_t code_size;
	uint32_t *seen;			/* hash set of entry index + 1 */
	size_t seen_size;		/* allocated */
	size_t seen_mask;		/* of the part in use */
	uint8_t key[16];
	char epoch[C25_SERVE_EPOCH_MAX];
	uint32_t restored;		/* the peer of the last restored */
	void (*before_reply)(void *ctx);	/* or NULL */
	void *before_reply_ctx;
	struct c25_serve_stats stats;
};

static int64_t
wall_s(void)
{
	return (int64_t)time(NULL);
}

int
c25_serve_new(struct c25_serve **out, struct c25_error *err)
{
	struct c25_serve *s = calloc(1, sizeof(*s));
	uint8_t id[EPOCH_BYTES];

	*out = NULL;
	if (s == NULL || (s->guard = c25_guard_new(wall_s())) == NULL ||
	    (s->verify = c25_verify_new()) == NULL ||
	    c25_mappings_new(0, 0, &s->mappings) != 0) {
		c25_serve_free(s);
		return c25_fail(err, -ENOMEM, "out of memory");
	}
	randombytes_buf(s->key, sizeof(s->key));
	randombytes_buf(id, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		(void)snprintf(s->epoch + 2 * i, 3, "%02x", id[i]);
	*out = s;
	return 0;
}

/* Forget what was made of a configuration. */
static void
clear(struct c25_serve *s)
{
	free(s->sources);
	free(s->apps);
	free(s->app_store);
	free(s->peers);
	free(s->store_peer);
	s->sources = NULL;
	s->apps = NULL;
	s->app_store = NULL;
	s->peers = NULL;
	s->store_peer = NULL;
	s->stores = 0;
	s->source_count = 0;
	s->cfg = NULL;
}

void
c25_serve_free(struct c25_serve *s)
{
	if (s == NULL)
		return;
	c25_verify_free(s->verify);	/* first: it calls what waits */
	clear(s);
	c25_guard_free(s->guard);
	c25_mappings_free(s->mappings);
	c25_wire_request_free(&s->request);
	free(s->own);
	free(s->codes);
	free(s->verdicts);
	free(s->seen);
	free(s);
}

static int
by_source(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	return c25_addr_cmp(&x->addr, &y->addr);
}

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
by_addr(const void *a, const void *b)
{
	return c25_addr_cmp(a, b);
}

static int
by_index(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
index_peers(struct c25_serve *n, const struct c25_config *cfg)
{
	size_t addresses = 0;

	for (size_t i = 0; i < cfg->peer_count; i++)
		addresses += cfg->peers[i].address_count;
	n->sources = calloc(addresses + 1, sizeof(*n->sources));
	n->peers = calloc(cfg->peer_count + 1, sizeof(*n->peers));
	if (n->sources == NULL || n->peers == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cfg->peer_count; i++) {
		const struct c25_config_peer *p = &cfg->peers[i];
		int store = c25_mappings_peer(n->mappings, p->name);

		if (store < 0)
			return -ENOMEM;
		n->peers[i].store = (uint32_t)store;
		if (n->stores <= (uint32_t)store)
			n->stores = (uint32_t)store + 1;
		for (size_t k = 0; k < p->address_count; k++) {
			n->sources[n->source_count++] = (struct source){
			    p->addresses[k], i };
			n->peers[i].has[p->addresses[k].family == C25_V6] =
			    true;
		}
	}
	qsort(n->sources, n->source_count, sizeof(*n->sources), by_source);
	n->store_peer = calloc(n->stores + 1, sizeof(*n->store_peer));
	if (n->store_peer == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cfg->peer_count; i++)
		n->store_peer[n->peers[i].store] = i + 1;
	return 0;
}

static int
index_apps(struct c25_serve *n, const struct c25_config *cfg)
{
	n->apps = calloc(cfg->app_count + 1, sizeof(*n->apps));
	n->app_store = calloc(cfg->app_count + 1, sizeof(*n->app_store));
	if (n->apps == NULL || n->app_store == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cfg->app_count; i++) {
		int store = c25_mappings_app(n->mappings, cfg->apps[i].name);

		if (store < 0)
			return -ENOMEM;
		n->apps[i] = (struct named){ cfg->apps[i].name, i };
		n->app_store[i] = (uint32_t)store;
	}
	qsort(n->apps, cfg->app_count, sizeof(*n->apps), by_name);
	return 0;
}

static uint32_t
find_app(const struct c25_serve *s, const char *name)
{
	struct named key = { name, 0 };
	const struct named *n = bsearch(&key, s->apps, s->cfg->app_count,
	    sizeof(*s->apps), by_name);

	return n == NULL ? C25_APP_NONE : n->app;
}

/* May the peer use the app of this name, be it known or not? */
static bool
may_use(const struct c25_config_peer *p, uint32_t app, const char *name)
{
	if (app != C25_APP_NONE)
		return p->app_count > 0 && bsearch(&app, p->apps,
		    p->app_count, sizeof(*p->apps), by_index) != NULL;
	for (size_t i = 0; i < p->unknown_apps.count; i++)
		if (strcmp(p->unknown_apps.items[i], name) == 0)
			return true;
	return false;
}

static bool
is_mapped(const struct c25_addr *a)
{
	return c25_addr_unmap(a).family != a->family;
}

static bool
is_own(const struct c25_serve *s, const struct c25_addr *a)
{
	return s->own_count > 0 && bsearch(a, s->own, s->own_count,
	    sizeof(*s->own), by_addr) != NULL;
}

static bool
may_lead_to(const struct c25_serve *s, uint32_t app,
    const struct c25_addr *destination)
{
	/* where it ends if a translator or a tunnel is on the way */
	struct c25_addr inner = c25_addr_inner(destination);

	return !is_mapped(destination) && !is_own(s, destination) &&
	    !is_own(s, &inner) && !c25_addr_is_special(&inner) &&
	    c25_config_app_allows(s->cfg, app, destination);
}

/*
 * The checks of one entry that don't depend on what else is in its request,
 * in the order of DESIGN 8.
 */
static enum c25_wire_code
check(const struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *e, uint32_t *app)
{
	*app = find_app(s, e->app);
	if (!may_use(&s->cfg->peers[peer], *app, e->app))
		return C25_WIRE_FORBIDDEN;
	if (*app == C25_APP_NONE)
		return C25_WIRE_UNKNOWN_APP;
	if (c25_addr_len(&e->transit) == 0 ||
	    c25_addr_len(&e->destination) == 0)
		return C25_WIRE_OTHER;
	if (e->transit.family != e->destination.family)
		return C25_WIRE_FAMILIES;
	if (!s->peers[peer].has[e->transit.family == C25_V6])
		return C25_WIRE_NO_FAMILY;
	if (is_mapped(&e->transit) ||
	    !may_lead_to(s, *app, &e->destination))
		return C25_WIRE_OTHER;
	return C25_WIRE_OK;
}

/* Drop the mappings that the present configuration doesn't allow. */
static void
drop_disallowed(struct c25_serve *s)
{
	struct c25_mapping it;
	size_t cursor = 0;

	while (c25_mappings_next(s->mappings, &cursor, &it)) {
		struct c25_wire_entry e = { .transit = it.transit,
		    .destination = it.destination, .app = it.app };
		uint32_t app, peer = it.peer_index < s->stores ?
		    s->store_peer[it.peer_index] : 0;

		if (s->cfg == NULL || peer == 0 ||
		    check(s, peer - 1, &e, &app) != C25_WIRE_OK)
			(void)c25_mappings_drop(s->mappings, it.peer_index,
			    &it.transit);
	}
}

int
c25_serve_restore(struct c25_serve *s, const char *name,
    const struct c25_addr *transit, const struct c25_addr *destination,
    const char *app_name, uint64_t sent_ms)
{
	struct c25_wire_entry e = { .transit = *transit,
	    .destination = *destination, .app = app_name };
	uint32_t app, peer = s->restored;

	if (s->cfg == NULL)
		return -EPERM;
	/* They come peer by peer. */
	if (peer >= s->cfg->peer_count ||
	    strcmp(s->cfg->peers[peer].name, name) != 0)
		for (peer = 0; peer < s->cfg->peer_count; peer++)
			if (strcmp(s->cfg->peers[peer].name, name) == 0)
				break;
	if (peer == s->cfg->peer_count ||
	    check(s, peer, &e, &app) != C25_WIRE_OK)
		return -EPERM;
	s->restored = peer;
	return c25_mappings_restore(s->mappings, s->peers[peer].store,
	    transit, destination, s->app_store[app], sent_ms);
}

int
c25_serve_configure(struct c25_serve *s, const struct c25_config *cfg,
    struct c25_error *err)
{
	struct c25_serve n = { .mappings = s->mappings };
	struct c25_verify_domains *domains = NULL;

	if (c25_verify_domains_new(cfg, &domains) != 0 ||
	    (cfg != NULL && c25_config_is_connector(cfg) &&
	    (index_peers(&n, cfg) != 0 || index_apps(&n, cfg) != 0)) ||
	    c25_guard_configure(s->guard, cfg) != 0) {
		c25_verify_domains_free(domains);
		clear(&n);
		return c25_fail(err, -ENOMEM, "out of memory");
	}
	clear(s);
	c25_verify_configure(s->verify, cfg, domains);
	s->cfg = cfg != NULL && c25_config_is_connector(cfg) ? cfg : NULL;
	s->sources = n.sources;
	s->source_count = n.source_count;
	s->apps = n.apps;
	s->app_store = n.app_store;
	s->peers = n.peers;
	s->store_peer = n.store_peer;
	s->stores = n.stores;
	if (cfg != NULL)
		c25_mappings_limit(s->mappings,
			cfg->limits.mappings_per_peer);
	c25_serve_own_refresh(s);
	drop_disallowed(s);
	return 0;
}

void
c25_serve_tick(struct c25_serve *s, uint64_t now_ms)
{
	(void)c25_mappings_expire(s->mappings, now_ms, EXPIRE_AT_ONCE);
	c25_verify_tick(s->verify, now_ms);
	if (now_ms >= s->own_due_ms) {
		s->own_due_ms = now_ms + OWN_REFRESH_MS;
		c25_serve_own_refresh(s);
	}
}

void
c25_serve_own_refresh(struct c25_serve *s)
{
	struct c25_addr *own;
	size_t n;

	if (s->own_fixed || c25_own_list(&own, &n) != 0)
		return;
	free(s->own);
	s->own = own;
	s->own_count = n;
}

void
c25_serve_own_set(struct c25_serve *s, const struct c25_addr *addrs,
    size_t count)
{
	struct c25_addr *own = calloc(count + 1, sizeof(*own));

	if (own == NULL)
		return;
	memcpy(own, addrs, count * sizeof(*own));
	qsort(own, count, sizeof(*own), by_addr);
	free(s->own);
	s->own = own;
	s->own_count = count;
	s->own_fixed = true;
}

int
c25_serve_admit(struct c25_serve *s, const struct c25_addr *source,
    uint32_t *peer, const char **why)
{
	struct source key = { .addr = c25_addr_unmap(source) };
	const struct source *found;

	if (s->cfg == NULL) {
		*why = "no connector role is configured here";
		return 503;
	}
	found = bsearch(&key, s->sources, s->source_count,
	    sizeof(*s->sources), by_source);
	if (found == NULL) {
		*why = "you are not a known peer";
		return 403;
	}
	*peer = found->peer;
	return 200;
}

bool
c25_serve_knows(void *serve, const struct c25_addr *source)
{
	const char *why;
	uint32_t peer;

	return c25_serve_admit(serve, source, &peer, &why) == 200;
}

/* Was this entry's transit address accepted earlier in the request? *at is
 * its place in the set. */
static bool
seen_find(struct c25_serve *s, const struct c25_wire_entry *entries,
    size_t i, size_t *at)
{
	const struct c25_addr *t = &entries[i].transit;
	size_t mask = s->seen_mask;
	size_t k = (size_t)c25_hash(s->key, t, sizeof(*t)) & mask;

	for (; s->seen[k] != 0; k = (k + 1) & mask)
		if (c25_addr_eq(&entries[s->seen[k] - 1].transit, t))
			break;
	*at = k;
	return s->seen[k] != 0;
}

static bool
seen_start(struct c25_serve *s, size_t count)
{
	size_t size = 16;
	uint32_t *more;

	while (size < count * 2)
		size *= 2;
	if (size > s->seen_size) {
		if ((more = realloc(s->seen, size * sizeof(*more))) == NULL)
			return false;
		s->seen = more;
		s->seen_size = size;
	}
	memset(s->seen, 0, size * sizeof(*s->seen));
	s->seen_mask = size - 1;
	return true;
}

/* Is the destination one of the app's domains, as far as is known or (with a
 * wait) can be found out? */
static enum c25_verdict
verify(struct c25_serve *s, uint32_t app, const struct c25_wire_entry *e,
    uint64_t now_ms, struct c25_verify_wait *wait)
{
	if (!s->cfg->apps[app].verify_destinations)
		return C25_VERDICT_OK;
	return c25_verify_ask(s->verify, &(struct c25_verify_question){
	    .app = app, .domain = e->domain,
	    .destination = &e->destination }, now_ms, wait);
}

/* All checks of one entry but for the first; what passes is put. */
static enum c25_wire_code
decide(struct c25_serve *s, uint32_t peer, const struct c25_wire_entry *e,
    uint64_t now_ms, enum c25_verdict *verdict)
{
	uint32_t app;
	enum c25_wire_code code = check(s, peer, e, &app);

	*verdict = code == C25_WIRE_OK ? verify(s, app, e, now_ms, NULL) :
	    C25_VERDICT_OK;
	if (*verdict != C25_VERDICT_OK)
		code = C25_WIRE_OTHER;
	if (code == C25_WIRE_OK && c25_mappings_put(s->mappings,
	    s->peers[peer].store, &e->transit, &e->destination,
	    s->app_store[app], now_ms) < 0)
		code = C25_WIRE_OTHER;
	return code;
}

/* Say what was refused: an administrator of this host can change it. */
static void
tell_refused(struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *e, enum c25_wire_code code, uint64_t now_ms)
{
	char addr[C25_ADDR_TEXT_MAX];
	struct peer *p = &s->peers[peer];

	p->unlogged++;
	if (p->logged_ms != 0 && now_ms - p->logged_ms < REFUSED_LOG_MS)
		return;
	p->logged_ms = now_ms;
	c25_log(C25_LOG_INFO, "peer %s: %s of app %.64s is refused, code %u: "
	    "%s (%llu such since the last message)", s->cfg->peers[peer].name,
	    c25_addr_format(&e->destination, addr), e->app, code,
	    c25_wire_message(code), (unsigned long long)p->unlogged);
	p->unlogged = 0;
}

static void
decide_all(struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *entries, size_t count, uint64_t now_ms,
    uint8_t *codes, uint8_t *verdicts)
{
	bool ready = seen_start(s, count);

	for (size_t i = 0; i < count; i++) {
		enum c25_verdict verdict = C25_VERDICT_OK;
		size_t at;

		if (!ready)
			codes[i] = C25_WIRE_OTHER;
		else if (seen_find(s, entries, i, &at))
			codes[i] = C25_WIRE_DUPLICATE;
		else if ((codes[i] = decide(s, peer, &entries[i], now_ms,
		    &verdict)) == C25_WIRE_OK)
			s->seen[at] = (uint32_t)i + 1;
		if (verdicts != NULL)
			verdicts[i] = verdict;
		s->stats.codes[codes[i]]++;
		if (codes[i] == C25_WIRE_OK) {
			s->stats.mappings_ok++;
			continue;
		}
		s->stats.mappings_refused++;
		tell_refused(s, peer, &entries[i], codes[i], now_ms);
	}
}

void
c25_serve_entries(struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *entries, size_t count, uint64_t now_ms,
    uint8_t *codes)
{
	decide_all(s, peer, entries, count, now_ms, codes, NULL);
}

static int
say(struct c25_buf *out, int status, const char *why)
{
	c25_buf_clear(out);
	c25_buf_str(out, why);
	c25_buf_lit(out, "\n");
	return status;
}

static bool
codes_room(struct c25_serve *s, size_t count)
{
	uint8_t *more;

	if (count <= s->code_size)
		return true;
	if ((more = realloc(s->codes, count)) == NULL)
		return false;
	s->codes = more;
	if ((more = realloc(s->verdicts, count)) == NULL)
		return false;
	s->verdicts = more;
	s->code_size = count;
	return true;
}

/* The message of an entry, if it was refused by its verdict. */
static const char *
refusal(void *ctx, size_t i, char buf[static C25_WIRE_WHY_MAX])
{
	struct c25_serve *s = ctx;

	_Static_assert(C25_VERIFY_TEXT_MAX <= C25_WIRE_WHY_MAX, "room");
	return s->verdicts[i] == C25_VERDICT_OK ? NULL : c25_verify_text(
	    s->verdicts[i], s->request.entries[i].domain, buf);
}

static void
resume(void *ctx)
{
	c25_http_resume(ctx);
}

/* Is one of its apps verified? */
static bool
asks_for_verified(const struct c25_serve *s)
{
	for (size_t i = 0; i < s->request.count; i++) {
		uint32_t app = find_app(s, s->request.entries[i].app);

		if (app != C25_APP_NONE &&
		    s->cfg->apps[app].verify_destinations)
			return true;
	}
	return false;
}

/* Must the request that was parsed wait for lookups? Then it does. */
static bool
must_wait(struct c25_serve *s, uint32_t peer,
    const struct c25_http_request *q, uint64_t now_ms)
{
	struct c25_http_later *later = NULL;
	struct c25_verify_wait *wait;
	uint32_t app;

	if (q->again || !c25_verify_wanted(s->verify) ||
	    !asks_for_verified(s) || (wait = c25_verify_wait_new(s->verify,
	    s->peers[peer].store, now_ms)) == NULL)
		return false;
	for (size_t i = 0; i < s->request.count; i++)
		if (check(s, peer, &s->request.entries[i], &app) ==
		    C25_WIRE_OK)
			(void)verify(s, app, &s->request.entries[i], now_ms,
			    wait);
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
	struct c25_error err = { "" };
	int r = c25_wire_request_parse(&s->request, q->body, q->body_len,
	    &err);
	size_t count = s->request.count;

	if (r == 0 && !codes_room(s, count))
		r = c25_fail(&err, -ENOMEM, "out of memory");
	if (r == 0 && must_wait(s, peer, q, now_ms)) {
		c25_wire_request_clear(&s->request);
		return 0;
	}
	if (r == 0) {
		decide_all(s, peer, s->request.entries, count, now_ms,
		    s->codes, s->verdicts);
		c25_wire_response_write_why(out, s->codes, count, refusal,
		    s);
	}
	c25_wire_request_clear(&s->request);
	if (r == 0)
		return 200;
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

void
c25_serve_before_reply(struct c25_serve *s, void (*fn)(void *ctx), void *ctx)
{
	s->before_reply = fn;
	s->before_reply_ctx = ctx;
}

int
c25_serve_request(struct c25_serve *s, const struct c25_addr *source,
    const char *body, size_t len, uint64_t now_ms, struct c25_buf *out)
{
	return serve(s, &(struct c25_http_request){ .source = *source,
	    .body = body, .body_len = len }, now_ms, out);
}

void
c25_serve_key(struct c25_serve *s, const struct c25_key *key)
{
	c25_guard_key(s->guard, key);
}

struct c25_verify *
c25_serve_verify(struct c25_serve *s)
{
	return s->verify;
}

struct c25_mappings *
c25_serve_mappings(struct c25_serve *s)
{
	return s->mappings;
}

const char *
c25_serve_epoch(const struct c25_serve *s)
{
	return s->epoch;
}

void
c25_serve_epoch_set(struct c25_serve *s, const char *epoch)
{
	(void)snprintf(s->epoch, sizeof(s->epoch), "%s", epoch);
}

const struct c25_serve_stats *
c25_serve_stats(const struct c25_serve *s)
{
	return &s->stats;
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
