/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of table inet conn25, made of a configuration; see
 * datapath_rules.h.
 */
#include "datapath_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct c25_chain_info c25_chains[C25_CHAINS] = {
	[C25_CHAIN_OUTPUT] = { "output", C25_HOOK_OUTPUT, true, -100 },
	[C25_CHAIN_PREROUTING] = { "prerouting", C25_HOOK_PREROUTING, true,
		-100 },
	[C25_CHAIN_POSTROUTING] = { "postrouting", C25_HOOK_POSTROUTING,
		true, 100 },
	[C25_CHAIN_REFUSE_OUTPUT] = { "refuse_output", C25_HOOK_OUTPUT,
		false, 0 },
	[C25_CHAIN_REFUSE_PREROUTING] = { "refuse_prerouting",
		C25_HOOK_PREROUTING, false, -90 },
	[C25_CHAIN_REFUSE_FORWARD] = { "refuse_forward", C25_HOOK_FORWARD,
		false, 0 },
};

const struct c25_map_info c25_map_infos[C25_MAPS] = {
	[C25_MAP_MAGIC4] = { "magic4", C25_V4, false },
	[C25_MAP_MAGIC6] = { "magic6", C25_V6, false },
	[C25_MAP_PEER4] = { "peer4", C25_V4, true },
	[C25_MAP_PEER6] = { "peer6", C25_V6, true },
};

const char *const c25_counter_names[C25_COUNTERS] = {
	[C25_COUNT_CLIENT_TRANSLATED] = "client_translated",
	[C25_COUNT_CLIENT_REFUSED] = "client_refused",
	[C25_COUNT_CONNECTOR_TRANSLATED] = "connector_translated",
	[C25_COUNT_CONNECTOR_REFUSED] = "connector_refused",
};

bool
c25_ruleset_has_chain(const struct c25_ruleset *rs, enum c25_chain chain)
{
	switch (chain) {
	case C25_CHAIN_OUTPUT:
	case C25_CHAIN_REFUSE_OUTPUT:
	case C25_CHAIN_REFUSE_PREROUTING:
		return rs->client;
	case C25_CHAIN_REFUSE_FORWARD:
		return rs->connector;
	default:
		return rs->client || rs->connector;
	}
}

bool
c25_ruleset_has_map(const struct c25_ruleset *rs, enum c25_map map)
{
	return c25_map_infos[map].peers ? rs->connector : rs->client;
}

bool
c25_ruleset_is_magic(const struct c25_ruleset *rs, const struct c25_addr *a)
{
	const struct c25_ranges *r = &rs->magic[a->family == C25_V6];
	size_t from = 0, to = r->count;

	while (from < to) {
		size_t half = (from + to) / 2;

		if (c25_addr_cmp(a, &r->items[half].first) < 0)
			to = half;
		else if (c25_addr_cmp(a, &r->items[half].last) > 0)
			from = half + 1;
		else
			return true;
	}
	return false;
}

/* ---- ranges ------------------------------------------------------------- */

static int
by_first(const void *a, const void *b)
{
	const struct c25_range *x = a, *y = b;

	return c25_addr_cmp(&x->first, &y->first);
}

/* Does `b`, which doesn't begin before `a` does, overlap or follow it? */
static bool
touches(const struct c25_range *a, const struct c25_range *b)
{
	struct c25_addr next;

	return a->last.family == b->first.family &&
		(c25_addr_add(&next, &a->last, 1) != 0 ||
		c25_addr_cmp(&b->first, &next) <= 0);
}

void
c25_ranges_merge(struct c25_ranges *r)
{
	size_t n = 0;

	if (r->count == 0)
		return;
	qsort(r->items, r->count, sizeof(*r->items), by_first);
	for (size_t i = 1; i < r->count; i++) {
		if (!touches(&r->items[n], &r->items[i]))
			r->items[++n] = r->items[i];
		else if (c25_addr_cmp(&r->items[i].last,
		    &r->items[n].last) > 0)
			r->items[n].last = r->items[i].last;
	}
	r->count = n + 1;
}

/* Room for n ranges of each family. */
static int
room(struct c25_ranges two[static 2], size_t n)
{
	for (int six = 0; six < 2; six++) {
		two[six].count = 0;
		two[six].items = calloc(n + 1, sizeof(*two[six].items));
		if (two[six].items == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void
add(struct c25_ranges two[static 2], const struct c25_range *range)
{
	struct c25_ranges *r = &two[range->first.family == C25_V6];

	r->items[r->count++] = *range;
}

static void
merge(struct c25_ranges two[static 2])
{
	c25_ranges_merge(&two[0]);
	c25_ranges_merge(&two[1]);
}

static int
collect_magic(struct c25_ruleset *rs, const struct c25_config *cfg,
	const struct c25_range *outside, size_t count)
{
	static const enum c25_pool_kind kinds[] = { C25_POOL_V4_MAGIC,
		C25_POOL_V6_MAGIC };
	size_t n = count;

	for (int k = 0; k < 2; k++)
		n += cfg->pools[kinds[k]].count;
	if (room(rs->magic, n) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		add(rs->magic, &outside[i]);
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < cfg->pools[kinds[k]].count; i++)
			add(rs->magic, &cfg->pools[kinds[k]].items[i].range);
	merge(rs->magic);
	return 0;
}

static int
collect_peers(struct c25_ruleset *rs, const struct c25_config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->peer_count; i++)
		n += cfg->peers[i].address_count;
	if (room(rs->peers, n) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->peer_count; i++)
		for (size_t k = 0; k < cfg->peers[i].address_count; k++)
			add(rs->peers, &(struct c25_range){
				cfg->peers[i].addresses[k],
				cfg->peers[i].addresses[k] });
	merge(rs->peers);
	return 0;
}

static int
collect_destinations(struct c25_ruleset *rs, const struct c25_config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->app_count; i++)
		n += cfg->apps[i].destinations.count;
	if (room(rs->destinations, n) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->app_count; i++) {
		const struct c25_config_app *app = &cfg->apps[i];

		if (!app->destinations_given)
			rs->anywhere = true;
		for (size_t k = 0; k < app->destinations.count; k++)
			add(rs->destinations,
				&app->destinations.items[k].range);
	}
	merge(rs->destinations);
	return 0;
}

/* ---- rules -------------------------------------------------------------- */

static struct c25_rule *
rule(struct c25_ruleset *rs, enum c25_chain chain, enum c25_family family)
{
	struct c25_rule *r = &rs->rules[rs->count++];

	*r = (struct c25_rule){ .chain = chain, .family = family };
	return r;
}

static void
piece(struct c25_rule *r, enum c25_piece_kind kind)
{
	r->pieces[r->count++].kind = kind;
}

static void
piece_in(struct c25_rule *r, enum c25_piece_kind kind,
	const struct c25_ranges two[static 2])
{
	piece(r, kind);
	r->pieces[r->count - 1].ranges = &two[r->family == C25_V6];
}

static void
piece_count(struct c25_rule *r, enum c25_counter counter)
{
	piece(r, C25_PIECE_COUNT);
	r->pieces[r->count - 1].counter = counter;
}

static void
piece_dnat(struct c25_rule *r, enum c25_map map4)
{
	piece(r, C25_PIECE_DNAT);
	r->pieces[r->count - 1].map = map4 + (r->family == C25_V6);
}

static const enum c25_family families[] = { C25_V4, C25_V6 };

static void
client_translates(struct c25_ruleset *rs, enum c25_chain chain)
{
	for (int f = 0; f < 2; f++) {
		struct c25_rule *r = rule(rs, chain, families[f]);

		piece_count(r, C25_COUNT_CLIENT_TRANSLATED);
		piece_dnat(r, C25_MAP_MAGIC4);
	}
}

static void
connector_translates(struct c25_ruleset *rs)
{
	for (int f = 0; f < 2; f++) {
		struct c25_rule *r = rule(rs, C25_CHAIN_PREROUTING,
			families[f]);

		piece(r, C25_PIECE_IIF);
		piece_count(r, C25_COUNT_CONNECTOR_TRANSLATED);
		piece_dnat(r, C25_MAP_PEER4);
	}
}

/* What has passed our translation leaves by the overlay, or not at all. */
static void
client_leaves(struct c25_ruleset *rs)
{
	for (int f = 0; f < 2; f++) {
		struct c25_rule *r;

		if (rs->magic[f].count == 0)
			continue;
		r = rule(rs, C25_CHAIN_POSTROUTING, families[f]);
		piece(r, C25_PIECE_OIF);
		piece(r, C25_PIECE_TRANSLATED);
		piece_in(r, C25_PIECE_ORIGINAL_DADDR, rs->magic);
		piece(r, C25_PIECE_MASQUERADE);
		r = rule(rs, C25_CHAIN_POSTROUTING, families[f]);
		piece(r, C25_PIECE_NOT_OIF);
		piece(r, C25_PIECE_TRANSLATED);
		piece_in(r, C25_PIECE_ORIGINAL_DADDR, rs->magic);
		piece_count(r, C25_COUNT_CLIENT_REFUSED);
		piece(r, C25_PIECE_DROP);
	}
}

static void
connector_leaves(struct c25_ruleset *rs)
{
	for (int f = 0; f < 2; f++) {
		struct c25_rule *r;

		if (rs->peers[f].count == 0)
			continue;
		r = rule(rs, C25_CHAIN_POSTROUTING, families[f]);
		piece(r, C25_PIECE_IIF);
		piece(r, C25_PIECE_TRANSLATED);
		piece_in(r, C25_PIECE_ORIGINAL_SADDR, rs->peers);
		piece(r, C25_PIECE_MASQUERADE);
	}
}

/* Refuse what `where` finds in `two`, or without `two` everything; while the
 * maps are being filled by saying nothing. */
static void
refuse(struct c25_ruleset *rs, enum c25_chain chain,
	enum c25_piece_kind where, const struct c25_ranges *two,
	enum c25_counter counter)
{
	static const struct { enum c25_piece_kind of, how; } ways[] = {
		{ C25_PIECE_TCP, C25_PIECE_RESET },
		{ C25_PIECE_UDP, C25_PIECE_PORT_UNREACHABLE },
		{ 0, C25_PIECE_UNREACHABLE },
	};

	for (int f = 0; f < 2; f++) {
		if (two != NULL && two[f].count == 0)
			continue;
		for (int i = rs->loading ? 2 : 0; i < 3; i++) {
			struct c25_rule *r = rule(rs, chain, families[f]);

			if (two != NULL)
				piece_in(r, where, two);
			if (i < 2)
				piece(r, ways[i].of);
			piece_count(r, counter);
			piece(r, rs->loading ? C25_PIECE_DROP : ways[i].how);
		}
	}
}

static void
established_pass(struct c25_ruleset *rs, enum c25_chain chain)
{
	struct c25_rule *r = rule(rs, chain, C25_UNSET);

	piece(r, C25_PIECE_ESTABLISHED);
	piece(r, C25_PIECE_ACCEPT);
}

static void
connector_refuses(struct c25_ruleset *rs)
{
	enum c25_chain chain = C25_CHAIN_REFUSE_FORWARD;
	struct c25_rule *r;

	established_pass(rs, chain);	/* nearly all packets */
	r = rule(rs, chain, C25_UNSET);
	piece(r, C25_PIECE_NOT_IIF);
	piece(r, C25_PIECE_ACCEPT);
	r = rule(rs, chain, C25_UNSET);
	piece(r, C25_PIECE_OIF);
	piece(r, C25_PIECE_ACCEPT);
	r = rule(rs, chain, C25_UNSET);
	piece(r, C25_PIECE_TRANSLATED);
	piece(r, C25_PIECE_ACCEPT);
	if (rs->anywhere) {
		refuse(rs, chain, C25_PIECE_DADDR, NULL,
			C25_COUNT_CONNECTOR_REFUSED);
		return;
	}
	refuse(rs, chain, C25_PIECE_SADDR, rs->peers,
		C25_COUNT_CONNECTOR_REFUSED);
	refuse(rs, chain, C25_PIECE_DADDR, rs->destinations,
		C25_COUNT_CONNECTOR_REFUSED);
}

void
c25_ruleset_load(struct c25_ruleset *rs, bool loading)
{
	rs->loading = loading;
	rs->count = 0;
	if (rs->client) {
		client_translates(rs, C25_CHAIN_OUTPUT);
		client_translates(rs, C25_CHAIN_PREROUTING);
		client_leaves(rs);
		established_pass(rs, C25_CHAIN_REFUSE_OUTPUT);
		refuse(rs, C25_CHAIN_REFUSE_OUTPUT, C25_PIECE_DADDR,
			rs->magic, C25_COUNT_CLIENT_REFUSED);
		established_pass(rs, C25_CHAIN_REFUSE_PREROUTING);
		refuse(rs, C25_CHAIN_REFUSE_PREROUTING, C25_PIECE_DADDR,
			rs->magic, C25_COUNT_CLIENT_REFUSED);
	}
	if (rs->connector) {
		connector_translates(rs);
		connector_leaves(rs);
		connector_refuses(rs);
	}
}

int
c25_ruleset_new(const struct c25_config *cfg,
	const struct c25_range *outside, size_t outside_count,
	struct c25_ruleset **out)
{
	struct c25_ruleset *rs = calloc(1, sizeof(*rs));
	int r;

	*out = NULL;
	if (rs == NULL)
		return -ENOMEM;
	rs->client = c25_config_is_client(cfg);
	rs->connector = c25_config_is_connector(cfg);
	if (cfg->datapath.overlay != NULL)
		(void)snprintf(rs->overlay, sizeof(rs->overlay), "%s",
			cfg->datapath.overlay);
	r = collect_magic(rs, cfg, outside, outside_count);
	if (r == 0 && rs->connector)
		r = collect_peers(rs, cfg);
	if (r == 0 && rs->connector)
		r = collect_destinations(rs, cfg);
	if (r != 0) {
		c25_ruleset_free(rs);
		return r;
	}
	c25_ruleset_load(rs, false);
	*out = rs;
	return 0;
}

void
c25_ruleset_free(struct c25_ruleset *rs)
{
	if (rs == NULL)
		return;
	for (int six = 0; six < 2; six++) {
		free(rs->magic[six].items);
		free(rs->peers[six].items);
		free(rs->destinations[six].items);
	}
	free(rs);
}
