/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What only shows when the whole configuration is read: names and addresses
 * used twice, ranges that overlap, references that lead nowhere, roles that
 * miss something. Everything sorts, so that large files stay fast.
 */

#include "config_private.h"
#include "config_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/layout.h"

static const char *const pool_keys[C25_POOL_KINDS] = {
	[C25_POOL_V4_MAGIC] = "v4MagicIPPool",
	[C25_POOL_V4_TRANSIT] = "v4TransitIPPool",
	[C25_POOL_V6_MAGIC] = "v6MagicIPPool",
	[C25_POOL_V6_TRANSIT] = "v6TransitIPPool",
};

#define error_at(r, at, ...) \
	c25_config_error_add((r)->errs, at, false, __VA_ARGS__)
#define warn_at(r, at, ...) \
	c25_config_error_add((r)->errs, at, true, __VA_ARGS__)

/* Line of an offset; 0 when the message won't be kept anyway, as finding it
 * reads the file from its beginning. */
static unsigned
line_of(const struct c25_config_reader *r, size_t at)
{
	unsigned line = 0, column;

	if (r->errs->count < C25_CONFIG_ERRORS_MAX)
		c25_jsonc_position(r->finder.text, r->finder.len, at, &line,
			&column);
	return line;
}

/* Room for n items for a while; sets no_memory. */
static void *
room_for(struct c25_config_reader *r, size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	if (p == NULL)
		r->no_memory = true;
	return p;
}

/* ---- names -------------------------------------------------------------- */

struct named {
	const char *name;
	uint32_t index;
	size_t at;
};

static int
named_cmp(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d != 0 ? d : x->at < y->at ? -1 : x->at > y->at;
}

static int
named_find_cmp(const void *key, const void *item)
{
	return strcmp(key, ((const struct named *)item)->name);
}

/* Sort; complain of names that are there twice. */
static void
check_unique(struct c25_config_reader *r, const char *what,
	struct named *items, size_t n)
{
	char shown[C25_SHOWN_MAX];

	qsort(items, n, sizeof(*items), named_cmp);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(items[i - 1].name, items[i].name) != 0 ||
		    items[i].name[0] == '\0')
			continue;
		error_at(r, items[i].at, "%s \"%s\": the name is taken "
			"since line %u: choose another", what,
			c25_config_shown(shown, items[i].name),
			line_of(r, items[i - 1].at));
	}
}

static void
check_connector_names(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	size_t n = cfg->connector_count;
	struct named *items = room_for(r, n, sizeof(*items));

	if (items == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		items[i] = (struct named){ cfg->connectors[i].name,
			(uint32_t)i, cfg->connectors[i].at };
	check_unique(r, "connector", items, n);
	free(items);
}

static void
check_peer_names(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	size_t n = cfg->peer_count;
	struct named *items = room_for(r, n, sizeof(*items));

	if (items == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		items[i] = (struct named){ cfg->peers[i].name, (uint32_t)i,
			cfg->peers[i].at };
	check_unique(r, "peer", items, n);
	free(items);
}

/* ---- peers -------------------------------------------------------------- */

static int
u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Put a peer's apps in order, each once. */
static void
sort_peer_apps(struct c25_config_peer *peer)
{
	size_t n = 0;

	if (peer->app_count == 0)
		return;
	qsort(peer->apps, peer->app_count, sizeof(*peer->apps), u32_cmp);
	for (size_t i = 0; i < peer->app_count; i++)
		if (n == 0 || peer->apps[n - 1] != peer->apps[i])
			peer->apps[n++] = peer->apps[i];
	peer->app_count = n;
}

/* App names once each; the apps that peers name become indexes. */
static void
check_app_names(struct c25_config_reader *r)
{
	struct c25_config *cfg = r->cfg;
	size_t n = cfg->app_count;
	struct named *items = room_for(r, n, sizeof(*items));
	char shown[C25_SHOWN_MAX];

	if (items == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		items[i] = (struct named){ cfg->apps[i].name, (uint32_t)i,
			cfg->apps[i].at };
	check_unique(r, "app", items, n);
	for (size_t i = 0; i < r->peer_apps.count; i++) {
		const struct c25_config_ref *ref = &r->peer_apps.items[i];
		struct c25_config_peer *peer = &cfg->peers[ref->owner];
		const struct named *app = bsearch(ref->text, items, n,
			sizeof(*items), named_find_cmp);

		if (app != NULL) {
			peer->apps[peer->app_count++] = app->index;
			continue;
		}
		peer->unknown_apps.items[peer->unknown_apps.count++] =
			c25_reader_copy(r, ref->text);
		warn_at(r, ref->at, "app \"%s\": there is no such app: "
			"add it to \"apps\" or correct the name",
			c25_config_shown(shown, ref->text));
	}
	for (size_t i = 0; i < cfg->peer_count; i++)
		sort_peer_apps(&cfg->peers[i]);
	free(items);
}

static int
addr_ref_cmp(const void *a, const void *b)
{
	const struct c25_config_ref *x = a, *y = b;
	int d = c25_addr_cmp(&x->addr, &y->addr);

	return d != 0 ? d : x->at < y->at ? -1 : x->at > y->at;
}

static void
check_peer_addresses(struct c25_config_reader *r)
{
	struct c25_config_ref *items = r->peer_addrs.items;
	char text[C25_ADDR_TEXT_MAX], shown[C25_SHOWN_MAX];

	if (r->peer_addrs.count == 0)
		return;
	qsort(items, r->peer_addrs.count, sizeof(*items), addr_ref_cmp);
	for (size_t i = 1; i < r->peer_addrs.count; i++) {
		if (!c25_addr_eq(&items[i - 1].addr, &items[i].addr))
			continue;
		error_at(r, items[i].at, "address %s: already that of peer "
			"\"%s\" since line %u: an address tells one peer",
			c25_addr_format(&items[i].addr, text),
			c25_config_shown(shown,
				r->cfg->peers[items[i - 1].owner].name),
			line_of(r, items[i - 1].at));
	}
}

/* ---- ranges ------------------------------------------------------------- */

#define SHARED SIZE_MAX

struct place {
	const struct c25_config_range *range;
	enum c25_pool_kind kind;
	size_t connector;		/* index, or SHARED */
};

static int
place_cmp(const void *a, const void *b)
{
	const struct c25_config_range *x = ((const struct place *)a)->range;
	const struct c25_config_range *y = ((const struct place *)b)->range;
	int d = c25_addr_cmp(&x->range.first, &y->range.first);

	return d != 0 ? d : x->at < y->at ? -1 : x->at > y->at;
}

static bool
is_magic(const struct place *p)
{
	return p->kind == C25_POOL_V4_MAGIC || p->kind == C25_POOL_V6_MAGIC;
}

struct place_text {
	char text[3 * C25_SHOWN_MAX];
};

/* 'v4MagicIPPool 10.0.0.0/8' or 'transit 10.0.0.0/8 of connector "x"' */
static const char *
place_text(const struct c25_config_reader *r, const struct place *p,
	struct place_text *out)
{
	char range[2 * C25_ADDR_TEXT_MAX];

	(void)c25_range_format(&p->range->range, range);
	if (p->connector == SHARED)
		(void)snprintf(out->text, sizeof(out->text), "%s %s",
			pool_keys[p->kind], range);
	else
		(void)snprintf(out->text, sizeof(out->text), "transit %s of "
			"connector \"%.63s\"", range,
			r->cfg->connectors[p->connector].name);
	return out->text;
}

static void
overlap_error(struct c25_config_reader *r, const struct place *a,
	const struct place *b, const char *what)
{
	const struct place *early = a->range->at < b->range->at ? a : b;
	const struct place *late = early == a ? b : a;
	struct place_text x, y;

	error_at(r, late->range->at, "%s: %s %s of line %u: %s",
		place_text(r, late, &x), what, place_text(r, early, &y),
		line_of(r, early->range->at),
		"make the ranges disjoint");
}

/*
 * Complain of overlaps among `places`, which are sorted. With `own_only`
 * those that have nothing to do with a connector are left out.
 */
static void
check_disjoint(struct c25_config_reader *r, const struct place *places,
	size_t n, bool own_only)
{
	const struct place *widest = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct place *p = &places[i];

		if (widest != NULL && c25_range_overlaps(
		    &widest->range->range, &p->range->range) &&
		    !(own_only && widest->connector == SHARED &&
			p->connector == SHARED))
			overlap_error(r, p, widest, "overlaps");
		if (widest == NULL || c25_addr_cmp(&p->range->range.last,
		    &widest->range->range.last) > 0)
			widest = p;
	}
}

/*
 * A connector's own transit range is cut out of the shared pool's range that
 * it lies in; both are sorted, the shared ones disjoint.
 */
static void
check_inside(struct c25_config_reader *r, const struct place *own,
	size_t own_count, const struct place *shared, size_t shared_count)
{
	size_t j = 0;

	for (size_t i = 0; i < own_count; i++) {
		const struct c25_range *o = &own[i].range->range;
		const struct c25_range *s;

		while (j < shared_count && c25_addr_cmp(
		    &shared[j].range->range.last, &o->first) < 0)
			j++;
		if (j == shared_count)
			return;
		s = &shared[j].range->range;
		if (c25_range_overlaps(o, s) &&
		    !(c25_range_contains(s, &o->first) &&
			c25_range_contains(s, &o->last)))
			overlap_error(r, &own[i], &shared[j],
				"lies only partly within");
	}
}

static size_t
add_places(struct place *to, size_t n, const struct c25_config_ranges *from,
	enum c25_pool_kind kind, size_t connector)
{
	for (size_t i = 0; i < from->count; i++)
		to[n++] = (struct place){ &from->items[i], kind, connector };
	return n;
}

/* Which of the ranges to look at together. */
enum layer { LAYER_SHARED, LAYER_MAGIC_AND_OWN, LAYER_OWN,
	LAYER_SHARED_TRANSIT };

static size_t
pick_layer(struct place *to, const struct place *from, size_t n,
	enum layer layer)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		bool own = from[i].connector != SHARED;
		bool magic = is_magic(&from[i]);

		if ((layer == LAYER_SHARED && !own) ||
		    (layer == LAYER_MAGIC_AND_OWN && (own || magic)) ||
		    (layer == LAYER_OWN && own) ||
		    (layer == LAYER_SHARED_TRANSIT && !own && !magic))
			to[count++] = from[i];
	}
	return count;
}

static void
check_ranges(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	struct place *all = NULL, *some = NULL, *other = NULL;
	size_t n = 0, count, errors = r->errs->errors;

	for (size_t i = 0; i < C25_POOL_KINDS; i++)
		n += cfg->pools[i].count;
	for (size_t i = 0; i < cfg->connector_count; i++)
		n += cfg->connectors[i].transit_v4.count +
			cfg->connectors[i].transit_v6.count;
	if (n > C25_RANGES_MAX)
		error_at(r, C25_AT_FILE, "pools: there are %zu ranges in "
			"them: %u are the most, join neighbouring ones", n,
			C25_RANGES_MAX);
	all = room_for(r, n, sizeof(*all));
	some = room_for(r, n, sizeof(*some));
	other = room_for(r, n, sizeof(*other));
	if (all == NULL || some == NULL || other == NULL)
		goto out;
	n = 0;
	for (int i = 0; i < C25_POOL_KINDS; i++)
		n = add_places(all, n, &cfg->pools[i],
			(enum c25_pool_kind)i, SHARED);
	for (size_t i = 0; i < cfg->connector_count; i++) {
		n = add_places(all, n, &cfg->connectors[i].transit_v4,
			C25_POOL_V4_TRANSIT, i);
		n = add_places(all, n, &cfg->connectors[i].transit_v6,
			C25_POOL_V6_TRANSIT, i);
	}
	qsort(all, n, sizeof(*all), place_cmp);
	count = pick_layer(some, all, n, LAYER_SHARED);
	check_disjoint(r, some, count, false);
	count = pick_layer(some, all, n, LAYER_MAGIC_AND_OWN);
	check_disjoint(r, some, count, true);
	if (r->errs->errors == errors) {
		count = pick_layer(some, all, n, LAYER_OWN);
		n = pick_layer(other, all, n, LAYER_SHARED_TRANSIT);
		check_inside(r, some, count, other, n);
	}
out:
	free(all);
	free(some);
	free(other);
}

/* ---- connectors --------------------------------------------------------- */

static int
order_cmp(const void *a, const void *b, void *context)
{
	const struct c25_config *cfg = context;
	const struct c25_config_connector *x, *y;
	int d;

	x = &cfg->connectors[*(const uint16_t *)a];
	y = &cfg->connectors[*(const uint16_t *)b];
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	d = strcmp(x->name, y->name);
	return d != 0 ? d : x < y ? -1 : x > y;
}

static void
order_connectors(struct c25_config_reader *r)
{
	struct c25_config *cfg = r->cfg;

	if (cfg->connector_count == 0 ||
	    cfg->connector_count > C25_CONNECTORS_MAX)
		return;
	cfg->connector_order = c25_config_alloc(cfg, cfg->connector_count,
		sizeof(*cfg->connector_order));
	if (cfg->connector_order == NULL) {
		r->no_memory = true;
		return;
	}
	for (size_t i = 0; i < cfg->connector_count; i++)
		cfg->connector_order[i] = (uint16_t)i;
	qsort_r(cfg->connector_order, cfg->connector_count,
		sizeof(*cfg->connector_order), order_cmp, cfg);
}

static int
text_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
text_find_cmp(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

static bool
is_connector(const struct c25_config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->connector_count; i++)
		if (strcmp(cfg->connectors[i].name, name) == 0)
			return true;
	return false;
}

/* Warn of tags in apps that nobody has. */
static void
check_tags(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	size_t n = cfg->self.tags.count, used = 0;
	char shown[C25_SHOWN_MAX];
	const char **tags;

	for (size_t i = 0; i < cfg->connector_count; i++)
		n += cfg->connectors[i].tags.count;
	tags = room_for(r, n, sizeof(*tags));
	if (tags == NULL)
		return;
	for (size_t i = 0; i < cfg->connector_count; i++)
		for (size_t j = 0; j < cfg->connectors[i].tags.count; j++)
			tags[used++] = cfg->connectors[i].tags.items[j];
	if (c25_config_is_connector(cfg))
		for (size_t j = 0; j < cfg->self.tags.count; j++)
			tags[used++] = cfg->self.tags.items[j];
	qsort(tags, used, sizeof(*tags), text_cmp);
	for (size_t i = 0; i < r->tags.count; i++) {
		const struct c25_config_ref *ref = &r->tags.items[i];

		if (strcmp(ref->text, "*") == 0) {
			if (cfg->connector_count == 0)
				warn_at(r, ref->at, "connectors \"*\": none "
					"is configured: add \"connectors\"");
		} else if (bsearch(ref->text, tags, used, sizeof(*tags),
		    text_find_cmp) == NULL) {
			(void)c25_config_shown(shown, ref->text);
			if (is_connector(cfg, ref->text))
				warn_at(r, ref->at, "tag \"%s\": is the name "
					"of a connector, and no tag: add it "
					"to the \"tags\" of that one", shown);
			else
				warn_at(r, ref->at, "tag \"%s\": no "
					"connector has it: add it to the "
					"\"tags\" of one", shown);
		}
	}
	free(tags);
}

/* ---- roles -------------------------------------------------------------- */

static bool
has_transit(const struct c25_config *cfg, bool v6)
{
	if (cfg->pools[v6 ? C25_POOL_V6_TRANSIT :
	    C25_POOL_V4_TRANSIT].count > 0)
		return true;
	for (size_t i = 0; i < cfg->connector_count; i++)
		if ((v6 ? cfg->connectors[i].transit_v6.count :
		    cfg->connectors[i].transit_v4.count) > 0)
			return true;
	return false;
}

/* A family needs magic and transit addresses. */
static void
check_pool_pairs(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;

	for (int v6 = 0; v6 < 2; v6++) {
		const char *const *key = &pool_keys[v6 ? 2 : 0];
		const struct c25_config_ranges *magic, *transit;

		magic = &cfg->pools[v6 ? C25_POOL_V6_MAGIC :
			C25_POOL_V4_MAGIC];
		transit = &cfg->pools[v6 ? C25_POOL_V6_TRANSIT :
			C25_POOL_V4_TRANSIT];
		if (magic->count > 0 && !has_transit(cfg, v6))
			warn_at(r, magic->items[0].at, "%s: without a %s "
				"no IPv%d address is given out: add one",
				key[0], key[1], v6 ? 6 : 4);
		if (magic->count == 0 && transit->count > 0)
			warn_at(r, transit->items[0].at, "%s: of no use "
				"without a %s: add one", key[1], key[0]);
	}
}

/* Peers may use apps that lead anywhere: say so. */
static void
check_destinations(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	bool *seen = room_for(r, cfg->app_count, sizeof(*seen));
	char shown[C25_SHOWN_MAX];

	if (seen == NULL)
		return;
	for (size_t i = 0; i < cfg->peer_count; i++)
		for (size_t j = 0; j < cfg->peers[i].app_count; j++)
			seen[cfg->peers[i].apps[j]] = true;
	for (size_t i = 0; i < cfg->app_count; i++)
		if (seen[i] && !cfg->apps[i].destinations_given)
			warn_at(r, cfg->apps[i].at, "app \"%s\": its peers "
				"may reach whatever this host can%s: limit it "
				"with \"destinations\"",
				c25_config_shown(shown, cfg->apps[i].name),
				cfg->apps[i].verify_destinations ?
				", if the DNS of its domains says so" : "");
	free(seen);
}

/* An answer is bound to its request by the request's signature. */
static void
check_keys(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;

	if (cfg->self.private_key_file != NULL)
		return;
	for (size_t i = 0; i < cfg->connector_count; i++)
		if (cfg->connectors[i].public_keys.count > 0)
			warn_at(r, cfg->connectors[i].at, "connector \"%s\": "
				"only answers to signed requests can be "
				"checked, none will be accepted: set "
				"\"self\": { \"privateKeyFile\": ... }",
				cfg->connectors[i].name);
}

/* What is verified against the domains of an app that has none? */
static void
check_verified(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	char shown[C25_SHOWN_MAX];

	for (size_t i = 0; i < cfg->app_count; i++)
		if (cfg->apps[i].verify_destinations &&
		    cfg->apps[i].domain_count == 0)
			error_at(r, cfg->apps[i].at, "app \"%s\": "
				"verifyDestinations without \"domains\": "
				"list the same as its clients have",
				c25_config_shown(shown, cfg->apps[i].name));
}

/* Keys of the connector role that change nothing here. */
static void
check_unused(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	bool connector = c25_config_is_connector(cfg), verified = false;
	bool named = false;
	char shown[C25_SHOWN_MAX];

	for (size_t i = 0; i < cfg->connector_count; i++)
		named = named ||
			cfg->connectors[i].url.addr.family == C25_UNSET;
	for (size_t i = 0; i < cfg->app_count; i++) {
		verified = verified || cfg->apps[i].verify_destinations;
		if (cfg->apps[i].verify_destinations && !connector)
			warn_at(r, cfg->apps[i].at, "app \"%s\": "
				"verifyDestinations does nothing here: it is "
				"for connectors, which have \"peers\"",
				c25_config_shown(shown, cfg->apps[i].name));
	}
	if (r->resolver_at != 0 && !named && (!connector || !verified))
		warn_at(r, r->resolver_at, "resolver: does nothing here: it "
			"is for connectors with an app that has "
			"\"verifyDestinations\": true, and for names in "
			"\"url\"");
}

struct hashed {
	uint64_t hash;			/* of name and kind */
	size_t index;			/* in cfg->domains */
};

static int
hashed_cmp(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static bool
same_domain(const struct c25_spec_domain *a, const struct c25_spec_domain *b)
{
	return a->wildcard == b->wildcard && c25_name_eq(&a->name, &b->name);
}

/* A domain of two apps is the first one's, unless this host serves one. */
static void
check_domains(struct c25_config_reader *r)
{
	static const uint8_t key[16];	/* the file is nobody's attack */
	const struct c25_config *cfg = r->cfg;
	const struct c25_spec_domain *d, *first;
	char text[C25_NAME_TEXT_MAX], shown[2][C25_SHOWN_MAX];
	struct hashed *all;
	size_t i, n = cfg->domain_count;

	all = room_for(r, n, sizeof(*all));
	if (all == NULL)
		return;
	for (i = 0; i < n; i++) {
		d = &cfg->domains[i];
		all[i] = (struct hashed){ c25_hash(key, d->name.wire,
			d->name.len) ^ d->wildcard, i };
	}
	qsort(all, n, sizeof(*all), hashed_cmp);
	r->cfg->domains_apart = n;
	for (i = 1; i < n; i++) {
		first = &cfg->domains[all[i - 1].index];
		d = &cfg->domains[all[i].index];
		if (all[i].hash != all[i - 1].hash || !same_domain(d, first))
			continue;
		r->cfg->domains_apart--;
		if (d->app == first->app || c25_config_app_self(cfg, d->app))
			continue;
		(void)c25_name_to_text(d->name.wire, d->name.len, text);
		warn_at(r, r->domain_at[all[i].index], "domain \"%s%s\": "
			"app \"%s\" of line %u has it, and the first one "
			"counts: remove it from one of them",
			d->wildcard ? "*." : "",
			c25_config_shown(shown[0], text),
			c25_config_shown(shown[1], cfg->apps[first->app].name),
			line_of(r, r->domain_at[all[i - 1].index]));
	}
	free(all);
}

/* Apps without a way, and peers without an app. */
static void
check_empty(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	char shown[C25_SHOWN_MAX];

	for (size_t i = 0; c25_config_is_client(cfg) && i < cfg->app_count;
			i++)
		if (cfg->apps[i].connectors.count == 0 &&
				cfg->apps[i].domain_count > 0)
			warn_at(r, cfg->apps[i].at, "app \"%s\": has no "
				"\"connectors\": clients get magic addresses "
				"that lead nowhere",
				c25_config_shown(shown, cfg->apps[i].name));
	for (size_t i = 0; i < cfg->peer_count; i++)
		if (cfg->peers[i].app_count +
				cfg->peers[i].unknown_apps.count == 0)
			warn_at(r, cfg->peers[i].at, "peer \"%s\": has no "
				"\"apps\": whatever it asks for is refused",
				c25_config_shown(shown, cfg->peers[i].name));
}

static void
check_roles(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	const struct c25_config_listen *listen = &cfg->listen.transit_ip;

	if (!r->has.pools && !r->has.peers && !listen->set)
		error_at(r, C25_AT_FILE, "configuration: has neither "
			"\"pools\" (for a client) nor \"peers\" (for a "
			"connector): add one of them, and \"apps\"");
	else if (!r->has.apps && (r->has.pools || r->has.peers))
		error_at(r, C25_AT_FILE, "configuration: \"apps\" is "
			"missing: add what is to be reached");
	if (cfg->peer_count > 0 && !listen->set)
		warn_at(r, cfg->peers[0].at, "peers: can't reach this host: "
			"add \"listen\": { \"transitIP\": "
			"\"http://ADDRESS:PORT\" }");
	if (listen->tls && cfg->listen.certificate_file == NULL)
		error_at(r, listen->at, "transitIP: https needs a "
			"certificate: add \"tls\": { \"certificateFile\": "
			"..., \"privateKeyFile\": ... } to \"listen\", or "
			"write http://");
	if (listen->set && !listen->tls &&
	    cfg->listen.certificate_file != NULL)
		error_at(r, listen->at, "transitIP: \"tls\" with an http url "
			"does nothing: write https:// in the url, or remove "
			"it");
	if (cfg->peer_count == 0 && listen->set)
		warn_at(r, listen->at, "transitIP: there are no \"peers\": "
			"nobody may use it");
}

void
c25_config_check(struct c25_config_reader *r)
{
	check_app_names(r);
	check_connector_names(r);
	check_peer_names(r);
	check_peer_addresses(r);
	check_ranges(r);
	order_connectors(r);
	check_roles(r);
	check_verified(r);
	c25_config_check_resolve_at(r);
	if (r->errs->errors > 0)
		return;
	/* warnings that make sense only when the rest is right */
	check_pool_pairs(r);
	if (c25_config_is_client(r->cfg))
		check_tags(r);
	if (c25_config_is_client(r->cfg))
		check_domains(r);
	if (c25_config_is_client(r->cfg))
		c25_config_check_unbound(r);
	check_empty(r);
	check_keys(r);
	check_unused(r);
	if (c25_config_is_connector(r->cfg))
		check_destinations(r);
	c25_config_check_advice(r);
}
