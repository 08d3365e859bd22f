/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What conn25d starts with and is seldom meant: addresses that get into each
 * other's way, listeners that are open to more than they should be. Only who
 * asks for it (struct c25_config_errors) is told.
 */

#include "config_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define advise_at(r, at, ...) \
	c25_config_error_add((r)->errs, at, true, __VA_ARGS__)

/* As many assignments to one transit address are certainly too many. */
#define TRANSIT_PART 16

/* ---- pools --------------------------------------------------------------- */

static const char *const pool_keys[C25_POOL_KINDS] = {
	[C25_POOL_V4_MAGIC] = "v4MagicIPPool",
	[C25_POOL_V4_TRANSIT] = "v4TransitIPPool",
	[C25_POOL_V6_MAGIC] = "v6MagicIPPool",
	[C25_POOL_V6_TRANSIT] = "v6TransitIPPool",
};

/* Not anybody's on the Internet. Ref: RFC 6890, RFC 6598, RFC 9637. */
static const char *const nobodys[] = {
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
	"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/3",
	"::-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2::/48",
	"2001:db8::/32", "3fff::/20",
	"4000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

static bool
is_public(const struct c25_range *range)
{
	for (size_t i = 0; i < sizeof(nobodys) / sizeof(*nobodys); i++) {
		struct c25_range r;

		if (c25_range_parse(&r, nobodys[i], strlen(nobodys[i])) == 0 &&
		    c25_range_contains(&r, &range->first) &&
		    c25_range_contains(&r, &range->last))
			return false;
	}
	return true;
}

static void
check_public(struct c25_config_reader *r, const char *key,
	const struct c25_config_ranges *ranges)
{
	char text[2 * C25_ADDR_TEXT_MAX];

	for (size_t i = 0; i < ranges->count; i++) {
		const struct c25_range *range = &ranges->items[i].range;

		if (is_public(range))
			advise_at(r, ranges->items[i].at, "%s: %s are "
				"addresses of the Internet, whose hosts can't "
				"be reached then: take private ones, such as "
				"of %s", key, c25_range_format(range, text),
				range->first.family == C25_V6 ? "fd00::/8" :
				"100.64.0.0/10");
	}
}

/* The range that has this address, or NULL. */
static const struct c25_range *
find_range(const struct c25_config_ranges *ranges, const struct c25_addr *a)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (c25_range_contains(&ranges->items[i].range, a))
			return &ranges->items[i].range;
	return NULL;
}

/* Packets to a pool's address are translated, or refused: a connector in
 * there is never reached. */
static void
check_url_in_pools(struct c25_config_reader *r,
	const struct c25_config_connector *c)
{
	const struct c25_config *cfg = r->cfg;
	struct c25_addr addr = c25_addr_unmap(&c->url.addr);
	const struct c25_range *range = NULL;
	const char *key = "transit";
	char text[2 * C25_ADDR_TEXT_MAX];

	for (int i = 0; i < C25_POOL_KINDS && range == NULL; i++) {
		key = pool_keys[i];
		range = find_range(&cfg->pools[i], &addr);
	}
	for (size_t i = 0; i < cfg->connector_count && range == NULL; i++) {
		key = "transit";
		range = find_range(&cfg->connectors[i].transit_v4, &addr);
		if (range == NULL)
			range = find_range(&cfg->connectors[i].transit_v6,
				&addr);
	}
	if (range != NULL)
		advise_at(r, c->at, "connector \"%s\": url %s is within %s "
			"%s, and so leads to no connector: write the address "
			"that it has on the overlay, or take that out of the "
			"pool", c->name, c->url.text, key,
			c25_range_format(range, text));
}

static uint64_t
plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t
addresses(const struct c25_config_ranges *ranges)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ranges->count; i++)
		n = plus(n, c25_range_count(&ranges->items[i].range));
	return n;
}

static const struct c25_config_ranges *
own_transit(const struct c25_config_connector *c, bool v6)
{
	return v6 ? &c->transit_v6 : &c->transit_v4;
}

/* Those of the shared pool that connectors' own are cut out of. */
static uint64_t
shared_transit(const struct c25_config *cfg, bool v6)
{
	const struct c25_config_ranges *shared = &cfg->pools[v6 ?
		C25_POOL_V6_TRANSIT : C25_POOL_V4_TRANSIT];
	uint64_t n = addresses(shared), cut = 0;

	for (size_t i = 0; i < cfg->connector_count; i++) {
		const struct c25_config_ranges *own =
			own_transit(&cfg->connectors[i], v6);

		for (size_t j = 0; j < own->count; j++)
			if (find_range(shared, &own->items[j].range.first))
				cut = plus(cut, c25_range_count(
					&own->items[j].range));
	}
	/* so many are enough, whatever is cut out of them */
	return n == UINT64_MAX ? n : n - cut;
}

/* An assignment needs one address of each pool. */
static void
check_transit_sizes(struct c25_config_reader *r, bool v6)
{
	const struct c25_config *cfg = r->cfg;
	const struct c25_config_ranges *shared = &cfg->pools[v6 ?
		C25_POOL_V6_TRANSIT : C25_POOL_V4_TRANSIT];
	uint64_t need = addresses(&cfg->pools[v6 ? C25_POOL_V6_MAGIC :
		C25_POOL_V4_MAGIC]), n;
	bool is_used = cfg->connector_count == 0;

	if (need > cfg->table.max_assignments)
		need = cfg->table.max_assignments;
	for (size_t i = 0; i < cfg->connector_count; i++) {
		const struct c25_config_connector *c = &cfg->connectors[i];
		const struct c25_config_ranges *own = own_transit(c, v6);

		n = addresses(own);
		is_used = is_used || own->count == 0;
		if (own->count > 0 && n < need / TRANSIT_PART)
			advise_at(r, own->items[0].at, "connector \"%s\": "
				"transit has %llu IPv%d addresses for up to "
				"%llu assignments, further names get "
				"SERVFAIL: enlarge it", c->name,
				(unsigned long long)n, v6 ? 6 : 4,
				(unsigned long long)need);
	}
	n = shared_transit(cfg, v6);
	if (is_used && shared->count > 0 && n < need / TRANSIT_PART)
		advise_at(r, shared->items[0].at, "%s: has %llu addresses, "
			"without those of \"transit\", for up to %llu "
			"assignments, further names get SERVFAIL: enlarge it",
			pool_keys[v6 ? C25_POOL_V6_TRANSIT :
			C25_POOL_V4_TRANSIT], (unsigned long long)n,
			(unsigned long long)need);
}

/* ---- connectors ---------------------------------------------------------- */

/* Search domains don't count, and few servers answer for such a name. */
static void
check_one_label(struct c25_config_reader *r,
	const struct c25_config_connector *c)
{
	const char *host = c->url.host;
	size_t n = strcspn(host, ".");

	if (c->url.addr.family != C25_UNSET || (host[n] == '.' &&
	    host[n + 1] != '\0') || strcasecmp(host, "localhost") == 0)
		return;
	advise_at(r, c->at, "connector \"%s\": url %s has a name of one label, "
		"and search domains don't count: write it in full, unless "
		"/etc/hosts has it", c->name, c->url.text);
}

/* ---- listeners ----------------------------------------------------------- */

static bool
is_wildcard(const struct c25_config_listen *l)
{
	static const uint8_t zero[16];
	struct c25_addr a = c25_addr_unmap(&l->addr);

	return l->set && memcmp(a.bytes, zero, c25_addr_len(&a)) == 0;
}

static void
check_listeners(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	size_t unsigned_peers = 0;

	for (size_t i = 0; i < cfg->peer_count; i++)
		unsigned_peers += cfg->peers[i].public_keys.count == 0;
	if (is_wildcard(&cfg->listen.admin))
		advise_at(r, cfg->listen.admin.at, "admin: %s shows all names "
			"and addresses to whoever reaches this host: write "
			"127.0.0.1, or the address that only monitoring "
			"reaches", cfg->listen.admin.text);
	if (is_wildcard(&cfg->listen.transit_ip) && unsigned_peers > 0)
		advise_at(r, cfg->listen.transit_ip.at, "transitIP: %s is not "
			"on the overlay alone, which vouches for the "
			"addresses of peers: write this host's address there, "
			"or give %s a \"publicKey\"",
			cfg->listen.transit_ip.text, unsigned_peers ==
			cfg->peer_count ? "peers" : "each peer");
}

/* Which apps peers may use, for free(); NULL: no memory. */
static bool *
apps_of_peers(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	bool *used = calloc(cfg->app_count + 1, sizeof(*used));

	if (used == NULL) {
		r->no_memory = true;
		return NULL;
	}
	for (size_t i = 0; i < cfg->peer_count; i++)
		for (size_t j = 0; j < cfg->peers[i].app_count; j++)
			used[cfg->peers[i].apps[j]] = true;
	return used;
}

/* An app whose list is no limit; who verifies has another one. */
static void
check_open_apps(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	bool *used = apps_of_peers(r);
	char shown[C25_SHOWN_MAX], text[2 * C25_ADDR_TEXT_MAX];

	if (used == NULL)
		return;
	for (size_t i = 0; i < cfg->app_count; i++) {
		const struct c25_config_app *app = &cfg->apps[i];

		if (!used[i] || app->verify_destinations)
			continue;
		for (size_t j = 0; j < app->destinations.count; j++) {
			(void)c25_range_format(&app->destinations.items[j].
				range, text);
			if (strcmp(text, "0.0.0.0/0") == 0 ||
			    strcmp(text, "::/0") == 0)
				advise_at(r, app->destinations.items[j].at,
					"app \"%s\": destinations %s are no "
					"limit: name the networks that it is "
					"in, or set \"verifyDestinations\"",
					c25_config_shown(shown, app->name),
					text);
		}
	}
	free(used);
}

/* An app that no name leads to, be it of this host's clients or of peers. */
static void
check_unnamed_apps(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	bool *used = apps_of_peers(r);
	char shown[C25_SHOWN_MAX];

	for (size_t i = 0; used != NULL && i < cfg->app_count; i++)
		if (!used[i] && cfg->apps[i].domain_count == 0)
			advise_at(r, cfg->apps[i].at, "app \"%s\": has no "
				"\"domains\": no name leads to it, add them",
				c25_config_shown(shown, cfg->apps[i].name));
	free(used);
}

/* ---- all of it ----------------------------------------------------------- */

static void
check_client(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;

	for (int i = 0; i < C25_POOL_KINDS; i++)
		check_public(r, pool_keys[i], &cfg->pools[i]);
	for (size_t i = 0; i < cfg->connector_count; i++) {
		const struct c25_config_connector *c = &cfg->connectors[i];

		check_public(r, "transit", &c->transit_v4);
		check_public(r, "transit", &c->transit_v6);
		check_url_in_pools(r, c);
		check_one_label(r, c);
	}
	check_transit_sizes(r, false);
	check_transit_sizes(r, true);
	check_unnamed_apps(r);
	if (cfg->dns.max_ttl_s == 0)
		advise_at(r, r->max_ttl_at, "maxTTL: 0 lets nobody keep an "
			"answer, so that each connection begins with a query: "
			"write 60, or more");
}

void
c25_config_check_advice(struct c25_config_reader *r)
{
	if (!r->errs->advice)
		return;
	if (c25_config_is_client(r->cfg))
		check_client(r);
	check_listeners(r);
	if (c25_config_is_connector(r->cfg))
		check_open_apps(r);
}
