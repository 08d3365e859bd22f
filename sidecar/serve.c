/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connector role: who may ask, and what of it the configuration allows.
 * It is put into sorted arrays once, so that an entry costs a few binary
 * searches.
 */

#include "serve_private.h"

#include <errno.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conn25/table.h"
#include "guard.h"
#include "own.h"

#define OWN_REFRESH_MS 30000u
#define EXPIRE_AT_ONCE 65536u
#define EPOCH_BYTES 16

/* Whose address this is. */
struct c25_serve_source {
	struct c25_addr addr;
	uint32_t peer;
};

/* An app's index by its name. */
struct c25_serve_app {
	const char *name;
	uint32_t app;
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

	*out = NULL;
	if (s == NULL || (s->guard = c25_guard_new(wall_s())) == NULL ||
	    (s->verify = c25_verify_new()) == NULL ||
	    c25_mappings_new(0, 0, &s->mappings) != 0) {
		c25_serve_free(s);
		return c25_fail(err, -ENOMEM, "out of memory");
	}
	randombytes_buf(s->key, sizeof(s->key));
	c25_serve_epoch_renew(s);
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
	c25_serve_work_free(&s->work);
	free(s->own);
	free(s);
}

static int
by_source(const void *a, const void *b)
{
	const struct c25_serve_source *x = a, *y = b;

	return c25_addr_cmp(&x->addr, &y->addr);
}

static int
by_name(const void *a, const void *b)
{
	const struct c25_serve_app *x = a, *y = b;

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
			n->sources[n->source_count++] =
			    (struct c25_serve_source){ p->addresses[k], i };
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
		n->apps[i] = (struct c25_serve_app){ cfg->apps[i].name, i };
		n->app_store[i] = (uint32_t)store;
	}
	qsort(n->apps, cfg->app_count, sizeof(*n->apps), by_name);
	return 0;
}

uint32_t
c25_serve_find_app(const struct c25_serve *s, const char *name)
{
	struct c25_serve_app key = { name, 0 };
	const struct c25_serve_app *n = bsearch(&key, s->apps,
	    s->cfg->app_count, sizeof(*s->apps), by_name);

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

enum c25_serve_reason
c25_serve_reason(const struct c25_serve *s, uint32_t app,
    const struct c25_wire_entry *e)
{
	/* where it ends if a translator or a tunnel is on the way */
	struct c25_addr inner = c25_addr_inner(&e->destination);

	if (c25_addr_len(&e->transit) == 0 ||
	    c25_addr_len(&e->destination) == 0)
		return C25_REFUSE_UNSET;
	if (is_mapped(&e->transit) || is_mapped(&e->destination))
		return C25_REFUSE_MAPPED;
	if (c25_addr_is_forbidden(&e->destination))
		return C25_REFUSE_NEVER;
	if (is_own(s, &e->destination) || is_own(s, &inner))
		return C25_REFUSE_OWN;
	return c25_config_app_allows(s->cfg, app, &e->destination) ?
	    C25_REFUSE_CODE : C25_REFUSE_DESTINATIONS;
}

/*
 * The checks of one entry that don't depend on what else is in its request,
 * in the order of DESIGN 8.
 */
enum c25_wire_code
c25_serve_check(const struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *e, uint32_t *app)
{
	*app = c25_serve_find_app(s, e->app);
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
	if (c25_serve_reason(s, *app, e) != C25_REFUSE_CODE)
		return C25_WIRE_OTHER;
	return C25_WIRE_OK;
}

/* Drop the mappings that the present configuration doesn't allow. Who sent
 * them shall see that they are gone, and why. */
static void
drop_disallowed(struct c25_serve *s)
{
	struct c25_mapping it;
	size_t cursor = 0;
	bool dropped = false;

	while (c25_mappings_next(s->mappings, &cursor, &it)) {
		struct c25_wire_entry e = { .transit = it.transit,
		    .destination = it.destination, .app = it.app };
		uint32_t app, peer = it.peer_index < s->stores ?
		    s->store_peer[it.peer_index] : 0;

		if (s->cfg == NULL || peer == 0 ||
		    c25_serve_check(s, peer - 1, &e, &app) != C25_WIRE_OK)
			dropped = c25_mappings_drop(s->mappings,
			    it.peer_index, &it.transit) == 0 || dropped;
	}
	if (dropped)
		c25_serve_epoch_renew(s);
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
	    c25_serve_check(s, peer, &e, &app) != C25_WIRE_OK)
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
	s->generation++;
	memset(s->strangers, 0, sizeof(s->strangers));
	s->more_strangers = (struct c25_cause){ 0 };
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
	struct c25_serve_source key = { .addr = c25_addr_unmap(source) };
	const struct c25_serve_source *found;

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
void
c25_serve_before_reply(struct c25_serve *s, void (*fn)(void *ctx), void *ctx)
{
	s->before_reply = fn;
	s->before_reply_ctx = ctx;
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
c25_serve_epoch_renew(struct c25_serve *s)
{
	uint8_t id[EPOCH_BYTES];

	randombytes_buf(id, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		(void)snprintf(s->epoch + 2 * i, 3, "%02x", id[i]);
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
